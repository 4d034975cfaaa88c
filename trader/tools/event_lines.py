"""Events of trader and tuner, merged in order of time, as lines that can be printed or dumped."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.clock import clock_time
from shared.events import EventKind, TunerEventKind, colour_of, describe
from shared.layout import EVENTS_CAPACITY, TUNER_EVENTS_CAPACITY
from shared.ring import RingReader
from shared.tuner_events import tuner_colour, tuner_words
from shared.workspace import Workspace, find_tuner


class EventLine(msgspec.Struct, frozen=True):
    """One event in words."""

    time_ns: int
    process: str
    seq: int
    kind: str
    symbol: str
    text: str
    colour: tuple[int, int, int]

    @property
    def clock(self) -> str:
        """Time of day, UTC."""
        return clock_time(self.time_ns)

    def as_dict(self) -> dict[str, object]:
        """Return what ``--json`` prints."""
        named: dict[str, object] = msgspec.to_builtins(self)
        del named["colour"]
        return named


class EventSource:
    """Reads both rings; each reader has its own cursor and counts its own losses."""

    def __init__(self, workspace: Workspace) -> None:
        self._symbols = workspace.symbols
        self._trade: RingReader = workspace.events(from_start=True)
        tuner = find_tuner(workspace.instance)
        self._tuner: RingReader | None = tuner.events(from_start=True) if tuner else None

    @staticmethod
    def known_kinds() -> list[str]:
        """Return the names ``--type`` takes."""
        return [kind.name for kind in EventKind] + [kind.name for kind in TunerEventKind]

    @property
    def lost(self) -> int:
        """Events overwritten before this reader came to them."""
        return self._trade.lost + (self._tuner.lost if self._tuner else 0)

    def history(self) -> list[EventLine]:
        """Return all that is still in memory."""
        return self._read(EVENTS_CAPACITY, TUNER_EVENTS_CAPACITY)

    def new(self) -> list[EventLine]:
        """Return what came since the last call."""
        return self._read(4096, 1024)

    def _read(self, trade_limit: int, tuner_limit: int) -> list[EventLine]:
        lines = [self._trade_line(event) for event in self._trade.read(trade_limit)]
        if self._tuner is not None:
            lines += [self._tuner_line(event) for event in self._tuner.read(tuner_limit)]
        return sorted(lines, key=lambda line: line.time_ns)

    def _name(self, index: int) -> str:
        return self._symbols[index] if 0 <= index < len(self._symbols) else ""

    def _trade_line(self, event: Any) -> EventLine:
        kind = EventKind(int(event["kind"])).name
        symbol = self._name(int(event["symbol"]))
        text = describe(event, self._symbols)
        return EventLine(int(event["time_ns"]), "trader", int(event["seq"]), kind, symbol, text, colour_of(event))

    def _tuner_line(self, event: Any) -> EventLine:
        kind = TunerEventKind(int(event["kind"])).name
        symbol = self._name(int(event["symbol"]))
        text = tuner_words(event, self._symbols)
        return EventLine(int(event["time_ns"]), "tuner", int(event["seq"]), kind, symbol, text, tuner_colour(event))
