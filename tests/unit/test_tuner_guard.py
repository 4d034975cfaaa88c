"""Each rule of the guard, one story at a time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.clock import NS_PER_S
from shared.events import Action, Reason, Regime, Source, TunerMode
from shared.params import PARAMS, index_of
from tests.support_tuner import DEFAULTS, NOW_NS, make_decision, make_facts, make_snapshot
from tuner.decision import Decision
from tuner.guard import Ruling, Verdict, judge
from tuner.limits import Grounds, GuardLimits, Past, limits_for, rebased
from tuner.snapshot import Snapshot

LIMITS = GuardLimits()
PAUSED = {"enabled": False, "enabled_by": Source.TUNER, "set_age_s": 5000.0}


def _judge(decision: Decision, snapshot: Snapshot | None = None, past: list[Past] | None = None, **limits: Any) -> Verdict:
    return judge(snapshot or make_snapshot(), decision, past or [], GuardLimits(**limits), NOW_NS)


def _new(verdict: Verdict) -> dict[str, float]:
    return {change.param.name: change.new for change in verdict.changes}


def _ago(seconds: float, *names: str, action: Action = Action.UPDATE_CONFIG, trades: int = 0) -> Past:
    fields = tuple(index_of(PARAMS, name) for name in names)
    return Past(symbol="BTCUSDT", action=action, time_ns=NOW_NS - int(seconds * NS_PER_S), fields=fields, trades=trades)


def test_hold_is_accepted_and_changes_nothing() -> None:
    verdict = _judge(make_decision(Action.HOLD, 5))
    assert (verdict.ruling, verdict.action, verdict.changes) == (Ruling.ACCEPT, Action.HOLD, ())


def test_what_a_human_barred_stays_barred() -> None:
    override = _judge(make_decision(stop_pct=0.8), make_snapshot(controls_manual_override=True))
    off = _judge(make_decision(stop_pct=0.8), make_snapshot(controls_tuner_mode=TunerMode.OFF))
    assert (override.code, off.code) == (Reason.OVERRIDE_ON, Reason.TUNER_OFF)


@pytest.mark.parametrize("halt", [{"halted": True}, {"controls_trading_enabled": False}])
def test_a_halt_leaves_only_what_reduces_risk(halt: dict[str, bool]) -> None:
    snapshot = make_snapshot(**halt)
    assert _new(_judge(make_decision(stop_pct=1.2, base_position_pct=1.5), snapshot)) == {"base_position_pct": 1.5}
    own = make_snapshot(make_facts(**PAUSED), **halt)
    assert _judge(make_decision(Action.RESUME), own).code is Reason.DRAWDOWN_HALT


def test_an_ordinary_update_is_accepted_as_it_is() -> None:
    verdict = _judge(make_decision(stop_pct=0.8))
    assert (verdict.ruling, verdict.action, verdict.symbol) == (Ruling.ACCEPT, Action.UPDATE_CONFIG, 0)
    assert _new(verdict) == {"stop_pct": 0.8}


def test_lowering_risk_may_take_the_whole_step_and_raising_it_half() -> None:
    lower = _judge(make_decision(max_position_pct=1.0, base_position_pct=1.0))
    raised = _judge(make_decision(max_position_pct=10.0))
    assert _new(lower) == {"base_position_pct": 1.0, "max_position_pct": 2.75}
    assert _new(raised) == {"max_position_pct": 6.125}
    assert raised.ruling is Ruling.AMEND


def test_a_value_a_little_out_of_range_is_cut_to_it() -> None:
    snapshot = make_snapshot(make_facts(pullback_pct=0.3))
    assert _new(_judge(make_decision(pullback_pct=0.1), snapshot)) == {"pullback_pct": 0.2}


def test_of_more_than_three_changes_those_that_reduce_risk_stay() -> None:
    verdict = _judge(
        make_decision(ema_dev_trending_pct=1.2, target_pct=2.0, stop_pct=0.8, base_position_pct=1.5, cooldown_ms=3000)
    )
    assert _new(verdict) == {"base_position_pct": 1.5, "cooldown_ms": 3000, "stop_pct": 0.8}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"base_position_pct": 5.0, "max_position_pct": 2.75}, {"base_position_pct": 2.5, "max_position_pct": 2.75}),
        ({"base_position_pct": 2.5, "max_position_pct": 2.0}, {"max_position_pct": 2.75, "base_position_pct": 2.5}),
    ],
)
def test_the_base_never_exceeds_the_cap(wanted: dict[str, float], expected: dict[str, float]) -> None:
    assert _new(_judge(make_decision(Action.UPDATE_CONFIG, 90.0, **wanted))) == expected


def test_a_cap_lowered_below_the_base_stops_at_it() -> None:
    snapshot = make_snapshot(make_facts(base_position_pct=3.0, max_position_pct=3.5))
    assert _new(_judge(make_decision(max_position_pct=1.5), snapshot)) == {"max_position_pct": 3.0}


def test_a_target_that_cannot_pay_the_costs_is_left_alone() -> None:
    snapshot = make_snapshot(controls_slippage_bps=40.0, controls_commission_bps=20.0)
    verdict = _judge(make_decision(target_pct=1.1, stop_pct=0.9), snapshot)
    assert _new(verdict) == {"stop_pct": 0.9}
    assert "costs" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("action", "confidence_pct", "ruling"),
    [
        (Action.UPDATE_CONFIG, 59.9, Ruling.REJECT),
        (Action.UPDATE_CONFIG, 60, Ruling.ACCEPT),
        (Action.PAUSE, 69.9, Ruling.REJECT),
        (Action.PAUSE, 70, Ruling.ACCEPT),
    ],
)
def test_confidence_floors(action: Action, confidence_pct: float, ruling: Ruling) -> None:
    decision = make_decision(action, confidence_pct, stop_pct=0.8)
    assert _judge(decision).ruling is ruling


def test_a_symbol_rests_after_a_change_but_less_before_a_reduction_of_risk() -> None:
    raising, reducing = make_decision(stop_pct=1.2), make_decision(base_position_pct=1.5)
    assert _judge(raising, past=[_ago(200)]).code is Reason.COOLDOWN
    assert _judge(raising, past=[_ago(241)]).ruling is Ruling.ACCEPT
    assert _judge(reducing, past=[_ago(119)]).code is Reason.COOLDOWN
    assert _judge(reducing, past=[_ago(121)]).ruling is Ruling.ACCEPT
    assert _judge(make_decision(Action.PAUSE), past=[_ago(1)]).ruling is Ruling.ACCEPT


def test_a_parameter_stays_for_a_while_unless_it_reduces_risk_further() -> None:
    past = [_ago(300, "stop_pct", "target_pct")]
    assert _new(_judge(make_decision(stop_pct=1.2, pullback_pct=0.6), past=past)) == {"pullback_pct": 0.6}
    assert _new(_judge(make_decision(stop_pct=0.8), past=past)) == {"stop_pct": 0.8}


def test_the_symbols_of_others_do_not_count() -> None:
    other = Past(symbol="ETHUSDT", action=Action.UPDATE_CONFIG, time_ns=NOW_NS)
    assert _judge(make_decision(stop_pct=1.2), past=[other]).ruling is Ruling.ACCEPT


def test_the_drift_from_the_operators_baseline_is_bounded_unless_it_reduces_risk() -> None:
    baseline = {"BTCUSDT": DEFAULTS}
    far = make_snapshot(make_facts(stop_pct=3.0, base_position_pct=1.2))
    verdict = _judge(make_decision(stop_pct=3.5, base_position_pct=1.0), far, baseline=baseline)
    assert _new(verdict) == {"base_position_pct": 1.0, "stop_pct": 3.25}  # default 1.0 and half its range of 4.5


def test_the_baseline_is_what_the_tuner_did_not_set() -> None:
    sources = (Source.OPERATOR, Source.TUNER, *(Source.NOBODY,) * (len(PARAMS) - 2))
    snapshot = make_snapshot(make_facts(ema_dev_trending_pct=1.5, ema_dev_ranging_pct=0.9, sources=sources))
    assert rebased({}, snapshot)["BTCUSDT"][:2] == (1.5, 0.5)
    assert rebased({"BTCUSDT": (9.0, 0.7, *DEFAULTS[2:])}, snapshot)["BTCUSDT"][:2] == (1.5, 0.7)


def test_raising_risk_takes_new_trades_where_that_is_asked_for() -> None:
    snapshot = make_snapshot(make_facts(trades=20))
    past = [_ago(5000, trades=15)]
    assert _judge(make_decision(stop_pct=1.2), snapshot, past, min_trades_to_raise=10).ruling is Ruling.REJECT
    assert _judge(make_decision(stop_pct=0.9), snapshot, past, min_trades_to_raise=10).ruling is Ruling.ACCEPT
    assert _judge(make_decision(stop_pct=1.2), snapshot, past, min_trades_to_raise=5).ruling is Ruling.ACCEPT


def test_raising_risk_takes_some_market_and_a_long_quiet_is_evidence_too() -> None:
    young, known = make_snapshot(make_facts(bars=59)), make_snapshot(make_facts(trades=20))
    assert _judge(make_decision(stop_pct=1.2), young, min_bars=60).ruling is Ruling.REJECT
    assert _judge(make_decision(stop_pct=0.9), young, min_bars=60).ruling is Ruling.ACCEPT
    past, asked = [_ago(1000, trades=20)], {"min_trades_to_raise": 3}
    assert _judge(make_decision(stop_pct=1.2), known, past, evidence_s=1001.0, **asked).ruling is Ruling.REJECT
    assert _judge(make_decision(stop_pct=1.2), known, past, evidence_s=999.0, **asked).ruling is Ruling.ACCEPT


def test_over_the_budget_nothing_is_applied() -> None:
    verdict = _judge(make_decision(stop_pct=0.8), over_budget="240 of 240 calls are used")
    assert (verdict.ruling, verdict.reasons) == (Ruling.REJECT, ("240 of 240 calls are used",))


@pytest.mark.parametrize(
    ("grounds", "cited"),
    [
        (Grounds(by_news=True), ()),
        (Grounds(news_shown=True), ()),
        (Grounds(news_shown=True, trusted=frozenset({"risk.md#1"})), ("risk.md#1",)),
        (Grounds(trusted=frozenset({"risk.md#1"})), ("news#1",)),
        (Grounds(), ("made up",)),
    ],
)
def test_untrusted_text_lowers_risk_and_does_nothing_else(grounds: Grounds, cited: tuple[str, ...]) -> None:
    def judged(decision: Decision, snapshot: Snapshot | None = None) -> Verdict:
        given = msgspec.structs.replace(decision, cited=cited)
        return judge(snapshot or make_snapshot(), given, [], LIMITS, NOW_NS, grounds)

    mixed = judged(make_decision(stop_pct=1.2, target_pct=2.0, base_position_pct=1.5))
    assert _new(mixed) == {"base_position_pct": 1.5}
    assert judged(make_decision(stop_pct=1.2)).ruling is Ruling.REJECT
    assert judged(make_decision(Action.PAUSE)).action is Action.PAUSE
    assert judged(make_decision(Action.RESUME), make_snapshot(make_facts(**PAUSED))).action is Action.HOLD


def test_what_we_gave_may_be_cited() -> None:
    decision = msgspec.structs.replace(make_decision(stop_pct=1.2), cited=("risk.md#1", "made up"))
    assert judge(make_snapshot(), decision, [], LIMITS, NOW_NS, Grounds(trusted=frozenset({"risk.md#1"}))).ruling is Ruling.ACCEPT


def test_no_tuning_on_old_prices() -> None:
    assert _judge(make_decision(stop_pct=0.8), make_snapshot(make_facts(stale=True))).code is Reason.STALE_FEED
    assert _judge(make_decision(stop_pct=0.8), make_snapshot(connected=False)).code is Reason.STALE_FEED
    assert _judge(make_decision(Action.PAUSE), make_snapshot(make_facts(stale=True))).ruling is Ruling.ACCEPT


def test_a_pause_of_its_own_may_be_resumed_after_a_while() -> None:
    own = make_snapshot(make_facts(**PAUSED))
    assert _judge(make_decision(Action.RESUME), own, [_ago(700, action=Action.PAUSE)]).action is Action.RESUME
    assert _judge(make_decision(Action.RESUME), own, [_ago(500, action=Action.PAUSE)]).code is Reason.COOLDOWN
    running = _judge(make_decision(Action.RESUME), make_snapshot())
    assert (running.ruling, running.code) == (Ruling.REJECT, Reason.NONE)


@pytest.mark.parametrize("who", [Source.OPERATOR, Source.DASHBOARD, Source.ENGINE, Source.NOBODY])
def test_what_somebody_else_paused_is_left_alone(who: Source) -> None:
    theirs = make_snapshot(make_facts(**(PAUSED | {"enabled_by": who})))
    assert _judge(make_decision(Action.RESUME), theirs).code is Reason.NOT_ALLOWED
    assert _judge(make_decision(stop_pct=0.8), theirs).code is Reason.NOT_ALLOWED


DANGER = {
    "deep drawdown": make_snapshot(make_facts(position_qty=0.5), account_drawdown_pct=5.0),
    "many losses": make_snapshot(make_facts(position_qty=0.5, loss_streak=4)),
    "open loss in turmoil": make_snapshot(make_facts(position_qty=-0.5, regime=Regime.HIGH_VOLATILITY, unrealised_usd=-1.0)),
    "open loss in a spike": make_snapshot(make_facts(position_qty=-0.5, regime=Regime.SPIKE, unrealised_usd=-1.0)),
}


@pytest.mark.parametrize("snapshot", DANGER.values(), ids=DANGER)
def test_an_emergency_exit_acts_with_a_second_measured_condition(snapshot: Snapshot) -> None:
    assert _judge(make_decision(Action.EMERGENCY_EXIT), snapshot).action is Action.EMERGENCY_EXIT


NO_DANGER = {
    "calm": make_snapshot(make_facts(position_qty=0.5, unrealised_usd=-300.0)),
    "almost": make_snapshot(make_facts(position_qty=0.5, loss_streak=3), account_drawdown_pct=4.99),
    "turmoil with a gain": make_snapshot(make_facts(position_qty=0.5, regime=Regime.HIGH_VOLATILITY, unrealised_usd=1.0)),
    "nothing to leave": make_snapshot(make_facts(loss_streak=9), account_drawdown_pct=9.0),
}


@pytest.mark.parametrize("snapshot", NO_DANGER.values(), ids=NO_DANGER)
def test_an_emergency_exit_without_one_becomes_a_pause(snapshot: Snapshot) -> None:
    verdict = _judge(make_decision(Action.EMERGENCY_EXIT), snapshot)
    assert (verdict.ruling, verdict.action) == (Ruling.AMEND, Action.PAUSE)


def test_a_second_emergency_exit_within_an_hour_becomes_a_pause() -> None:
    snapshot = DANGER["many losses"]
    before = [_ago(3000, action=Action.EMERGENCY_EXIT)]
    assert _judge(make_decision(Action.EMERGENCY_EXIT), snapshot, before).action is Action.PAUSE
    assert _judge(make_decision(Action.EMERGENCY_EXIT, 69), snapshot).action is Action.HOLD


def test_a_guard_that_fails_refuses() -> None:
    broken = make_snapshot(make_facts(params=()))  # no values in force: looking one up fails
    verdict = _judge(make_decision(stop_pct=0.8), broken)
    assert (verdict.ruling, verdict.action) == (Ruling.REJECT, Action.HOLD)
    assert "could not judge" in verdict.reasons[0]


def test_a_snapshot_from_the_future_is_refused() -> None:
    verdict = judge(make_snapshot(), make_decision(stop_pct=0.8), [], LIMITS, NOW_NS - 2 * NS_PER_S)
    assert verdict.code is Reason.EXPIRED


def test_limits_follow_the_schedule() -> None:
    assert limits_for(300).valid_for_s == 60
    assert limits_for(15).valid_for_s == 10
    assert limits_for(15).cooldown_s < 15 < limits_for(15).dwell_s < 30
