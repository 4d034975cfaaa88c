"""One WebSocket connection that stays: subscribe, watch for silence, reconnect with jitter. It has exactly one owner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from shared.clock import NS_PER_S, Clock
from trader.feeds.stats import FeedStats

_CHECK_S = 0.25  # at most this long after a deadline it is noticed; a quarter of short deadlines


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a connection is.

    Attributes
    ----------
    first_message_s
        Time for the first message of each subscribed stream. An acknowledgement proves nothing on Binance.
    stale_s
        Longest silence of application data; pings do not count.
    backoff_s, backoff_cap_s
        The delay before attempt n is uniform in 0 to min(cap, backoff_s × 2ⁿ).
    stable_s
        A connection that lasted this long starts the count anew. Shorter ones do not: flapping must not become a storm.
    max_bytes
        Largest frame. One exchangeInfo is over 1 MiB, the library's own limit.
    """

    first_message_s: float = 15.0
    stale_s: float = 10.0
    connect_s: float = 10.0
    close_s: float = 1.0
    backoff_s: float = 0.5
    backoff_cap_s: float = 30.0
    stable_s: float = 30.0
    max_bytes: int = 16 * 1024 * 1024


class Keepalive(msgspec.Struct, frozen=True):
    """A message that a venue wants to hear now and then: its text, and how often, seconds."""

    frame: str
    every_s: float


class Receiver(Protocol):
    """What gets the frames of a connection."""

    @property
    def finished(self) -> bool:
        """Say whether to stop instead of reconnecting."""
        ...

    def on_frame(self, frame: bytes) -> str:
        """Take one frame; return the stream whose data it was, "" if it was none."""
        ...

    def on_connected(self) -> None:
        """Note that the connection stands; nothing is subscribed yet."""
        ...

    def on_disconnected(self) -> None:
        """Note that the connection is gone."""
        ...


class Socket:
    """A connection to one address.

    Parameters
    ----------
    url
        Where to connect.
    subscribe_frames
        Control messages to send after connecting, every time.
    streams
        Names that must deliver something, as :meth:`Receiver.on_frame` returns them.
    receiver
        Gets the frames, on the event loop's thread.
    clock, rng
        For deadlines, and for the jitter.
    stats
        Counters to keep.
    direct
        Ignore the proxy settings of the environment.
    keepalive
        Said for as long as the connection stands; None: the protocol's own pings do.
    """

    def __init__(
        self,
        url: str,
        subscribe_frames: Sequence[str],
        streams: Sequence[str],
        receiver: Receiver,
        *,
        clock: Clock,
        rng: np.random.Generator,
        stats: FeedStats,
        limits: SocketLimits,
        direct: bool = False,
        keepalive: Keepalive | None = None,
    ) -> None:
        self._url = url
        self._subscribe_frames = subscribe_frames
        self._streams = streams
        self._receiver = receiver
        self._clock = clock
        self._rng = rng
        self._stats = stats
        self._limits = limits
        self._direct = direct
        self._keepalive = keepalive
        self._unseen: set[str] = set()
        self._last_data_ns = 0
        self._verdict = ""

    async def run(self) -> None:
        """Stay connected until the receiver is finished or the task is cancelled."""
        attempt = 0
        while not self._receiver.finished:
            opened_ns = self._clock.monotonic_ns()
            await self._connect_once()
            if self._receiver.finished:
                return
            lived_s = (self._clock.monotonic_ns() - opened_ns) / NS_PER_S
            attempt = 0 if lived_s >= self._limits.stable_s else attempt + 1
            await asyncio.sleep(self._delay_s(attempt))
            self._stats.reconnects += 1

    def _delay_s(self, attempt: int) -> float:
        ceiling = min(self._limits.backoff_cap_s, self._limits.backoff_s * 2.0 ** min(attempt, 30))
        return float(self._rng.uniform(0.0, ceiling))

    async def _connect_once(self) -> None:
        limits = self._limits
        try:
            connection = await connect(
                self._url,
                compression=None,
                max_size=limits.max_bytes,
                open_timeout=limits.connect_s,
                close_timeout=limits.close_s,
                proxy=None if self._direct else True,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            self._note(f"could not be opened ({error or type(error).__name__})")
            return
        try:
            await self._converse(connection)
        finally:
            await connection.close()

    async def _converse(self, connection: ClientConnection) -> None:
        """Subscribe and hand frames over until the connection ends."""
        self._verdict = ""
        self._unseen = set(self._streams)
        self._stats.sockets_open += 1
        self._receiver.on_connected()
        watchdog = asyncio.create_task(self._watch(connection))
        alive = asyncio.create_task(self._keep_alive(connection))
        try:
            for frame in self._subscribe_frames:
                await connection.send(frame)
            await self._receive(connection)
        except ConnectionClosed as error:
            self._note(self._verdict or f"was closed ({error})")
        finally:
            watchdog.cancel()
            alive.cancel()
            self._stats.sockets_open -= 1
            self._receiver.on_disconnected()

    async def _receive(self, connection: ClientConnection) -> None:
        while True:
            self._take(await connection.recv(decode=False))

    def _take(self, frame: bytes) -> None:
        stream = self._receiver.on_frame(frame)
        if not stream:
            return
        self._last_data_ns = self._clock.monotonic_ns()
        if stream in self._unseen:
            self._unseen.discard(stream)
            self._stats.silent_streams.discard(stream)

    async def _keep_alive(self, connection: ClientConnection) -> None:
        if self._keepalive is None:
            return
        with suppress(ConnectionClosed):  # whoever receives hears of it
            while True:
                await asyncio.sleep(self._keepalive.every_s)
                await connection.send(self._keepalive.frame)

    async def _watch(self, connection: ClientConnection) -> None:
        """Name streams that never spoke; close the connection if all are silent."""
        limits = self._limits
        subscribed_ns = self._clock.monotonic_ns()
        every_s = min(_CHECK_S, limits.stale_s / 4.0, limits.first_message_s / 4.0)
        while True:
            await asyncio.sleep(every_s)
            now_ns = self._clock.monotonic_ns()
            if self._unseen and now_ns - subscribed_ns > limits.first_message_s * NS_PER_S:
                self._name_silent()
            if len(self._unseen) == len(self._streams):
                limit_s, since_ns = limits.first_message_s, subscribed_ns
            else:
                limit_s, since_ns = limits.stale_s, self._last_data_ns
            if now_ns - since_ns > limit_s * NS_PER_S:
                self._verdict = f"was silent for {limit_s:g} s, expected market data; {self._unheard()}"
                await connection.close()
                return

    def _name_silent(self) -> None:
        if not self._unseen <= self._stats.silent_streams:
            self._stats.silent_streams |= self._unseen
            self._note(f"was subscribed but not heard within {self._limits.first_message_s:g} s; {self._unheard()}")

    def _unheard(self) -> str:
        return f"never heard: {', '.join(sorted(self._unseen))}" if self._unseen else "every stream was heard before"

    def _note(self, what: str) -> None:
        self._stats.last_error = f"{self._url}: {what}"
