"""The feed of one Binance market: sockets, snapshots and handler tied together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_S, Clock
from shared.errors import FeedError
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.binance.rest import BinanceRest
from trader.feeds.binance.venue import MAX_AGE_S, SIM_STREAM, Endpoints, SocketPlan
from trader.feeds.budget import Budget
from trader.feeds.connection import Socket, SocketLimits
from trader.feeds.instruments import Instrument
from trader.feeds.raw import RawRecorder, Recorded
from trader.feeds.side_by_side import until_the_first_ends
from trader.feeds.stats import FeedStats
from trader.feeds.venue_clock import VenueClock

Sink = Callable[[npt.NDArray[np.void]], None]

_IDLE_TURN_S = 0.05  # how often the hold is looked at when nothing comes
_SNAPSHOTS_AT_ONCE = 4
_RETRY_S = 0.1  # the first repetition of a snapshot request comes fast: a stale one is a matter of milliseconds
_RETRY_CAP_S = 15.0
_CLOCK_FIRST_S = 1.0  # between the first questions for the venue's time, until the quickest of a few is known
_CLOCK_S = 30.0
_CLOCK_FIRST = 4
_LAG_EVERY_NS = NS_PER_S


class _Line:
    """The receiving end of one socket."""

    def __init__(self, feed: BinanceFeed) -> None:
        self._feed = feed

    @property
    def finished(self) -> bool:
        return self._feed.ended.is_set()

    def on_frame(self, frame: bytes) -> str:
        return self._feed.handler.on_frame(frame)

    def deliver(self) -> None:
        self._feed.deliver()

    def on_connected(self) -> None:
        pass

    def on_replaced(self) -> None:
        self._feed.handler.on_replaced()

    def on_disconnected(self) -> None:
        self._feed.handler.on_disconnected()
        self._feed.stirred.set()


class BinanceFeed:
    """Streams a market into a sink.

    Parameters
    ----------
    endpoints
        Of the venue, or of a simulator.
    symbols
        In the engine's order.
    clock, rng
        Time, and the jitter of retries.
    stats
        Counters to keep.
    hold
        Hold rows back until all books are in step: see :mod:`trader.feeds.binance.handler`.
    sink
        Gets the rows (dtype ``shared.layout.INPUT``, shape (n,)) on the event loop's thread, in order, after each message or
        several that came together.
        What it raises ends :meth:`run`.
    sim
        Follow the simulator's time and its end.
    raw
        Keeps the frames as they came, and the snapshots between them.

    Attributes
    ----------
    ended
        Set when the simulator has said that nothing more comes, and all of it has been delivered.
    stirred
        To be set when there may be rows that no message brings.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        symbols: Sequence[str],
        *,
        clock: Clock,
        rng: np.random.Generator,
        stats: FeedStats,
        sink: Sink,
        hold: bool = False,
        sim: bool = False,
        limits: SocketLimits | None = None,
        raw: RawRecorder | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._symbols = [symbol.upper() for symbol in symbols]
        self._clock = clock
        self._rng = rng
        self._stats = stats
        self._sink = sink
        self._sim = sim
        self._raw = raw
        self._limits = limits or SocketLimits(max_age_s=MAX_AGE_S)
        self._budget = Budget(endpoints.weights.per_min, clock, rng)
        self.venue_clock = VenueClock()
        self._lag_ns = clock.now_ns()
        self._wanted = asyncio.Event()  # a book may need a snapshot
        self.stirred = asyncio.Event()  # something happened that no message tells
        self._in_flight: set[str] = set()
        self._attempts: dict[tuple[str, int], int] = {}  # requests for one start of a symbol's book
        self.handler = BinanceHandler(endpoints.market, self._symbols, endpoints.trade_stream, clock, stats, hold=hold)
        self.ended = asyncio.Event()

    async def instruments(self) -> list[Instrument]:
        """Return the facts of the symbols, in their order.

        Errors
        ------
        UsageError
            If one does not exist or does not trade.
        FeedError
            If the venue does not answer.
        """
        async with BinanceRest(self._endpoints, self._clock, self._rng, self._budget) as rest:
            return await rest.instruments(self._symbols)

    async def history(self, symbol: str, minutes: int) -> npt.NDArray[np.float64]:
        """Return closed 1-minute candles, oldest first, shape (n, 6): open time ms, open, high, low, close, volume.

        Errors
        ------
        FeedError
            If the venue does not answer.
        """
        async with BinanceRest(self._endpoints, self._clock, self._rng, self._budget) as rest:
            return await rest.history(symbol.upper(), minutes)

    async def run(self) -> None:
        """Stream until the simulator ends or the task is cancelled; without a network, keep trying."""
        self._stats.sockets_wanted = len(self._endpoints.sockets)
        async with BinanceRest(self._endpoints, self._clock, self._rng, self._budget) as rest:
            sockets = [self._socket(plan).run() for plan in self._endpoints.sockets]
            clock = [self._measure_clock(rest)] if self._endpoints.measure_clock else []
            await until_the_first_ends(*sockets, self._keep_books(rest), self._turn(), self.ended.wait(), *clock)

    def deliver(self) -> None:
        """Hand what has become known to the sink, and see what is wanted next."""
        rows = self.handler.take()
        if rows.size:
            self._sink(rows)
        if self.handler.books_waiting:
            self._wanted.set()
        if self.handler.sim_ended and not self.handler.holding:
            self.ended.set()

    def _socket(self, plan: SocketPlan) -> Socket:
        streams = plan.streams(self._symbols)
        optional = plan.optional_streams(self._symbols)
        params = [SIM_STREAM, *streams, *optional] if self._sim else [*streams, *optional]
        # One message for all: it costs one of the few control messages a second, and a simulator starts with all at once.
        subscribe = msgspec.json.encode({"method": "SUBSCRIBE", "params": params, "id": 1}).decode()
        line = _Line(self)
        return Socket(
            self._endpoints.ws_url + plan.path,
            [subscribe],
            streams,
            line if self._raw is None else Recorded(line, self._raw, self._stats),
            clock=self._clock,
            rng=self._rng,
            stats=self._stats,
            limits=self._limits,
            direct=self._endpoints.direct,
            steady={} if self._sim else plan.steady(self._symbols),
            on_replaced=None if self._sim else line.on_replaced,
        )

    async def _turn(self) -> None:
        """Deliver what no message delivers: rows freed by a snapshot, or by the end of holding back."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_TURN_S):
                    await self.stirred.wait()
            self.stirred.clear()
            self.deliver()
            self._measure_lag()

    def _measure_lag(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._lag_ns >= _LAG_EVERY_NS and not self._sim:
            self._lag_ns = now_ns
            self._stats.feed_lag_ms = self.handler.lag.median_ms(now_ns, self.venue_clock.offset_ms)

    async def _measure_clock(self, rest: BinanceRest) -> None:
        """Ask for the venue's time: a few times at once, then now and then. A question without an answer changes nothing."""
        asked, known, told = 0, self.venue_clock, False
        while True:
            asked += 1
            with suppress(FeedError):
                known.add(*await rest.time())
                self._stats.clock_offset_ms, self._stats.clock_round_trip_ms = known.offset_ms, known.round_trip_ms
                alarm = known.alarm(self._endpoints.venue)
                if alarm and not told:
                    self._stats.last_error = alarm
                told = bool(alarm)
            await asyncio.sleep(_CLOCK_FIRST_S if asked < _CLOCK_FIRST else _CLOCK_S)

    async def _keep_books(self, rest: BinanceRest) -> None:
        """Request the snapshots that are wanted: one at a time for a symbol, few at a time in all."""
        at_once = asyncio.Semaphore(_SNAPSHOTS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                for symbol in self.handler.snapshots_wanted():
                    if symbol not in self._in_flight:
                        self._in_flight.add(symbol)
                        group.create_task(self._fetch(rest, symbol, at_once))

    async def _fetch(self, rest: BinanceRest, symbol: str, at_once: asyncio.Semaphore) -> None:
        purpose = (symbol, self.handler.starts(symbol))
        attempt = self._attempts.get(purpose, 0)
        self._attempts = {key: count for key, count in self._attempts.items() if key[0] != symbol} | {purpose: attempt + 1}
        if attempt:
            await asyncio.sleep(float(self._rng.uniform(0.0, min(_RETRY_CAP_S, _RETRY_S * 2.0 ** min(attempt, 30)))))
        try:
            async with at_once:
                body = await rest.snapshot(symbol)
            if self._raw is not None:
                self._raw.keep(body)
            self.handler.on_snapshot(symbol, body)
        except FeedError as error:
            self._stats.failed_fetches += 1
            self._stats.last_error = str(error)
        self._in_flight.discard(symbol)
        self.stirred.set()
