"""Which faults are at work now, and what they do to frames and requests."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from shared.clock import NS_PER_S
from trader.simulator.faults.script import AT_ONCE, Fault, Kind, Script
from trader.simulator.streams import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER = "user"
_QUOTES = ("bookTicker", "bbo")
_STAMP = re.compile(rb'"(E|T|time)":(\d{13})\b')


@dataclass(frozen=True, slots=True)
class Change:
    """A fault begins (or, for those that last, ends)."""

    fault: Fault
    begins: bool


class Outgoing(NamedTuple):
    """A piece of the flow on its way to the clients.

    Attributes
    ----------
    ns
        Venue time.
    stream
        Under which name it is sent: ``btcusdt@depth@100ms``, ``l2Book:BTC``.
    payload
        The text that faults damage.
    origin
        What it was made from, for the one who sends it.
    """

    ns: int
    stream: str
    payload: bytes
    origin: Any = None


class FaultPlan:
    """A script being played.

    Parameters
    ----------
    script
        What happens when.
    tell
        Called with every change and the venue time in ns, for the log.
    """

    def __init__(self, script: Script, tell: Callable[[Change, int], None] | None = None) -> None:
        self._rng = np.random.default_rng(script.seed)
        self._ahead = deque(script.fault)
        self._active: list[Fault] = []
        self._used: Counter[int] = Counter()
        self._tell = tell
        self._start_ns: int | None = None
        self._now_s = 0.0
        self._held: deque[tuple[int, Outgoing]] = deque()
        self._swapped: Outgoing | None = None
        self._swapped_within = ""  # a stream: only its next frame goes before

    @property
    def _at_work(self) -> list[Fault]:
        """The faults that last and are at work; before the first frame those that are there from the beginning."""
        if self._start_ns is not None:
            return self._active
        return [fault for fault in self._ahead if fault.at_s <= 0 and fault.kind not in AT_ONCE]

    @property
    def skew_ms(self) -> int:
        """How far the venue's clock is ahead now."""
        return sum(fault.skew_ms for fault in self._at_work if fault.kind is Kind.SKEW)

    def advance(self, ns: int) -> list[Change]:
        """Move to venue time ``ns``; return what begins and ends there."""
        if self._start_ns is None:
            self._start_ns = ns
        self._now_s = now_s = (ns - self._start_ns) / NS_PER_S
        changes = [Change(fault, begins=False) for fault in self._active if fault.at_s + fault.for_s <= now_s]
        self._active = [fault for fault in self._active if fault.at_s + fault.for_s > now_s]
        while self._ahead and self._ahead[0].at_s <= now_s:
            fault = self._ahead.popleft()
            changes.append(Change(fault, begins=True))
            if fault.kind not in AT_ONCE:
                self._active.append(fault)
        for change in changes:
            if self._tell is not None:
                self._tell(change, ns)
        return changes

    def add(self, fault: Fault) -> Fault:
        """Put one more fault into the script, its ``at`` counted from now; return it as it was put there."""
        placed = msgspec.structs.replace(fault, at_s=self._now_s + fault.at_s)
        self._ahead = deque(sorted([*self._ahead, placed], key=lambda other: other.at_s))
        return placed

    def hits(self, fault: Fault) -> int:
        """Return how many frames or requests a fault of this plan has hit."""
        return self._used[id(fault)]

    def active(self, kind: Kind) -> Fault | None:
        """Return a fault of ``kind`` that is at work."""
        return next((fault for fault in self._at_work if fault.kind is kind), None)

    def strikes(self, kind: Kind, path: str = "") -> Fault | None:
        """Return the fault of ``kind`` that hits a request now, counted, or None."""
        return next((fault for fault in self._at_work if fault.kind is kind and fault.path in path and self._hits(fault)), None)

    def user_copies(self) -> int:
        """Return how often the next user-data event is sent: 0 while user data is silent."""
        if any(fault.kind is Kind.SILENCE and fault.stream in {"", USER} for fault in self._at_work):
            return 0
        return 2 if any(f.kind is Kind.DUPLICATE and f.stream == USER and self._hits(f) for f in self._at_work) else 1

    def frames(self, frame: Outgoing) -> Iterator[Outgoing]:
        """Yield what is sent in place of ``frame``: nothing, itself, late ones, copies, swapped or damaged ones."""
        while self._held and self._held[0][0] <= frame.ns:
            yield from self._pass(self._held.popleft()[1])
        late = self._concerned(Kind.DELAY, frame)
        before = max((due for due, held in self._held if held.stream == frame.stream), default=0)
        if late is not None or before:  # who comes after a late one waits behind it: late is not out of order
            due_ns = frame.ns + (int(late.delay_s * NS_PER_S) if late is not None else 0)
            self._hold(max(due_ns, before), frame)
            return
        yield from self._pass(frame)

    def _hold(self, due_ns: int, frame: Outgoing) -> None:
        place = len(self._held)
        while place and self._held[place - 1][0] > due_ns:
            place -= 1
        self._held.insert(place, (due_ns, frame))

    def _pass(self, frame: Outgoing) -> Iterator[Outgoing]:
        if self._concerned(Kind.SILENCE, frame) or self._concerned(Kind.GAP, frame):
            return
        frame = self._stamped(frame)
        swap = self._swapped if self._swapped_within in {"", frame.stream} else None
        if swap is not None:
            self._swapped = None
        elif self._swapped is None and (fault := self._concerned(Kind.REORDER, frame)) is not None:
            self._swapped, self._swapped_within = frame, frame.stream if fault.stream else ""
            return
        for sent in (frame, swap):
            if sent is not None:
                yield from self._copies(sent)

    def _copies(self, frame: Outgoing) -> Iterator[Outgoing]:
        cut = self._concerned(Kind.CUT, frame)
        if cut is not None:
            yield frame._replace(payload=frame.payload[: int(self._rng.integers(1, max(2, len(frame.payload))))])
            return
        copies = 2 if self._concerned(Kind.DUPLICATE, frame) else 1
        burst = self.active(Kind.BURST)
        if burst is not None and _kind(frame.stream) in _QUOTES:
            copies *= burst.factor
        for _ in range(copies):
            yield frame

    def _concerned(self, kind: Kind, frame: Outgoing) -> Fault | None:
        for fault in self._active:
            if fault.kind is kind and _names(fault.stream, frame.stream) and self._hits(fault):
                return fault
        return None

    def _hits(self, fault: Fault) -> bool:
        number = id(fault)
        if fault.count and self._used[number] >= fault.count:
            return False
        if fault.share < 1.0 and float(self._rng.random()) >= fault.share:
            return False
        self._used[number] += 1
        return True

    def _stamped(self, frame: Outgoing) -> Outgoing:
        skew_ms = self.skew_ms
        if not skew_ms:
            return frame
        payload = _STAMP.sub(lambda m: b'"%s":%d' % (m[1], int(m[2]) + skew_ms), frame.payload)
        return frame._replace(payload=payload)


def _names(wanted: str, stream: str) -> bool:
    return wanted in {"", stream, _kind(stream)}


def _kind(stream: str) -> str:
    return kind_of(stream).partition(":")[0]
