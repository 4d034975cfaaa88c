"""The feed of Hyperliquid: one socket, the name check before it, and the handler tied together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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
from trader.feeds.raw import RawRecorder
from trader.feeds.side_by_side import until_the_first_ends
from trader.feeds.stats import FeedStats
from trader.feeds.streaming import Sink, StreamingFeed
from trader.feeds.venue_clock import DataClock, clock_alarm

_IDLE_TURN_S = 0.25  # how often silence is looked for
_RETRY_CAP_S = 30.0


class HyperliquidFeed(StreamingFeed):
    """Streams coins into a sink.

    Parameters
    ----------
    endpoints
        Of the venue, or of a simulator.
    symbols
        In the engine's order; the case of a name is found out by the name check.
    clock, rng, stats, sink, sim, limits, raw
        See :class:`trader.feeds.streaming.StreamingFeed`.
    """

    handler: HyperliquidHandler

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
        limits = limits or SocketLimits()
        super().__init__(clock=clock, rng=rng, stats=stats, sink=sink, sim=sim, limits=limits, raw=raw)
        self._endpoints = endpoints
        self._symbols = list(symbols)
        self._coins: list[str] = []  # empty until the names have been checked
        self._streams: list[str] = []
        self._venue_clock = DataClock(USUAL_AGE_MS)
        self._measured_ns = 0
        self.handler = HyperliquidHandler(self._symbols, endpoints, clock, stats)

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

    def on_connected(self) -> None:
        """Note that the connection stands."""
        self.handler.on_connected(self._streams)

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
        self._streams = [f"{subscription['type']}:{subscription['coin']}" for subscription in wanted]
        # A quiet coin may have no quote, trade or candle for a minute; its book and context always come.
        certain = [stream for stream in self._streams if stream.startswith((f"{BOOK}:", f"{CONTEXT}:"))]
        limits = self._endpoints.stale_s()
        if self._sim:  # last: a replay begins when it is asked for its time
            wanted = [*wanted, {"type": SIM_TIME}]
        return self._connection(
            self._endpoints.ws_url,
            [_request("subscribe", subscription) for subscription in wanted],
            certain,
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
