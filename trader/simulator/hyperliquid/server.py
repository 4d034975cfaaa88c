"""One loopback port: ``/ws``, ``/info`` and ``/exchange``, and the task that lets the market flow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aiohttp import WSMsgType, web

from shared.clock import NS_PER_MS, NS_PER_S
from trader.simulator.faults.script import Kind
from trader.simulator.hyperliquid.clients import Client, Clients
from trader.simulator.hyperliquid.facts import IDLE_S, UNKNOWN_COIN_S
from trader.simulator.hyperliquid.info import OK, UNREADABLE, Info
from trader.simulator.hyperliquid.session import Session, unreadable_post
from trader.simulator.hyperliquid.wire import encode, message
from trader.simulator.hyperliquid_trading.faulty import FaultyVenue
from trader.simulator.hyperliquid_trading.gateway import HyperliquidTrading
from trader.simulator.options import Options
from trader.simulator.pacing import Pacer

if TYPE_CHECKING:
    from shared.clock import Clock
    from trader.simulator.hyperliquid.flow import Flow
    from trader.simulator.hyperliquid.wire import Told

HOST = "127.0.0.1"
_MOST_BYTES = 1 << 20
_NO_TRADING = {"status": "err", "response": "This simulator has no accounts: it plays market data only."}


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperliquidOptions(Options):
    """How a Hyperliquid server behaves.

    Attributes
    ----------
    book_every_s
        Least time between two full books, simulated seconds: 0 is as recorded (0.5 s), 5.25 as since 2026-07-25.
    idle_s
        A connection that was sent nothing for so long (wall seconds) is cut.
    unknown_coin_s
        How long after naming an unknown coin a connection is cut.
    start_grace_s
        How long after the last subscription the flow begins, unless somebody follows the simulated time.
    """

    book_every_s: float = 0.0
    idle_s: float = IDLE_S
    unknown_coin_s: float = UNKNOWN_COIN_S
    start_grace_s: float = 0.5


class HyperliquidServer:
    """Serves one flow. Use ``async with``; then :attr:`port` is known and :meth:`finished` may be awaited.

    Parameters
    ----------
    flow
        The market.
    options
        How to serve it.
    clock
        Wall clock for pacing and limits.

    Attributes
    ----------
    clients
        The connections; whoever makes faults may cut them.
    """

    def __init__(self, flow: Flow, options: HyperliquidOptions, clock: Clock) -> None:
        self._flow = flow
        self._options = options
        self._clock = clock
        self.clients = Clients(flow, options.book_every_s)
        self._info = Info(flow, clock)
        self.trading = HyperliquidTrading(flow, options.accounts, clock) if options.accounts else None
        if self.trading is not None:
            self._info.users = self.trading
            self.clients.fills = self.trading.fills
        self._faults = FaultyVenue(options.faults, options.tell_fault) if options.faults is not None else None
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=_MOST_BYTES)
        application.router.add_get("/ws", self._converse)
        application.router.add_post("/info", self._answer)
        application.router.add_post("/exchange", self._exchange)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._options.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._watch_idle())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def finished(self) -> None:
        """Return when there is nothing left to do (only with ``once``); raise what broke the flow."""
        await self._tasks[0]
        while not (self._options.once and self.clients.is_empty):
            await self.clients.changed()

    async def _run(self) -> None:
        await self._wait_for_listeners()
        pacer = Pacer(self._clock, self._options.speed)
        if self._runs_by_itself:  # venue time is wall time, however long it took to get here
            now_ns, begin_ns = self._clock.monotonic_ns(), self._flow.state.now_ms * NS_PER_MS
            pacer.begin(begin_ns, now_ns - (self._clock.now_ns() - begin_ns))
        for item in self._flow.items():
            if self._options.speed is None:
                while not self.clients.has_listeners:  # as fast as the clients read: nobody reads, time stands
                    await self.clients.changed()
            await pacer.until(item.ns)
            await self._send(item)
        await self.clients.end()

    async def _send(self, item: Told) -> None:
        if self._faults is not None:
            await self._faults.advance(item.ns, self.clients)
        if self.trading is not None:  # orders meet the true market; what clients see of it may be damaged below
            self.trading.take(item)
            await self._tell_users()
        for sent in (item,) if self._faults is None or not item.channel else self._faults.sent(item):
            await self.clients.deliver(sent)

    async def _tell_users(self) -> None:
        if self.trading is not None:
            for told in self.trading.drain():
                for _ in range(1 if self._faults is None else self._faults.plan.user_copies()):
                    await self.clients.deliver(told)

    @property
    def _runs_by_itself(self) -> bool:
        """Whether the market runs from the start and follows the wall clock, so that a client's time and the venue's agree."""
        return self.trading is not None and self._flow.mode == "generated" and self._options.speed is not None

    async def _wait_for_listeners(self) -> None:
        """Begin when a client of ours has subscribed everything, or others have been silent for a moment."""
        if self._runs_by_itself:
            return
        while not self.clients.has_listeners:
            await self.clients.changed()
        while not self.clients.wants_time:
            try:
                async with asyncio.timeout(self._options.start_grace_s):
                    await self.clients.changed()
            except TimeoutError:
                return

    async def _watch_idle(self) -> None:
        idle_ns = int(self._options.idle_s * NS_PER_S)
        while True:
            await asyncio.sleep(min(1.0, self._options.idle_s / 10.0))
            self.clients.cut_idle(self._clock.monotonic_ns(), idle_ns)

    async def _converse(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=_MOST_BYTES, timeout=1.0)
        await socket.prepare(request)
        transport = request.transport if isinstance(request.transport, asyncio.Transport) else None
        client = Client(socket, transport, Session(self._flow.state.coins), self._clock)
        self.clients.add(client)
        try:
            async for received in socket:
                if received.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._hear(client, received.data)
        finally:
            self.clients.drop(client)
        return socket

    async def _hear(self, client: Client, text: str | bytes) -> None:
        answer = client.session.handle(text)
        if answer.hang_up:
            await asyncio.sleep(self._options.unknown_coin_s)
            client.cut()
            return
        if answer.post is not None:
            reply = self._post(*answer.post)
            await self._tell_users()
            await client.send(reply)
            return
        await client.send(answer.text)
        if answer.subscribe is not None:
            await self.clients.welcome(client, answer.subscribe)
        self.clients.reindex()

    def _post(self, number: int, request: dict[str, Any]) -> bytes:
        payload: dict[str, Any]
        if request["type"] == "action":
            payload = dict(_NO_TRADING) if self.trading is None else self.trading.act(request["payload"])
        else:
            status, data = self._info.ask(request["payload"])
            if status != OK:
                return unreadable_post(request)
            payload = {"type": request["payload"]["type"], "data": data}
        return message("post", encode({"id": number, "response": {"type": request["type"], "payload": payload}}))

    async def _answer(self, request: web.Request) -> web.Response:
        asked = await request.read()
        refused = None if self._faults is None else await self._faults.before("POST /info", asked)
        if refused is not None:
            return refused
        status, body = self._info.answer(asked)
        return web.Response(status=status, body=body, content_type="text/plain" if status == UNREADABLE else "application/json")

    async def _exchange(self, request: web.Request) -> web.Response:
        body = await request.read()
        refused = None if self._faults is None else await self._faults.before("POST /exchange", body)
        if refused is not None:
            return refused
        answer = _NO_TRADING if self.trading is None else self.trading.exchange(body)
        whole = web.Response(body=encode(answer), content_type="application/json")
        sent = whole if self._faults is None else self._faults.after(request, body, whole)
        if self._answers_first:
            await sent.prepare(request)
            await sent.write_eof()
        await self._tell_users()  # before the answer, as on the venue more often than not
        return sent

    @property
    def _answers_first(self) -> bool:
        faults = self._faults
        return self._options.answer_first or (faults is not None and faults.plan.active(Kind.ANSWER_FIRST) is not None)
