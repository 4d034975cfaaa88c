"""One WebSocket connection that stays: subscribe, watch for silence, reconnect with jitter. It has exactly one owner.

Venues end a connection after a day, and some announce that they are about to. Then the next one is opened and heard first; only
when it delivers is the old one closed, so nothing is missed and what came twice is left to the receiver to recognise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec
import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from shared.clock import NS_PER_S, Clock
from trader.feeds.inbox import Inbox
from trader.feeds.stats import FeedStats

SHUTDOWN = "!serverShutdown"  # what a receiver returns for a frame that announces the end of its connection
_GRACE_S = 2.0  # a steady stream may follow its partner so much later
_AT_ONCE = 32  # messages handed on before they are delivered: more would wait longer than they save
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
    max_age_s, overlap_s
        A connection this old is replaced, and the longest time its successor may take to be heard.
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
    max_age_s: float = 23.5 * 3600.0
    overlap_s: float = 10.0
    max_bytes: int = 16 * 1024 * 1024


class Keepalive(msgspec.Struct, frozen=True):
    """A message that a venue wants to hear now and then: its text, and how often, seconds."""

    frame: str
    every_s: float


class Steady(msgspec.Struct, frozen=True):
    """What a stream's silence may be: at most ``limit_s``, where there is a ``partner`` only once that one has spoken since.

    A quiet market is no fault. A best price that moved is: the changes of the book must have moved with it.
    """

    limit_s: float
    partner: str = ""


class Receiver(Protocol):
    """What gets the frames of a connection."""

    @property
    def finished(self) -> bool:
        """Say whether to stop instead of reconnecting."""
        ...

    def on_frame(self, frame: bytes) -> str:
        """Take one frame; return the stream whose data it was, "" if it was none, :data:`SHUTDOWN` for an announced end."""
        ...

    def deliver(self) -> None:
        """Hand on what the frames amount to: called after each, or after several that came together."""
        ...

    def on_connected(self) -> None:
        """Note that the connection stands; nothing is subscribed yet."""
        ...

    def on_disconnected(self) -> None:
        """Note that the connection is gone."""
        ...


class _Line:
    """One open connection: what it has delivered, and the frames kept while another one is still in use."""

    def __init__(self, connection: Inbox, now_ns: int) -> None:
        self.connection = connection
        self.opened_ns = now_ns
        self.last_data_ns = 0
        self.last_ns: dict[str, int] = {}
        self.missed_ns: dict[str, int] = {}  # since when each steady stream is missed
        self.kept: list[bytes] | None = None  # a list: not in use yet
        self.ending = asyncio.Event()  # the venue announced its end
        self.verdict = ""


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
    steady
        Streams whose silence means something: one that stops while others go on means a new connection.
    on_replaced
        Called when another connection carries on: frames may now come a second time. None: a receiver that could not tell, so
        connections are not replaced before they end.
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
        steady: Mapping[str, Steady] | None = None,
        on_replaced: Callable[[], None] | None = None,
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
        self._steady = steady or {}
        self._on_replaced = on_replaced

    async def run(self) -> None:
        """Stay connected until the receiver is finished or the task is cancelled."""
        attempt = 0
        while not self._receiver.finished:
            opened_ns = self._clock.monotonic_ns()
            line = await self._open()
            if line is not None:
                await self._use(line)
            if self._receiver.finished:
                return
            lived_s = (self._clock.monotonic_ns() - opened_ns) / NS_PER_S
            attempt = 0 if lived_s >= self._limits.stable_s else attempt + 1
            await asyncio.sleep(self._delay_s(attempt))
            self._stats.reconnects += 1

    def _delay_s(self, attempt: int) -> float:
        ceiling = min(self._limits.backoff_cap_s, self._limits.backoff_s * 2.0 ** min(attempt, 30))
        return float(self._rng.uniform(0.0, ceiling))

    async def _open(self) -> _Line | None:
        limits = self._limits
        try:
            connection: Any = await connect(
                self._url,
                create_connection=Inbox,
                compression=None,
                max_size=limits.max_bytes,
                open_timeout=limits.connect_s,
                close_timeout=limits.close_s,
                proxy=None if self._direct else True,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            self._note(f"could not be opened ({error or type(error).__name__})")
            return None
        return _Line(connection, self._clock.monotonic_ns())

    async def _use(self, line: _Line) -> None:
        """Hand frames over until the connection, and every one that carries on for it, has ended."""
        self._stats.sockets_open += 1
        self._receiver.on_connected()
        following: _Line | None = line
        try:
            reading = asyncio.create_task(self._read(line))
            while following is not None:
                line = following
                following, reading = await self._until_replaced(line, reading)
        finally:
            self._stats.sockets_open -= 1
            self._receiver.on_disconnected()

    async def _until_replaced(self, line: _Line, reading: asyncio.Task[None]) -> tuple[_Line | None, asyncio.Task[None]]:
        """Return the connection that carries on and its reader, or None when this one was lost."""
        watching = asyncio.create_task(self._watch(line))
        replacing = asyncio.create_task(self._successor(line))
        successor: tuple[_Line, asyncio.Task[None]] | None = None
        try:
            await asyncio.wait({reading, replacing}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
                return None, reading
            successor = replacing.result()
            return successor
        finally:
            for task in (watching, replacing, reading):
                task.cancel()
            await asyncio.gather(watching, replacing, reading, return_exceptions=True)
            if successor is not None:
                self._carry_on(successor[0])
            await line.connection.close()

    async def _successor(self, line: _Line) -> tuple[_Line, asyncio.Task[None]]:
        """Return a connection to carry on with, heard and being read, once this one is old or announced its end."""
        while True:
            left_s = self._limits.max_age_s - (self._clock.monotonic_ns() - line.opened_ns) / NS_PER_S
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self._on_replaced is None else max(left_s, 0.0)):
                    await line.ending.wait()
            successor = await self._open()
            if successor is not None:
                successor.kept = []
                reading = asyncio.create_task(self._read(successor))
                if await self._heard(successor, line, reading):
                    return successor, reading
            await asyncio.sleep(self._delay_s(5))

    async def _heard(self, successor: _Line, line: _Line, reading: asyncio.Task[None]) -> bool:
        """Wait until a new connection delivers what the old one does; close it if it does not."""
        begun_ns = self._clock.monotonic_ns()
        try:
            while not reading.done() and self._clock.monotonic_ns() - begun_ns < self._limits.overlap_s * NS_PER_S:
                await asyncio.sleep(min(_CHECK_S, self._limits.overlap_s / 8.0))
                # a stream without news since is no reason to wait, nor is one of which nothing is expected
                told = {name for name in self._streams if line.last_ns.get(name, 0) > begun_ns}
                if successor.last_ns and told <= successor.last_ns.keys():
                    return True
        except asyncio.CancelledError:
            await self._drop(successor, reading)
            raise
        self._note("is to be replaced, but the next connection delivers nothing; trying again")
        await self._drop(successor, reading)
        return False

    async def _drop(self, line: _Line, reading: asyncio.Task[None]) -> None:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await line.connection.close()

    def _carry_on(self, line: _Line) -> None:
        """Go on with a connection from its first frame; the receiver leaves out what it has had."""
        self._stats.planned_changes += 1
        if self._on_replaced is not None:
            self._on_replaced()
        kept, line.kept = line.kept or [], None
        self._take(line, kept)

    async def _read(self, line: _Line) -> None:
        """Subscribe and take frames until the connection ends."""
        alive = asyncio.create_task(self._keep_alive(line))
        try:
            for frame in self._subscribe_frames:
                await line.connection.send(frame)
            while True:
                self._take(line, await line.connection.take())
        except ConnectionClosed as error:
            self._note(line.verdict or f"was closed ({error})")
        finally:
            alive.cancel()

    async def _keep_alive(self, line: _Line) -> None:
        if self._keepalive is None:
            return
        with suppress(ConnectionClosed):  # whoever receives hears of it
            while True:
                await asyncio.sleep(self._keepalive.every_s)
                await line.connection.send(self._keepalive.frame)

    def _take(self, line: _Line, frames: list[bytes]) -> None:
        if line.kept is not None:
            line.kept += frames
            now_ns = self._clock.monotonic_ns()
            line.last_ns |= {name: now_ns for name in map(stream_name, frames) if name in self._streams}
            return
        for begin in range(0, len(frames), _AT_ONCE):
            heard = {self._receiver.on_frame(frame) for frame in frames[begin : begin + _AT_ONCE]}
            self._receiver.deliver()
            self._note_heard(line, heard - {""})

    def _note_heard(self, line: _Line, heard: set[str]) -> None:
        if SHUTDOWN in heard:
            heard.discard(SHUTDOWN)
            if self._on_replaced is not None:
                line.ending.set()
        if not heard:
            return
        line.last_data_ns = self._clock.monotonic_ns()
        if self._stats.silent_streams:
            self._stats.silent_streams -= heard
        for stream in heard:
            line.last_ns[stream] = line.last_data_ns

    async def _watch(self, line: _Line) -> None:
        """Name streams that never spoke; close the connection if all are silent, or one that came steadily."""
        limits = self._limits
        every_s = min(_CHECK_S, limits.stale_s / 4.0, limits.first_message_s / 4.0)
        while True:
            await asyncio.sleep(every_s)
            now_ns = self._clock.monotonic_ns()
            unseen = {name for name in self._streams if name not in line.last_ns}
            if unseen and now_ns - line.opened_ns > limits.first_message_s * NS_PER_S:
                self._name_silent(unseen)
            if not line.last_ns:
                limit_s, since_ns = limits.first_message_s, line.opened_ns
            else:
                limit_s, since_ns = limits.stale_s, max(line.last_data_ns, line.opened_ns)
            stopped = self._stopped(line, now_ns)
            if now_ns - since_ns > limit_s * NS_PER_S:
                line.verdict = f"was silent for {limit_s:g} s, expected market data; {_unheard(unseen)}"
            elif stopped:
                line.verdict = f"delivered no {stopped} for {self._steady[stopped].limit_s:g} s while others came"
            if line.verdict:
                await line.connection.close()
                return

    def _stopped(self, line: _Line, now_ns: int) -> str:
        """Return a stream that came steadily and does no more, or ""."""
        for name, rule in self._steady.items():
            last_ns = line.last_ns.get(name)
            limit_ns = rule.limit_s * NS_PER_S
            spoke_ns = line.last_ns.get(rule.partner, 0) if rule.partner else now_ns
            if last_ns is None or spoke_ns - last_ns <= limit_ns:
                line.missed_ns.pop(name, None)
            elif now_ns - line.missed_ns.setdefault(name, now_ns) >= min(_GRACE_S * NS_PER_S, limit_ns):
                return name
        return ""

    def _name_silent(self, unseen: set[str]) -> None:
        if not unseen <= self._stats.silent_streams:
            self._stats.silent_streams |= unseen
            self._note(f"was subscribed but not heard within {self._limits.first_message_s:g} s; {_unheard(unseen)}")

    def _note(self, what: str) -> None:
        self._stats.last_error = f"{self._url}: {what}"


class _Named(msgspec.Struct):
    stream: str = ""


_NAMED = msgspec.json.Decoder(_Named)


def stream_name(frame: bytes) -> str:
    """Return the stream a combined frame names, "" if it names none."""
    try:
        return _NAMED.decode(frame).stream
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def _unheard(unseen: set[str]) -> str:
    return f"never heard: {', '.join(sorted(unseen))}" if unseen else "every stream was heard before"
