"""The engine around ``step``: numbers the inputs, logs them first, runs them, and hands out the events."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from shared.layout import TRADE_EVENT
from trader.engine.outbox import new_outbox
from trader.engine.state import State, copy_state
from trader.engine.step import run

Events = npt.NDArray[np.void]
Inputs = npt.NDArray[np.void]


class Engine:
    """One state and the way to advance it.

    Parameters
    ----------
    state
        Where to begin: new, recovered, or a fork.
    log
        Called with every batch of numbered inputs before it is processed; None for replays and forks.
    """

    def __init__(self, state: State, log: Callable[[Inputs], None] | None = None) -> None:
        self.state = state
        self._log = log
        self._box = new_outbox()

    def process(self, inputs: Inputs) -> Events:
        """Process new inputs: number, log, take them. Return the events they brought about, shape (n,), a private copy."""
        first = int(self.state["input_seq"][0]) + 1
        inputs["seq"] = np.arange(first, first + len(inputs), dtype=np.uint64)
        if self._log is not None:
            self._log(inputs)
        return self.replay(inputs)

    def replay(self, inputs: Inputs) -> Events:
        """Take inputs that are numbered and logged already."""
        parts: list[Events] = []
        done = 0
        while done < len(inputs):
            done = run(self.state, self._box, inputs, done)
            count = int(self._box["count"][0])
            if count:
                parts.append(self._box["events"][0][:count].copy())
                self._box["count"] = 0
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros(0, TRADE_EVENT)

    def fork(self) -> Engine:
        """Return an engine that goes on from a copy of this state, logging nothing."""
        return Engine(copy_state(self.state))
