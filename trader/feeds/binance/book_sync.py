"""Joining a book snapshot with the stream of its changes, by the exact rule of each market. No I/O, no clock.

::

    WAITING ── snapshot that a buffered (or coming) update continues ──► IN STEP
       ▲                                                                   │
       └──────── an update is missing (it stays in the buffer) ────────────┘
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple, Protocol

import msgspec

from trader.feeds.binance.messages import DepthIds, Snapshot

MAX_BUFFERED = 5_000  # updates: eight minutes of a 100 ms stream; the oldest go first
MAX_OLD = 10  # updates in a row that bring nothing new: the venue repeats one at times; more means that our own id is wrong
MAX_PENDING = 1_000  # updates a snapshot may be ahead of the stream before we doubt it


class Chain(Enum):
    """How an update relates to a book in step."""

    FOLLOWS = auto()
    OLD = auto()  # brings nothing new
    BROKEN = auto()


class Rule(Protocol):
    """The sequence rule of a market. ``book_id`` is the id of the snapshot or of the last update applied."""

    def covered(self, update: DepthIds, book_id: int) -> bool:
        """Say whether a snapshot already contains the update."""
        ...

    def bridges(self, update: DepthIds, book_id: int) -> bool:
        """Say whether the update, not covered, continues the snapshot without a hole."""
        ...

    def chain(self, update: DepthIds, book_id: int, oldest_id: int) -> Chain:
        """Compare the next update with a book in step since an update whose first id was ``oldest_id``."""
        ...


class SpotRule:
    """Ids are consecutive: each update starts right behind the one before."""

    def covered(self, update: DepthIds, book_id: int) -> bool:
        """``u`` <= id."""
        return update.final_id <= book_id

    def bridges(self, update: DepthIds, book_id: int) -> bool:
        """``U`` <= id + 1."""
        return update.first_id <= book_id + 1

    def chain(self, update: DepthIds, book_id: int, oldest_id: int) -> Chain:
        """``U`` == id + 1 follows, what we have seen is old, and what is older than all we have seen is a restarted count."""
        if update.final_id <= book_id:
            return Chain.OLD if update.final_id >= oldest_id else Chain.BROKEN
        return Chain.FOLLOWS if update.first_id <= book_id + 1 else Chain.BROKEN


class UsdmRule:
    """Ids have holes; each update names the one before."""

    def covered(self, update: DepthIds, book_id: int) -> bool:
        """``u`` < id, strictly."""
        return update.final_id < book_id

    def bridges(self, update: DepthIds, book_id: int) -> bool:
        """``U`` <= id <= ``u``."""
        return update.first_id <= book_id <= update.final_id

    def chain(self, update: DepthIds, book_id: int, oldest_id: int) -> Chain:  # noqa: ARG002 - spot needs it
        """``pu`` == id; the very update that the book stands at is old.

        The venue's rule is to begin anew then too, at the price of a snapshot: a stream that repeats itself would use up the
        allowance of requests within seconds, and a book that is really lost would wait for the next minute.
        """
        if update.previous_id == book_id:
            return Chain.FOLLOWS
        return Chain.OLD if update.final_id == book_id else Chain.BROKEN


class Update(msgspec.Struct):
    """A depth update with its arrival time and its rows; ``place`` is where they go if the stream is held back."""

    depth: DepthIds
    time_ns: int
    rows: bytes = b""
    place: bytearray | None = None


class Action(Enum):
    """What to do with an update."""

    START = auto()  # set the book to the snapshot, then apply the update
    APPLY = auto()
    GAP = auto()  # the book is not to be trusted from this update on
    REFUSE = auto()  # nothing; the snapshot was of no use, another one is wanted


class Step(NamedTuple):
    """One thing to do; ``snapshot`` comes with START."""

    action: Action
    update: Update
    snapshot: Snapshot | None = None


class BookSync:
    """The synchroniser of one symbol's book.

    Parameters
    ----------
    rule
        Of the market.

    Attributes
    ----------
    in_step
        Whether the book follows the venue's.
    book_id
        Id of the last update applied.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._buffer: deque[Update] = deque(maxlen=MAX_BUFFERED)
        self._pending: Snapshot | None = None
        self._pending_for = 0
        self._oldest_id = 0
        self._old = 0
        self.book_id = 0
        self.in_step = False

    @property
    def wants_snapshot(self) -> bool:
        """Say whether to ask the venue for one: only after the first update, or it could be too old at once."""
        return not self.in_step and self._pending is None and bool(self._buffer)

    def on_update(self, update: Update) -> list[Step]:
        """Take the next update of the stream."""
        if self.in_step:
            return self._continue(update)
        if self._buffer and update.depth.final_id < self._buffer[-1].depth.final_id:
            self._buffer.clear()  # the count restarted: no snapshot to come could be continued by what was before
        self._buffer.append(update)
        return self._consider(update) if self._pending is not None else []

    def on_snapshot(self, snapshot: Snapshot) -> list[Step]:
        """Take a snapshot; one that comes when the book is in step is not needed and ignored."""
        if self.in_step:
            return []
        for update in self._buffer:
            if self._rule.covered(update.depth, snapshot.update_id):
                continue
            if self._rule.bridges(update.depth, snapshot.update_id):
                return self._start(snapshot, update)
            return [Step(Action.REFUSE, update)]  # too old; the buffer stays, the next snapshot will be newer
        self._pending, self._pending_for = snapshot, 0
        return []

    def reset(self) -> None:
        """Forget the stream so far: it was cut."""
        self.in_step = False
        self._pending = None
        self._buffer.clear()

    def places_gone(self) -> None:
        """Note that nothing is held back any more."""
        for update in self._buffer:
            update.place = None

    def _consider(self, update: Update) -> list[Step]:
        """Compare an update with the snapshot that waits for it; all earlier ones are covered by it."""
        snapshot = self._pending
        if snapshot is None:
            return []
        if self._rule.covered(update.depth, snapshot.update_id):
            self._pending_for += 1
            if self._pending_for < MAX_PENDING:
                return []
            self._pending = None  # the venue's count was reset, or the snapshot is another market's
            return [Step(Action.REFUSE, update)]
        if self._rule.bridges(update.depth, snapshot.update_id):
            return self._start(snapshot, update)
        self._pending = None
        return [Step(Action.REFUSE, update)]

    def _start(self, snapshot: Snapshot, bridge: Update) -> list[Step]:
        waiting = list(_from(self._buffer, bridge))
        self._buffer.clear()
        self._pending = None
        self.in_step = True
        self._old = 0
        self._oldest_id, self.book_id = bridge.depth.first_id, bridge.depth.final_id
        steps = [Step(Action.START, bridge, snapshot)]
        for update in waiting[1:]:
            steps += self.on_update(update)
        return steps

    def _continue(self, update: Update) -> list[Step]:
        chain = self._rule.chain(update.depth, self.book_id, self._oldest_id)
        if chain is Chain.FOLLOWS:
            self.book_id = update.depth.final_id
            self._old = 0
            return [Step(Action.APPLY, update)]
        self._old += 1
        if chain is Chain.OLD and self._old <= MAX_OLD:
            return []
        self.in_step = False
        self._buffer.append(update)  # it may well be the first one after the next snapshot
        return [Step(Action.GAP, update)]


def _from(buffer: deque[Update], first: Update) -> Iterator[Update]:
    found = False
    for update in buffer:
        found = found or update is first
        if found:
            yield update
