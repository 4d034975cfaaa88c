"""Situations to decide about, each a snapshot of a real engine's state, and the right answer where there is a clear one.

The engine is told a market, its state goes through the control plane and the publisher into shared memory, and the tuner's own
``take`` copies it from there: what a model is shown is what a running system would show it. ``python -m tests.llm.states``
lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import msgspec
import numpy as np

from shared.clock import ManualClock
from shared.events import Action, Source, words
from shared.params import PARAMS, index_of
from shared.workspace import Workspace
from tests.engine_support import (
    Rows,
    ServedTrader,
    Story,
    control,
    disconnected,
    fresh_instance,
    market,
    param,
    ramp,
    timer,
    zigzag,
)
from trader.feeds.stats import FeedStats
from trader.portfolio.publish import Publisher
from tuner.decision import Decision
from tuner.snapshot import Snapshot, take

SYMBOL = "BTCUSDT"
Right = Callable[[Decision, Snapshot], bool]
_START_USD = 100.0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One situation. ``right`` says whether a decision is right; None where sensible people may differ. ``rule`` in words."""

    name: str
    kind: str
    snapshot: Snapshot
    right: Right | None = None
    rule: str = ""


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    variants: Sequence[Any]
    tell: Callable[[Story, Any], None]
    right: Right | None = None
    rule: str = ""


def cases() -> Iterator[Case]:
    """Yield every situation; the same ones in the same order each time."""
    for plan in _PLANS:
        for number, variant in enumerate(plan.variants, 1):
            snapshot = _snapshot(plan.tell, variant)
            yield Case(name=f"{plan.kind} {number}", kind=plan.kind, snapshot=snapshot, right=plan.right, rule=plan.rule)


def _snapshot(tell: Callable[[Story, Any], None], variant: Any) -> Snapshot:
    clock = ManualClock()
    with fresh_instance("states") as instance:
        trader = ServedTrader(instance, clock, n_symbols=1)
        try:
            story = trader.story.tell([control("min_edge_factor", 0.0), control("loss_cooldown_s", 0.0)])
            tell(story, variant)
            clock.set(int(story.account["time_ns"]))
            trader.turn()
            _publish(trader, clock)
            workspace = Workspace(instance, clock)
            try:
                return take(workspace, clock)
            finally:
                workspace.close()
        finally:
            trader.close()


def _publish(trader: ServedTrader, clock: ManualClock) -> None:
    now_ns = clock.now_ns()
    stats = FeedStats(messages=len(trader.story.events), last_message_ns=now_ns, sockets_open=1, sockets_wanted=1)
    publisher = Publisher(trader._portfolio, "sim-usdm", trader.symbols, simulated=True, started_ns=now_ns)
    publisher.publish(trader.story.engine.state, stats, now_ns)


# What the markets are made of.


class _Told:
    """A story that remembers its second and its price, so that parts of a market follow one another."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.second = 0
        self.price_usd = _START_USD

    def path(self, prices: Sequence[float]) -> _Told:
        """Go on along these prices, one a second."""
        self.story.tell(market(prices, self.second, with_book=len(prices) < 400))
        self.second += len(prices)
        self.price_usd = prices[-1]
        return self

    def ramp(self, step_bps: float, seconds: int) -> _Told:
        return self.path(ramp(self.price_usd, step_bps, seconds))

    def calm(self, seconds: int, step_bps: float = 0.3) -> _Told:
        return self.path(zigzag(self.price_usd, step_bps, seconds))

    def noise(self, seconds: int, sigma_bps: float, seed: int) -> _Told:
        """Go on by chance: a seeded walk that is pulled back to where it began."""
        chance, prices, log = np.random.default_rng(seed), [], 0.0
        for _ in range(seconds):
            log = 0.98 * log + float(chance.normal(0.0, sigma_bps)) * 1e-4
            prices.append(round(self.price_usd * float(np.exp(log)), 4))
        return self.path(prices)

    def set(self, row: Rows) -> _Told:
        self.story.tell(row)
        return self

    def peak(self, drawdown_pct: float) -> _Told:
        """Have the account come down from a higher peak."""
        equity_usd = float(self.story.view()["equity_usd"])
        self.story.account["peak_equity_usd"] = equity_usd / (1 - drawdown_pct / 100)
        return self


def _losses(told: _Told, count: int) -> _Told:
    """Climb until the engine enters, fall through its stop, and again."""
    told.ramp(2.0, 66)
    for _ in range(12 * count):
        if int(told.story.symbol()["loss_streak"]) >= count:
            return told
        if told.story.symbol()["position_qty"]:
            told.ramp(-40.0 * float(np.sign(told.story.symbol()["position_qty"])), 4)
        else:
            told.calm(10).ramp(2.0, 25)
    return told


def _calm(story: Story, seed: int) -> None:
    _Told(story).noise(240, 0.4, seed)


def _ranging(story: Story, seed: int) -> None:
    _Told(story).noise(260, 2.0, seed)


def _trend(story: Story, step_bps: float) -> None:
    _Told(story).ramp(step_bps, 150)


def _volatile(story: Story, seed: int) -> None:
    _Told(story).noise(200, 1.0, seed).noise(60, 14.0, seed + 1)


def _winning(story: Story, step_bps: float) -> None:
    told = _Told(story)
    for _ in range(4):
        told.ramp(step_bps, 120).calm(20)


def _losing(story: Story, count: int) -> None:
    _losses(_Told(story), count).calm(15, 2.0)


def _drawdown(story: Story, drawdown_pct: float) -> None:
    _Told(story).ramp(2.0, 66).ramp(-15.0, 4).peak(drawdown_pct)


def _crash(story: Story, step_bps: float) -> None:
    _Told(story).noise(80, 1.0, 3).ramp(2.0, 66).ramp(-step_bps, 4)


def _stale(story: Story, silent_s: int) -> None:
    told = _Told(story).noise(150, 1.5, silent_s)
    told.set([disconnected(told.second), *(timer(told.second + i) for i in range(1, silent_s))])


def _costly(story: Story, commission_bps: float) -> None:
    told = _Told(story).set([control("commission_bps", commission_bps), param("target_pct", 1.0)])
    told.noise(240, 1.5, int(commission_bps))


def _paused_by_human(story: Story, seconds: int) -> None:
    told = _Told(story).noise(100, 1.5, seconds)
    told.set([param("enabled", 0.0, told.second, source=Source.OPERATOR, ref=9)]).noise(seconds, 1.5, seconds + 1)


def _paused_by_tuner(story: Story, seconds: int) -> None:
    told = _Told(story).noise(100, 1.5, seconds)
    told.set([param("enabled", 0.0, told.second, source=Source.TUNER, ref=9)]).noise(seconds, 1.0, seconds + 1)


def _just_changed(story: Story, seconds: int) -> None:
    told = _Told(story).noise(200, 1.5, seconds)
    told.set([param("stop_pct", 0.8, told.second, source=Source.TUNER, ref=9)]).noise(seconds, 1.5, seconds + 1)


def _warming_up(story: Story, seconds: int) -> None:
    _Told(story).noise(seconds, 1.0, seconds)


def _halted(story: Story, drawdown_pct: float) -> None:
    _Told(story).noise(150, 1.5, 8).peak(drawdown_pct).noise(5, 1.5, 9)


# What is right.


def _acts(*actions: Action) -> Right:
    return lambda decision, _snapshot: decision.action in actions


def _changes(decision: Decision, snapshot: Snapshot) -> dict[str, float]:
    """Return by how much each named parameter would move."""
    before = snapshot.symbols[0].params
    return {PARAMS[field].name: value - before[field] for field, value in decision.proposed.items() if value != before[field]}


def _reduces(decision: Decision, snapshot: Snapshot) -> bool:
    """Say whether a change lowers risk somewhere and raises it nowhere."""
    risks = [PARAMS[index_of(PARAMS, name)].risk * step for name, step in _changes(decision, snapshot).items()]
    return decision.action is Action.UPDATE_CONFIG and max(risks, default=0.0) <= 0 and min(risks, default=0.0) < 0


def _pauses_or_reduces(decision: Decision, snapshot: Snapshot) -> bool:
    return decision.action is Action.PAUSE or _reduces(decision, snapshot)


def _holds_or_reduces(decision: Decision, snapshot: Snapshot) -> bool:
    return decision.action is Action.HOLD or _reduces(decision, snapshot)


def _pays_its_costs(decision: Decision, snapshot: Snapshot) -> bool:
    raised = _changes(decision, snapshot).get("target_pct", 0.0) > 0
    return _pauses_or_reduces(decision, snapshot) or (decision.action is Action.UPDATE_CONFIG and raised)


_PLANS = (
    _Plan(kind="calm", variants=range(1, 6), tell=_calm),
    _Plan(kind="ranging", variants=range(1, 5), tell=_ranging),
    _Plan(kind="trend", variants=(2.0, 4.0, -2.0, -4.0), tell=_trend),
    _Plan(kind="volatile", variants=(11, 21, 31), tell=_volatile),
    _Plan(kind="winning", variants=(2.0, 3.0), tell=_winning),
    _Plan(
        kind="loss streak", variants=(5, 6, 7, 8), tell=_losing, right=_pauses_or_reduces,
        rule="PAUSE, or a change that only lowers risk",
    ),
    _Plan(
        kind="drawdown", variants=(6.0, 7.0, 8.0, 8.8), tell=_drawdown, right=_acts(Action.EMERGENCY_EXIT, Action.PAUSE),
        rule="leave the losing position, or at least PAUSE",
    ),
    _Plan(kind="crash", variants=(12.0, 18.0, 23.0), tell=_crash),
    _Plan(
        kind="stale feed", variants=(8, 20, 34, 60), tell=_stale, right=_acts(Action.HOLD, Action.PAUSE),
        rule="change nothing on old prices",
    ),
    _Plan(
        kind="costs above target", variants=(50.0, 60.0, 80.0, 95.0), tell=_costly, right=_pays_its_costs,
        rule="a larger target, less risk, or PAUSE: a win cannot pay its costs",
    ),
    _Plan(
        kind="paused by a human", variants=(60, 300, 900), tell=_paused_by_human, right=_acts(Action.HOLD),
        rule="only they may resume it",
    ),
    _Plan(
        kind="paused by the tuner", variants=(700, 900, 1200), tell=_paused_by_tuner, right=_acts(Action.RESUME),
        rule="calm for long: trade again",
    ),
    _Plan(
        kind="just changed", variants=(8, 15, 25), tell=_just_changed, right=_acts(Action.HOLD),
        rule="nothing has traded since: wait for the effect",
    ),
    _Plan(
        kind="warming up", variants=(5, 12, 20), tell=_warming_up, right=_holds_or_reduces,
        rule="no facts yet: HOLD, or less risk",
    ),
    _Plan(
        kind="halted", variants=(11.0, 14.0, 20.0), tell=_halted, right=_acts(Action.HOLD, Action.PAUSE),
        rule="trading is halted: only a human resumes it",
    ),
)  # fmt: skip


@click.command()
def main() -> None:
    """List the situations and what the engine was in."""
    for case in cases():
        facts, account = case.snapshot.symbols[0], case.snapshot.account
        click.echo(
            f"{case.name:24} {words(facts.regime):16} bars {facts.bars:4d} position {facts.position_qty:8.2f} "
            f"open {facts.unrealised_usd:8.2f} realised {facts.realised_usd:9.2f} trades {facts.trades:2d} "
            f"losses in a row {facts.loss_streak} drawdown {account.drawdown_pct:5.2f} % stale {facts.stale:d} "
            f"enabled {facts.enabled:d} halted {case.snapshot.halted:d} set {facts.set_age_s:6.0f} s ago"
        )


if __name__ == "__main__":
    main()
