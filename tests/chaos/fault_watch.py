"""What shared memory shows of a trader while something goes wrong: events, states, and since when all is well again."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from shared.events import EventKind, Reason, Status
from shared.workspace import Workspace

MANY = 2.0  # so many times the usual frames are told
SAID = {
    EventKind.FEED_STALE: "stale", EventKind.FEED_RESTORED: "restored", EventKind.DISCREPANCY: "discrepancy",
    EventKind.RECONCILED: "reconciled", EventKind.ERROR: "error",
}  # fmt: skip
COUNTED = {"reconnects": "reconnect", "resyncs": "resync", "bad_messages": "bad frame"}
_STATUS = {Status.BOOK_LOST: "book lost", Status.BOOK_IN_STEP: "in step"}


class Watch:
    """A watch over one trader, begun now.

    Attributes
    ----------
    states
        What was not well, in words, in the order it was seen.
    first, last
        When the first of it began and the last ended, monotonic seconds; None: all was well.
    well_since
        Since when all is well and nothing under way; None: it is not.
    """

    def __init__(self, workspace: Workspace, usual_per_s: float = 0.0) -> None:
        self._workspace = workspace
        self._reader = workspace.events()
        self._usual_per_s = usual_per_s
        self._n = len(workspace.symbols)
        view = workspace.portfolio()
        self._before = {name: int(view[name]) for name in COUNTED}
        self.messages = int(view["messages"])
        self._frames = (time.monotonic(), self.messages)
        self._rate = 0.0
        self.states: list[str] = []
        self.first: float | None = None
        self.last: float | None = None
        self.well_since: float | None = None
        self.lag_ms = 0.0
        self.events: Counter[str] = Counter()

    def look(self) -> None:
        """Take what there is now."""
        now, view = time.monotonic(), self._workspace.portfolio()
        rows = view["rows"][: self._n]
        wrong = self._wrong(view, rows)
        for name in wrong:
            self.first = now if self.first is None else self.first
            self.last = now
            if name not in self.states:
                self.states.append(name)
        under_way = bool(rows["open_orders"].any() or view["unconfirmed"])
        self.well_since = None if wrong or under_way else self.well_since or now
        self.lag_ms = max(self.lag_ms, float(view["feed_lag_ms"]))
        self.messages = int(view["messages"])
        if now - self._frames[0] >= 1.0:
            self._rate = max(self._rate, (self.messages - self._frames[1]) / (now - self._frames[0]))
            self._frames = (now, self.messages)
        for event in self._reader.read(65_536):
            words = _told(event)
            if words:
                self.events[words] += 1

    @staticmethod
    def _wrong(view: Any, rows: Any) -> list[str]:
        return [
            *([] if view["reconciled"] else ["not reconciled"]),
            *([] if view["connected"] else ["disconnected"]),
            *(["stale"] if view["stale"] or rows["stale"].any() else []),
            *([] if rows["book_valid"].all() else ["book lost"]),
            *(["order in doubt"] if rows["unconfirmed"].any() else []),
        ]

    def happened(self) -> list[str]:
        """Return events and grown counters, in words."""
        view = self._workspace.portfolio()
        grown = {words: int(view[name]) - self._before[name] for name, words in COUNTED.items()}
        counts = [*self.events.items(), *((words, count) for words, count in grown.items() if count)]
        told = [f"{name} {count}" if count > 1 else name for name, count in counts]
        if self._usual_per_s and self._rate > MANY * self._usual_per_s:
            told.append(f"{self._rate / self._usual_per_s:.0f} times the frames")
        return [*told, f"{self.lag_ms / 1e3:.1f} s lag"] if self.lag_ms > 1_000.0 else told

    def books(self) -> list[Any]:
        """Return the newest published picture of each symbol's book, dtype ``BOOK_SNAPSHOT``."""
        return [row["books"][-1] for row in self._workspace.portfolio()["rows"][: self._n]]


def _told(event: Any) -> str:
    """Return what an event says of a fault, "" for one of ordinary trading."""
    kind, reason = EventKind(int(event["kind"])), Reason(int(event["reason"]))
    if kind is EventKind.STATUS:
        return _STATUS.get(Status(int(event["status"])), "")
    if kind is EventKind.ORDER_STATE and reason:
        return "in doubt"
    if kind is EventKind.CANCEL and reason is Reason.REFUSED_BY_VENUE:
        return "order refused"
    if kind is EventKind.CONFIG_REFUSED and event["command_id"]:
        return f"no: {reason.name.lower().replace('_', ' ')}"  # to the hand that wanted to trade
    return SAID.get(kind, "")
