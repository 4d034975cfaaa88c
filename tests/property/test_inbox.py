"""However a venue's bytes are cut on their way, the messages are those that were sent, and what is wrong ends the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from trader.feeds.inbox import Inbox

LONGEST = 70_000
SIZES = st.sampled_from([0, 1, 125, 126, 127, 300, 65_535, 65_536, LONGEST])
CUTS = st.lists(st.integers(1, 400), max_size=30)


class Wire(asyncio.Transport):
    """The network's end of a connection: keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.ended = False

    def write(self, data: Any) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.ended

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


def talk(after: bytes, cuts: Sequence[int], then: Callable[[Inbox, Wire], Awaitable[Any]]) -> Any:
    """Shake hands, send the answer and ``after`` in pieces, and do ``then``."""

    async def run() -> Any:
        inbox, wire = Inbox(ClientProtocol(parse_uri("ws://venue/stream"), max_size=LONGEST)), Wire()
        inbox.connection_made(wire)
        shaking = asyncio.create_task(inbox.handshake())
        await asyncio.sleep(0)
        data, server = bytes(wire.written), ServerProtocol()
        wire.written.clear()
        server.receive_data(data)
        (request,) = server.events_received()
        assert isinstance(request, Request)
        server.send_response(server.accept(request))
        rest = b"".join(server.data_to_send()) + after
        for size in cuts:
            piece, rest = rest[:size], rest[size:]
            if piece:
                inbox.data_received(piece)
        if rest:
            inbox.data_received(rest)
        await shaking
        try:
            return await then(inbox, wire)
        finally:
            inbox.connection_lost(None)

    return asyncio.run(run())


async def all_of(inbox: Inbox, count: int) -> list[bytes]:
    """Return messages until there are ``count``."""
    found: list[bytes] = []
    while len(found) < count:
        async with asyncio.timeout(1.0):
            found += await inbox.take()
    return found


@st.composite
def messages(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Return messages, and the frames of them: some in fragments, with pings between."""
    wanted, sent = [], b""
    for number in range(draw(st.integers(1, 6))):
        text = bytes([65 + number]) * draw(SIZES)
        wanted.append(text)
        parts = [text]
        if draw(st.booleans()):
            at = draw(st.integers(0, len(text)))
            parts = [text[:at], text[at:]]
        for place, part in enumerate(parts):
            opcode = Opcode.CONT if place else draw(st.sampled_from([Opcode.TEXT, Opcode.BINARY]))
            sent += Frame(opcode, part, fin=place == len(parts) - 1).serialize(mask=False)
            if draw(st.booleans()):
                sent += Frame(Opcode.PING, b"there?").serialize(mask=False)
    return wanted, sent


@given(messages(), CUTS)
def test_messages_are_those_that_were_sent(sent: tuple[list[bytes], bytes], cuts: list[int]) -> None:
    wanted, frames = sent
    assert talk(frames, cuts, lambda inbox, _: all_of(inbox, len(wanted))) == wanted


def test_pings_are_answered() -> None:
    async def then(_inbox: Inbox, wire: Wire) -> bytes:
        return bytes(wire.written)

    frames = Frame(Opcode.TEXT, b"a").serialize(mask=False) + Frame(Opcode.PING, b"there?").serialize(mask=False)
    assert talk(frames, [], then)[0] == 0x80 | Opcode.PONG


def wrong(case: str) -> bytes:
    """Return a frame that no server may send, or the last one of a connection."""
    text = Frame(Opcode.TEXT, b"abc")
    frames = {
        "masked": text.serialize(mask=True),
        "reserved bit": bytes([0xC1]) + text.serialize(mask=False)[1:],
        "unknown opcode": bytes([0x83]) + text.serialize(mask=False)[1:],
        "too long": Frame(Opcode.TEXT, b"x" * (LONGEST + 1)).serialize(mask=False),
        "too long in fragments": Frame(Opcode.TEXT, b"x" * LONGEST, fin=False).serialize(mask=False)
        + Frame(Opcode.CONT, b"x").serialize(mask=False),
        "continues nothing": Frame(Opcode.CONT, b"abc").serialize(mask=False),
        "inside another": Frame(Opcode.TEXT, b"a", fin=False).serialize(mask=False) + text.serialize(mask=False),
        "closed": Frame(Opcode.CLOSE, Close(1001, "later").serialize()).serialize(mask=False),
    }
    return frames[case]


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("masked", 1002),
        ("reserved bit", 1002),
        ("unknown opcode", 1002),
        ("too long", 1009),
        ("too long in fragments", 1009),
        ("continues nothing", 1002),
        ("inside another", 1002),
        ("closed", 1001),
    ],
)
@pytest.mark.parametrize("cuts", [[], [3] * 60, [200, 1, 1, 1]])
def test_what_is_wrong_ends_the_connection_after_the_messages_before(case: str, code: int, cuts: list[int]) -> None:
    async def then(inbox: Inbox, _: Wire) -> tuple[list[bytes], int]:
        found = await inbox.take()
        inbox.connection_lost(None)
        with pytest.raises(ConnectionClosed) as ended:
            await inbox.take()
        close = ended.value.rcvd or ended.value.sent
        inbox.connection_lost = lambda _error: None  # type: ignore[method-assign, assignment]
        return found, close.code if close else 0

    before = Frame(Opcode.TEXT, b"before").serialize(mask=False)
    after = Frame(Opcode.TEXT, b"after").serialize(mask=False)
    assert talk(before + wrong(case) + after, cuts, then) == ([b"before"], code)


def test_a_frame_that_is_not_finished_is_no_message() -> None:
    async def then(inbox: Inbox, _: Wire) -> list[bytes]:
        found = await inbox.take()
        inbox.eof_received()
        inbox.connection_lost(None)
        with pytest.raises(ConnectionClosed):
            await inbox.take()
        inbox.connection_lost = lambda _error: None  # type: ignore[method-assign, assignment]
        return found

    frame = Frame(Opcode.TEXT, b"whole").serialize(mask=False)
    assert talk(frame + frame[:4], [], then) == [b"whole"]


def test_an_answer_that_is_no_handshake_ends_it() -> None:
    async def run() -> None:
        inbox = Inbox(ClientProtocol(parse_uri("ws://venue/stream")))
        inbox.connection_made(Wire())
        shaking = asyncio.create_task(inbox.handshake())
        await asyncio.sleep(0)
        inbox.data_received(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n")
        inbox.data_received(b"\r\nno")
        inbox.data_received(b"pe")
        inbox.eof_received()
        inbox.connection_lost(None)
        with pytest.raises(Exception, match="404"):
            await shaking

    asyncio.run(run())
