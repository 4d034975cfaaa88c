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
        Parts of events, states or counters that the live trader must show.
    of_market
        Whether market data is what is damaged: then the paper trader on the feed's other path is told of as well.
    """

    name: str
    what: str
    faults: tuple[Fault, ...]
    sees: tuple[str, ...] = ()
    of_market: bool = False

    @property
    def lasts_s(self) -> float:
        """For how long something is at work, s."""
        return max(fault.at_s + (0.0 if fault.kind in AT_ONCE else fault.for_s) for fault in self.faults)

    @property
    def hits(self) -> bool:
        """Whether the exchange counts what these faults hit."""
        return any(fault.kind in _COUNTED and (fault.kind, fault.stream) != (Kind.SILENCE, "user") for fault in self.faults)


def _one(kind: str, *, at: float = 0.0, lasts: float = 0.0, **given: Any) -> Fault:
    return Fault(at_s=at, for_s=lasts, kind=Kind(kind), **given)


def _trial(name: str, what: str, *faults: Fault, sees: tuple[str, ...] = ()) -> Trial:
    return Trial(name, what, faults, sees)


def _closes() -> tuple[Trial, ...]:
    ways = {1001: "going away", 1006: "without a close frame", 1008: "policy", 1011: "internal error", 0: "TCP reset"}
    return tuple(
        _trial(f"close {code or 'reset'}", f"all connections end: {words}", _one("close", code=code), sees=("reconnect", "stale"))
        for code, words in ways.items()
    )


def _refusals() -> tuple[Trial, ...]:
    def refused(name: str, what: str, sees: tuple[str, ...] = (), **given: Any) -> Trial:
        return _trial(f"http {name}", what, _one("http", lasts=4.0, **given), sees=sees)

    return (
        refused("429", "half of all requests, Retry-After 1", ("order refused",), code=429, share=0.5, retry_after_s=1),
        refused("418", "all requests, Retry-After 3", ("order refused",), code=418, retry_after_s=3),
        refused("500", "all order calls", ("in doubt",), code=500, path="rder"),
        refused("502", "all order calls", ("in doubt",), code=502, path="rder"),
        refused("503", "7 in 10 order calls", code=503, path="rder", share=0.7),
        refused("504", "new orders not carried out, state unknown", ("in doubt",), code=504, path=_ORDER),
    )


_UNHEARD = _one("silence", lasts=4.0, stream="user")

MARKET = (
    _trial("silence", "no frame of any stream for 8 s", _one("silence", lasts=8.0), sees=("stale", "restored", "no: stale feed")),
    _trial("silence of depth", "no book changes for 5 s", _one("silence", lasts=5.0, stream="depth"), sees=("book lost",)),
    *_closes(),
    _trial("gap", "1 book change missing", _one("gap", lasts=3.0, stream="depth", count=1), sees=("book lost", "resync")),
    _trial("gaps", "1 frame in 20 missing", _one("gap", lasts=4.0, share=0.05), sees=("book lost", "resync")),
    _trial("duplicates", "all frames twice", _one("duplicate", lasts=4.0)),
    _trial(
        "reordering", "1 book change in 5 after the next",
        _one("reorder", lasts=4.0, share=0.2, stream="depth"), sees=("book lost",),
    ),
    _trial("reordering of all", "1 frame in 5 after the next", _one("reorder", lasts=4.0, share=0.2)),
    _trial("partial frames", "1 frame in 10 cut off", _one("cut", lasts=4.0, share=0.1), sees=("bad frame",)),
    _trial("fragments", "messages in two continuation frames", _one("fragment", lasts=4.0)),
    _trial("delay", "frames 2 s late", _one("delay", lasts=4.0, delay_s=2.0)),
    _trial("burst ×10", "all quotes ten times", _one("burst", lasts=5.0, factor=10), sees=("times the frames",)),
    _trial(
        "old snapshots", "1 book change missing, old snapshots",
        _one("stale_snapshot", lasts=4.0), _one("gap", at=0.5, lasts=2.0, stream="depth", count=1), sees=("book lost",),
    ),
    _trial(
        "no snapshots", "1 book change missing, 503 for snapshots",
        _one("http", lasts=4.0, code=503, path="depth"), _one("gap", lasts=2.0, stream="depth", count=1), sees=("book lost",),
    ),
    _trial("server shutdown", "announced, connections end 4 s later", _one("server_shutdown", lasts=4.0), sees=("reconnect",)),
)  # fmt: skip

ORDERS = (
    *_refusals(),
    _trial("slow answers", "order calls answered after 1.5 s", _one("slow", lasts=5.0, path="rder", delay_s=1.5)),
    _trial(
        "very slow answers", "2 orders come 7 s late, we give up at 5 s",
        _one("slow", lasts=3.0, path=_ORDER, delay_s=7.0, count=2), sees=("in doubt",),
    ),
    _trial("answer lost", "order carried out, connection ends", _one("lost_answer", lasts=4.0, path=_ORDER, code=0)),
    _trial("answer lost, 504", "order carried out, answered 504", _one("lost_answer", lasts=4.0, path=_ORDER, code=504)),
    _trial(
        "answer and fill lost", "the same, and the user stream silent",
        _one("lost_answer", lasts=4.0, path=_ORDER, code=0), _UNHEARD, sees=("in doubt",),
    ),
    _trial("stop's answer lost", "stop carried out, connection ends", _one("lost_answer", lasts=4.0, path=_STOP, code=0)),
    _trial(
        "unknown order", "the same as order, and not found for 2 s",
        _one("lost_answer", lasts=2.0, path=_ORDER, code=0), _one("unknown_order", lasts=2.0), _UNHEARD, sees=("in doubt",),
    ),
    _trial("answer first", "answers before the events they cause", _one("answer_first", lasts=5.0)),
    _trial("user stream silent", "no fill and order events for 6 s", _one("silence", lasts=6.0, stream="user")),
    _trial("user stream twice", "all fill and order events twice", _one("duplicate", lasts=5.0, stream="user")),
    _trial("user stream cut", "the private connection drops", _one("close", stream="user", code=1006)),
    _trial("listen key expired", "the user stream's key ends", _one("listen_key_expired")),
    _trial("clock +4 s", "the venue's clock ahead for 5 s", _one("skew", lasts=5.0, skew_ms=4_000)),
    _trial("clock -6 s", "the venue's clock behind for 5 s", _one("skew", lasts=5.0, skew_ms=-6_000)),
)  # fmt: skip

TRIALS = tuple(msgspec.structs.replace(trial, of_market=True) for trial in MARKET) + ORDERS


def apart(trials: tuple[Trial, ...]) -> list[Trial]:
    """Return trials in an order to live through: those that end connections far apart, or each makes the next wait longer."""
    ends = [trial for trial in trials if trial.faults[0].kind in (Kind.CLOSE, Kind.SERVER_SHUTDOWN) and trial.of_market]
    others = [trial for trial in trials if trial not in ends]
    step = max(len(others) // (len(ends) + 1), 1)
    for number, trial in enumerate(ends):
        others.insert(min((step + 1) * (number + 1) - 1, len(others)), trial)
    return others
