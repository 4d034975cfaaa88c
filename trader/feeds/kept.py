"""A kept session as a feed: its inputs in their order and with their times, at the speed one wants to watch them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from shared.clock import Clock
from trader.feeds.instruments import Instrument
from trader.feeds.stats import FeedStats

BATCH = 512  # inputs given out at once: between two batches wishes are served and the state is published
POLL_S = 0.002

Inputs = npt.NDArray[np.void]


class KeptFeed:
    """Gives out the inputs of a session; see :class:`trader.app.Feed`.

    Parameters
    ----------
    inputs
        What is still to come, in order.
    speed
        Recorded seconds that pass in one; None for as fast as possible.
    """

    def __init__(
        self, inputs: Inputs, *, clock: Clock, stats: FeedStats, sink: Callable[[Inputs], None], speed: float | None
    ) -> None:
        self._inputs = inputs
        self._clock = clock
        self._sink = sink
        self._speed = speed
        self.stats = stats
        self.ended = asyncio.Event()
        stats.sockets_open = stats.sockets_wanted = 1

    async def instruments(self) -> list[Instrument]:
        """Return nothing: what the venue said is among the inputs."""
        return []

    async def history(self, symbol: str, minutes: int) -> npt.NDArray[np.float64]:  # noqa: ARG002 - as every feed
        """Return nothing: the minutes before are among the inputs."""
        return np.zeros((0, 6))

    async def run(self) -> None:
        """Give out every input, then say that it ended."""
        given = 0
        passed_ns = np.maximum.accumulate(self._inputs["time_ns"])
        begun_ns = int(passed_ns[passed_ns > 0][0]) if (passed_ns > 0).any() else 0
        start_ns = self._clock.monotonic_ns()
        while given < len(self._inputs):
            due = len(self._inputs)
            if self._speed is not None:
                now_ns = begun_ns + int((self._clock.monotonic_ns() - start_ns) * self._speed)
                due = int(np.searchsorted(passed_ns, now_ns, side="right"))
            upto = min(due, given + BATCH)
            if upto > given:
                self._give(self._inputs[given:upto])
                given = upto
            await asyncio.sleep(POLL_S if given >= due else 0)
        self.ended.set()

    def _give(self, inputs: Inputs) -> None:
        self.stats.messages += len(inputs)
        self.stats.last_message_ns = self._clock.now_ns()
        self._sink(inputs.copy())
