"""Every fault the local exchange knows, one after the other, against whole traders over real sockets: what they did.

``python -m tests.chaos.fault_table``. One exchange, one ``trader --live`` process that trades by its strategy and by hand, and
beside it one on paper that takes the market the way the real venue's comes: connections that are watched and replaced. A row
begins when all is well, injects one fault, goes on trading through it, watches shared memory, and ends when all is well again.
Then the exchange is asked, with requests of this script's own, and held against journal, ledger, what arrived at the exchange's
door, and the books that both traders show.
"""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import click
import httpx
import msgspec
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from shared.events import CommandKind, Source
from shared.workspace import Workspace
from tests.chaos.fault_trials import TRIALS, Trial, apart
from tests.chaos.fault_watch import Watch
from tests.chaos.live_kills import Chaos, Outcome
from tests.chaos.live_venues import CAPITAL_USD, KEY, SECRET, BinanceUsdm, signed
from tests.chaos.open_exchange import OpenExchange, account
from tests.processes import System
from trader.simulator.faults.script import Kind

LOOK_EVERY_S = 0.01
ORDER_EVERY_S = 0.7
USUAL_S = 3.0  # of ordinary market before the first fault
TRADE_S = 3.0  # at least so long orders go on, and
AFTER_S = 1.0  # for this long after the fault
CALM_S = 1.5  # all well for this long: the row is over
RECOVER_S = 60.0
AGREE_S = 20.0  # a request of the trader may take 5 s on a busy machine, and is then made again
# by hand, one after the other: both symbols opened, turned and closed, with an order of each kind in every few seconds
BY_HAND = (
    (CommandKind.MANUAL_BUY, 0), (CommandKind.MANUAL_SELL, 1), (CommandKind.CLOSE, 0),
    (CommandKind.MANUAL_SELL, 0), (CommandKind.CLOSE, 1), (CommandKind.MANUAL_BUY, 1),
)  # fmt: skip


class Books(msgspec.Struct):
    """Orders as the trader's journal, the exchange and the exchange's door have them."""

    sent: int = 0
    taken: int = 0
    lost: list[str] = []
    doubled: list[str] = []
    bare: list[str] = []  # positions without their stop at the exchange


class Sight(msgspec.Struct):
    """What one trader showed.

    ``noticed_s`` is from the fault's begin to the first state that was not well, ``back_s`` from its end to the last one.
    """

    happened: list[str] = []
    states: list[str] = []
    noticed_s: float | None = None
    back_s: float | None = None
    other_books: list[str] = []  # symbols whose book is not the exchange's at the end

    def cells(self) -> list[str]:
        """Return it in words."""
        times = ["–" if value is None else f"{value:.1f}" for value in (self.noticed_s, self.back_s)]
        return [", ".join(self.happened) or "–", ", ".join(self.states) or "trades on", *times]


class Row(msgspec.Struct):
    """What one fault came to."""

    trial: Trial
    struck: int = 0
    recovered: bool = True
    live: Sight = msgspec.field(default_factory=Sight)
    paper: Sight = msgspec.field(default_factory=Sight)
    said: str = ""
    books: Books = msgspec.field(default_factory=Books)
    differs: list[str] = []

    @property
    def broken(self) -> list[str]:
        """Return what did not hold."""
        seen = [*self.live.happened, *self.live.states]
        return [
            *([] if self.recovered else ["not recovered"]),
            *(["never struck"] if self.trial.hits and not self.struck else []),
            *(f"no {name!r}" for name in self.trial.sees if not any(name in what for what in seen)),
            *(["order lost"] if self.books.lost else []),
            *(["order doubled"] if self.books.doubled else []),
            *(f"no stop for {what}" for what in self.books.bare),
            *(f"another book of {name}" for name in (*self.live.other_books, *self.paper.other_books)),
            *(["money"] if self.differs else []),
        ]

    def cells(self) -> list[str]:
        """Return the live trader's row in words."""
        happened, *others = self.live.cells()
        return [
            self.trial.name, self.trial.what, str(self.struck) if self.trial.hits else "",
            f"“{self.said}”" if happened == "–" and self.said else happened, *others,
            f"{self.books.sent}/{self.books.taken}", str(len(self.books.lost)), str(len(self.books.doubled)),
            "; ".join(self.differs) or "0", "; ".join(self.broken) or "ok",
        ]  # fmt: skip


class FaultTable(Chaos):
    """One exchange, two traders, and a row for each trial."""

    def __init__(self, system: System, second: System, seed: int = 1) -> None:
        super().__init__(system, 0.0, 0, seed)
        self._exchange = OpenExchange(system, BinanceUsdm.symbols, account(KEY, SECRET, CAPITAL_USD), seed)
        self._second = second
        self._given = 0
        self._usual: dict[Workspace, float] = {}
        self._trader: subprocess.Popen[bytes]
        self._paper: Workspace

    def _start_exchange(self) -> None:
        self._system.environment |= self._venue.keys
        self._exchange.start()

    def __enter__(self) -> Self:
        self._start_exchange()
        self._start_trader()
        there = ("--venue", "binance", "--local", f"binance={self._exchange.port}", "--symbols", ",".join(BinanceUsdm.symbols))
        _, self._paper = self._second.trader(*there)
        watches = self._watches()
        self._calm(watches, CALM_S)
        before = [watch.messages for watch in watches]
        until = time.monotonic() + USUAL_S
        while time.monotonic() < until:
            self._look(watches)
        for workspace, watch, messages in zip((self._workspace, self._paper), watches, before, strict=True):
            self._usual[workspace] = (watch.messages - messages) / USUAL_S
        return self

    def __exit__(self, *_: object) -> None:
        self._trader.terminate()
        self._trader.wait(20)
        self._workspace.close()
        self._paper.close()
        self._exchange.stop()

    def _watches(self, trial: Trial | None = None) -> list[Watch]:
        """Begin to watch both traders; only of a burst is told how many frames come."""
        burst = trial is not None and any(fault.kind is Kind.BURST for fault in trial.faults)
        return [Watch(workspace, self._usual[workspace] if burst else 0.0) for workspace in (self._workspace, self._paper)]

    def row(self, trial: Trial) -> Row:
        """Live through one fault."""
        self._calm(self._watches(), CALM_S / 3.0)
        sent_before, heard = set(self._exchange.posted), len(self._system.said(self._trader))
        watches = self._watches(trial)
        placed = self._exchange.inject(trial.faults)
        began = time.monotonic()
        ends = began + trial.lasts_s
        while time.monotonic() < max(ends, began + TRADE_S) + AFTER_S:
            self._by_hand()
            pause = time.monotonic() + ORDER_EVERY_S
            while time.monotonic() < pause:
                self._look(watches)
        recovered = self._calm(watches, CALM_S)
        live, paper = (self._sight(watch, began, ends) for watch in watches)
        row = Row(trial, self._exchange.hits(placed), recovered=recovered, live=live, paper=paper)
        row.said = _note(self._system.said(self._trader)[heard:])
        self._hold_against(row, watches, sent_before)
        return row

    @staticmethod
    def _sight(watch: Watch, began: float, ends: float) -> Sight:
        sight = Sight(watch.happened(), watch.states)
        if watch.first is not None and watch.last is not None:
            sight.noticed_s, sight.back_s = max(watch.first - began, 0.0), max(watch.last - ends, 0.0)
        return sight

    def _look(self, watches: list[Watch]) -> None:
        assert self._trader.poll() is None, self._system.said(self._trader)[-3000:]
        for watch in watches:
            watch.look()
        time.sleep(LOOK_EVERY_S)

    def _calm(self, watches: list[Watch], for_s: float) -> bool:
        """Watch until all has been well for a while; say whether that came in time."""
        deadline = time.monotonic() + RECOVER_S
        while time.monotonic() < deadline:
            self._look(watches)
            now = time.monotonic()
            if all(watch.well_since is not None and now - watch.well_since >= for_s for watch in watches):
                return True
        return False

    def _by_hand(self) -> None:
        kind, symbol = BY_HAND[self._given % len(BY_HAND)]
        self._given += 1
        self._workspace.commands.send(kind, symbol, Source.OPERATOR, notional_usd=float(self._rng.uniform(500.0, 2_500.0)))

    def _hold_against(self, row: Row, watches: list[Watch], sent_before: set[str]) -> None:
        """Compare with the exchange until both agree: the strategy may have an order on its way just now."""
        deadline = time.monotonic() + AGREE_S
        while True:
            self.outcome = Outcome()
            self._compare()
            row.books = self._orders(sent_before)
            apart = [(name, ours - theirs) for name, theirs, ours in self.outcome.rows if _differ(name, theirs, ours)]
            row.differs = [f"{name} {by:+.4f}" for name, by in apart] + ["fills missing"] * bool(self.outcome.lost)
            for sight, watch in zip((row.live, row.paper), watches, strict=True):
                pictures = zip(BinanceUsdm.symbols, watch.books(), strict=True)
                sight.other_books = [symbol for symbol, picture in pictures if not self._exchange.showed(symbol, picture)]
            books = row.books
            wrong = row.differs or books.lost or books.doubled or books.bare or row.live.other_books or row.paper.other_books
            if not wrong or time.monotonic() > deadline:
                return
            time.sleep(1.5)  # asking oftener would use up the weight that the exchange allows a minute

    def _orders(self, sent_before: set[str]) -> Books:
        folder = self._system.home / self._system.instance / "sessions" / "live-testnet"
        with sqlite3.connect(f"file:{folder / 'orders.sqlite'}?mode=ro", uri=True) as journal:
            ours = dict(journal.execute("SELECT client_id, order_id FROM orders").fetchall())
            known = {name for (name,) in journal.execute("SELECT DISTINCT client_id FROM transitions WHERE venue_id != ''")}
            filled = dict(journal.execute("SELECT client_id, total(abs(qty)) FROM fills GROUP BY client_id").fetchall())
        with sqlite3.connect(f"file:{folder / 'ledger.sqlite'}?mode=ro", uri=True) as ledger:
            wanted = {order_id for (order_id,) in ledger.execute("SELECT order_id FROM orders")}
        with httpx.Client(base_url=f"http://127.0.0.1:{self._exchange.port}", trust_env=False) as client:
            plain = [o for symbol in BinanceUsdm.symbols for o in signed(client, "/fapi/v1/allOrders", symbol=symbol, limit=1000)]
            stops = [o for symbol in BinanceUsdm.symbols for o in signed(client, "/fapi/v1/allAlgoOrders", symbol=symbol)]
            held = {r["symbol"]: float(r["positionAmt"]) for r in signed(client, "/fapi/v3/positionRisk")}
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
            doubled=[
                str(name) for times in (theirs, self._exchange.posted, engine_ids) for name, count in times.items() if count > 1
            ],
            bare=[f"{name} {qty:g}: {sizes}" for name, qty in held.items() if not _protects(sizes := _resting(name, stops), qty)],
        )


def _resting(symbol: str, stops: list[Any]) -> list[float]:
    """Return the sizes of the stops that rest for a symbol, those that sell below 0."""
    resting = [stop for stop in stops if stop["symbol"] == symbol and stop["algoStatus"] == "NEW"]
    return [float(stop["quantity"]) * (-1.0 if stop["side"] == "SELL" else 1.0) for stop in resting]


def _protects(sizes: list[float], qty: float) -> bool:
    """Say whether exactly the stops rest that a position needs: one of its size, or none."""
    return bool(np.allclose(sizes, [-qty])) if qty and len(sizes) == 1 else not qty and not sizes


def _differ(name: str, theirs: float, ours: float) -> bool:
    return abs(theirs - ours) > (0.01 if "USD" in name else 1e-9)


def _note(printed: str) -> str:
    """Return the first words for a human among what was printed: events begin with their time."""
    notes = [line for line in printed.splitlines() if line and not line[0].isdigit()]
    return notes[0][:48] if notes else ""


def show(rows: list[Row]) -> None:
    """Print what the live trader did, and what the one on paper did where market data was damaged."""
    live = Table(
        "fault", "what it did", "struck", "events seen", "state", "noticed s", "back s", "orders", "lost", "doubled",
        "money differs", "verdict", box=SIMPLE_HEAD, title="trader --live --venue sim",
    )  # fmt: skip
    paper = Table(
        "fault", "events seen", "state", "noticed s", "back s",
        box=SIMPLE_HEAD, title="trader --paper --venue binance, the same faults at the same time",
    )  # fmt: skip
    for row in sorted(rows, key=lambda row: TRIALS.index(row.trial)):
        live.add_row(*row.cells())
        if row.trial.of_market:
            paper.add_row(row.trial.name, *row.paper.cells())
    console = Console(width=270)
    console.print(live)
    console.print(paper)


@click.command()
@click.option("--only", default="", help="Rows whose name contains this.")
@click.option("--seed", default=1, show_default=True)
def main(only: str, seed: int) -> None:
    """Live through every fault and print what came of it; exits 1 if anything did not hold."""
    rows: list[Row] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        systems = [System(Path(home) / name) for name in ("live", "paper")]
        for system in systems:
            (system.home / "logs").mkdir(parents=True)
        try:
            with FaultTable(systems[0], systems[1], seed) as table:
                started = time.monotonic()
                for trial in apart(tuple(trial for trial in TRIALS if only in trial.name)):
                    rows.append(table.row(trial))
                    click.echo(f"{trial.name}: {'; '.join([*rows[-1].broken, *rows[-1].books.lost]) or 'ok'}", err=True)
        finally:
            for system in systems:
                system.stop()
    show(rows)
    missing = sorted(set(Kind) - {fault.kind for row in rows for fault in row.trial.faults})
    bad = sum(bool(row.broken) for row in rows)
    orders = sum(row.books.sent for row in rows)
    click.echo(
        f"{len(rows)} faults, {orders} orders, {bad} rows broken; kinds left out: {', '.join(missing) or 'none'}; "
        f"{started - began:.0f} s to start, {time.monotonic() - started:.0f} s of faults"
    )
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
