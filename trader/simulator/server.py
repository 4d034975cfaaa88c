"""The sockets: one loopback port for REST and WebSocket, and the task that lets the frames flow."""

from __future__ import annotations

import asyncio
import http
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from shared.clock import NS_PER_S
from trader.simulator.binance_trading.gateway import BinanceTrading
from trader.simulator.binance_trading.limits import RequestBudget
from trader.simulator.binance_trading.ws_api import WsApiSession
from trader.simulator.faults.closing import cut, send_quietly
from trader.simulator.faults.faulty_source import FaultySource, RunningSource
from trader.simulator.faults.plan import USER, Change, FaultPlan, Outgoing
from trader.simulator.faults.script import Fault, Kind
from trader.simulator.front import Front
from trader.simulator.gate import SnapshotGate
from trader.simulator.http_front import Closable, shared_connection
from trader.simulator.hub import Hub, Subscriber
from trader.simulator.options import Options
from trader.simulator.pacing import Pacer
from trader.simulator.partial_depth import PartialDepth
from trader.simulator.protocol import Endpoint, Reply, parse_endpoint
from trader.simulator.public_rest import PublicRest
from trader.simulator.recent import RecentFrames
from trader.simulator.rest import RestApi
from trader.simulator.source import Frame, GateMark, Market, Source

if TYPE_CHECKING:
    from shared.clock import Clock

HOST = "127.0.0.1"
# As of 2026-04.
_PING_S = {Market.SPOT: (20.0, 60.0), Market.USDM: (180.0, 600.0)}  # interval, and time for the pong
_CONTROL_PER_S = {Market.SPOT: 5, Market.USDM: 10}
_TOO_MANY = 1008
_WS_API = {Market.SPOT: "/ws-api/v3", Market.USDM: "/ws-fapi/v1"}
_GOING_AWAY = 1001
NOTICE_S = 5.0  # the venue promises none
_SHUTDOWN = "!serverShutdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(Options):
    """How a Binance server behaves.

    Attributes
    ----------
    gate_deadline_s
        Longest wait for the REST depth requests, wall seconds.
    start_grace_s
        How long the first subscription without depth waits for one with depth before the flow starts, wall seconds.
    lifetime_s
        Wall seconds after which a connection is announced to end; it is closed :data:`NOTICE_S` later. None: it may stay.
    """

    gate_deadline_s: float = 5.0
    start_grace_s: float = 1.0
    lifetime_s: float | None = None


class SimulatorServer:
    """Serves one source. Use ``async with``; then :attr:`port` is known and :meth:`finished` may be awaited.

    Parameters
    ----------
    source
        The market.
    options
        How to serve it.
    clock
        Wall clock for pacing and limits.
    """

    def __init__(self, source: Source, options: ServerOptions, clock: Clock) -> None:
        self._plan = FaultPlan(options.faults, options.tell_fault) if options.faults is not None else None
        # Orders live on without listeners, and a client that trades expects the venue's clock to agree with its own.
        self._running: RunningSource | None = None
        if options.accounts and source.mode == "generated" and options.speed is not None:
            source = self._running = RunningSource(source, clock, options.speed)
        self._faulty = FaultySource(source, self._plan) if self._plan is not None else None
        self._source = source = self._faulty or source
        self._options = options
        self._clock = clock
        self._hub = Hub(source.streams)
        self._gate = SnapshotGate(source.gated, self._hub.depth_symbols, options.gate_deadline_s)
        budget = RequestBudget(source.market, clock)
        self._recent = RecentFrames()
        self._partial = PartialDepth(source, self._hub.follows)
        rest = RestApi(source, self._gate, budget, PublicRest(source, self._recent))
        self.trading = BinanceTrading(source, options.accounts, budget, options.speed) if options.accounts else None
        if self.trading is not None and self._plan is not None:
            self.trading.user_data.copies = self._plan.user_copies
        self._front = Front(rest, self.trading, self._plan, speed=options.speed, answer_first=options.answer_first)
        self._server: Server | None = None
        self._flow: asyncio.Task[None] | None = None
        self._plain: set[Closable] = set()
        self._api_sockets: set[ServerConnection] = set()
        self._leaving: list[ServerConnection] = []  # those that were told of a shutdown
        self.port = 0

    async def __aenter__(self) -> Self:
        interval_s, pong_s = _PING_S[self._source.market]
        scale = max(self._options.speed or 1.0, 1e-3)
        self._server = await serve(
            self._converse,
            HOST,
            self._options.port,
            create_connection=shared_connection(self._front.answer, self._plain),
            process_request=self._process_request,
            compression=None,
            open_timeout=60.0,  # a depth request may wait for its gate
            ping_interval=max(1.0, interval_s / scale),
            ping_timeout=pong_s,
            close_timeout=1.0,
            server_header=None,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self._flow = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._flow is not None:
            self._flow.cancel()
            await asyncio.gather(self._flow, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for connection in list(self._plain):
            connection.close()

    async def flowed(self) -> None:
        """Return when the flow has ended; raise what broke it."""
        if self._flow is not None:
            await asyncio.shield(self._flow)

    def venue_ms(self) -> int:
        """Return the time the venue tells its clients, milliseconds since the epoch."""
        return self._source.server_time_ms()

    def fault(self, kind: Kind) -> Fault | None:
        """Return a fault of ``kind`` that is at work."""
        return self._plan.active(kind) if self._plan is not None else None

    async def finished(self) -> None:
        """Return when there is nothing left to do (only with ``once``); raise what broke the flow."""
        if self._flow is not None:
            await self._flow
        while not (self._options.once and self._hub.is_empty):
            await self._hub.changed()

    async def _run(self) -> None:
        await self._wait_for_listeners()
        self._gate.start()
        pacer = Pacer(self._clock, self._options.speed)
        if self._running is not None:
            pacer.begin(self._running.server_begin_ns, self._running.begin_ns)
        for item in self._source.items():
            if self._options.speed is None:
                while not self._hub.has_listeners:  # as fast as the clients read: nobody reads, time stands
                    await self._hub.changed()
            await pacer.until(item.ns)
            if isinstance(item, GateMark):
                await self._gate.hold(item.symbols)
                if self._running is None:  # there the wall goes on, and venue time must not fall behind it
                    pacer.restart()
            else:
                await self._send(item)
        await self._hub.end()

    async def _send(self, frame: Frame) -> None:
        self._recent.take(frame)
        if self._plan is not None:
            for change in self._plan.advance(frame.ns):
                await self._carry_out(change)
        if self.trading is not None:  # orders meet the true market; what clients see of it may be damaged below
            self.trading.take(frame)
            await self.trading.user_data.flush()
        for public in (frame, *self._partial.frames(frame)):
            await self._deliver(public)

    async def _deliver(self, frame: Frame) -> None:
        if self._plan is None:
            await self._hub.deliver(frame)
            return
        for sent in self._plan.frames(Outgoing(frame.ns, frame.stream, frame.payload, frame)):
            whole: Frame = sent.origin
            intact = sent.payload is whole.payload
            await self._hub.deliver(whole if intact else whole._replace(payload=sent.payload, envelope=b""))

    async def _carry_out(self, change: Change) -> None:
        fault = change.fault
        if fault.kind is Kind.CLOSE:
            await self._cut([*self._api_sockets, *(s.connection for s in self._hub.subscribers)], fault)
        elif fault.kind is Kind.FRAGMENT:
            for subscriber in self._hub.subscribers:
                subscriber.fragments = change.begins
        elif fault.kind is Kind.STALE_SNAPSHOT and change.begins and self._faulty is not None:
            self._faulty.freeze()
        elif fault.kind is Kind.LISTEN_KEY_EXPIRED and self.trading is not None:
            self.trading.listen_keys.expire_due(everything=True)
        elif fault.kind is Kind.SERVER_SHUTDOWN and change.begins:
            event = b'{"e":"serverShutdown","E":%d}' % self._source.server_time_ms()
            self._leaving += [*self._api_sockets, *(s.connection for s in self._hub.subscribers)]
            for subscriber in self._hub.subscribers:
                with suppress(ConnectionClosed):
                    await subscriber.tell(_SHUTDOWN, event)
            for socket in list(self._api_sockets):
                await send_quietly(socket, b'{"event":%s}' % event)
        elif fault.kind is Kind.SERVER_SHUTDOWN:
            told, self._leaving = self._leaving, []
            await self._cut(told, fault)

    async def _cut(self, sockets: list[ServerConnection], fault: Fault) -> None:
        for socket in sockets:
            path = socket.request.path if socket.request is not None else ""
            if fault.stream != USER or path.startswith(("/private", "/ws-api", "/ws-fapi")):
                await cut(socket, fault.code if fault.kind is Kind.CLOSE else _GOING_AWAY)

    async def _wait_for_listeners(self) -> None:
        if self._running is not None:
            return
        while not self._hub.has_listeners:
            await self._hub.changed()
        try:
            async with asyncio.timeout(self._options.start_grace_s):
                while not self._hub.depth_symbols():
                    await self._hub.changed()
        except TimeoutError:
            return

    async def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._is_ws_api(request.path):
            return None
        if parse_endpoint(request.path, self._source.market) is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "Not Found\n")
        return None

    def _is_ws_api(self, target: str) -> bool:
        return self.trading is not None and target.partition("?")[0] == _WS_API[self._source.market]

    async def _serve_ws_api(self, connection: ServerConnection, trading: BinanceTrading) -> None:
        session = WsApiSession(trading, partial(send_quietly, connection))
        self._api_sockets.add(connection)
        try:
            async for message in connection:
                reply = await self._front.converse(session, message)
                if reply is not None:
                    await connection.send(reply, text=True)
                await trading.user_data.flush()
        except ConnectionClosed:
            pass
        finally:
            self._api_sockets.discard(connection)
            session.close()

    async def _converse(self, connection: ServerConnection) -> None:
        request = connection.request
        if request is not None and self.trading is not None and self._is_ws_api(request.path):
            await self._serve_ws_api(connection, self.trading)
            return
        endpoint = parse_endpoint(request.path, self._source.market) if request is not None else None
        if endpoint is None:
            return
        subscriber = Subscriber(connection, endpoint)
        self._hub.add(subscriber)
        ending = asyncio.create_task(self._end(subscriber))
        try:
            await self._commit(subscriber, _url_subscription(endpoint))
            await self._read(connection, subscriber)
        except ConnectionClosed:
            pass
        finally:
            ending.cancel()
            self._hub.drop(subscriber)
            if self.trading is not None:
                self.trading.user_data.unsubscribe(subscriber)
            self._gate.touch()

    async def _end(self, subscriber: Subscriber) -> None:
        """Announce the end of a connection as the venue does, and bring it about."""
        if self._options.lifetime_s is None:
            return
        await asyncio.sleep(self._options.lifetime_s)
        payload = b'{"e":"serverShutdown","E":%d}' % self._source.server_time_ms()
        with suppress(ConnectionClosed):
            await subscriber.tell(_SHUTDOWN, payload)
            await asyncio.sleep(NOTICE_S)
            await subscriber.connection.close(_GOING_AWAY, "server shutdown")

    async def _read(self, connection: ServerConnection, subscriber: Subscriber) -> None:
        limit = _CONTROL_PER_S[self._source.market]
        recent: deque[int] = deque(maxlen=limit)
        async for message in connection:
            now_ns = self._clock.monotonic_ns()
            if len(recent) == limit and now_ns - recent[0] < NS_PER_S:
                await connection.close(_TOO_MANY, "Too many requests")
                return
            recent.append(now_ns)
            reply = subscriber.session.handle(message)
            # The answer first: then a client's first frames cannot overtake it and two runs look alike.
            await connection.send(reply.text)
            await self._commit(subscriber, reply)

    async def _commit(self, subscriber: Subscriber, reply: Reply) -> None:
        await self._hub.commit(subscriber, reply)
        if self.trading is not None:
            self.trading.listen(subscriber, reply.subscribe)
        self._gate.touch()


def _url_subscription(endpoint: Endpoint) -> Reply:
    return Reply("", subscribe=endpoint.streams)
