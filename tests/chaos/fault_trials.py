"""The rows of ``tests.chaos.fault_table``: one fault each, and what the trader must at least have noticed of it."""

from __future__ import annotations

from typing import Any

import msgspec

from trader.simulator.faults.script import AT_ONCE, Fault, Kind

_COUNTED = {
    Kind.SILENCE, Kind.GAP, Kind.DUPLICATE, Kind.REORDER, Kind.CUT, Kind.DELAY,
    Kind.HTTP, Kind.SLOW, Kind.LOST_ANSWER, Kind.UNKNOWN_ORDER,
}  # fmt: skip
_ORDER = "POST /fapi/v1/order"
_STOP = "POST /fapi/v1/algoOrder"


class Trial(msgspec.Struct, frozen=True):
    """One row.

    Attributes
    ----------
    faults
        Their times count from the beginning of the row. A second one only makes that the first one matters.
    sees
        Parts of events, states or counters that the trader must show.
    """

    name: str
    what: str
    faults: tuple[Fault, ...]
    sees: tuple[str, ...] = ()

    @property
    def lasts_s(self) -> float:
        """For how long something is at work, s."""
        return max(fault.at_s + (0.0 if fault.kind in AT_ONCE else fault.for_s) for fault in self.faults)

    @property
    def hits(self) -> bool:
        """Whether the exchange counts what these faults hit."""
        return all(fault.kind in _COUNTED and (fault.kind, fault.stream) != (Kind.SILENCE, "user") for fault in self.faults)


def _one(kind: str, *, at: float = 0.0, lasts: float = 0.0, **given: Any) -> Fault:
    return Fault(at_s=at, for_s=lasts, kind=Kind(kind), **given)


def _trial(name: str, what: str, *faults: Fault, sees: tuple[str, ...] = ()) -> Trial:
    return Trial(name, what, faults, sees)


def _closes() -> tuple[Trial, ...]:
    ways = {1001: "going away", 1006: "dropped without a close frame", 1008: "policy", 1011: "internal error", 0: "TCP reset"}
    return tuple(
        _trial(f"close {code or 'reset'}", f"every connection ends: {words}", _one("close", code=code), sees=("reconnects",))
        for code, words in ways.items()
    )


def _refusals() -> tuple[Trial, ...]:
    def refused(name: str, what: str, sees: tuple[str, ...] = (), **given: Any) -> Trial:
        return _trial(f"http {name}", what, _one("http", lasts=4.0, **given), sees=sees)

    return (
        refused("429", "half of all requests, Retry-After 1", code=429, share=0.5, retry_after_s=1),
        refused("418", "every request, Retry-After 3", code=418, retry_after_s=3),
        refused("500", "every order call", ("UNCONFIRMED",), code=500, path="rder"),
        refused("502", "every order call", ("UNCONFIRMED",), code=502, path="rder"),
        refused("503", "7 in 10 order calls", code=503, path="rder", share=0.7),
        refused("504", "new orders, not carried out: status unknown", ("UNCONFIRMED",), code=504, path=_ORDER),
    )


MARKET = (
    _trial("silence", "no frame of any stream for 8 s", _one("silence", lasts=8.0), sees=("FEED_STALE", "FEED_RESTORED")),
    _trial("silence depth", "no book changes for 5 s", _one("silence", lasts=5.0, stream="depth"), sees=("BOOK_LOST",)),
    *_closes(),
    _trial("gap", "one book change is missing", _one("gap", lasts=3.0, stream="depth", count=1), sees=("BOOK_LOST", "resyncs")),
    _trial("gap anywhere", "1 frame in 20 is missing", _one("gap", lasts=4.0, share=0.05), sees=("BOOK_LOST", "resyncs")),
    _trial("duplicate", "every frame comes twice", _one("duplicate", lasts=4.0)),
    _trial("reorder", "1 frame in 5 changes places", _one("reorder", lasts=4.0, share=0.2), sees=("BOOK_LOST",)),
    _trial("partial frames", "1 frame in 10 is cut off", _one("cut", lasts=4.0, share=0.1), sees=("bad frames",)),
    _trial("fragments", "messages in two continuation frames", _one("fragment", lasts=4.0)),
    _trial("delay", "frames come 2 s late", _one("delay", lasts=4.0, delay_s=2.0)),
    _trial("burst ×10", "every quote ten times", _one("burst", lasts=5.0, factor=10)),
    _trial(
        "old snapshots", "a gap, and snapshots from before it for 4 s",
        _one("stale_snapshot", lasts=4.0), _one("gap", at=0.5, lasts=2.0, stream="depth", count=1), sees=("BOOK_LOST",),
    ),
    _trial(
        "no snapshots", "a gap, and 503 for every snapshot for 4 s",
        _one("http", lasts=4.0, code=503, path="depth"), _one("gap", lasts=2.0, stream="depth", count=1), sees=("BOOK_LOST",),
    ),
    _trial("server shutdown", "announced, connections end 1.5 s later", _one("server_shutdown", lasts=1.5), sees=("reconnects",)),
)  # fmt: skip

ORDERS = (
    *_refusals(),
    _trial("slow answers", "order calls answered after 1.5 s", _one("slow", lasts=5.0, path="rder", delay_s=1.5)),
    _trial(
        "very slow answer", "2 orders arrive 7 s late; we give up at 5 s",
        _one("slow", lasts=3.0, path=_ORDER, delay_s=7.0, count=2), sees=("UNCONFIRMED",),
    ),
    _trial(
        "answer lost", "carried out, the connection ends without an answer",
        _one("lost_answer", lasts=4.0, path=_ORDER, code=0), sees=("UNCONFIRMED",),
    ),
    _trial(
        "answer lost 504", "carried out, answered 504",
        _one("lost_answer", lasts=4.0, path=_ORDER, code=504), sees=("UNCONFIRMED",),
    ),
    _trial("stop's answer lost", "stop carried out, no answer", _one("lost_answer", lasts=4.0, path=_STOP, code=0)),
    _trial(
        "unknown order", "carried out, answer lost, and not found when asked for 2 s",
        _one("lost_answer", lasts=2.0, path=_ORDER, code=0), _one("unknown_order", lasts=2.0), sees=("UNCONFIRMED",),
    ),
    _trial("answer first", "answers come before the events they cause", _one("answer_first", lasts=5.0)),
    _trial("user stream silent", "no fills or order events for 6 s", _one("silence", lasts=6.0, stream="user")),
    _trial("user stream twice", "every fill and order event comes twice", _one("duplicate", lasts=5.0, stream="user")),
    _trial("user stream cut", "the private connection drops", _one("close", stream="user", code=1006)),
    _trial("listen key expired", "the user stream's key ends", _one("listen_key_expired")),
    _trial("clock +4 s", "the venue's clock is 4 s ahead for 5 s", _one("skew", lasts=5.0, skew_ms=4_000)),
    _trial("clock -6 s", "the venue's clock is 6 s behind for 5 s", _one("skew", lasts=5.0, skew_ms=-6_000)),
)  # fmt: skip

TRIALS = (*MARKET, *ORDERS)
