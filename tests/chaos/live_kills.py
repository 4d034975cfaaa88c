"""Live mode on the local exchange, with faults, and the trader killed again and again: what exchange and ledger say at the end.

``python -m tests.chaos.live_kills --venue hyperliquid --minutes 10 --kills 20``. Orders come from the engine's own strategies and
from a hand that buys and closes at random, so that many are under way when a kill or a fault comes. At the end the exchange
itself is asked, with requests of :mod:`.live_venues`, and compared with the ledger's rows.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
import numpy as np

from shared.clock import SystemClock
from shared.events import CommandKind, EventKind, Source
from shared.layout import TRADE_EVENT
from shared.workspace import Workspace
from tests.chaos.live_venues import CAPITAL_USD, VENUES, Played
from tests.processes import System

LIVE = ("--live", "--i-accept-real-orders", "-v")
RECOVER_S = 60.0
LEAST_TRADING_S = 2.0
IN_FLIGHT_WITHIN_S = 0.3
SETTLED_S = 2.0
CASH_TOLERANCE_USD = 0.01
QTY_TOLERANCE = 1e-8  # a spot venue keeps eight places of a fee
FAULT_EVERY_S = 12.0


class Outcome(msgspec.Struct):
    """What the run came to, rows of a table."""

    venue: str = ""
    minutes: float = 0.0
    kills: int = 0
    kills_in_flight: int = 0
    faults: int = 0
    orders: int = 0
    in_doubt: int = 0
    fills: int = 0
    stops: int = 0
    rows: list[tuple[str, float, float]] = []
    doubled: int = 0
    strange: int = 0
    lost: int = 0
    unconfirmed: int = 0
    longest_recovery_s: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether exchange and ledger say the same."""
        cents = {name: CASH_TOLERANCE_USD for name, _, _ in self.rows if name.endswith(" USD")}
        close = all(abs(a - b) <= cents.get(name, QTY_TOLERANCE) for name, a, b in self.rows)
        return close and not (self.doubled or self.strange or self.lost or self.unconfirmed)

    def __str__(self) -> str:
        lines = [
            f"{self.minutes:.1f} min of {self.venue} on the local exchange, {self.faults} faults",
            f"{self.kills} kills -9 ({self.kills_in_flight} with an order under way)",
            f"longest way back to 'reconciled' {self.longest_recovery_s:.1f} s",
            f"{self.orders} orders ({self.stops} of them stops), {self.in_doubt} were in doubt for a while, {self.fills} fills",
            "",
            f"{'':24}{'exchange':>18}{'ledger':>18}{'difference':>14}",
        ]
        lines += [f"{name:24}{a:18,.6f}{b:18,.6f}{a - b:14,.6f}" for name, a, b in self.rows]
        lines += [
            "",
            f"doubled orders {self.doubled} · orders that are not in the journal {self.strange}",
            f"symbols with fills missing {self.lost} · still in doubt {self.unconfirmed}",
            "AGREE" if self.agrees else "DO NOT AGREE",
        ]
        return "\n".join(lines)


class Chaos:
    """One run.

    Parameters
    ----------
    minutes, kills
        How long, and how often the trader is killed in that time.
    """

    def __init__(self, system: System, minutes: float, kills: int, seed: int, venue: str = "binance") -> None:
        self._system = system
        self._venue: Played = VENUES[venue]()
        self._span_s = minutes * 60.0
        self._kills = kills
        self._rng = np.random.default_rng(seed)
        self._seed = seed
        self._began = 0.0
        self.outcome = Outcome(venue=venue, minutes=minutes)
        self._journal_ids: set[str] = set()
        self._kept: dict[int, tuple[float, float, float]] = {}
        self._simulator: subprocess.Popen[bytes]
        self._trader: subprocess.Popen[bytes]
        self._workspace: Workspace

    def run(self) -> Outcome:
        """Do it all, and return what came of it."""
        self._start_exchange()
        self._began = time.monotonic()
        self._start_trader()
        step_s = self._span_s / (self._kills + 1)
        for number in range(1, self._kills + 1):
            self._trade_until(self._began + step_s * (number - self._rng.uniform(0.0, 0.5)))
            self._kill()
            self._start_trader()
        self._trade_until(self._began + self._span_s)
        self._settle()
        self._compare()
        return self.outcome

    def _start_exchange(self) -> None:
        system = self._system
        system.environment |= self._venue.keys
        accounts = system.home / "accounts.json"
        accounts.touch(mode=0o600)
        accounts.write_text(json.dumps({"accounts": [self._venue.account]}))
        faults = system.home / "faults.jsonl"
        every_s = min(FAULT_EVERY_S, self._span_s / 4.0)
        count = int(self._span_s / every_s)
        wrong = self._venue.faults
        entries = [{"at": 5.0 + i * every_s, **wrong[i % len(wrong)]} for i in range(count)]
        faults.write_text("\n".join(json.dumps(entry) for entry in [{"seed": self._seed}, *entries]))
        self.outcome.faults = count
        market = ("--market", self._venue.market, "--symbols", ",".join(self._venue.symbols), "--seed", str(self._seed))
        self._simulator = system.simulator(*market, "--accounts", str(accounts), "--faults", str(faults))

    def _start_trader(self) -> None:
        system, before = self._system, self._system.epoch()
        began = time.monotonic()
        where = (*self._venue.trader_arguments(self._port()), "--symbols", ",".join(self._venue.symbols))
        self._trader = system.start("trader.cli", *LIVE, *where, "--capital", str(CAPITAL_USD))
        system.until(lambda: system.epoch() not in (before, 0), self._trader, RECOVER_S)
        self._workspace = Workspace(system.instance, SystemClock())
        system.until(lambda: self._view("reconciled"), self._trader, RECOVER_S)
        self.outcome.longest_recovery_s = max(self.outcome.longest_recovery_s, time.monotonic() - began)
        system.until(lambda: not self._rows()["stale"].any(), self._trader, RECOVER_S)

    def _view(self, name: str) -> Any:
        return self._workspace.portfolio()[name]

    def _rows(self) -> Any:
        return self._view("rows")[: len(self._venue.symbols)]

    def _kill(self) -> None:
        """Kill as soon as an order is under way or a little later, so that many die with one under way."""
        self._order()
        until = time.monotonic() + IN_FLIGHT_WITHIN_S
        while not (self._rows()["open_orders"] > 0).any() and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(float(self._rng.choice((0.0, 0.0, 0.01, 0.1))))
        self.outcome.kills_in_flight += bool((self._rows()["open_orders"] > 0).any())
        self._system.kill(self._trader)
        self.outcome.kills += 1
        self._workspace.close()

    def _trade_until(self, at: float) -> None:
        at = max(at, time.monotonic() + LEAST_TRADING_S)  # on a busy machine starting takes as long as all the rest
        while time.monotonic() < at:
            assert self._trader.poll() is None, self._system.said(self._trader)[-3000:]
            self._order()
            time.sleep(float(self._rng.uniform(0.2, 1.5)))

    def _order(self) -> None:
        """Buy, sell or close something by hand."""
        kind = (CommandKind.MANUAL_BUY, CommandKind.MANUAL_SELL, CommandKind.CLOSE)[int(self._rng.integers(3))]
        symbol = int(self._rng.integers(len(self._venue.symbols)))
        self._workspace.commands.send(kind, symbol, Source.OPERATOR, notional_usd=float(self._rng.uniform(300.0, 3_000.0)))

    def _settle(self) -> None:
        """Wait until nothing is in doubt and all agrees, then stop the trader in order."""

        def settled() -> bool:
            busy = self._view("unconfirmed") or self._rows()["open_orders"].any()
            return bool(self._view("reconciled") and not busy)

        self._system.until(_lasting(settled, SETTLED_S), self._trader, RECOVER_S)
        self._trader.terminate()
        self._trader.wait(20)
        self._workspace.close()

    def _compare(self) -> None:
        folder = self._system.home / self._system.instance / "sessions" / "live-testnet"
        with sqlite3.connect(f"file:{folder / 'ledger.sqlite'}?mode=ro", uri=True) as ledger:
            fills = ledger.execute("SELECT symbol, side, qty, price_usd, fee_usd FROM fills ORDER BY seq").fetchall()
            raw = b"".join(row for (row,) in ledger.execute("SELECT raw FROM events ORDER BY seq"))
        events = np.frombuffer(raw, TRADE_EVENT)
        funding_usd = float(events["pnl_usd"][events["kind"] == EventKind.FUNDING].sum())
        with sqlite3.connect(f"file:{folder / 'orders.sqlite'}?mode=ro", uri=True) as journal:
            self._read_journal(journal)
        with httpx.Client(base_url=f"http://127.0.0.1:{self._port()}", trust_env=False) as client:
            told = self._venue.ask(client)
        self.outcome.doubled = len(told.order_ids) - len(set(told.order_ids))
        self.outcome.fills = told.fills
        self.outcome.strange = len(set(told.order_ids) - self._journal_ids)
        cash = CAPITAL_USD + funding_usd
        for index, symbol in enumerate(self._venue.symbols):
            own = [(side * qty, price, fee) for name, side, qty, price, fee in fills if name == symbol]
            cash -= sum(qty * price + fee for qty, price, fee in own)
            kept, crumbs, _ = self._kept.get(index, (0.0, 0.0, 0.0))
            held, turnover = sum(qty for qty, _, _ in own) + crumbs, sum(abs(qty) for qty, _, _ in own) + kept
            self.outcome.rows += [
                (f"{symbol} position", told.positions.get(symbol, 0.0), round(held, 9)),
                (f"{symbol} quantity traded", round(told.traded[symbol], 9), round(turnover, 9)),
            ]
            self.outcome.lost += abs(told.traded[symbol] - turnover) > QTY_TOLERANCE
        fees_usd = sum(fee for *_, fee in fills) - sum(usd for *_, usd in self._kept.values())
        money = (("cash", told.cash_usd, cash), ("fees", told.fees_usd, fees_usd), ("funding", told.funding_usd, funding_usd))
        self.outcome.rows += [(f"{what} USD", theirs, ours) for what, theirs, ours in money]

    def _port(self) -> int:
        return int(json.loads((self._system.home / self._system.instance / "simulator.json").read_text())["port"])

    def _read_journal(self, journal: sqlite3.Connection) -> None:
        def count(query: str) -> int:
            return int(journal.execute(query).fetchone()[0])

        self._journal_ids = {client_id for (client_id,) in journal.execute("SELECT client_id FROM orders")}
        # a spot venue keeps a share of what is bought, and what is less than a step is a cost: the journal knows both
        crumbs = "total(qty - fee_qty - booked_qty)"
        rows = journal.execute(
            f"SELECT symbol, total(abs(qty) - abs(booked_qty)), {crumbs}, "  # noqa: S608 - nothing in it comes from outside
            "total((qty - fee_qty - booked_qty) * price_usd) FROM fills GROUP BY symbol"
        )
        self._kept = {symbol: (kept, left, left_usd) for symbol, kept, left, left_usd in rows}
        self.outcome.orders = len(self._journal_ids)
        self.outcome.stops = count("SELECT count(*) FROM orders WHERE order_id = 0")
        self.outcome.in_doubt = count("SELECT count(DISTINCT client_id) FROM transitions WHERE state = 'ambiguous'")
        last = "SELECT max(seq) FROM transitions GROUP BY client_id"
        self.outcome.unconfirmed = count(
            f"SELECT count(*) FROM transitions WHERE seq IN ({last}) AND state IN ('planned', 'ambiguous')"  # noqa: S608
        )


def _lasting(check: Callable[[], bool], for_s: float) -> Callable[[], bool]:
    """Return a check that is true once ``check`` has been true for a while."""
    since: list[float] = []

    def lasted() -> bool:
        if not check():
            since.clear()
            return False
        since.append(time.monotonic())
        return since[-1] - since[0] >= for_s

    return lasted


@click.command()
@click.option("--venue", type=click.Choice(list(VENUES)), default="binance", show_default=True)
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(venue: str, minutes: float, kills: int, seed: int) -> None:
    """Trade live on the local exchange with faults, kill the trader again and again, and compare at the end."""
    with tempfile.TemporaryDirectory() as home:
        system = System(Path(home))
        (system.home / "logs").mkdir()
        try:
            outcome = Chaos(system, minutes, kills, seed, venue).run()
        finally:
            system.stop()
    click.echo(str(outcome))
    if not outcome.agrees:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
