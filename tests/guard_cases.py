"""Generated cases for the guard, and what must hold of every one of them: said anew here, not with the guard's own code.

A case is mostly sound, with one or two things wrong, so that each rule decides often and is decided against often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from shared.clock import NS_PER_S
from shared.events import Action, Regime, Source, TunerMode
from shared.params import PARAMS, index_of
from tests.support_tuner import NOW_NS, make_facts, make_snapshot
from tuner.decision import Decision, is_far_out
from tuner.guard import Ruling, Verdict, judge
from tuner.limits import Grounds, GuardLimits, Past
from tuner.snapshot import Snapshot, SymbolFacts

BASE, CAP, TARGET = (index_of(PARAMS, name) for name in ("base_position_pct", "max_position_pct", "target_pct"))
KNOWN, NEWS = "risk.md#sizes#1", "news#0123456789"
_EPSILON = 1e-6


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One question to the guard."""

    snapshot: Snapshot
    decision: Decision
    history: tuple[Past, ...]
    limits: GuardLimits
    now_ns: int
    grounds: Grounds

    @property
    def facts(self) -> SymbolFacts:
        """The symbol it is about."""
        return self.snapshot.symbols[0]

    def judged(self) -> Verdict:
        """Ask the guard."""
        return judge(self.snapshot, self.decision, self.history, self.limits, self.now_ns, self.grounds)

    def since_s(self, chosen: Callable[[Past], bool]) -> float:
        """Return how long ago the last of some earlier decisions about the symbol was, s."""
        times = [past.time_ns for past in self.history if past.symbol == self.facts.symbol and chosen(past)]
        return (self.now_ns - max(times)) / NS_PER_S if times else math.inf


def generated(cases: int, seed: int) -> Iterator[Case]:
    """Yield cases; the same seed gives the same ones."""
    random = np.random.default_rng(seed)
    for _ in range(cases):
        yield _case(random)


def _maybe(random: np.random.Generator, share: float) -> bool:
    return bool(random.random() < share)


def _case(random: np.random.Generator) -> Case:
    values = _values(random)
    limits = GuardLimits(
        baseline={"BTCUSDT": tuple(_values(random).values())} if _maybe(random, 0.7) else {},
        min_trades_to_raise=int(random.integers(0, 6)), min_bars=int(random.choice([0, 60])),
        evidence_s=float(random.choice([500.0, 2_000.0, math.inf])),
        over_budget="the budget is spent" if _maybe(random, 0.04) else "",
    )  # fmt: skip
    facts = make_facts(**values, **_situation(random))
    if _maybe(random, 0.02):
        facts = msgspec.structs.replace(facts, params=facts.params[:3])  # broken: looking a value up fails
    snapshot = make_snapshot(facts, **_surroundings(random))
    late_s = float(random.choice([-3.0, 70.0, 1e5])) if _maybe(random, 0.06) else float(random.uniform(0, 55))
    return Case(
        snapshot=snapshot, decision=_decision(random, values), history=_history(random), limits=limits,
        now_ns=NOW_NS + int(late_s * NS_PER_S),
        grounds=Grounds(by_news=_maybe(random, 0.08), news_shown=_maybe(random, 0.08), trusted=frozenset({KNOWN})),
    )  # fmt: skip


def _values(random: np.random.Generator) -> dict[str, float]:
    values = {}
    for param in PARAMS:
        value = float(random.uniform(param.minimum, param.maximum))
        values[param.name] = float(round(value)) if param.integer or param.unit == "ms" else round(value, 4)
    values["max_position_pct"] = max(values["max_position_pct"], values["base_position_pct"])
    return values


def _situation(random: np.random.Generator) -> dict[str, Any]:
    paused = _maybe(random, 0.25)
    return {
        "bars": int(random.choice([5, 59, 60, 300])),
        "stale": _maybe(random, 0.05),
        "position_qty": float(random.choice([0.0, 0.5, -0.5])),
        "unrealised_usd": float(random.normal(0, 50)),
        "regime": Regime(int(random.integers(0, len(Regime)))),
        "trades": int(random.integers(0, 30)),
        "loss_streak": int(random.choice([0, 1, 3, 4, 6])),
        "enabled": not paused,
        "enabled_by": Source(int(random.choice([Source.NOBODY, Source.OPERATOR, Source.TUNER, Source.TUNER, Source.DASHBOARD]))),
        "set_age_s": float(random.choice([100.0, 700.0, math.inf])),
    }


def _surroundings(random: np.random.Generator) -> dict[str, Any]:
    modes = [TunerMode.ON] * 18 + [TunerMode.OFF, TunerMode.PAUSED]
    cost_bps = float(random.choice([15.0, 15.0, 15.0, 90.0]))
    return {
        "controls_manual_override": _maybe(random, 0.05),
        "controls_tuner_mode": modes[int(random.integers(0, len(modes)))],
        "controls_trading_enabled": not _maybe(random, 0.06),
        "controls_commission_bps": cost_bps,
        "halted": _maybe(random, 0.06),
        "connected": not _maybe(random, 0.03),
        "stale": _maybe(random, 0.03),
        "heartbeat_age_ms": float(random.choice([4_000.0, math.nan, math.inf])) if _maybe(random, 0.05) else 50.0,
        "account_drawdown_pct": float(random.choice([0.0, 4.9, 5.0, 9.0])),
    }


def _history(random: np.random.Generator) -> tuple[Past, ...]:
    return tuple(
        Past(
            symbol="ETHUSDT" if _maybe(random, 0.2) else "BTCUSDT",
            action=Action(int(random.choice([Action.UPDATE_CONFIG, Action.UPDATE_CONFIG, Action.PAUSE, Action.EMERGENCY_EXIT]))),
            time_ns=NOW_NS - int(random.choice([10.0, 130.0, 300.0, 900.0, 2_500.0, 4_000.0]) * NS_PER_S),
            fields=tuple(int(field) for field in random.choice(len(PARAMS), 2, replace=False)),
            trades=int(random.integers(0, 30)),
        )
        for _ in range(int(random.choice([0, 0, 1, 2])))
    )


def _decision(random: np.random.Generator, values: dict[str, float]) -> Decision:
    actions = [Action.UPDATE_CONFIG] * 6 + [Action.PAUSE, Action.RESUME, Action.RESUME, Action.EMERGENCY_EXIT, Action.HOLD]
    params: list[float | None] = [None] * len(PARAMS)
    for field in random.choice(len(PARAMS), int(random.integers(1, 6)), replace=False):
        param = PARAMS[int(field)]
        reach = param.max_step * float(random.choice([0.3, 1.0, 3.0, 20.0], p=[0.5, 0.3, 0.17, 0.03]))
        wanted = values[param.name] + float(random.uniform(-reach, reach))
        params[int(field)] = float(round(wanted)) if param.integer and _maybe(random, 0.9) else wanted
    if _maybe(random, 0.02):
        params[int(random.integers(0, len(PARAMS)))] = float(random.choice([math.nan, math.inf, 1e9]))
    cited = [(), (KNOWN,), (KNOWN, NEWS), (NEWS,), ("made-up#1",)]
    return Decision(
        action=actions[int(random.integers(0, len(actions)))], symbol="BTCUSDT", params=tuple(params),
        confidence_pct=float(random.choice([59.9, 60.0, 69.9, 70.0, 90.0, math.nan], p=[0.06, 0.2, 0.06, 0.2, 0.46, 0.02])),
        cited=cited[int(random.choice(5, p=[0.4, 0.3, 0.1, 0.1, 0.1]))], error="not JSON" if _maybe(random, 0.02) else "",
    )  # fmt: skip


def _held(_: Case, verdict: Verdict) -> bool:
    return verdict.action is Action.HOLD and not verdict.changes


def _risky(verdict: Verdict) -> bool:
    return any(change.risk >= 0 for change in verdict.changes)


def _raises(verdict: Verdict) -> bool:
    return any(change.risk > 0 for change in verdict.changes)


def _untrusted(case: Case) -> bool:
    return case.grounds.by_news or case.grounds.news_shown or bool(case.decision.cited and KNOWN not in case.decision.cited)


def _stale_snapshot(case: Case) -> bool:
    age_s = (case.now_ns - case.snapshot.taken_ns) / NS_PER_S
    silence_ms = case.snapshot.heartbeat_age_ms
    return not (-case.limits.clock_skew_s <= age_s <= case.limits.valid_for_s and silence_ms <= case.limits.max_heartbeat_age_ms)


def _steps(case: Case, verdict: Verdict) -> bool:
    for change in verdict.changes:
        longest = change.param.max_step * (case.limits.raising_share if change.risk > 0 and not change.param.integer else 1.0)
        slack = 0.5 if change.param.unit == "ms" else _EPSILON  # whole milliseconds
        if abs(change.new - change.old) > longest + slack:
            return False
    return True


def _drift(case: Case, verdict: Verdict) -> bool:
    baseline = case.limits.baseline.get("BTCUSDT")
    for change in verdict.changes if baseline else ():
        reach = case.limits.drift_share * (change.param.maximum - change.param.minimum)
        home = baseline[change.field] if baseline else 0.0
        further = abs(change.new - home) > abs(change.old - home) + _EPSILON
        if change.risk >= 0 and further and abs(change.new - home) > reach + _EPSILON:
            return False
    return True


def _evidence(case: Case, verdict: Verdict) -> bool:
    if not _raises(verdict):
        return True
    own = [past for past in case.history if past.symbol == "BTCUSDT"]
    if case.facts.bars < case.limits.min_bars:
        return False
    last = max(own, key=lambda past: past.time_ns, default=None)
    waited = last is None or case.since_s(lambda _: True) >= case.limits.evidence_s
    return waited or (last is not None and case.facts.trades - last.trades >= case.limits.min_trades_to_raise)


def _cooldown(case: Case, verdict: Verdict) -> bool:
    share = 1.0 if _risky(verdict) else case.limits.reducing_share
    return case.since_s(lambda _: True) >= case.limits.cooldown_s * share


def _dwell(case: Case, verdict: Verdict) -> bool:
    def waited_s(field: int) -> float:
        return case.since_s(lambda past: field in past.fields)

    return all(change.risk < 0 or waited_s(change.field) >= case.limits.dwell_s for change in verdict.changes)


def _cross(case: Case, verdict: Verdict) -> bool:
    after = dict(enumerate(case.facts.params)) | {change.field: change.new for change in verdict.changes}
    costs_pct = 2 * (case.snapshot.controls.commission_bps + case.snapshot.controls.slippage_bps) / 100
    target_set = any(change.field == TARGET for change in verdict.changes)
    return after[BASE] <= after[CAP] + _EPSILON and (not target_set or after[TARGET] > costs_pct)


def _two_keys(case: Case, _: Verdict) -> bool:
    facts = case.facts
    turmoil = facts.regime in (Regime.HIGH_VOLATILITY, Regime.SPIKE) and facts.unrealised_usd < 0
    second = case.snapshot.account.drawdown_pct >= 5.0 or facts.loss_streak >= case.limits.emergency_losses or turmoil
    again_s = case.since_s(lambda past: past.action is Action.EMERGENCY_EXIT)
    return bool(facts.position_qty) and second and again_s >= case.limits.emergency_cooldown_s


def _halted(case: Case) -> bool:
    return case.snapshot.halted or not case.snapshot.controls.trading_enabled


def _feed_stale(case: Case) -> bool:
    return case.facts.stale or case.snapshot.stale or not case.snapshot.connected


def _is(*actions: Action) -> Callable[[Case, Verdict], bool]:
    return lambda _, verdict: verdict.action in actions


def _always(_: Case, __: Verdict) -> bool:
    return True


Applies = Callable[[Case, Verdict], bool]
_UPDATES = _is(Action.UPDATE_CONFIG)

PROPERTIES: dict[str, tuple[Applies, Applies]] = {
    "values inside their bounds": (
        _UPDATES, lambda _, v: all(c.param.minimum <= c.new <= c.param.maximum for c in v.changes)
    ),
    "steps within the largest, half of it to raise risk": (_UPDATES, _steps),
    "at most three parameters, each once": (
        _UPDATES, lambda c, v: len({x.field for x in v.changes}) == len(v.changes) <= c.limits.max_changes
    ),
    "whole numbers stay whole": (
        _UPDATES, lambda _, v: all(c.new == round(c.new) for c in v.changes if c.param.integer or c.param.unit == "ms")
    ),
    "drift from the operator's baseline": (_UPDATES, _drift),
    "base ≤ max, target above costs": (_UPDATES, _cross),
    "cooldown of the symbol": (_UPDATES, _cooldown),
    "dwell of the parameter": (_UPDATES, _dwell),
    "evidence before risk is raised": (_UPDATES, _evidence),
    "confidence floors 60 and 70": (
        lambda _, v: v.action is not Action.HOLD,
        lambda c, _: c.decision.confidence_pct >= (60.0 if c.decision.action is Action.UPDATE_CONFIG else 70.0),
    ),
    "override and off always win": (
        lambda c, _: c.snapshot.controls.manual_override or c.snapshot.controls.tuner_mode is not TunerMode.ON, _held
    ),
    "over the budget nothing is applied": (lambda c, _: bool(c.limits.over_budget), _held),
    "late, early or stale: nothing is applied": (lambda c, _: _stale_snapshot(c), _held),
    "a reply that did not validate changes nothing": (lambda c, _: bool(c.decision.error), _held),
    "a wild value refuses the whole reply": (
        lambda c, _: c.decision.action is Action.UPDATE_CONFIG
        and any(is_far_out(PARAMS[i], value) for i, value in c.decision.proposed.items()), _held,
    ),
    "an exception inside refuses": (
        lambda c, _: len(c.facts.params) < len(PARAMS) and c.decision.action is Action.UPDATE_CONFIG, _held
    ),
    "untrusted text may only lower risk": (
        lambda c, _: _untrusted(c), lambda _, v: not _risky(v) and v.action is not Action.RESUME
    ),
    "no raise and no resume while halted": (
        lambda c, _: _halted(c), lambda _, v: not _raises(v) and v.action is not Action.RESUME
    ),
    "no tuning and no resume on old prices": (
        lambda c, _: _feed_stale(c), lambda _, v: v.action not in (Action.UPDATE_CONFIG, Action.RESUME)
    ),
    "what somebody else paused is left alone": (
        lambda c, _: not c.facts.enabled and c.facts.enabled_by is not Source.TUNER,
        lambda _, v: v.action not in (Action.UPDATE_CONFIG, Action.RESUME),
    ),
    "only what trades is paused": (_is(Action.PAUSE), lambda c, _: c.facts.enabled),
    "a pause stays for a while": (
        _is(Action.RESUME),
        lambda c, _: not c.facts.enabled and min(c.since_s(lambda _: True), c.facts.set_age_s) >= c.limits.dwell_s,
    ),
    "an emergency exit has a second key": (_is(Action.EMERGENCY_EXIT), _two_keys),
    "without one it is a pause at most": (
        lambda c, v: c.decision.action is Action.EMERGENCY_EXIT and not _two_keys(c, v),
        lambda _, v: v.action in (Action.PAUSE, Action.HOLD),
    ),
    "what is rejected changes nothing and says why": (
        lambda _, v: v.ruling is Ruling.REJECT, lambda c, v: _held(c, v) and bool(v.reasons)
    ),
    "what was not proposed is not done": (
        _always,
        lambda c, v: v.action in (Action.HOLD, Action.PAUSE, c.decision.action)
        and (v.action is not Action.PAUSE or c.decision.action in (Action.PAUSE, Action.EMERGENCY_EXIT))
        and all(x.field in {*c.decision.proposed, BASE, CAP} for x in v.changes),
    ),
    "no change without an update": (lambda _, v: v.action is not Action.UPDATE_CONFIG, lambda _, v: not v.changes),
}  # fmt: skip
"""Name → when it says anything, and what must hold then."""
