"""The protocol every advisor follows, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from tuner.prompt import Prompt


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. A non-empty ``error`` means the text is not to be used, only to be recorded."""

    text: str = ""
    stop_reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cost_usd: float = 0.0
    latency_ms: float = 0.0
    model: str = ""
    error: str = ""


class Advisor(Protocol):
    """Something that proposes. It never raises for what a model or a network may do: that goes into ``Reply.error``."""

    @property
    def name(self) -> str:
        """Kind of advisor: claude, ollama, rules or replay."""
        ...

    @property
    def model(self) -> str:
        """Model behind it, empty if there is none."""
        ...

    @property
    def max_deadline_s(self) -> float:
        """Longest time it makes sense to wait for it, s."""
        ...

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the reply to a prompt, or an error once ``deadline_s`` has passed."""
        ...
