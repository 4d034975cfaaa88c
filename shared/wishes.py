"""Desired and applied: writers state a wish, the trader alone applies it, and says so.

A wish is a *patch*: only the fields in its mask are meant. One slot a row is enough because a writer waits until the trader has
looked at the wish before it; nothing is ever overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import NotRunning, Timeout
from shared.events import Reason, Source
from shared.layout import DESIRED
from shared.params import Param
from shared.segment import Segment
from shared.seqlock import begin_write, commit_write, read_copy

Record = np.void


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A patch of one row. ``changes`` maps field index to value."""

    changes: Mapping[int, float]
    source: Source
    base_revision: int = 0  # 0: whatever stands
    override_epoch: int = 0
    decision_id: int = 0
    confidence_pct: float = 0.0
    valid_for_s: float = 10.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the trader did with a wish."""

    generation: int
    revision: int
    refusal: Reason
    waited_ms: float


class WishRow:
    """One row of desired and applied values: the global controls, or one symbol.

    Parameters
    ----------
    segment
        The segment that holds the row; attached writable by those who wish.
    desired_version, desired, applied_version, applied
        Views into its body: counters of shape (1,) and copies of shape (2,).
    fields
        The registry behind the row's values.
    """

    def __init__(
        self,
        segment: Segment,
        desired: tuple[npt.NDArray[np.uint64], npt.NDArray[np.void]],
        applied: tuple[npt.NDArray[np.uint64], npt.NDArray[np.void]],
        fields: tuple[Param, ...],
    ) -> None:
        self._segment = segment
        self._desired_version, self._desired = desired
        self._applied_version, self._applied = applied
        self.fields = fields

    def applied(self) -> Record:
        """Return a consistent copy of what is in force, dtype :data:`shared.layout.APPLIED`."""
        return _copy(self._applied_version, self._applied)

    def desired(self) -> Record:
        """Return a consistent copy of the last wish, dtype :data:`shared.layout.DESIRED`."""
        return _copy(self._desired_version, self._desired)

    @property
    def pending_version(self) -> int:
        """A counter that moves with every wish: cheap to poll."""
        return int(self._desired_version[0])

    def value(self, field: int) -> float:
        """Return one applied value."""
        return float(self.applied()["values"][field])

    def undo(self) -> dict[int, float]:
        """Return the patch that goes back to before the last change; empty if there was none. Wish it to take it back."""
        row = self.applied()
        fields = range(len(self.fields))
        return {i: float(row["previous"][i]) for i in fields if row["previous"][i] != row["values"][i]}

    def publish(self, applied: npt.NDArray[np.void], now_ns: int) -> None:
        """Publish what is in force. Only the trader calls this."""
        copy = begin_write(self._applied_version)
        self._applied[copy] = applied
        commit_write(self._applied_version)
        self._segment.beat(now_ns)

    def post(self, wish: Wish, clock: Clock, wait_s: float = 2.0) -> Outcome:
        """State a wish and wait until the trader has looked at it.

        Errors
        ------
        NotRunning
            If the trader is dead.
        Timeout
            If it did not look within ``wait_s``; the wish expires by itself.
        OutOfRange
            If a value is outside its bounds; nothing is written then.
        """
        for index, value in wish.changes.items():
            self.fields[index].check(value)
        start_ns = clock.monotonic_ns()
        deadline_ns = start_ns + int(wait_s * NS_PER_S)
        with self._segment.locked(clock, wait_s):
            self._await_observed(int(self.desired()["generation"]), clock, deadline_ns)
            generation = self._write(wish, clock)
        applied = self._await_observed(generation, clock, deadline_ns)
        return Outcome(
            generation=generation,
            revision=int(applied["revision"]),
            refusal=Reason(int(applied["refusal"])),
            waited_ms=(clock.monotonic_ns() - start_ns) / NS_PER_MS,
        )

    def _write(self, wish: Wish, clock: Clock) -> int:
        record = np.zeros((), DESIRED)
        record["generation"] = self.desired()["generation"] + 1
        record["base_revision"] = wish.base_revision
        record["override_epoch"] = wish.override_epoch
        record["issued_ns"] = clock.now_ns()
        record["expires_ns"] = clock.now_ns() + int(wish.valid_for_s * NS_PER_S)
        record["decision_id"] = wish.decision_id
        record["confidence_pct"] = wish.confidence_pct
        record["source"] = wish.source
        for index, value in wish.changes.items():
            record["mask"] |= np.uint32(1 << index)
            record["values"][index] = value
        copy = begin_write(self._desired_version)
        self._desired[copy] = record
        commit_write(self._desired_version)
        self._segment.beat(clock.now_ns())
        return int(record["generation"])

    def _await_observed(self, generation: int, clock: Clock, deadline_ns: int) -> Record:
        from time import sleep

        while True:
            applied = self.applied()
            if int(applied["observed_generation"]) >= generation:
                return applied
            if not self._segment.owner_alive:
                raise NotRunning("trader: was not running, expected a live one to take the wish; start it and try again")
            if clock.monotonic_ns() > deadline_ns:
                raise Timeout(
                    "trader: did not look at the wish in time, expected an answer within milliseconds; see trader_control status"
                )
            sleep(0.0002)


def _copy(version: npt.NDArray[np.uint64], copies: npt.NDArray[np.void]) -> Record:
    row: Record = read_copy(version, copies)[0]
    return row
