"""A WebSocket connection that hands over whatever messages have come, cut out of the bytes at once.

A venue sends ordinary frames by the thousand: whole, unmasked, text or binary. Those are cut out here; a turn of the library for
each would cost more than all that the trader does with it. Everything else goes to the library as it came, complete and in order:
the handshake, pings, closing, messages in fragments and whatever is wrong with a frame.
"""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

_WHOLE = (0x81, 0x82)  # first byte of a final text or binary frame without extensions
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_HEAD_END = b"\r\n\r\n"
_LONGEST_HEAD = 1 << 16


class Inbox(ClientConnection):
    """A client connection read with :meth:`take` instead of ``recv``. Made by ``connect(create_connection=Inbox)``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._left = b""  # the beginning of a frame, or of the answer to the handshake
        self._parts: list[bytes] = []  # of a message in fragments
        self._messages: list[bytes] = []
        self._stirred = asyncio.Event()
        self._shaken = False  # the answer to the handshake has gone to the library

    async def take(self) -> list[bytes]:
        """Return the messages that have come since the last call, at least one.

        Errors
        ------
        ConnectionClosed
            When the connection has ended and all messages were taken.
        """
        while not self._messages:
            if self.connection_lost_waiter.done():
                raise self.close_exc
            self._stirred.clear()
            await self._stirred.wait()
        messages, self._messages = self._messages, []
        return messages

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network."""
        self._left = self._cut(self._left + data if self._left else data)
        if self._messages:
            self._stirred.set()

    def eof_received(self) -> None:
        """Take the end of the bytes."""
        left, self._left = self._left, b""
        if left:
            super().data_received(left)
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection."""
        super().connection_lost(exc)
        self._stirred.set()

    def process_event(self, event: Event) -> None:
        """Take what the library has made of the bytes it was given."""
        if not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
            return
        if event.data:
            self._parts.append(bytes(event.data))
        if event.fin:
            self._messages.append(b"".join(self._parts))
            self._parts.clear()

    def _cut(self, data: bytes) -> bytes:
        """Take all that is complete; return the rest."""
        at = 0
        if not self._shaken:
            end = data.find(_HEAD_END)
            if end < 0 and len(data) < _LONGEST_HEAD:
                return data
            self._shaken = True
            at = end + len(_HEAD_END) if end >= 0 else len(data)
            super().data_received(data[:at])
        protocol, size_limit, total = self.protocol, self.protocol.max_message_size or 0, len(data)
        while protocol.state is State.OPEN:
            start = at + 2
            if start > total:
                return data[at:]
            size = data[at + 1]
            if size > 125:
                start += 2 if size == 126 else 8
                if start > total and size < 128:
                    return data[at:]
                size = int.from_bytes(data[at + 2 : start]) if size < 128 else size_limit + 1
            stop = start + size
            if size > size_limit:  # masked or too long: the library says so and ends the connection
                break
            if stop > total:
                return data[at:]
            if data[at] in _WHOLE and protocol.current_size is None:
                self._messages.append(data[start:stop])
            else:
                super().data_received(data[at:stop])
            at = stop
        if at < total:
            super().data_received(data[at:])
        return b""
