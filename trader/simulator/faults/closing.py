"""The ways a connection ends."""

from __future__ import annotations

import contextlib
import socket
import struct

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

RESET = 0
NO_CLOSE_FRAME = 1006
_LINGER_NOTHING = struct.pack("ii", 1, 0)


async def cut(connection: ServerConnection, code: int) -> None:
    """End a connection: 0 resets it, 1006 drops it without a close frame, any other code is sent."""
    if code not in {RESET, NO_CLOSE_FRAME}:
        await connection.close(code, "simulated")
        return
    raw = connection.transport.get_extra_info("socket")
    if code == RESET and raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
    connection.transport.abort()


async def send_quietly(connection: ServerConnection, payload: bytes) -> None:
    """Send a text message unless the connection has gone."""
    with contextlib.suppress(ConnectionClosed):
        await connection.send(payload, text=True)
