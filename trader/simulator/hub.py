"""Who listens to what: the open connections, their subscriptions, and the delivery of frames to them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from shared.clock import NS_PER_MS
from trader.simulator.protocol import ControlSession, Endpoint, Reply
from trader.simulator.streams import SIM_STREAM, allowed, kind_of, resolve, symbol_of

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from websockets.asyncio.server import ServerConnection

    from trader.simulator.source import Frame

_SIM_END = b'{"e":"simEnd"}'


class Subscriber:
    """One connection: its control session and its own view of simulated time."""

    def __init__(self, connection: ServerConnection, endpoint: Endpoint) -> None:
        self.connection = connection
        self.category = endpoint.category
        self.session = ControlSession(endpoint.combined)
        self._kinds = endpoint.kinds
        self.fragments = False  # whether messages leave in two continuation frames
        self._last_sim_ns: int | None = None

    async def deliver(self, frame: Frame, name: str) -> None:
        """Send one frame under the name the client knows it by, its time first if the client follows ``!sim``."""
        if SIM_STREAM in self.session.subscriptions:
            await self._tell_time(frame.ns)
        if not self.session.combined:
            await self._send(frame.payload)
        elif frame.envelope and name == frame.stream:
            await self._send(frame.envelope)
        else:
            await self._send(_envelope(name, frame.payload))

    async def tell_owner(self, name: str, payload: bytes) -> None:
        """Send a private event under ``name``, unless the connection asked for other kinds only or has gone."""
        if not self._kinds or any(b'"e":"%s"' % kind.encode() in payload for kind in self._kinds):
            with contextlib.suppress(ConnectionClosed):
                await self.tell(name, payload)

    async def tell_end(self) -> None:
        """Tell a ``!sim`` follower that nothing more comes."""
        if SIM_STREAM in self.session.subscriptions:
            await self._send_sim(_SIM_END)

    async def _tell_time(self, ns: int) -> None:
        if self._last_sim_ns is None or ns - self._last_sim_ns >= NS_PER_MS:
            self._last_sim_ns = ns
            await self._send_sim(b'{"e":"simTime","ns":%d}' % ns)

    async def tell(self, name: str, payload: bytes) -> None:
        """Send something nobody subscribes to."""
        await self._send(_envelope(name, payload) if self.session.combined else payload)

    async def _send_sim(self, payload: bytes) -> None:
        await self.tell(SIM_STREAM, payload)

    async def _send(self, message: bytes) -> None:
        if self.fragments:
            half = len(message) // 2
            await self.connection.send([message[:half], message[half:]], text=True)
        else:
            await self.connection.send(message, text=True)


class Hub:
    """All subscribers, indexed by the stream that serves them.

    Parameters
    ----------
    carried
        Stream names the source can emit.
    """

    def __init__(self, carried: AbstractSet[str]) -> None:
        self._carried = carried
        self._subscribers: dict[Subscriber, None] = {}
        self._index: dict[str, list[tuple[Subscriber, str]]] = {}
        self._changed = asyncio.Event()
        self.ended = False

    @property
    def is_empty(self) -> bool:
        """Whether no connection is open."""
        return not self._subscribers

    @property
    def has_listeners(self) -> bool:
        """Whether somebody would receive data."""
        return bool(self._index)

    @property
    def subscribers(self) -> list[Subscriber]:
        """Everybody connected."""
        return list(self._subscribers)

    def add(self, subscriber: Subscriber) -> None:
        """Take a new connection in."""
        self._subscribers[subscriber] = None
        self._reindex()

    def drop(self, subscriber: Subscriber) -> None:
        """Forget a connection."""
        self._subscribers.pop(subscriber, None)
        self._reindex()

    async def commit(self, subscriber: Subscriber, reply: Reply) -> None:
        """Carry out a control reply that has been sent."""
        subscriber.session.commit(reply)
        self._reindex()
        if self.ended and SIM_STREAM in reply.subscribe:
            await subscriber.tell_end()

    async def deliver(self, frame: Frame) -> None:
        """Send a frame to everybody who follows its stream, each as fast as it reads."""
        for subscriber, name in self._index.get(frame.stream, ()):
            try:
                await subscriber.deliver(frame, name)
            except ConnectionClosed:
                self.drop(subscriber)

    async def end(self) -> None:
        """Tell the followers of ``!sim`` that the flow is over."""
        self.ended = True
        for subscriber in list(self._subscribers):
            try:
                await subscriber.tell_end()
            except ConnectionClosed:
                self.drop(subscriber)

    def depth_symbols(self) -> set[str]:
        """Symbols of which somebody follows a diff depth stream."""
        return {symbol_of(name) for name in self._index if kind_of(name) == "depth"}

    async def changed(self) -> None:
        """Return at the next change of a subscription or connection."""
        await self._changed.wait()

    def _reindex(self) -> None:
        index: dict[str, list[tuple[Subscriber, str]]] = {}
        for subscriber in self._subscribers:
            for name in subscriber.session.subscriptions:
                stream = resolve(name, self._carried) if allowed(name, subscriber.category) else None
                if stream is not None:
                    index.setdefault(stream, []).append((subscriber, name))
        self._index = index
        self._changed.set()
        self._changed = asyncio.Event()


def _envelope(name: str, payload: bytes) -> bytes:
    return b'{"stream":"%s","data":%s}' % (name.encode(), payload)
