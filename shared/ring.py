"""A broadcast ring: one writer, any number of readers, nobody waits and nobody steals.

Each reader keeps its own cursor and counts what it lost. The writer claims the slots before it fills them and moves ``head``
after, so a reader can tell which of the slots it copied may have been overwritten meanwhile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.compiled import compiled
from shared.seqlock import Bytes, Counter, full_fence, load_acquire, store_release


@compiled
def _push(claimed: Counter, head: Counter, slots: Bytes, rows: Bytes) -> None:
    start = head[0]
    capacity = np.uint64(slots.shape[0])
    store_release(claimed, 0, start + np.uint64(rows.shape[0]))
    full_fence()  # no slot may change before the claim is seen
    for i in range(rows.shape[0]):
        slots[int((start + np.uint64(i)) % capacity)] = rows[i]
    store_release(head, 0, start + np.uint64(rows.shape[0]))


@compiled
def _pull(claimed: Counter, head: Counter, slots: Bytes, cursor: int, out: Bytes) -> tuple[int, int]:
    """Copy what is new after ``cursor`` into ``out``; return (first index copied, count) of what is certainly whole."""
    capacity = slots.shape[0]
    end = int(load_acquire(head, 0))
    first = max(cursor, end - capacity)
    count = min(end - first, out.shape[0])
    for i in range(count):
        out[i] = slots[(first + i) % capacity]
    full_fence()
    overwritten_below = int(load_acquire(claimed, 0)) - capacity
    skip = min(max(overwritten_below - first, 0), count)
    if skip > 0:
        for i in range(count - skip):
            out[i] = out[i + skip]
    return first + skip, count - skip


class RingWriter:
    """The writing end. ``ring`` is a (1,) array of a :func:`shared.layout.ring` layout, writable."""

    def __init__(self, ring: npt.NDArray[np.void]) -> None:
        self._claimed = ring["claimed"]
        self._head = ring["head"]
        slots = ring["slots"][0]
        self._item: np.dtype[Any] = slots.dtype
        self._slots = slots.view(np.uint8).reshape(slots.shape[0], -1)

    @property
    def head(self) -> int:
        """Count of records ever written."""
        return int(self._head[0])

    def push(self, rows: npt.NDArray[np.void]) -> None:
        """Append records, shape (n,), n at most the capacity."""
        if len(rows):
            _push(self._claimed, self._head, self._slots, rows.view(np.uint8).reshape(len(rows), -1))


class RingReader:
    """A reading end with its own cursor.

    Attributes
    ----------
    lost
        Records that were overwritten before this reader came to them.
    """

    def __init__(self, ring: npt.NDArray[np.void], *, from_start: bool = False, last: int = 0) -> None:
        self._claimed = ring["claimed"]
        self._head = ring["head"]
        slots = ring["slots"][0]
        self._item: np.dtype[Any] = slots.dtype
        self._slots = slots.view(np.uint8).reshape(slots.shape[0], -1)
        head = int(self._head[0])
        oldest = max(0, head - slots.shape[0])
        self.cursor = oldest if from_start else max(oldest, head - last)
        self.lost = 0

    @property
    def head(self) -> int:
        """Count of records ever written."""
        return int(self._head[0])

    def read(self, limit: int = 4096) -> npt.NDArray[np.void]:
        """Return up to ``limit`` new records, oldest first; shape (n,), a private copy."""
        waiting = min(self.head - self.cursor, limit, len(self._slots))
        out = np.empty((max(waiting, 0), self._slots.shape[1]), np.uint8)
        if waiting <= 0:
            return out.reshape(-1).view(self._item)
        first, count = _pull(self._claimed, self._head, self._slots, self.cursor, out)
        self.lost += first - self.cursor
        self.cursor = first + count
        return out[:count].reshape(-1).view(self._item)
