"""The protocol every advisor follows, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from shared.clock import NS_PER_MS, Clock
from tuner.prompt import Prompt


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. A non-empty ``error`` means the text is not to be used, only to be recorded.

    ``input_tokens`` counts everything the model read, from a cache or not; ``output_tokens`` includes ``thinking_tokens``.
    ``advisor`` is the kind that answered, ``fallbacks`` says why those before it in the chain did not.
    """

    text: str = ""
    stop_reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    thinking_tokens: int = 0
    cost_usd: float = 0.0
    latency_ms: float = 0.0
    model: str = ""
    error: str = ""
    advisor: str = ""
    fallbacks: tuple[str, ...] = ()


class Advisor(Protocol):
    """Something that proposes. It never raises for what a model or a network may do: that goes into ``Reply.error``."""

    @property
    def name(self) -> str:
        """Kind of advisor: claude, ollama, local, rules or replay."""
        ...

    @property
    def model(self) -> str:
        """Model behind it, empty if there is none."""
        ...

    @property
    def max_deadline_s(self) -> float:
        """Longest time it makes sense to wait for it, s."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything besides prompt and schema that can change its answer: server, model, options."""
        ...

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the reply to a prompt, or an error once ``deadline_s`` has passed."""
        ...


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What a first small question to an advisor showed.

    ``fatal`` says why it can never answer (no such model, a key that is refused); empty if it may. ``note`` is for the status.
    """

    fatal: str = ""
    note: str = ""


PROBE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"word": {"type": "string", "enum": ["ready"]}, "count": {"type": ["integer", "null"]}},
    "required": ["word", "count"],
    "additionalProperties": False,
}
"""A schema that a reply only follows if the server holds the model to it."""

PROBE_SYSTEM = "Answer with one JSON object of the form you were given, and with nothing else."
PROBE_TEXT = "Are you ready?"
"""A question that does not say what the schema wants: only a server that holds the model to it, or shows it, gets the answer."""


def follows_probe(text: str) -> bool:
    """Say whether a reply to the probe follows its schema."""
    try:
        answer = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return isinstance(answer, dict) and set(answer) == {"word", "count"} and answer["word"] == "ready"


def timed(clock: Clock, ask: Callable[[], Reply], *, advisor: str, model: str) -> Reply:
    """Return what ``ask`` returns, with its latency and who it was."""
    started_ns = clock.monotonic_ns()
    reply = ask()
    latency_ms = (clock.monotonic_ns() - started_ns) / NS_PER_MS
    return msgspec.structs.replace(reply, latency_ms=latency_ms, model=reply.model or model, advisor=advisor)
