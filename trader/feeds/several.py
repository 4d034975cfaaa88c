"""Several venues as one feed: each runs on its own, and one that is down stops none of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from shared.clock import Clock
from shared.errors import FeedError
from trader.engine.inputs import ALL, InputRow, batch
from trader.feeds.assets import asset_numbers
from trader.feeds.instruments import Instrument
from trader.feeds.rows import bar_row, instrument_row
from trader.feeds.side_by_side import until_the_first_ends
from trader.feeds.stats import FeedStats
from trader.feeds.streaming import Sink

HISTORY_MINUTES = 120
CHECK_S = 0.25  # how often counters are added up
_RETRY_S = 1.0
_RETRY_CAP_S = 30.0
_MEASURED = ("clock_offset_ms", "clock_round_trip_ms", "feed_lag_ms")

T = TypeVar("T")
Rows = npt.NDArray[np.void]


class VenueFeed(Protocol):
    """What one venue's feed can do; see :class:`trader.app.Feed`."""

    ended: asyncio.Event

    async def instruments(self) -> list[Instrument]:
        """Return the facts of the venue's symbols, in their order."""
        ...

    async def history(self, symbol: str, minutes: int) -> npt.NDArray[np.float64]:
        """Return closed minutes, oldest first."""
        ...

    async def run(self) -> None:
        """Deliver inputs until cancelled."""
        ...


Maker = Callable[[Sequence[str], FeedStats, Sink], VenueFeed]
"""Makes a venue's feed of symbols (its own names), counters and sink."""


class SeveralFeed:
    """The feeds of several venues.

    Parameters
    ----------
    symbols
        In the engine's order, ``NAME@venue``.
    makers
        By venue.
    clock
        Stamps what no frame brings.
    stats
        Gets the sum of all counters, and each venue's own.
    sink
        Gets the rows of all, with the engine's symbol numbers.
    fresh
        Whether the engine is new and wants the minutes before.
    """

    def __init__(
        self, symbols: Sequence[str], makers: dict[str, Maker], *, clock: Clock, stats: FeedStats, sink: Sink, fresh: bool
    ) -> None:
        self._clock = clock
        self._sink = sink
        self._fresh = fresh
        self.stats = stats
        self.ended = asyncio.Event()
        self._assets = asset_numbers(symbols)
        self._over = False  # that the connections are closed now is no news of the market
        self._members: list[_Member] = []
        for venue, make in makers.items():
            own = [(index, symbol.partition("@")[0]) for index, symbol in enumerate(symbols) if symbol.endswith(f"@{venue}")]
            if own:
                self._members.append(_Member(venue, [name for _, name in own], [index for index, _ in own], make, self._deliver))
        stats.venues.update({member.venue: member.stats for member in self._members})
        stats.sockets_wanted = len(self._members)  # until each knows how many it needs
        self._told: dict[str, str] = {}

    async def instruments(self) -> list[Instrument]:
        """Return nothing: each venue's come as inputs once it answers."""
        return []

    async def history(self, symbol: str, minutes: int) -> npt.NDArray[np.float64]:  # noqa: ARG002 - as every feed
        """Return nothing: each venue's come as inputs once it answers."""
        return np.zeros((0, 6))

    async def run(self) -> None:
        """Stream all venues until cancelled. A wrong symbol or a failure of the sink ends it; a venue that is down does not."""
        streams = (self._run(member) for member in self._members)
        await until_the_first_ends(*streams, self._turn(), before_the_rest=self._end)

    def _end(self) -> None:
        self._over = True

    async def _run(self, member: _Member) -> None:
        known = await self._until_answered(member, member.feed.instruments)
        now_ns = self._clock.now_ns()
        facts = zip(member.indexes, known, strict=True)
        self._give([instrument_row(index, now_ns, item, self._assets[index]) for index, item in facts])
        for index, name in zip(member.indexes, member.names, strict=True) if self._fresh else ():
            bars = await self._until_answered(member, partial(member.feed.history, name, HISTORY_MINUTES))
            self._give([bar_row(index, self._clock.now_ns(), bar) for bar in bars])
        await member.feed.run()

    async def _until_answered(self, member: _Member, ask: Callable[[], Awaitable[T]]) -> T:
        wait_s = _RETRY_S
        while True:
            try:
                return await ask()
            except FeedError as error:
                member.stats.failed_fetches += 1
                member.stats.last_error = str(error)
            await asyncio.sleep(wait_s)
            wait_s = min(2.0 * wait_s, _RETRY_CAP_S)

    def _give(self, rows: list[InputRow]) -> None:
        if rows:
            self._deliver(batch(rows))

    def _deliver(self, rows: Rows) -> None:
        if self._over:
            return
        self.stats.last_message_ns = self._clock.now_ns()
        self._sink(rows)

    async def _turn(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            join_stats(self.stats)
            self._tell()

    def _tell(self) -> None:
        """Pass on what went wrong at a venue, once, with its name."""
        for member in self._members:
            error = member.stats.last_error
            if error and error != self._told.get(member.venue):
                self._told[member.venue] = error
                self.stats.last_error = f"{member.venue}: {error}"


class _Member:
    """One venue: its feed, and where its symbols stand in the engine."""

    def __init__(self, venue: str, names: list[str], indexes: list[int], make: Maker, deliver: Sink) -> None:
        self.venue = venue
        self.names = names
        self.indexes = indexes
        self.stats = FeedStats(sockets_wanted=1)
        self._places = np.arange(ALL + 1, dtype=np.uint8)
        self._places[: len(indexes)] = indexes
        self._deliver = deliver
        self.feed = make(names, self.stats, self._take)

    def _take(self, rows: Rows) -> None:
        """Put the engine's numbers in; what concerns all symbols of the venue concerns only those of the venue."""
        symbols = rows["symbol"]
        if (symbols == ALL).any():
            rows = np.concatenate([self._each(rows[i : i + 1]) for i in range(len(rows))])
        else:
            rows["symbol"] = self._places[symbols]
        self._deliver(rows)

    def _each(self, one: Rows) -> Rows:
        if one["symbol"][0] != ALL:
            placed = one.copy()
            placed["symbol"] = self._places[one["symbol"]]
            return placed
        copies = np.repeat(one, len(self.indexes))
        copies["symbol"] = self.indexes
        return copies


def join_stats(total: FeedStats) -> None:
    """Add the counters of all venues up, in place. Of clock and lag the worst is shown."""
    parts = list(total.venues.values())
    for item in fields(FeedStats):
        values = [getattr(part, item.name) for part in parts]
        if item.type == "int" and item.name != "last_message_ns":
            setattr(total, item.name, sum(values))
        elif item.name in _MEASURED:
            setattr(total, item.name, max(values, key=abs, default=0.0))
    total.stream_last_ns = {name: ns for part in parts for name, ns in part.stream_last_ns.items()}
    total.silent_streams = {name for part in parts for name in part.silent_streams}
