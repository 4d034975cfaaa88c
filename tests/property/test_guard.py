"""What the guard promises for any decision whatever."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import NS_PER_S
from shared.events import Action, Regime, Source, TunerMode
from shared.params import PARAMS, Param, index_of
from tests.support_tuner import NOW_NS, make_facts, make_snapshot
from tuner.decision import Decision, is_far_out
from tuner.guard import Ruling, Verdict, judge
from tuner.limits import GuardLimits, Past
from tuner.snapshot import Snapshot

BASE, CAP = index_of(PARAMS, "base_position_pct"), index_of(PARAMS, "max_position_pct")
LIMITS = GuardLimits()


def _in_force(param: Param) -> st.SearchStrategy[float]:
    if param.integer:
        return st.integers(int(param.minimum), int(param.maximum)).map(float)
    return st.floats(param.minimum, param.maximum)


@st.composite
def _values(draw: st.DrawFn) -> tuple[float, ...]:
    """Values a trader may have in force: within bounds, base not above the cap."""
    values = [draw(_in_force(param)) for param in PARAMS]
    values[BASE], values[CAP] = min(values[BASE], values[CAP]), max(values[BASE], values[CAP])
    return tuple(values)


def _proposed(param: Param) -> st.SearchStrategy[float | None]:
    reach = param.maximum - param.minimum
    near = st.floats(param.minimum - 1.9 * reach, param.maximum + 1.9 * reach)
    return st.none() | near | st.sampled_from([param.minimum, param.maximum, param.default])


DECISIONS = st.builds(
    Decision,
    action=st.sampled_from(Action),
    symbol=st.just("BTCUSDT"),
    params=st.tuples(*(_proposed(param) for param in PARAMS)),
    confidence_pct=st.sampled_from([95.0, 90.0, 75.0, 65.0, 30.0]),
)
UPDATES = DECISIONS.filter(lambda decision: bool(decision.proposed)).map(
    lambda decision: msgspec.structs.replace(decision, action=Action.UPDATE_CONFIG, confidence_pct=95.0)
)
ANYTHING = st.builds(
    Decision,
    action=st.sampled_from(Action),
    symbol=st.sampled_from(["BTCUSDT", "", "DOGEUSDT"]),
    params=st.lists(st.none() | st.floats(), max_size=14).map(tuple),
    confidence_pct=st.floats(),
    error=st.sampled_from(["", "bad"]),
)
PAST = st.lists(
    st.builds(
        Past,
        symbol=st.just("BTCUSDT"),
        action=st.sampled_from(Action),
        time_ns=st.integers(NOW_NS - 2000 * NS_PER_S, NOW_NS),
        fields=st.lists(st.integers(0, len(PARAMS) - 1)).map(tuple),
    ),
    max_size=4,
)


@st.composite
def _snapshots(draw: st.DrawFn) -> Snapshot:
    usually = st.sampled_from([True, True, True, False])  # so that most examples come past the first rules
    facts = make_facts(
        params=draw(_values()),
        enabled=draw(usually),
        enabled_by=draw(st.sampled_from([Source.TUNER, Source.OPERATOR, Source.NOBODY])),
        set_age_s=draw(st.floats(0, 5000)),
        loss_streak=draw(st.integers(0, 8)),
        position_qty=draw(st.sampled_from([0.0, 0.5, -0.5])),
        unrealised_usd=draw(st.floats(-500, 500)),
        regime=draw(st.sampled_from(Regime)),
        stale=not draw(usually),
    )
    return make_snapshot(
        facts,
        halted=draw(st.booleans()),
        account_drawdown_pct=draw(st.floats(0, 12)),
        controls_slippage_bps=draw(st.floats(0, 100)),
    )


def _within_limits(verdict: Verdict, snapshot: Snapshot) -> None:
    before = snapshot.symbols[0].params
    after = list(before)
    for change in verdict.changes:
        param = PARAMS[change.field]
        assert change.old == before[change.field]
        assert param.check(change.new) == change.new  # in bounds, and whole where it must be
        assert abs(change.new - change.old) <= param.max_step + 1e-9
        after[change.field] = change.new
    assert len(verdict.changes) <= LIMITS.max_changes
    assert len({change.field for change in verdict.changes}) == len(verdict.changes)
    assert after[BASE] <= after[CAP]


@settings(deadline=None, max_examples=400)
@given(_snapshots(), DECISIONS, PAST)
def test_whatever_is_proposed_the_outcome_is_in_bounds_in_steps_and_small(
    snapshot: Snapshot, decision: Decision, past: list[Past]
) -> None:
    verdict = judge(snapshot, decision, past, LIMITS, NOW_NS + NS_PER_S)
    _within_limits(verdict, snapshot)
    if verdict.ruling is Ruling.REJECT:
        assert verdict.action is Action.HOLD
        assert verdict.changes == ()
        assert verdict.reasons
    if verdict.action is not Action.UPDATE_CONFIG:
        assert verdict.changes == ()


@settings(deadline=None)
@given(_values(), UPDATES)
def test_a_raise_of_risk_never_passes_while_trading_is_halted(values: tuple[float, ...], update: Decision) -> None:
    halted = make_snapshot(make_facts(params=values), halted=True)
    verdict = judge(halted, update, [], LIMITS, NOW_NS)
    assert all(change.risk <= 0 for change in verdict.changes)


@settings(deadline=None)
@given(
    _values(),
    UPDATES,
    st.sampled_from([(True, mode) for mode in TunerMode] + [(False, TunerMode.OFF), (False, TunerMode.PAUSED)]),
)
def test_override_and_off_always_win(values: tuple[float, ...], update: Decision, barred: tuple[bool, TunerMode]) -> None:
    override, mode = barred
    snapshot = make_snapshot(make_facts(params=values), controls_manual_override=override, controls_tuner_mode=mode)
    assert judge(snapshot, update, [], LIMITS, NOW_NS).action is Action.HOLD


@settings(deadline=None)
@given(_snapshots(), DECISIONS, st.floats(LIMITS.valid_for_s + 0.001, 1e6))
def test_a_late_answer_changes_nothing(snapshot: Snapshot, decision: Decision, late_s: float) -> None:
    assert judge(snapshot, decision, [], LIMITS, NOW_NS + int(late_s * NS_PER_S)).action is Action.HOLD


@settings(deadline=None)
@given(_snapshots(), DECISIONS, st.floats(LIMITS.max_heartbeat_age_ms, exclude_min=True) | st.just(math.nan))
def test_a_silent_trader_changes_nothing(snapshot: Snapshot, decision: Decision, silence_ms: float) -> None:
    stale = make_snapshot(*snapshot.symbols, heartbeat_age_ms=silence_ms)
    assert judge(stale, decision, [], LIMITS, NOW_NS).action is Action.HOLD


@settings(deadline=None)
@given(_snapshots(), ANYTHING)
def test_nonsense_never_raises_and_never_acts_beyond_the_limits(snapshot: Snapshot, decision: Decision) -> None:
    verdict = judge(snapshot, decision, [], LIMITS, NOW_NS)
    _within_limits(verdict, snapshot)
    if decision.error or decision.symbol != "BTCUSDT" or math.isnan(decision.confidence_pct):
        assert verdict.action is Action.HOLD


@settings(deadline=None)
@given(_snapshots(), DECISIONS, st.integers(0, len(PARAMS) - 1), st.floats(2.01, 100), st.booleans())
def test_one_wild_value_refuses_the_whole_update(
    snapshot: Snapshot, decision: Decision, field: int, ranges: float, above: bool
) -> None:
    param = PARAMS[field]
    reach = ranges * (param.maximum - param.minimum)
    wild = param.maximum + reach if above else param.minimum - reach
    assert is_far_out(param, wild)
    values = (*decision.params[:field], wild, *decision.params[field + 1 :])
    update = Decision(action=Action.UPDATE_CONFIG, symbol="BTCUSDT", params=values, confidence_pct=99)
    assert judge(snapshot, update, [], LIMITS, NOW_NS).ruling is Ruling.REJECT


@settings(deadline=None)
@given(_snapshots(), DECISIONS, PAST)
def test_the_same_question_gets_the_same_answer(snapshot: Snapshot, decision: Decision, past: list[Past]) -> None:
    assert judge(snapshot, decision, past, LIMITS, NOW_NS) == judge(snapshot, decision, past, LIMITS, NOW_NS)
