"""A handler under fire, whatever its venue: what came of the damaged frames, and the commands that print it.

Allowed is an error that names field, value and what was expected; never anything else, never a number the engine may not have,
never a crossed book that the engine believes.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from shared.clock import ManualClock
from trader.engine.engine import Engine
from trader.engine.state import new_state
from trader.feeds.stats import FeedStats
from trader.market.book import is_crossed

DOCUMENTED = re.compile(r"^[\w.\[\] @:']+: was .+, expected .+|^[\w.\[\]]+: was .+, .+", re.DOTALL)


class Outcome(msgspec.Struct):
    """What a fuzz of one market came to; ``handler_s`` is processor time."""

    market: str
    frames: int = 0
    damaged: int = 0
    refused: int = 0
    ignored: int = 0
    breaks: int = 0
    resyncs: int = 0
    rows: int = 0
    crossed_refused: int = 0
    silently_crossed: int = 0
    undocumented: list[str] = msgspec.field(default_factory=list)
    handler_s: float = 0.0
    total_s: float = 0.0


class Fuzz(ABC):
    """One market under fire."""

    _handler: Any

    def __init__(self, market: str, symbols: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._stats = FeedStats()
        self._clock = ManualClock()
        self._engine = Engine(new_state(symbols, 100_000.0))
        self._symbols = symbols
        self._last_error = ""
        self.outcome = Outcome(market)

    def run(self, damaged: int) -> Outcome:
        """Send until ``damaged`` frames have been damaged."""
        begun_ns = time.monotonic_ns()
        self._bombard(damaged)
        outcome, stats = self.outcome, self._stats
        outcome.refused, outcome.ignored, outcome.breaks = stats.bad_messages, stats.unknown_events, stats.chain_breaks
        outcome.resyncs, outcome.crossed_refused = stats.resyncs, stats.crossed_books
        outcome.total_s = (time.monotonic_ns() - begun_ns) / 1e9
        return outcome

    @abstractmethod
    def _bombard(self, damaged: int) -> None: ...

    @abstractmethod
    def _impossible(self, rows: npt.NDArray[np.void]) -> bool:
        """Say whether a row holds what no row of this venue may."""

    def _send(self, frame: bytes) -> None:
        self.outcome.frames += 1
        begun_ns = time.process_time_ns()  # other programs on the machine are none of the handler's cost
        try:
            self._handler.on_frame(frame)
            rows = self._handler.take()
        except Exception as error:  # noqa: BLE001 - that there is none is what is being found out
            self.outcome.undocumented.append(f"{type(error).__name__}: {error} at {frame[:200]!r}")
            return
        self.outcome.handler_s += (time.process_time_ns() - begun_ns) / 1e9
        if self._stats.last_error != self._last_error:
            self._last_error = self._stats.last_error
            self._check_words(self._last_error)
        if rows.size:
            self._believe(rows, frame)

    def _check_words(self, error: str) -> None:
        if not DOCUMENTED.match(error):
            self.outcome.undocumented.append(error)

    def _believe(self, rows: npt.NDArray[np.void], frame: bytes) -> None:
        """Let the engine take the rows, and look at what it then holds for true."""
        self.outcome.rows += len(rows)
        if not np.isfinite([rows[name] for name in "abcd"]).all() or self._impossible(rows):
            self.outcome.undocumented.append(f"rows {rows[:3]} of {frame[:200]!r}")
        self._engine.process(rows)
        for symbol in self._engine.state[0]["symbols"][: self._symbols]:
            if symbol["book_valid"] and is_crossed(symbol):  # an empty side is nothing to trade on either
                self.outcome.silently_crossed += 1


def print_outcomes(*outcomes: Outcome) -> None:
    """Print the table and the commonest of what was not documented; leave with 1 if anything came that may not."""
    table = Table("market", "frames", "damaged", "refused", "unknown, ignored", "chain breaks", "resyncs", "input rows",
                  "crossed, refused", "silently crossed", "undocumented", "handler frames/CPU s", "all s")  # fmt: skip
    problems: Counter[str] = Counter()
    for found in outcomes:
        problems.update(found.undocumented)
        counts = (found.frames, found.damaged, found.refused, found.ignored, found.breaks, found.resyncs, found.rows,
                  found.crossed_refused, found.silently_crossed, len(found.undocumented))  # fmt: skip
        speed = f"{found.frames / found.handler_s:,.0f}"
        table.add_row(found.market, *(f"{count:,}" for count in counts), speed, f"{found.total_s:.0f}")
    console = Console(width=170)
    console.print(table)
    for text, count in problems.most_common(10):
        console.print(f"{count} × {text}", markup=False)
    if problems or any(found.silently_crossed for found in outcomes):
        raise SystemExit(1)
