"""Simulated time against wall time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.clock import NS_PER_S

if TYPE_CHECKING:
    from shared.clock import Clock

# asyncio cannot sleep shorter than about a millisecond; frames closer than that leave together.
_SHORTEST_SLEEP_S = 0.001
# Sending does not give way while the socket takes everything; the readers of the loop must still get their turn.
_FRAMES_PER_TURN = 64


class Pacer:
    """Lets each frame leave when it is due.

    Parameters
    ----------
    clock
        Measures the wall.
    speed
        Simulated seconds per wall second; None sends as fast as the clients read.
    """

    def __init__(self, clock: Clock, speed: float | None) -> None:
        self._clock = clock
        self._speed = speed
        self._anchor: tuple[int, int] | None = None
        self._frames = 0

    def begin(self, due_ns: int, monotonic_ns: int) -> None:
        """Let simulated ``due_ns`` fall on ``monotonic_ns`` of the wall; what is late leaves at once."""
        self._anchor = (due_ns, monotonic_ns)

    def restart(self) -> None:
        """Forget the past: the next frame is due at once."""
        self._anchor = None

    async def until(self, due_ns: int) -> None:
        """Return when ``due_ns`` (simulated) has come."""
        self._frames += 1
        if self._frames % _FRAMES_PER_TURN == 0:
            await asyncio.sleep(0)
        if self._speed is None:
            return
        now_ns = self._clock.monotonic_ns()
        if self._anchor is None:
            self._anchor = (due_ns, now_ns)
            return
        wait_s = (due_ns - self._anchor[0]) / NS_PER_S / self._speed - (now_ns - self._anchor[1]) / NS_PER_S
        if wait_s >= _SHORTEST_SLEEP_S:
            await asyncio.sleep(wait_s)
