"""The tuner's segment: status for everyone to see, a broadcast of its events, and the lock that keeps it the only one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from shared import layout
from shared.clock import Clock
from shared.events import Action, Reason, TunerEventKind, TunerStatus
from shared.ring import RingWriter
from shared.segment import Segment
from shared.seqlock import begin_write, commit_write
from tuner.amend import Change
from tuner.triggers import Trigger


class TunerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. ``symbol`` -1: none in particular."""

    kind: TunerEventKind
    symbol: int = -1
    action: Action = Action.HOLD
    trigger: Trigger = Trigger.NONE
    reason: Reason = Reason.NONE
    changes: Sequence[Change] = ()
    confidence_pct: float = 0.0
    decision_id: int = 0
    generation: int = 0
    latency_ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    # what if, and what came of it: see TUNER_EVENT
    horizon_s: float = 0.0
    pnl_old_usd: float = 0.0
    pnl_new_usd: float = 0.0
    trades_old: int = 0
    trades_new: int = 0
    effect_usd: float = 0.0
    effect_low_usd: float = 0.0
    effect_high_usd: float = 0.0
    samples: int = 0
    text: str = ""


class Publisher:
    """Owns the segment ``tuner``.

    Errors
    ------
    SharedMemoryError
        At construction, if another tuner of this instance is alive; the message names its pid.
    """

    def __init__(self, instance: str, clock: Clock) -> None:
        self._clock = clock
        self._segment = Segment.create("tuner", layout.TUNER, instance, clock)
        self._view = np.zeros(1, layout.TUNER_VIEW)
        self._ring = RingWriter(self._segment.body["events"])
        self.update(status=TunerStatus.STARTING, started_ns=clock.now_ns())
        self._segment.activate()

    def beat(self) -> None:
        """Stamp the heartbeat; called by the working loop only."""
        self._segment.beat(self._clock.now_ns())

    def update(self, **fields: Any) -> None:
        """Set fields of the status and publish it. Text is cut to what fits."""
        for name, value in fields.items():
            kind = layout.TUNER_VIEW[name]
            self._view[name] = fitting(str(value), kind.itemsize) if kind.kind == "S" else value
        self._publish()

    def add(self, **fields: float) -> None:
        """Add to counters of the status and publish it."""
        for name, value in fields.items():
            self._view[name] += self._view[name].dtype.type(value)
        self._publish()

    def push(self, event: TunerEvent) -> None:
        """Append an event."""
        row = np.zeros(1, layout.TUNER_EVENT)
        row["seq"], row["time_ns"] = self._ring.head + 1, self._clock.now_ns()
        for name in TunerEvent.__struct_fields__:
            if name not in ("changes", "text"):
                row[name] = getattr(event, name)
        row["changes"] = len(event.changes)
        for at, change in enumerate(event.changes):
            row["fields"][0, at], row["old"][0, at], row["new"][0, at] = change.field, change.old, change.new
        row["text"] = fitting(event.text, layout.TUNER_TEXT_BYTES)
        self._ring.push(row)

    @property
    def status(self) -> Any:
        """The status as last published."""
        return self._view[0].copy()

    def close(self) -> None:
        """Say that the tuner stopped and take the segment's name away."""
        self.update(status=TunerStatus.STOPPED, why="the tuner ended", until_ns=0, calling=0)
        self._segment.unlink()
        self._segment.close()

    def _publish(self) -> None:
        body = self._segment.body
        copy = begin_write(body["version"])
        body["copies"][0][copy] = self._view[0]
        commit_write(body["version"])


def fitting(text: str, size: int) -> bytes:
    """Return text as at most ``size`` bytes of UTF-8, cut between characters."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore").encode()
