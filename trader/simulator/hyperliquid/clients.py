"""Who listens: open sockets, what each has subscribed, and the delivery of the flow to them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiohttp import ClientConnectionError, WSMsgType

from shared.clock import NS_PER_MS, NS_PER_S
from trader.simulator.hyperliquid.aggregation import aggregated
from trader.simulator.hyperliquid.facts import FAST_LEVELS, FULL_LEVELS
from trader.simulator.hyperliquid.session import SIM_END, SIM_TIME, Session, Subscription
from trader.simulator.hyperliquid.wire import Book, Told, encode, message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.web import WebSocketResponse

    from shared.clock import Clock
    from trader.simulator.hyperliquid.flow import Flow


class Client:
    """One connection."""

    def __init__(self, socket: WebSocketResponse, transport: asyncio.Transport | None, session: Session, clock: Clock) -> None:
        self.socket = socket
        self.session = session
        self.follows_time = False
        self._transport = transport
        self._clock = clock
        self.spoken_ns = clock.monotonic_ns()  # when it was last sent anything
        self._told_ns = 0
        self.book_due_ns: dict[bytes, int] = {}

    async def send(self, frame: bytes) -> None:
        """Send one frame; whoever has gone is told nothing."""
        with contextlib.suppress(ClientConnectionError, ConnectionError):
            await self.socket.send_frame(frame, WSMsgType.TEXT)
            self.spoken_ns = self._clock.monotonic_ns()

    async def tell_time(self, ns: int) -> None:
        """Tell a follower of the simulated time that it is now ``ns``."""
        if self.follows_time and ns - self._told_ns >= NS_PER_MS:
            self._told_ns = ns
            await self.send(message(SIM_TIME, b'{"ns":%d}' % ns))

    def cut(self) -> None:
        """End the connection as the venue does: no close frame, no word."""
        if self._transport is not None:
            self._transport.abort()


class Clients:
    """All connections.

    Parameters
    ----------
    flow
        The market, for what a new subscription is told at once.
    book_every_s
        Least time between two full books of a subscription, simulated seconds; fast ones are not held back.
    """

    def __init__(self, flow: Flow, book_every_s: float) -> None:
        self._flow = flow
        self._book_every_ns = int(book_every_s * NS_PER_S)
        self._all: dict[Client, None] = {}
        self._index: dict[str, list[tuple[Client, Subscription]]] = {}
        self._changed = asyncio.Event()
        self.ended = False

    def __iter__(self) -> Iterator[Client]:
        return iter(self._all)

    @property
    def is_empty(self) -> bool:
        """Whether no connection is open."""
        return not self._all

    @property
    def has_listeners(self) -> bool:
        """Whether somebody would receive data."""
        return bool(self._index)

    @property
    def wants_time(self) -> bool:
        """Whether somebody follows the simulated time: the sign of a client of ours that has subscribed everything."""
        return SIM_TIME in self._index

    async def changed(self) -> None:
        """Return at the next change of a connection or subscription."""
        await self._changed.wait()

    def add(self, client: Client) -> None:
        """Take a connection in."""
        self._all[client] = None
        self.reindex()

    def drop(self, client: Client) -> None:
        """Forget a connection."""
        self._all.pop(client, None)
        self.reindex()

    def reindex(self) -> None:
        """Look again at who has subscribed what."""
        index: dict[str, list[tuple[Client, Subscription]]] = {}
        for client in self._all:
            for subscription in client.session.subscriptions.values():
                index.setdefault(subscription.stream, []).append((client, subscription))
            client.follows_time = any(subscription.stream == SIM_TIME for subscription in client.session.subscriptions.values())
        self._index = index
        self._changed.set()
        self._changed = asyncio.Event()

    def cut_idle(self, now_ns: int, idle_ns: int) -> None:
        """Cut every connection that has been sent nothing for ``idle_ns``, whatever it said itself."""
        for client in list(self._all):
            if now_ns - client.spoken_ns > idle_ns:
                client.cut()

    async def deliver(self, item: Told) -> None:
        """Send one item to everybody who follows it, each as fast as it reads."""
        for client in list(self._all):
            await client.tell_time(item.ns)
        if not item.channel:
            return
        stream = f"{item.channel}:{item.coin}" if item.coin else item.channel
        followers = self._index.get(stream)
        if not followers:
            return
        frame = message(item.channel, item.data)
        for client, subscription in list(followers):
            if isinstance(item.value, Book):
                await self._deliver_book(client, subscription, item, frame)
            elif item.channel == "candle":
                await self._deliver_candle(client, subscription, item)
            else:
                await client.send(frame)

    async def _deliver_book(self, client: Client, subscription: Subscription, item: Told, frame: bytes) -> None:
        if not subscription.fast and self._book_every_ns:
            if item.ns < client.book_due_ns.get(subscription.key, 0):
                return
            client.book_due_ns[subscription.key] = item.ns + self._book_every_ns
        book = item.value
        plain = not subscription.fast and subscription.form["nSigFigs"] is None
        assert isinstance(book, Book)  # noqa: S101 - the caller has asked
        fits = max(map(len, book.levels)) <= FULL_LEVELS
        await client.send(frame if plain and fits else _book_frame(book, subscription))

    async def _deliver_candle(self, client: Client, subscription: Subscription, item: Told) -> None:
        interval = subscription.form["interval"]
        if item.data:
            if b'"i":"%s"' % interval.encode() in item.data.replace(b" ", b""):
                await client.send(message("candle", item.data))
            return
        candle = self._flow.state.coins[item.coin].candle(interval)
        if candle is not None:
            await client.send(message("candle", encode(candle)))

    async def welcome(self, client: Client, subscription: Subscription) -> None:
        """Tell a new subscription what is known already: a book, a quote, the last trades, figures."""
        kind, coin = subscription.form["type"], subscription.form.get("coin", "")
        state = self._flow.state
        if self.ended and kind == SIM_TIME:
            await client.send(message(SIM_END, b"{}"))
        elif kind == "allMids":
            await client.send(message(kind, self._flow.mids()))
        elif kind == "userFills":
            empty = {"isSnapshot": True, "user": subscription.form["user"], "fills": []}
            await client.send(message(kind, encode(empty)))
        if coin not in state.coins or not self._flow.begun:
            return
        known = state.coins[coin]
        if kind == "l2Book" and (known.book.time or coin == self._flow.delisted):
            await client.send(_book_frame(state.full_book(coin), subscription))
        elif kind == "bbo" and known.quote is not None:
            await client.send(message(kind, encode(known.quote)))
        elif kind == "trades" and known.trades:
            await client.send(message(kind, encode(list(known.trades))))
        elif kind == "activeAssetCtx" and (known.mid() is not None or coin == self._flow.delisted):
            await client.send(message(kind, self._flow.context(coin)))
        elif kind == "candle" and (candle := known.candle(subscription.form["interval"])) is not None:
            await client.send(message(kind, encode(candle)))

    async def end(self) -> None:
        """Tell the followers of the simulated time that the flow is over."""
        self.ended = True
        for client in list(self._all):
            if client.follows_time:
                await client.send(message(SIM_END, b"{}"))


def _book_frame(book: Book, subscription: Subscription) -> bytes:
    """Return the frame of a book in the variant that was subscribed; only ``fast`` is said in it."""
    form = subscription.form
    if subscription.fast:
        data = encode(book.cut(FAST_LEVELS))
        return message("l2Book", data[:-1] + b',"fast":true}')
    return message("l2Book", encode(aggregated(book.cut(FULL_LEVELS), form["nSigFigs"], form["mantissa"])))
