"""Seeded random fault scripts of 60 simulated seconds against feed handler and engine, with every invariant looked at.

``python -m tests.chaos.fault_scripts --scripts 1000``. No sockets and no wall clock: the local exchange's own market and fault
player, the feed's own state machine, the real engine, all in one process, so that a script takes a fraction of a second. The last
quarter of a script is quiet, to recover in.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from shared.clock import NS_PER_MS, NS_PER_S, ManualClock, SystemClock
from shared.errors import FeedError
from shared.events import CommandKind, EventKind, Regime, Source, Strategy
from shared.params import CONTROLS, index_of
from tests.engine_support import book_levels
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind, batch, row
from trader.engine.state import STRATEGY_BY_REGIME, new_state
from trader.engine.warmup import warm_up
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.stats import FeedStats
from trader.market.book import is_crossed
from trader.portfolio.accounting import reconciliation_usd
from trader.simulator.faults.faulty_source import FaultySource
from trader.simulator.faults.plan import Change, FaultPlan, Outgoing
from trader.simulator.faults.script import Kind, random_script
from trader.simulator.generated import GeneratedSource
from trader.simulator.recorded_book import DepthSnapshot, DepthUpdate, RecordedBook
from trader.simulator.source import Frame, Market

SYMBOL = "BTCUSDT"
START_NS = 1_700_000_000 * NS_PER_S
SPAN_S = 60.0
AFTER_S = 5.0  # market after the script, so that what was held back can arrive
ASK_EVERY_NS = 200 * NS_PER_MS  # between two tries for a snapshot, and how long without input until time is let pass
ORDER_EVERY_NS = 3 * NS_PER_S
STALE_NS = int(5.5 * NS_PER_S)  # the control's 5 s, and the second that looks at it
ROUNDING_USD = 1e-6
COMPARED = 1000  # levels a side that must be the venue's: all there are
CHANGES = (EventKind.ORDER, EventKind.FILL, EventKind.CANCEL)


class Outcome(msgspec.Struct):
    """What one script came to. ``broken`` names every invariant that did not hold."""

    seed: int
    kinds: list[str]
    orders: int = 0
    fills: int = 0
    stale: int = 0
    books_lost: int = 0
    longest_lost_s: float = 0.0
    broken: list[str] = msgspec.field(default_factory=list)


class Storm:
    """One script at work on one market."""

    def __init__(self, seed: int) -> None:
        market = (Market.SPOT, Market.USDM)[seed % 2]
        self._rng = np.random.default_rng(seed)
        self._clock = ManualClock(START_NS)
        script = random_script(seed, SPAN_S)
        self._plan = FaultPlan(script)
        self._true = GeneratedSource(market, (SYMBOL,), seed, START_NS, duration_s=SPAN_S + AFTER_S)
        self._source = FaultySource(self._true, self._plan)
        self._venue = RecordedBook()
        self._stats = FeedStats()
        venue: Any = str(market)
        self._handler = BinanceHandler(venue, [SYMBOL], "aggTrade", self._clock, self._stats)
        self._engine = Engine(_beginning(market))
        self._away_until_ns = 0  # the connection is lost until then
        self._asked_ns = self._ordered_ns = self._told_ns = self._compared_ns = START_NS
        self._answers: list[tuple[int, bytes]] = []  # snapshots on their way: arrival, body
        self._lost_ns = 0
        self._sent: Counter[int] = Counter()
        self.outcome = Outcome(seed, sorted({str(fault.kind) for fault in script.fault}))

    @property
    def _symbol(self) -> Any:
        return self._engine.state[0]["symbols"][0]

    def run(self) -> Outcome:
        """Play the script to its end and return what came of it."""
        self._venue.load(msgspec.json.decode(self._true.depth(SYMBOL, 1000), type=DepthSnapshot))
        for item in self._source.items():
            if isinstance(item, Frame):
                if "@depth" in item.stream:
                    self._venue.apply(msgspec.json.decode(item.payload, type=DepthUpdate))
                self._clock.advance(max(item.ns - self._clock.now_ns(), 0))
                for change in self._plan.advance(item.ns):
                    self._carry_out(change)
                for sent in self._plan.frames(Outgoing(item.ns, item.stream, item.payload, item)):
                    self._hear(sent)
                self._between(item.ns)
        self._at_the_end()
        return self.outcome

    def _carry_out(self, change: Change) -> None:
        kind = change.fault.kind
        if kind is Kind.STALE_SNAPSHOT and change.begins:
            self._source.freeze()
        elif kind is Kind.CLOSE or (kind is Kind.SERVER_SHUTDOWN and not change.begins):
            self._handler.on_disconnected()
            self._away_until_ns = self._clock.now_ns() + int(self._rng.uniform(0.2, 2.0) * NS_PER_S)
            self._answers.clear()
            self._take()

    def _hear(self, sent: Outgoing) -> None:
        if self._clock.now_ns() < self._away_until_ns:
            return
        self._handler.on_frame(b'{"stream":"%s","data":%s}' % (sent.stream.encode(), sent.payload))
        self._take()

    def _between(self, now_ns: int) -> None:
        """Do what the feed's and the trader's own turns do: snapshots, the passing of time, orders."""
        while self._answers and self._answers[0][0] <= now_ns:
            _, body = self._answers.pop(0)
            try:
                self._handler.on_snapshot(SYMBOL, body)
            except FeedError as error:
                self._break(f"snapshot refused: {error}")
            self._take()
        if now_ns - self._asked_ns >= ASK_EVERY_NS:
            self._asked_ns = now_ns
            if self._handler.snapshots_wanted() and not self._answers:
                self._ask(now_ns)
        if now_ns - self._told_ns >= ASK_EVERY_NS:
            self._give(batch([row(InputKind.TIMER, now_ns)]))
        if now_ns - self._compared_ns >= NS_PER_S:
            self._compared_ns = now_ns
            self._compare_books()
        if now_ns - self._ordered_ns >= ORDER_EVERY_NS:
            self._ordered_ns = now_ns
            kind = (CommandKind.MANUAL_BUY, CommandKind.MANUAL_SELL, CommandKind.CLOSE)[int(self._rng.integers(3))]
            self._give(batch([row(InputKind.COMMAND, now_ns, 0, flags=Source.OPERATOR, aux=kind, a=2_000.0, ref=now_ns)]))
        self._look(now_ns)

    def _ask(self, now_ns: int) -> None:
        """Ask for a snapshot the way the feed does; a refused request is asked again at the next turn."""
        if now_ns < self._away_until_ns or self._plan.strikes(Kind.HTTP, "GET /api/v3/depth"):
            return
        slow = self._plan.strikes(Kind.SLOW, "GET /api/v3/depth")
        late_ns = int(slow.delay_s * NS_PER_S) if slow else 5 * NS_PER_MS
        self._answers.append((now_ns + late_ns, self._source.depth(SYMBOL, 1000)))

    def _take(self) -> None:
        rows = self._handler.take()
        if rows.size:
            numbers = np.array([rows[name] for name in "abcd"])
            if not np.isfinite(numbers).all():
                self._break("a number that is none")
            self._give(rows)

    def _give(self, rows: Any) -> None:
        self._told_ns = self._clock.now_ns()
        stale = bool(self._symbol["stale"])
        events = self._engine.process(rows)
        for event in events[np.isin(events["kind"], CHANGES)]:
            self._count(event)
        for kind in events["kind"]:  # one by one: an order under way may be filled in the very batch that then loses the feed
            stale = kind == EventKind.FEED_STALE or (stale and kind != EventKind.FEED_RESTORED)
            if stale and kind == EventKind.POSITION_OPEN:
                self._break("entered on a stale feed")
        self.outcome.stale += int((events["kind"] == EventKind.FEED_STALE).sum())

    def _count(self, event: Any) -> None:
        order_id, kind, qty = int(event["order_id"]), int(event["kind"]), round(float(event["qty"]) * 1e8)
        if kind == EventKind.ORDER:
            self.outcome.orders += 1
            if order_id in self._sent:
                self._break("an order sent twice")
            self._sent[order_id] = qty
        else:
            self.outcome.fills += kind == EventKind.FILL
            self._sent[order_id] -= qty
            if self._sent[order_id] < 0:
                self._break("more filled than was ordered")

    def _look(self, now_ns: int) -> None:
        symbol = self._symbol
        if symbol["book_valid"] and is_crossed(symbol):
            self._break("a crossed book is believed")
        if abs(float(reconciliation_usd(self._engine.state[0]))) > ROUNDING_USD:
            self._break("the money does not add up")
        silent_ns = now_ns - int(symbol["last_market_ns"])
        if symbol["last_market_ns"] and silent_ns > STALE_NS and not symbol["stale"]:
            self._break("silence is not told")
        if symbol["book_valid"]:
            if self._lost_ns:
                self.outcome.longest_lost_s = max(self.outcome.longest_lost_s, (now_ns - self._lost_ns) / NS_PER_S)
                self._lost_ns = 0
        elif not self._lost_ns:
            self._lost_ns = now_ns
            self.outcome.books_lost += 1

    def _compare_books(self) -> None:
        """Hold the engine's book against the venue's own, level by level, whenever both stand at the same update."""
        symbol = self._symbol
        if not symbol["book_valid"] or symbol["book_id"] != self._venue.update_id:
            return
        for side, levels in enumerate(self._venue.levels(COMPARED)):
            if book_levels(symbol, side)[:COMPARED] != [(float(price), float(qty)) for price, qty in levels]:
                self._break("another book than the venue's at the same update")

    def _at_the_end(self) -> None:
        symbol = self._symbol
        if not symbol["book_valid"]:
            self._break("no book at the end")
        self._compare_books()
        if symbol["book_id"] != self._venue.update_id:
            self._break("an older book than the venue's at the end")
        if symbol["stale"]:
            self._break("stale at the end")
        pending = sum(int(order["status"]) != 0 for order in symbol["orders"])
        if sum(left > 0 for left in self._sent.values()) > pending:
            self._break("an order is lost")

    def _break(self, what: str) -> None:
        if what not in self.outcome.broken:
            self.outcome.broken.append(what)


def _beginning(market: Market) -> Any:
    """Return a state that trades the technical strategy whatever an entry is worth, its instrument known."""
    state: Any = new_state(1, 100_000.0)
    values = state["controls"]["values"][0]
    values[list(STRATEGY_BY_REGIME)[: len(Regime)]] = Strategy.TECHNICAL
    values[index_of(CONTROLS, "min_edge_factor")] = 0.0
    symbol = state["symbols"][0, :1]
    symbol["tick_size"], symbol["step_size"], symbol["min_notional_usd"] = 0.01, 0.0001, 5.0
    symbol["perpetual"] = market is Market.USDM
    return state


@click.command()
@click.option("--scripts", default=1000, show_default=True)
@click.option("--first", default=0, show_default=True, help="Seed of the first.")
def main(*, scripts: int, first: int) -> None:
    """Play the scripts and print what came of each kind of fault."""
    wall = SystemClock()
    warm_up(wall, click.echo)
    begun_ns = wall.monotonic_ns()
    outcomes = [Storm(seed).run() for seed in range(first, first + scripts)]
    table = Table(
        "fault in the script", "scripts", "orders", "fills", "stale told", "books lost", "longest without a book, s", "broken"
    )
    kinds = sorted({kind for outcome in outcomes for kind in outcome.kinds})
    for name, chosen in [*((k, [o for o in outcomes if k in o.kinds]) for k in kinds), ("all", outcomes)]:
        sums = [sum(getattr(o, field) for o in chosen) for field in ("orders", "fills", "stale", "books_lost")]
        longest = max(o.longest_lost_s for o in chosen)
        table.add_row(
            name, f"{len(chosen):,}", *(f"{s:,}" for s in sums), f"{longest:.1f}", str(sum(bool(o.broken) for o in chosen))
        )
    console = Console(width=130)
    console.print(table)
    for outcome in [o for o in outcomes if o.broken][:20]:
        console.print(f"seed {outcome.seed} ({', '.join(outcome.kinds)}): {'; '.join(outcome.broken)}", markup=False)
    console.print(f"{scripts:,} scripts of {SPAN_S:.0f} simulated seconds in {(wall.monotonic_ns() - begun_ns) / 1e9:.0f} s")
    raise SystemExit(1 if any(outcome.broken for outcome in outcomes) else 0)


if __name__ == "__main__":
    main()
