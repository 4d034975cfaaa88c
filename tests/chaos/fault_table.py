"""Every fault the local exchange knows, one after the other, against a whole live trader over real sockets: what it did.

``python -m tests.chaos.fault_table``. One exchange, one ``trader --live`` process that trades by its own strategy and by hand. A row
begins when all is well, injects one fault, goes on trading through it, watches shared memory, and ends when all is well again. Then
the exchange is asked, with requests of this script's own, and held against journal, ledger and what arrived at the exchange's door.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from shared.events import CommandKind, EventKind, Reason, Source, Status
from shared.ring import RingReader
from tests.chaos.fault_trials import TRIALS, Trial
from tests.chaos.live_kills import CAPITAL_USD, KEY, SECRET, SYMBOLS, Chaos, Outcome, _signed
from tests.chaos.open_exchange import OpenExchange, account
from tests.processes import System
from trader.simulator.faults.script import Kind

LOOK_EVERY_S = 0.01
ORDER_EVERY_S = 0.7
IN_DOUBT = "order in doubt"
DOUBT_S = 0.3  # an order is on its way for a moment: no trouble
CALM_S = 1.5  # all well for this long: the row is over
RECOVER_S = 45.0  # at the longest, from the end of the fault on
AGREE_S = 8.0
AFTER_S = 1.0  # orders go on for this long after the fault
# by hand, one after the other: both symbols opened, turned and closed, with an order of each kind in every few seconds
BY_HAND = (
    (CommandKind.MANUAL_BUY, 0), (CommandKind.MANUAL_SELL, 1), (CommandKind.CLOSE, 0),
    (CommandKind.MANUAL_SELL, 0), (CommandKind.CLOSE, 1), (CommandKind.MANUAL_BUY, 1),
)  # fmt: skip
SAID = (EventKind.FEED_STALE, EventKind.FEED_RESTORED, EventKind.DISCREPANCY, EventKind.RECONCILED, EventKind.ERROR)
COUNTED = {"reconnects": "reconnects", "resyncs": "resyncs", "bad_messages": "bad frames"}


class Books(msgspec.Struct):
    """Orders as the trader's journal, the exchange and the exchange's door have them."""

    sent: int = 0
    taken: int = 0
    lost: list[str] = []
    doubled: list[str] = []
    bare: list[str] = []  # positions without their stop at the exchange


class Row(msgspec.Struct):
    """What one fault came to."""

    trial: Trial
    struck: int = 0
    noticed_s: float | None = None  # from the fault's begin to the first state that is not well
    back_s: float = 0.0  # from the fault's end to the last one
    recovered: bool = True
    events: Counter[str] = msgspec.field(default_factory=Counter)
    states: list[str] = []
    counts: dict[str, int] = {}
    books: Books = msgspec.field(default_factory=Books)
    differs: list[str] = []

    @property
    def broken(self) -> list[str]:
        """Return what did not hold."""
        seen = {*self.events, *self.states, *self.counts}
        return [
            *([] if self.recovered else ["not recovered"]),
            *(["never struck"] if self.trial.hits and not self.struck else []),
            *(f"no {name}" for name in self.trial.sees if not any(name in what for what in seen)),
            *(["order lost"] if self.books.lost else []),
            *(["order doubled"] if self.books.doubled else []),
            *(f"no stop for {name}" for name in self.books.bare),
            *(["money"] if self.differs else []),
        ]

    def cells(self) -> list[str]:
        """Return the row in words."""
        happened = [f"{name} {count}" if count > 1 else name for name, count in self.events.items()]
        happened += [f"{count} {name}" for name, count in self.counts.items()]
        noticed = "–" if self.noticed_s is None else f"{self.noticed_s:.1f}"
        return [
            self.trial.name, self.trial.what, str(self.struck) if self.trial.hits else "–", ", ".join(happened) or "–",
            ", ".join(self.states) or "trades on", noticed, "–" if self.noticed_s is None else f"{self.back_s:.1f}",
            f"{self.books.sent} / {self.books.taken}", str(len(self.books.lost)), str(len(self.books.doubled)),
            "; ".join(self.differs) or "0.00", "; ".join(self.broken) or "ok",
        ]  # fmt: skip


class Watch:
    """What shared memory shows of one row: events, states that last, and when the last of them ended."""

    def __init__(self, table: FaultTable, reader: RingReader) -> None:
        self._table = table
        self._reader = reader
        self._since: dict[str, float] = {}
        self._before = {name: int(table._view(name)) for name in COUNTED}
        self.states: list[str] = []
        self.first: float | None = None
        self.last = 0.0
        self.well_since: float | None = None
        self.events: Counter[str] = Counter()

    def look(self) -> None:
        """Take what there is now."""
        now, wrong = time.monotonic(), self._table.not_well()
        for name in wrong:
            since = self._since.setdefault(name, now)
            if name != IN_DOUBT or now - since >= DOUBT_S:
                self.first = since if self.first is None else min(self.first, since)
                self.last = now
                if name not in self.states:
                    self.states.append(name)
        self._since = {name: since for name, since in self._since.items() if name in wrong}
        self.well_since = None if wrong or self._table.under_way() else self.well_since or now
        for event in self._reader.read(65_536):
            words = _told(event)
            if words:
                self.events[words] += 1

    def counts(self) -> dict[str, int]:
        """Return how much the feed's counters have grown."""
        grown = {words: int(self._table._view(name)) - self._before[name] for name, words in COUNTED.items()}
        return {words: count for words, count in grown.items() if count}


class FaultTable(Chaos):
    """One exchange, one trader, and a row for each trial."""

    def __init__(self, system: System, seed: int = 1) -> None:
        super().__init__(system, 0.0, 0, seed)
        self._exchange = OpenExchange(system, SYMBOLS, account(KEY, SECRET, CAPITAL_USD), seed)
        self._given = 0
        self._trader: subprocess.Popen[bytes]

    def _start_exchange(self) -> None:
        self._system.environment |= {"BINANCE_API_KEY_TESTNET": KEY, "BINANCE_API_SECRET_TESTNET": SECRET}
        self._exchange.start()

    def __enter__(self) -> FaultTable:
        self._start_exchange()
        self._start_trader()
        return self

    def __exit__(self, *_: object) -> None:
        self._trader.terminate()
        self._trader.wait(20)
        self._workspace.close()
        self._exchange.stop()

    def not_well(self) -> list[str]:
        """Return what is not as it should be, in words."""
        view = self._workspace.portfolio()
        rows = view["rows"][: len(SYMBOLS)]
        return [
            *([] if view["reconciled"] else ["entries blocked: not reconciled"]),
            *([] if view["connected"] else ["disconnected"]),
            *(["stale"] if view["stale"] or rows["stale"].any() else []),
            *([] if rows["book_valid"].all() else ["book lost"]),
            *([IN_DOUBT] if rows["unconfirmed"].any() else []),
        ]

    def under_way(self) -> bool:
        """Say whether any order of the engine is."""
        return bool(self._view("rows")[: len(SYMBOLS)]["open_orders"].any() or self._view("unconfirmed"))

    def row(self, trial: Trial) -> Row:
        """Live through one fault."""
        self._calm(Watch(self, self._workspace.events()), RECOVER_S)
        sent_before = set(self._exchange.posted)
        watch = Watch(self, self._workspace.events())
        placed = self._exchange.inject(trial.faults)
        began = time.monotonic()
        ends = began + trial.lasts_s
        while time.monotonic() < ends + AFTER_S:
            self._by_hand()
            pause = time.monotonic() + ORDER_EVERY_S
            while time.monotonic() < pause:
                watch.look()
                time.sleep(LOOK_EVERY_S)
        recovered = self._calm(watch, RECOVER_S)
        row = Row(trial, self._exchange.hits(placed), recovered=recovered, events=watch.events, states=watch.states)
        if watch.first is not None:
            row.noticed_s, row.back_s = max(watch.first - began, 0.0), max(watch.last - ends, 0.0)
        row.counts = watch.counts()
        self._hold_against(row, sent_before)
        return row

    def _calm(self, watch: Watch, within_s: float) -> bool:
        """Watch until all has been well for a while; say whether that came in time."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            assert self._trader.poll() is None, self._system.said(self._trader)[-3000:]
            watch.look()
            if watch.well_since is not None and time.monotonic() - watch.well_since >= CALM_S:
                return True
            time.sleep(LOOK_EVERY_S)
        return False

    def _by_hand(self) -> None:
        kind, symbol = BY_HAND[self._given % len(BY_HAND)]
        self._given += 1
        self._workspace.commands.send(kind, symbol, Source.OPERATOR, notional_usd=float(self._rng.uniform(500.0, 2_500.0)))

    def _hold_against(self, row: Row, sent_before: set[str]) -> None:
        """Compare with the exchange until both agree: the strategy may have an order on its way just now."""
        deadline = time.monotonic() + AGREE_S
        while True:
            self.outcome = Outcome()
            self._compare()
            row.books = self._orders(sent_before)
            row.differs = [f"{name} {ours - theirs:+.4f}" for name, theirs, ours in self.outcome.rows if _apart(name, theirs, ours)]
            row.differs += ["fills missing"] if self.outcome.lost else []
            wrong = row.differs or row.books.lost or row.books.doubled or row.books.bare
            if not wrong or time.monotonic() > deadline:
                return
            time.sleep(0.3)

    def _orders(self, sent_before: set[str]) -> Books:
        folder = self._system.home / self._system.instance
        with sqlite3.connect(f"file:{folder / 'sessions' / 'live-testnet' / 'orders.sqlite'}?mode=ro", uri=True) as journal:
            last = "SELECT client_id, max(seq) AS seq FROM transitions WHERE venue_id != '' GROUP BY client_id"
            ours = dict(journal.execute("SELECT client_id, order_id FROM orders").fetchall())
            known = {client_id for client_id, _ in journal.execute(last)}
            filled = dict(journal.execute("SELECT client_id, total(abs(qty)) FROM fills GROUP BY client_id").fetchall())
        with sqlite3.connect(f"file:{folder / 'sessions' / 'live-testnet' / 'ledger.sqlite'}?mode=ro", uri=True) as ledger:
            wanted = {order_id for (order_id,) in ledger.execute("SELECT order_id FROM orders")}
        port = json.loads((folder / "simulator.json").read_text())["port"]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            plain = [o for symbol in SYMBOLS for o in _signed(client, "/fapi/v1/allOrders", symbol=symbol, limit=1000)]
            stops = [o for symbol in SYMBOLS for o in _signed(client, "/fapi/v1/allAlgoOrders", symbol=symbol)]
            held = {r["symbol"]: float(r["positionAmt"]) for r in _signed(client, "/fapi/v3/positionRisk")}
        done = {order["clientOrderId"]: float(order["executedQty"]) for order in plain}
        theirs = Counter([*(order["clientOrderId"] for order in plain), *(stop["clientAlgoId"] for stop in stops)])
        sent = set(self._exchange.posted) - sent_before
        engine_ids = Counter(order_id for order_id in ours.values() if order_id)
        lost = known - set(theirs)  # the trader believes in an order that is not there
        lost |= set(theirs) - set(ours)  # one is there that it knows nothing of
        lost |= {name for name, qty in done.items() if abs(qty - filled.get(name, 0.0)) > 1e-9}  # or not what became of it
        return Books(
            sent=len(sent),
            taken=len(sent & set(theirs)),
            lost=sorted(lost) + [f"order {number}" for number in sorted(wanted - set(engine_ids))],
            doubled=[name for counted in (theirs, self._exchange.posted, engine_ids) for name, n in counted.items() if n > 1],
            bare=[name for name, qty in held.items() if not _protected(name, qty, stops)],
        )


def _protected(symbol: str, qty: float, stops: list[Any]) -> bool:
    """Say whether exactly the stops rest that the position needs: one of its size, or none."""
    resting = [stop for stop in stops if stop["symbol"] == symbol and stop["algoStatus"] == "NEW"]
    sizes = [float(stop["quantity"]) * (-1.0 if stop["side"] == "SELL" else 1.0) for stop in resting]
    return bool(np.allclose(sizes, [-qty])) if qty and len(sizes) == 1 else not qty and not sizes


def _apart(name: str, theirs: float, ours: float) -> bool:
    return abs(theirs - ours) > (0.01 if "USD" in name else 1e-9)


def _told(event: Any) -> str:
    """Return what an event says of a fault, "" for one of ordinary trading."""
    kind, reason = EventKind(int(event["kind"])), Reason(int(event["reason"]))
    if kind is EventKind.STATUS and event["status"] in (Status.BOOK_LOST, Status.BOOK_IN_STEP):
        return Status(int(event["status"])).name
    if kind is EventKind.ORDER_STATE and reason:
        return reason.name
    if kind is EventKind.CANCEL and reason is Reason.REFUSED_BY_VENUE:
        return "REFUSED_BY_VENUE"
    if kind is EventKind.CONFIG_REFUSED and event["command_id"]:
        return f"hand refused: {reason.name}"
    return kind.name if kind in SAID else ""


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table(
        "fault", "what it did", "struck", "events, counters", "state", "noticed s", "back s", "sent / taken", "lost", "doubled",
        "money differs USD", "verdict", show_lines=True,
    )  # fmt: skip
    for row in rows:
        table.add_row(*row.cells())
    Console(width=190).print(table)


@click.command()
@click.option("--only", default="", help="Rows whose name contains this.")
@click.option("--seed", default=1, show_default=True)
def main(only: str, seed: int) -> None:
    """Live through every fault and print what came of it; exits 1 if anything did not hold."""
    rows: list[Row] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        system = System(Path(home))
        (system.home / "logs").mkdir()
        try:
            with FaultTable(system, seed) as table:
                started = time.monotonic()
                for trial in TRIALS:
                    if only in trial.name:
                        rows.append(table.row(trial))
                        click.echo(f"{trial.name}: {'; '.join(rows[-1].broken) or 'ok'}", err=True)
        finally:
            system.stop()
    show(rows)
    missing = sorted({kind for kind in Kind} - {fault.kind for row in rows for fault in row.trial.faults})
    bad = sum(bool(row.broken) for row in rows)
    orders = sum(row.books.sent for row in rows)
    click.echo(
        f"{len(rows)} faults, {orders} orders, {bad} rows broken; kinds left out: {', '.join(missing) or 'none'}; "
        f"{started - began:.0f} s to start, {time.monotonic() - started:.0f} s of faults"
    )
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
