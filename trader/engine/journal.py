"""The input log and the checkpoints in shared memory: what brings the engine back after it is killed at any instant.

Every input is written to the log before it is processed. A checkpoint is one copy of the state; the two copies of the
segment are written in turn, so a kill in the middle of one leaves the other. Recovery is: last checkpoint, then the log since.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.clock import Clock
from shared.errors import JournalError, LayoutMismatch, NotRunning, SharedMemoryError
from shared.layout import INPUT, JOURNAL_CAPACITY, record, ring
from shared.ring import RingReader, RingWriter
from shared.segment import Segment
from shared.seqlock import begin_write, commit_write, read_copy
from trader.engine.state import STATE, State

JOURNAL = ring(INPUT, JOURNAL_CAPACITY)
CHECKPOINT = record(("version", "u8"), ("copies", STATE, (2,)))

Inputs = npt.NDArray[np.void]


class Journal:
    """The log and checkpoint segments of the running trader."""

    def __init__(self, instance: str, clock: Clock) -> None:
        self._clock = clock
        self._journal = Segment.create("journal", JOURNAL, instance, clock)
        self._checkpoint = Segment.create("checkpoint", CHECKPOINT, instance, clock)
        self._writer = RingWriter(self._journal.body)
        body = self._checkpoint.body
        self._version = body["version"]
        self._copies = body["copies"][0]
        self._logged_since = 0
        self._journal.activate()

    def append(self, inputs: Inputs) -> None:
        """Write inputs to the log. Their ``seq`` must follow the last one's."""
        self._writer.push(inputs)
        self._journal.beat(self._clock.now_ns())
        self._logged_since += len(inputs)

    @property
    def checkpoint_due(self) -> bool:
        """Say whether the log holds so much that a checkpoint must come before it wraps."""
        return self._logged_since > JOURNAL_CAPACITY // 4

    def checkpoint(self, state: State) -> None:
        """Keep a copy of the state."""
        self._copies[begin_write(self._version)] = state[0]
        commit_write(self._version)
        self._checkpoint.activate()
        self._checkpoint.beat(self._clock.now_ns())
        self._logged_since = 0

    def unlink(self) -> None:
        """Remove both segments: the state is safe on disk, or not wanted."""
        self._journal.unlink()
        self._checkpoint.unlink()


def recover(instance: str) -> tuple[State, Inputs] | None:
    """Return the last checkpoint and the inputs logged since, left in memory by a trader that was killed.

    Returns
    -------
    None if nothing was left, or it was left by another version of the program.

    Errors
    ------
    SharedMemoryError
        If the trader that owns the segments is alive.
    JournalError
        If inputs between the checkpoint and the log are missing.
    """
    try:
        journal = Segment.attach("journal", JOURNAL, instance)
        checkpoint = Segment.attach("checkpoint", CHECKPOINT, instance)
    except (NotRunning, LayoutMismatch):
        return None
    if checkpoint.owner_alive:
        pid = int(checkpoint.header["owner_pid"][0])
        raise SharedMemoryError(f"trader: already running as process {pid}; stop it or choose another --instance")
    state: Any = read_copy(checkpoint.body["version"], checkpoint.body["copies"][0])
    reader = RingReader(journal.body, from_start=True)
    inputs = reader.read(JOURNAL_CAPACITY)
    inputs = inputs[inputs["seq"] > state["input_seq"][0]]
    check_chain(inputs, int(state["input_seq"][0]))
    journal.close()
    checkpoint.close()
    return state, inputs


def logged(instance: str) -> Inputs:
    """Return every input still in the log that a killed trader left in memory, oldest first."""
    try:
        journal = Segment.attach("journal", JOURNAL, instance)
    except (NotRunning, LayoutMismatch):
        return np.zeros(0, INPUT)
    inputs = RingReader(journal.body, from_start=True).read(JOURNAL_CAPACITY)
    journal.close()
    return inputs


def check_chain(inputs: Inputs, after_seq: int) -> None:
    """Check that inputs follow ``after_seq`` without a hole.

    Errors
    ------
    JournalError
        Naming the first sequence number that is missing.
    """
    expected = np.arange(after_seq + 1, after_seq + 1 + len(inputs), dtype=np.uint64)
    broken = np.flatnonzero(inputs["seq"] != expected)
    if len(broken):
        at = int(broken[0])
        raise JournalError(
            f"input log: was {int(inputs['seq'][at])} at position {at}, expected {int(expected[at])}; "
            "the log cannot be replayed, start with --fresh to begin anew"
        )
