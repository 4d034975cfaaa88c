"""The feed of Hyperliquid: one socket, the name check before it, and the handler tied together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_S, Clock
from shared.errors import FeedError
from trader.feeds.connection import Keepalive, Socket, SocketLimits, Steady
from trader.feeds.hyperliquid.handler import HyperliquidHandler
from trader.feeds.hyperliquid.rest import HyperliquidRest
from trader.feeds.hyperliquid.venue import BOOK, CONTEXT, PING_EVERY_S, SIM_TIME, USUAL_AGE_MS, Endpoints
from trader.feeds.instruments import Instrument
from trader.feeds.raw import RawRecorder, Recorded
from trader.feeds.side_by_side import until_the_first_ends
from trader.feeds.stats import FeedStats
from trader.feeds.venue_clock import DataClock, clock_alarm

Sink = Callable[[npt.NDArray[np.void]], None]

_IDLE_TURN_S = 0.25  # how often silence is looked for
_RETRY_CAP_S = 30.0


class _Line:
    """The receiving end of the socket."""

    def __init__(self, feed: HyperliquidFeed, streams: list[str]) -> None:
        self._feed = feed
        self._streams = streams

    @property
    def finished(self) -> bool:
        return self._feed.ended.is_set()

    def on_frame(self, frame: bytes) -> str:
        return self._feed.handler.on_frame(frame)

    def deliver(self) -> None:
        self._feed.deliver()

    def on_connected(self) -> None:
        self._feed.handler.on_connected(self._streams)

    def on_disconnected(self) -> None:
        self._feed.handler.on_disconnected()
        self._feed.deliver()


class HyperliquidFeed:
    """Streams coins into a sink.

    Parameters
    ----------
    endpoints
        Of the venue, or of a simulator.
    symbols
        In the engine's order; the case of a name is found out by the name check.
    clock, rng
        Time, and the jitter of retries.
    stats
        Counters to keep.
    sink
        Gets the rows (dtype ``shared.layout.INPUT``, shape (n,)) on the event loop's thread, in order, after each message or
        several that came together.
        What it raises ends :meth:`run`.
    sim
        Follow the simulator's time and its end.
    raw
        Keeps the frames as they came.

    Attributes
    ----------
    ended
        Set when the simulator has said that nothing more comes, and all of it has been delivered.
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
        sim: bool = False,
        limits: SocketLimits | None = None,
        raw: RawRecorder | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._symbols = list(symbols)
        self._coins: list[str] = []  # empty until the names have been checked
        self._clock = clock
        self._rng = rng
        self.stats = stats
        self._sink = sink
        self._sim = sim
        self._raw = raw
        self._venue_clock = DataClock(USUAL_AGE_MS)
        self._measured_ns = 0
        self._limits = limits or SocketLimits()
        self.handler = HyperliquidHandler(self._symbols, endpoints, clock, stats)
        self.ended = asyncio.Event()

    async def instruments(self) -> list[Instrument]:
        """Return the facts of the symbols, in their order. Only names that passed here are ever subscribed.

        Errors
        ------
        UsageError
            If one does not exist or is delisted.
        FeedError
            If the venue does not answer.
        """
        async with HyperliquidRest(self._endpoints, self._rng) as rest:
            known = await rest.instruments(self._symbols)
        self._coins = [instrument.symbol for instrument in known]
        self.handler = HyperliquidHandler(self._coins, self._endpoints, self._clock, self.stats)
        return known

    async def history(self, symbol: str, minutes: int) -> npt.NDArray[np.float64]:
        """Return closed 1-minute candles, oldest first, shape (n, 6): open time ms, open, high, low, close, volume.

        Errors
        ------
        FeedError
            If the venue does not answer.
        """
        if not self._coins:
            await self.instruments()
        coin = self._coins[self._symbols.index(symbol)]
        async with HyperliquidRest(self._endpoints, self._rng) as rest:
            return await rest.history(coin, minutes)

    async def run(self) -> None:
        """Stream until the simulator ends or the task is cancelled; without a network, keep trying."""
        self.stats.sockets_wanted = 1
        await self._check_names()
        await until_the_first_ends(self._socket().run(), self._turn(), self.ended.wait())

    def deliver(self) -> None:
        """Hand what has become known to the sink."""
        rows = self.handler.take()
        if rows.size:
            self._sink(rows)
        if self.handler.sim_ended:
            self.ended.set()

    async def _check_names(self) -> None:
        """Ask until the venue has said that it lists every name: one unknown name kills the whole socket."""
        wait_s = 0.5
        while not self._coins:
            try:
                await self.instruments()
            except FeedError as error:
                self.stats.failed_fetches += 1
                self.stats.last_error = str(error)
                await asyncio.sleep(float(self._rng.uniform(0.0, wait_s)))
                wait_s = min(2.0 * wait_s, _RETRY_CAP_S)

    def _socket(self) -> Socket:
        wanted = self._endpoints.subscriptions(self._coins)
        streams = [f"{subscription['type']}:{subscription['coin']}" for subscription in wanted]
        # A quiet coin may have no quote, trade or candle for a minute; its book and context always come.
        certain = [stream for stream in streams if stream.startswith((f"{BOOK}:", f"{CONTEXT}:"))]
        limits = self._endpoints.stale_s()
        if self._sim:  # last: a replay begins when it is asked for its time
            wanted = [*wanted, {"type": SIM_TIME}]
        line = _Line(self, streams)
        return Socket(
            self._endpoints.ws_url,
            [_request("subscribe", subscription) for subscription in wanted],
            certain,
            line if self._raw is None else Recorded(line, self._raw, self.stats),
            clock=self._clock,
            rng=self._rng,
            stats=self.stats,
            limits=self._limits,
            direct=self._endpoints.direct,
            steady={stream: Steady(limits[stream.partition(":")[0]]) for stream in certain},
            keepalive=Keepalive('{"method":"ping"}', PING_EVERY_S),
        )

    async def _turn(self) -> None:
        """Look for silence while nothing comes. Simulated time is looked at when it is told."""
        while True:
            await asyncio.sleep(_IDLE_TURN_S)
            if not self._sim and self.stats.connected:
                self.handler.check()
                self._measure_clock(self._clock.now_ns())
            self.deliver()

    def _measure_clock(self, now_ns: int) -> None:
        """Once a second: how old the data is, and how far the venue's clock must be from ours; it cannot be asked."""
        if now_ns - self._measured_ns < NS_PER_S:
            return
        self._measured_ns = now_ns
        before = self.stats.clock_offset_ms
        self.stats.feed_lag_ms = self.handler.lag.median_ms(now_ns, before)
        self._venue_clock.add(self.handler.lag.least_ms())
        self.stats.clock_offset_ms = self._venue_clock.offset_ms
        alarm = clock_alarm(self.stats.clock_offset_ms, "hyperliquid")
        if alarm and not clock_alarm(before, "hyperliquid"):
            self.stats.last_error = alarm


def _request(method: str, subscription: dict[str, Any]) -> str:
    return msgspec.json.encode({"method": method, "subscription": subscription}).decode()
