"""The segments of a running system, made in the test's own process: what a dashboard or tool reads, without a trader.

For tests of views only. Wishes and commands can be answered by :meth:`Publisher.serve`, a thread that takes them the way the
trader does: desired → applied, generation by generation, each told as an event.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shared import layout
from shared.clock import Clock, SystemClock
from shared.events import CONTROL_FIELDS, EventKind, Reason, Source, Status, TraderStatus, TunerEventKind, TunerStatus
from shared.params import CONTROLS, SYMBOL_FIELDS, defaults, index_of
from shared.ring import RingReader, RingWriter
from shared.segment import Segment
from shared.seqlock import begin_write, commit_write
from shared.wishes import WishRow
from shared.workspace import LAYOUTS, controls_row, symbol_row

_TRADER_SEGMENTS = ("config", "symbol_cfgs", "events", "commands", "portfolio")  # portfolio last: attaching starts with it
_OVERRIDE = index_of(CONTROLS, "manual_override")


class Publisher:
    """Owns the segments of one instance.

    Attributes
    ----------
    view
        A ``PORTFOLIO_VIEW`` record to fill in; :meth:`publish` puts it in shared memory.
    commands
        Every command that :meth:`serve` has seen.
    refuse
        While set, :meth:`serve` refuses everything with it.
    """

    def __init__(self, instance: str, symbols: Sequence[str], clock: Clock | None = None) -> None:
        self.instance, self.symbols = instance, list(symbols)
        self.clock = clock or SystemClock()
        self._segments = {name: Segment.create(name, LAYOUTS[name], instance, self.clock) for name in _TRADER_SEGMENTS}
        self._tuner: Segment | None = None
        self._events = RingWriter(self._segments["events"].body)
        self.commands: list[Any] = []
        self._commands = RingReader(self._segments["commands"].body)
        self._controls = controls_row(self._segments["config"])
        self._stop = threading.Event()
        self._keep: tuple[str, ...] = ()
        self.refuse = Reason.NONE
        self._server: threading.Thread | None = None
        cfgs = self._segments["symbol_cfgs"].body[0]
        cfgs["count"] = len(self.symbols)
        cfgs["symbols"][: len(self.symbols)] = [s.encode() for s in self.symbols]
        self._rows = [symbol_row(self._segments["symbol_cfgs"], i) for i in range(len(self.symbols))]
        for row in (self._controls, *self._rows):
            row.publish(_first_values(row), self.clock.now_ns())
        self.view = _first_view(self.symbols, self.clock.now_ns())
        self.publish()
        for segment in self._segments.values():
            segment.activate()

    def publish(self, *, moved: bool = True) -> None:
        """Put ``view`` in shared memory, stamped with this moment; ``moved`` False: no input came since the last time."""
        now_ns = self.clock.now_ns()
        self.view["published_ns"] = now_ns
        self.view["input_seq"] += int(moved)
        _write_latched(self._segments["portfolio"].body, self.view)
        self._segments["portfolio"].beat(now_ns)

    def push(self, kind: EventKind, **fields: Any) -> None:
        """Push a trade event; fields that are not given are zero, the symbol is the first, the time is now."""
        event = np.zeros(1, layout.TRADE_EVENT)
        values = {"time_ns": self.clock.now_ns(), "field": 255, "seq": self._events.head + 1, "kind": kind} | fields
        for name, value in values.items():
            event[name] = value
        self._events.push(event)
        self.view["event_seq"] = self._events.head

    def start_tuner(self, **fields: Any) -> None:
        """Make the tuner's segment, with a status."""
        self._tuner = Segment.create("tuner", layout.TUNER, self.instance, self.clock)
        values = {"status": TunerStatus.ACTIVE, "advisor": b"rules", "interval_s": 15.0} | fields
        self.publish_tuner(**values)
        self._tuner.activate()

    def publish_tuner(self, **fields: Any) -> None:
        """Publish a tuner status made of these fields."""
        assert self._tuner is not None
        status = np.zeros((), layout.TUNER_VIEW)
        for name, value in fields.items():
            status[name] = value
        _write_latched(self._tuner.body, status)
        self._tuner.beat(self.clock.now_ns())

    def push_tuner(self, kind: TunerEventKind, changes: Sequence[tuple[int, float, float]] = (), **fields: Any) -> None:
        """Push a tuner event; ``changes`` are ``(field, old, new)``."""
        assert self._tuner is not None
        writer = RingWriter(self._tuner.body["events"])
        event = np.zeros(1, layout.TUNER_EVENT)
        values = {"time_ns": self.clock.now_ns(), "seq": writer.head + 1, "kind": kind, "changes": len(changes)} | fields
        for name, value in values.items():
            event[name] = value
        for i, (field, old, new) in enumerate(changes):
            event["fields"][0, i], event["old"][0, i], event["new"][0, i] = field, old, new
        writer.push(event)

    def applied(self, symbol: int | None = None) -> Any:
        """Return the applied record of a symbol, or of the controls."""
        return (self._controls if symbol is None else self._rows[symbol]).applied()

    def desired(self, symbol: int | None = None) -> Any:
        """Return the last wish about a symbol, or about the controls."""
        return (self._controls if symbol is None else self._rows[symbol]).desired()

    def apply_controls(self, **values: float) -> None:
        """Put values of the controls in force at once, without a wish."""
        _apply(self._controls, values)

    def apply_symbol(self, symbol: int, source: Source = Source.NOBODY, **values: float) -> None:
        """Put values of a symbol in force at once, without a wish."""
        _apply(self._rows[symbol], values, source, self.clock.now_ns())

    def check(self, symbol: int, reason: Reason, value: float, limit: float, *, passed: bool) -> None:
        """Add a line to the checks of a symbol in ``view``; the first that fails is its ``why``."""
        row = self.view["rows"][symbol]
        line = row["checks"][int(row["n_checks"])]
        line["reason"], line["passed"], line["value"], line["limit"] = reason, passed, value, limit
        row["n_checks"] += 1
        if not passed and not row["why"]:
            row["why"] = reason

    def serve(self, refuse: Reason = Reason.NONE, keep: Sequence[str] = ()) -> None:
        """Start a thread that publishes, and takes wishes and commands; with ``refuse`` it refuses all.

        The feed stays alive: its times move on, unless ``keep`` names them.
        """
        self._keep, self.refuse = tuple(keep), refuse
        self._server = threading.Thread(target=self._serve, name="publisher", daemon=True)
        self._server.start()

    def close(self) -> None:
        """Stop serving and remove every segment."""
        self._stop.set()
        if self._server is not None:
            self._server.join(5.0)
        for segment in (*self._segments.values(), *([self._tuner] if self._tuner else [])):
            segment.close()
            segment.unlink()

    def _serve(self) -> None:
        turn = 0
        while not self._stop.wait(0.002):
            for index, row in enumerate((self._controls, *self._rows)):
                self._take(row, index - 1, self.refuse)
            for command in self._commands.read():
                self.commands.append(command)
                kind = EventKind.CONFIG_REFUSED if self.refuse else EventKind.COMMAND_ACK
                self.push(kind, command_id=command["seq"], source=command["source"], symbol=-1, reason=self.refuse)
            if turn % 25 == 0:
                self._feed()
                self.publish()
                if self._tuner is not None:
                    self._tuner.beat(self.clock.now_ns())
            turn += 1

    def _feed(self) -> None:
        now_ns = self.clock.now_ns()
        if "last_message_ns" not in self._keep:
            self.view["time_ns"] = self.view["last_message_ns"] = now_ns
            self.view["rows"]["last_market_ns"][: len(self.symbols)] = now_ns
        else:
            self.view["time_ns"] = now_ns

    def _take(self, row: WishRow, symbol: int, refuse: Reason) -> None:
        desired, applied = row.desired(), np.array(row.applied())
        if desired["generation"] <= applied["observed_generation"]:
            return
        if desired["base_revision"] not in (0, applied["revision"]):
            refuse = Reason.STALE_BASE
        applied["observed_generation"], applied["refusal"] = desired["generation"], refuse
        kind = EventKind.CONFIG_REFUSED if refuse else EventKind.CONFIG_APPLIED
        named = [i for i in range(len(row.fields)) if int(desired["mask"]) >> i & 1]
        old = applied["values"].copy()
        if not refuse:
            applied["previous"] = old
            applied["values"][named] = desired["values"][named]
            applied["sources"][named] = desired["source"]
            applied["source"], applied["updated_ns"] = desired["source"], self.clock.now_ns()
            applied["decision_id"] = desired["decision_id"]
            applied["revision"] += 1
            if symbol < 0 and _OVERRIDE in named and desired["values"][_OVERRIDE]:
                self._segments["config"].body["override_epoch"] += 1
        for i in named:
            field = i + (CONTROL_FIELDS if symbol < 0 else 0)
            new = desired["values"][i]
            self.push(kind, symbol=symbol, field=field, old=old[i], new=new, source=desired["source"], reason=refuse)
        row.publish(applied, self.clock.now_ns())


@contextlib.contextmanager
def publishing(name: str, symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"), clock: Clock | None = None) -> Iterator[Publisher]:
    """Hold a publisher of an instance that no other test run can meet."""
    publisher = Publisher(f"{name}-{os.getpid()}", symbols, clock)
    try:
        yield publisher
    finally:
        publisher.close()


def _apply(row: WishRow, values: dict[str, float], source: Source = Source.NOBODY, now_ns: int = 0) -> None:
    applied = np.array(row.applied())
    applied["previous"] = applied["values"]
    applied["revision"] += 1
    applied["source"], applied["updated_ns"] = source, now_ns
    for name, value in values.items():
        applied["values"][index_of(row.fields, name)] = value
        applied["sources"][index_of(row.fields, name)] = source
    row.publish(applied, SystemClock().now_ns())


def _first_values(row: WishRow) -> npt.NDArray[np.void]:
    applied = np.zeros((), layout.APPLIED)
    applied["values"] = applied["previous"] = defaults(row.fields)
    applied["source"] = Source.NOBODY
    assert row.fields in {CONTROLS, SYMBOL_FIELDS}
    return applied


def _first_view(symbols: Sequence[str], now_ns: int) -> npt.NDArray[np.void]:
    view = np.zeros((), layout.PORTFOLIO_VIEW)
    view["status"], view["connected"], view["n_symbols"] = TraderStatus.RUNNING, 1, len(symbols)
    view["venue"] = b"binance"
    view["symbols"][: len(symbols)] = [s.encode() for s in symbols]
    view["time_ns"] = view["started_ns"] = view["last_message_ns"] = now_ns
    view["start_equity_usd"] = view["equity_usd"] = view["cash_usd"] = view["peak_equity_usd"] = 100_000.0
    for i in range(len(symbols)):
        view["rows"][i]["enabled"] = view["rows"][i]["strategy"] = 1
        view["rows"][i]["last_market_ns"] = now_ns
    return view


def _write_latched(body: npt.NDArray[np.void], record: npt.NDArray[np.void]) -> None:
    copy = begin_write(body["version"])
    body["copies"][0][copy] = record
    commit_write(body["version"])


def main() -> None:
    """Publish under the instance named on the command line until killed: a trader that can die."""
    publisher = Publisher(sys.argv[1], ["BTCUSDT", "ETHUSDT"])
    publisher.push(EventKind.STATUS, status=Status.STARTED, symbol=-1)
    publisher.serve()
    threading.Event().wait()


if __name__ == "__main__":
    main()
