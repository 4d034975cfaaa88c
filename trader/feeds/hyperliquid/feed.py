"""The feed of Hyperliquid: one socket, the name check before it, and the handler tied together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import Clock
from shared.errors import FeedError
from trader.feeds.connection import Keepalive, Socket, SocketLimits
from trader.feeds.hyperliquid.handler import HyperliquidHandler
from trader.feeds.hyperliquid.rest import HyperliquidRest
from trader.feeds.hyperliquid.venue import BOOK, CONTEXT, PING_EVERY_S, SIM_TIME, Endpoints
from trader.feeds.instruments import Instrument
from trader.feeds.stats import FeedStats

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
        stream = self._feed.handler.on_frame(frame)
        self._feed.deliver()
        return stream

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
        Gets the rows (dtype ``shared.layout.INPUT``, shape (n,)) on the event loop's thread, in order, after each message.
        What it raises ends :meth:`run`.
    sim
        Follow the simulator's time and its end.

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
    ) -> None:
        self._endpoints = endpoints
        self._symbols = list(symbols)
        self._coins: list[str] = []  # empty until the names have been checked
        self._clock = clock
        self._rng = rng
        self.stats = stats
        self._sink = sink
        self._sim = sim
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
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._socket().run()),
            asyncio.create_task(self._turn()),
            asyncio.create_task(self.ended.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

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
        return Socket(
            self._endpoints.ws_url,
            [_request("subscribe", subscription) for subscription in wanted],
            certain,
            _Line(self, streams),
            clock=self._clock,
            rng=self._rng,
            stats=self.stats,
            limits=self._limits,
            direct=self._endpoints.direct,
            stream_stale_s={stream: limits[stream.partition(":")[0]] for stream in certain},
            keepalive=Keepalive('{"method":"ping"}', PING_EVERY_S),
        )

    async def _turn(self) -> None:
        """Look for silence while nothing comes. Simulated time is looked at when it is told."""
        while True:
            await asyncio.sleep(_IDLE_TURN_S)
            if not self._sim and self.stats.connected:
                self.handler.check()
                self.stats.feed_lag_ms = self.handler.lag.median_ms(self._clock.now_ns(), 0.0)
            self.deliver()


def _request(method: str, subscription: dict[str, Any]) -> str:
    return msgspec.json.encode({"method": method, "subscription": subscription}).decode()
