"""Recorded replies from a JSONL file: by the prompt's hash, or in order for each symbol."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from shared.errors import ConfigError
from shared.events import Action
from shared.params import PARAMS
from tuner.advisors.base import Reply
from tuner.prompt import Prompt


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file.

    ``reply`` is the text as received, or the decision as an object. ``prompt_sha256`` ties it to one prompt; without, it
    answers the next prompt about ``symbol`` (any symbol if that is empty). ``delay_s`` makes it arrive as late as it did.
    """

    reply: str | dict[str, Any]
    prompt_sha256: str = ""
    symbol: str = ""
    model: str = ""
    error: str = ""
    delay_s: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def text(self) -> str:
        """The reply as text."""
        return self.reply if isinstance(self.reply, str) else json.dumps(self.reply)

    @property
    def about(self) -> str:
        """The symbol it answers for, empty for any."""
        return self.symbol or (str(self.reply.get("symbol", "")) if isinstance(self.reply, dict) else "")


class ReplayAdvisor:
    """Answers from a recording; what is not recorded is HOLD.

    Errors
    ------
    ConfigError
        If the file cannot be read; the message names the line.
    """

    name = "replay"

    def __init__(self, path: Path, max_deadline_s: float = 60.0) -> None:
        self.model = path.name
        self.max_deadline_s = max_deadline_s
        entries = _read(path)
        self._by_prompt = {entry.prompt_sha256: entry for entry in entries if entry.prompt_sha256}
        self._in_order = deque(entry for entry in entries if not entry.prompt_sha256)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The file."""
        return {"file": self.model}

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:  # noqa: ARG002
        """Return the recorded reply."""
        entry = self._by_prompt.get(prompt.sha256) or self._next(prompt.symbol)
        if entry is None:
            return Reply(text=nothing_recorded(prompt.symbol), stop_reason="end_turn", model=self.model, advisor=self.name)
        if entry.delay_s > 0:
            threading.Event().wait(min(entry.delay_s, deadline_s))
        if entry.delay_s > deadline_s:
            return Reply(error=f"replay: no answer within {deadline_s:g} s", model=entry.model or self.model)
        return Reply(
            text=entry.text,
            stop_reason="end_turn",
            input_tokens=entry.input_tokens,
            output_tokens=entry.output_tokens,
            cost_usd=entry.cost_usd,
            latency_ms=entry.delay_s * 1e3,
            model=entry.model or self.model,
            error=entry.error,
            advisor=self.name,
        )

    def _next(self, symbol: str) -> Recorded | None:
        for entry in self._in_order:
            if entry.about in ("", symbol):
                self._in_order.remove(entry)
                return entry
        return None


def nothing_recorded(symbol: str) -> str:
    """Return the HOLD that stands in for a reply nobody recorded."""
    return json.dumps(
        {
            "action": Action.HOLD.name,
            "symbol": symbol,
            "params": {param.name: None for param in PARAMS},
            "confidence_pct": 0,
            "reasoning": "No reply was recorded for this prompt.",
            "cited": [],
        }
    )


def _read(path: Path) -> list[Recorded]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"replay file: was {str(path)!r} ({error}), expected a readable JSONL file") from error
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entries.append(msgspec.json.decode(line, type=Recorded))
        except msgspec.DecodeError as error:
            raise ConfigError(f"replay file line {number}: was unusable ({error}), expected one recorded reply") from error
    return entries
