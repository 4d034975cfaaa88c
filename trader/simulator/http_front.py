"""HTTP/1.1 beside the WebSockets on one port: any method, bodies, kept-alive connections."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import h11
from websockets.asyncio.server import ServerConnection

_LONGEST_HEAD = 16_384  # bytes before the blank line
_LONGEST_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: ``target`` is path and query as received, header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: status, body, headers.

    Attributes
    ----------
    after
        Awaited once the answer has left.
    lost
        Close the connection instead of answering: the client cannot know what happened.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    after: Callable[[], Awaitable[None]] | None = None
    lost: bool = False


HttpHandler = Callable[[HttpRequest], Awaitable[HttpAnswer]]


class HttpConnection(asyncio.Protocol):
    """Serves the requests of one connection, one after the other.

    Parameters
    ----------
    handler
        Answers a request.
    upgrade
        Takes the connection over, with the bytes of a request that asks for a WebSocket: clients reuse kept-alive ones.
    alive
        Holds the connection while it is open.
    """

    def __init__(self, handler: HttpHandler, upgrade: Callable[[bytes], None], alive: set[HttpConnection]) -> None:
        self._alive = alive
        self._handler = handler
        self._upgrade = upgrade
        self._state = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._pending: h11.Request | None = None
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._alive.add(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; start answering when there is something to answer."""
        self._state.receive_data(data)
        self._wake()

    def eof_received(self) -> bool:
        """Let a half-closed connection end."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name asyncio calls it by
        """Forget the connection; a request being answered is still carried out, as on the venue."""
        self._transport = None
        self._alive.discard(self)

    def close(self) -> None:
        """Close the connection."""
        self._close()

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while (request := self._next_request()) is not None:
                answer = await self._handler(request)
                self._send(answer, head_only=request.method == "HEAD")
                if answer.after is not None:
                    await answer.after()
                if self._state.our_state is h11.MUST_CLOSE or answer.lost:
                    self._close()
                    return
                self._state.start_next_cycle()
        except h11.ProtocolError:
            self._close()

    def _next_request(self) -> HttpRequest | None:
        if self._transport is None:
            return None
        if self._pending is None:
            event = self._state.next_event()
            if not isinstance(event, h11.Request):
                if isinstance(event, h11.ConnectionClosed):
                    self._close()
                return None
            if any(name == b"upgrade" and value.lower() == b"websocket" for name, value in event.headers):
                self._transport = None
                self._alive.discard(self)
                self._upgrade(_head(event) + self._state.trailing_data[0])
                return None
            if self._state.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._pending, self._body = event, bytearray()
        while not isinstance(event := self._state.next_event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                return None
            self._body += event.data
            if len(self._body) > _LONGEST_BODY:
                raise h11.RemoteProtocolError("body too long", 413)
        head, self._pending = self._pending, None
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in head.headers}
        return HttpRequest(head.method.decode(), head.target.decode("latin-1"), headers, bytes(self._body))

    def _send(self, answer: HttpAnswer, *, head_only: bool) -> None:
        if self._transport is None or answer.lost:
            return
        kind = {"Content-Type": "application/json;charset=UTF-8"} | answer.headers
        headers = [*kind.items(), ("Content-Length", str(len(answer.body)))]
        reason = http.HTTPStatus(answer.status).phrase
        self._write(h11.Response(status_code=answer.status, headers=headers, reason=reason.encode()))
        if not head_only:
            self._write(h11.Data(data=answer.body))
        self._write(h11.EndOfMessage())

    def _write(self, event: h11.Response | h11.InformationalResponse | h11.Data | h11.EndOfMessage) -> None:
        data = self._state.send(event)
        if self._transport is not None and data:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _head(request: h11.Request) -> bytes:
    lines = [request.method + b" " + request.target + b" HTTP/1.1"]
    return b"\r\n".join([*lines, *(name + b": " + value for name, value in request.headers), b"", b""])


class SharedConnection(ServerConnection):
    """A connection whose first request decides what it is: an upgrade stays here, anything else becomes HTTP.

    Subclasses set :attr:`http_handler`, and :attr:`http_alive`, which holds the open plain connections.
    """

    http_handler: HttpHandler
    http_alive: set[HttpConnection]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request before the WebSocket side begins."""
        self._undecided: bytearray | None = bytearray()
        self._raw = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect the first request's head, then hand over."""
        if self._undecided is None:
            super().data_received(data)
            return
        self._undecided += data
        head, end, _ = bytes(self._undecided).partition(b"\r\n\r\n")
        if not end and len(self._undecided) <= _LONGEST_HEAD:
            return
        received, self._undecided = bytes(self._undecided), None
        if b"\r\nupgrade: websocket" in head.lower():
            self._become_websocket(received)
            return
        plain = HttpConnection(type(self).http_handler, self._become_websocket, self.http_alive)
        self._raw.set_protocol(plain)
        plain.connection_made(self._raw)
        plain.data_received(received)

    def _become_websocket(self, received: bytes) -> None:
        self._raw.set_protocol(self)
        super().connection_made(self._raw)
        super().data_received(received)

    def eof_received(self) -> None:
        """Pass the end on, unless nothing has begun."""
        if self._undecided is None:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the loss on, unless nothing has begun."""
        if self._undecided is None:
            super().connection_lost(exc)


def shared_connection(handler: HttpHandler, alive: set[HttpConnection]) -> type[SharedConnection]:
    """Return a connection class for ``websockets.serve(create_connection=...)`` whose plain requests go to ``handler``."""

    async def call(request: HttpRequest) -> HttpAnswer:
        return await handler(request)

    return type("Shared", (SharedConnection,), {"http_handler": staticmethod(call), "http_alive": alive})
