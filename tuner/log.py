"""The tuner's log file: what it does line by line, and each decision in a box."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import IO

import click
import msgspec
from rich.cells import cell_len, set_cell_size

from shared.clock import Clock, iso_utc

_INNER = 78  # cells between the borders of an 80-column box
_LABEL = 12
_REASONING_LINES = 3


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """What the box of a decision shows."""

    time_ns: int
    action: str
    symbol: str
    confidence_pct: float
    changes: str
    reasoning: str
    latency_ms: float
    input_tokens: int
    output_tokens: int
    cost_usd: float
    status: str
    what_if: str = ""


class TunerLog:
    """Writes ``tuner_YYYYMMDD_HHMMSS.log``, and to the terminal as well if told to."""

    def __init__(self, folder: Path, clock: Clock, *, echo: bool) -> None:
        self._clock = clock
        self._echo = echo
        stamp = iso_utc(clock.now_ns())
        self.path = folder / f"tuner_{stamp[:10].replace('-', '')}_{stamp[11:19].replace(':', '')}.log"
        self._file: IO[str] = self.path.open("a", encoding="utf-8", buffering=1)

    def line(self, topic: str, text: str) -> None:
        """Write one line: time, topic in brackets, text."""
        self._write(f"[{iso_utc(self._clock.now_ns())}] [{topic}] {text}")

    def box(self, box: Box) -> None:
        """Write a decision."""
        self._write("\n".join(boxed(box)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, text: str) -> None:
        self._file.write(text + "\n")
        if self._echo:
            click.echo(text)


def boxed(box: Box) -> list[str]:
    """Return the lines of a decision's box, each 80 cells wide; what does not fit is clipped with …."""
    confidence = f"Confidence: {box.confidence_pct:.0f}%"
    reasoning = textwrap.wrap(box.reasoning, _INNER - 2 - _LABEL, max_lines=_REASONING_LINES, placeholder=" …") or ["-"]
    tried = textwrap.wrap(box.what_if, _INNER - 2 - _LABEL, max_lines=2, placeholder=" …")
    rows = [
        f"TUNING DECISION @ {iso_utc(box.time_ns)}",
        f"{_field('Action', f'{box.action:<21}')}{f'Symbol: {box.symbol}':<23}{confidence}",
        _field("Changes", box.changes or "none"),
        *(_field("Reasoning" if number == 0 else "", part) for number, part in enumerate(reasoning)),
        _field("API Stats", _stats(box)),
        *(_field("What if" if number == 0 else "", part) for number, part in enumerate(tried)),
        _field("Status", box.status),
    ]
    edge = "═" * _INNER
    return [f"╔{edge}╗", *(f"║ {_clipped(row)} ║" for row in rows), f"╚{edge}╝"]


def _stats(box: Box) -> str:
    tokens = f"{box.input_tokens} in / {box.output_tokens} out tokens"
    return f"{box.latency_ms:.0f} ms · {tokens} · ${box.cost_usd:.4f}"


def _field(name: str, text: str) -> str:
    label = f"{name}:" if name else ""
    return f"{label:<{_LABEL}}{text}"


def _clipped(text: str) -> str:
    """Return text of exactly the inner width, by the cells a terminal gives it."""
    width = _INNER - 2
    flat = " ".join(text.splitlines())
    if cell_len(flat) > width:
        return set_cell_size(flat, width - 1) + "…"
    return set_cell_size(flat, width)
