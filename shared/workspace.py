"""All segments of one running system, opened together."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import numpy.typing as npt

from shared import layout
from shared.clock import Clock
from shared.commands import CommandSender
from shared.errors import NotRunning, UsageError
from shared.params import CONTROLS, SYMBOL_FIELDS
from shared.ring import RingReader
from shared.segment import Segment
from shared.seqlock import read_copy
from shared.wishes import WishRow

LAYOUTS: dict[str, np.dtype[Any]] = {
    "config": layout.CONFIG,
    "symbol_cfgs": layout.SYMBOL_CFGS,
    "portfolio": layout.PORTFOLIO,
    "events": layout.EVENTS,
    "commands": layout.COMMANDS,
    "tuner": layout.TUNER,
}
"""Segments every process knows. Journal and checkpoint belong to the trader alone."""


def controls_row(segment: Segment) -> WishRow:
    """Return the row of global controls of the ``config`` segment."""
    body = segment.body
    return WishRow(
        segment, (body["desired_version"], body["desired"][0]), (body["applied_version"], body["applied"][0]), CONTROLS
    )


def symbol_row(segment: Segment, index: int) -> WishRow:
    """Return one symbol's row of the ``symbol_cfgs`` segment."""
    body = segment.body[0]
    desired = (body["desired_version"][index : index + 1], body["desired"][index])
    applied = (body["applied_version"][index : index + 1], body["applied"][index])
    return WishRow(segment, desired, applied, SYMBOL_FIELDS)


class Workspace:
    """A reader's (and wisher's) view of a running trader.

    Errors
    ------
    NotRunning
        At construction, if there is no trader of this instance; also if the one found is dead.
    """

    def __init__(self, instance: str, clock: Clock, *, require_alive: bool = True) -> None:
        self.instance = instance
        self._clock = clock
        self._portfolio = Segment.attach("portfolio", layout.PORTFOLIO, instance)
        if require_alive and not self._portfolio.owner_alive:
            self._portfolio.close()
            raise NotRunning("trader: is dead, its last state is still in memory; start the trader again to recover it")
        self._events = Segment.attach("events", layout.EVENTS, instance)
        self._config = Segment.attach("config", layout.CONFIG, instance, writable=True)
        self._symbol_cfgs = Segment.attach("symbol_cfgs", layout.SYMBOL_CFGS, instance, writable=True)
        self._commands = Segment.attach("commands", layout.COMMANDS, instance, writable=True)
        self.controls = controls_row(self._config)
        self.symbols = [name.decode() for name in self._symbol_cfgs.body[0]["symbols"][: int(self._symbol_cfgs.body[0]["count"])]]
        self.symbol_rows = [symbol_row(self._symbol_cfgs, i) for i in range(len(self.symbols))]
        self.commands = CommandSender(self._commands, self._events, clock)

    def portfolio(self) -> npt.NDArray[np.void]:
        """Return a consistent private copy of the published state, dtype ``PORTFOLIO_VIEW``, shape ()."""
        body = self._portfolio.body
        view: npt.NDArray[np.void] = read_copy(body["version"], body["copies"][0])[0]
        return view

    def events(self, *, from_start: bool = False, last: int = 0) -> RingReader:
        """Return a new reader of the trade events."""
        return RingReader(self._events.body, from_start=from_start, last=last)

    @property
    def override_epoch(self) -> int:
        """The epoch of the manual override: it grows each time the human takes the wheel."""
        return int(self._config.body["override_epoch"][0])

    @property
    def trader_alive(self) -> bool:
        """Say whether the trader's process still runs."""
        return self._portfolio.owner_alive

    @property
    def epoch(self) -> int:
        """Creation time of the trader's segments: another value means it was restarted."""
        return self._portfolio.epoch

    @property
    def heartbeat_age_ms(self) -> float:
        """Age of the trader's last published loop, ms."""
        return (self._clock.now_ns() - int(self._portfolio.header["heartbeat_ns"][0])) / 1e6

    def symbol_index(self, symbol: str) -> int:
        """Return the index of a configured symbol.

        Errors
        ------
        UsageError
            If it is not configured; the message lists those that are.
        """
        if symbol.upper() not in self.symbols:
            raise UsageError(f"symbol: was {symbol!r}, expected one of {', '.join(self.symbols)}")
        return self.symbols.index(symbol.upper())

    def close(self) -> None:
        """Unmap everything."""
        for segment in (self._portfolio, self._events, self._config, self._symbol_cfgs, self._commands):
            segment.close()


class TunerView:
    """A reader's view of the tuner's segment."""

    def __init__(self, instance: str) -> None:
        self._segment = Segment.attach("tuner", layout.TUNER, instance)

    @property
    def alive(self) -> bool:
        """Say whether the tuner's process still runs."""
        return self._segment.owner_alive

    @property
    def epoch(self) -> int:
        """Creation time of the segment."""
        return self._segment.epoch

    @property
    def heartbeat_ns(self) -> int:
        """Last turn of the tuner's loop, ns since the epoch."""
        return int(self._segment.header["heartbeat_ns"][0])

    def status(self) -> npt.NDArray[np.void]:
        """Return a consistent private copy of the tuner's status, dtype ``TUNER_VIEW``, shape ()."""
        body = self._segment.body
        view: npt.NDArray[np.void] = read_copy(body["version"], body["copies"][0])[0]
        return view

    def events(self, *, from_start: bool = False, last: int = 0) -> RingReader:
        """Return a new reader of the tuner's events."""
        return RingReader(self._segment.body["events"], from_start=from_start, last=last)

    def close(self) -> None:
        """Unmap."""
        self._segment.close()


def find_tuner(instance: str) -> TunerView | None:
    """Return the tuner's view, or None if no tuner has run in this instance."""
    with contextlib.suppress(NotRunning):
        return TunerView(instance)
    return None
