"""The gate: the flow waits until the clients that follow a depth stream have fetched their snapshot."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet


class SnapshotGate:
    """Joins the flow with the REST depth requests so that neither outruns the other.

    Parameters
    ----------
    gated
        Symbols whose flow will stop at a gate.
    followed
        Answers which symbols somebody follows a depth stream of, now.
    deadline_s
        Longest wait at a gate, and of a request for a gate, wall-clock seconds.
    """

    def __init__(self, gated: AbstractSet[str], followed: Callable[[], AbstractSet[str]], deadline_s: float) -> None:
        self._ahead = set(gated)
        self._followed = followed
        self._deadline_s = deadline_s
        self._requested: set[str] = set()
        self._changed = asyncio.Event()
        self._started = False

    def start(self) -> None:
        """Note that the flow has begun: from now on requests wait for their gate."""
        self._started = True

    def touch(self) -> None:
        """Wake everybody: a subscription or a request has changed the picture."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def hold(self, symbols: AbstractSet[str]) -> None:
        """Stop the flow until every followed symbol of ``symbols`` was requested, or the deadline."""
        self._ahead -= symbols
        self.touch()
        try:
            async with asyncio.timeout(self._deadline_s):
                while (self._followed() & symbols) - self._requested:
                    await self._changed.wait()
        except TimeoutError:
            return

    async def reached(self, symbol: str) -> None:
        """Return when the flow stands at or behind the gate of ``symbol``; at once if it has not begun."""
        try:
            async with asyncio.timeout(self._deadline_s):
                while self._started and symbol in self._ahead:
                    await self._changed.wait()
        except TimeoutError:
            return

    def fetched(self, symbol: str) -> None:
        """Note that the snapshot of ``symbol`` has been answered. A request before the flow began does not count."""
        if self._started and symbol not in self._ahead:
            self._requested.add(symbol)
            self.touch()
