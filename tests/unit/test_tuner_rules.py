"""The embedded rules: every action, in words, within what one decision may do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import Action, Reason, Regime, Source
from shared.params import PARAMS
from tests.support_tuner import make_facts, make_snapshot
from tuner.advisors.rules import RulesAdvisor
from tuner.decision import Decision, decision_schema, parse_reply
from tuner.guard import Ruling, judge
from tuner.limits import GuardLimits
from tuner.prompt import build_prompt
from tuner.snapshot import TURBULENT, Snapshot, SymbolFacts, TradeFacts

LOSS = TradeFacts(side=1, held_s=9, closed_age_s=3, gain_pct=-1.0, pnl_usd=-30, reason=Reason.STOP)
OWN_PAUSE = {"enabled": False, "enabled_by": Source.TUNER, "set_age_s": 900.0}


def _decide(facts: SymbolFacts, rest_s: float = 30.0, **snapshot: float) -> tuple[Decision, Snapshot]:
    whole = make_snapshot(facts, **snapshot)
    prompt = build_prompt(whole, facts.symbol, [])
    reply = RulesAdvisor(rest_s).propose(prompt, decision_schema([facts.symbol]), 1.0)
    decision = parse_reply(reply.text, [facts.symbol])
    assert decision.error == ""
    assert len(decision.reasoning.split()) > 3
    return decision, whole


def _named(decision: Decision) -> dict[str, float]:
    return {PARAMS[field].name: value for field, value in decision.proposed.items()}


@pytest.mark.parametrize("regime", TURBULENT)
def test_turbulence_cuts_the_size_and_tightens_the_stop(regime: Regime) -> None:
    decision, _ = _decide(make_facts(regime=regime))
    named = _named(decision)
    assert decision.action is Action.UPDATE_CONFIG
    assert named["base_position_pct"] < 2.0
    assert named["stop_pct"] < 1.0


@pytest.mark.parametrize("regime", [Regime.TRENDING_UP, Regime.TRENDING_DOWN])
def test_a_trend_widens_the_deviation_and_the_target(regime: Regime) -> None:
    named = _named(_decide(make_facts(regime=regime, efficiency=0.4))[0])
    assert named["ema_dev_trending_pct"] > 1.0
    assert named["target_pct"] > 1.5


def test_a_target_that_cannot_pay_its_costs_is_raised_even_soon_after_a_change() -> None:
    poor = make_facts(target_pct=1.0, set_age_s=5.0)
    decision, _ = _decide(poor, rest_s=500.0, controls_commission_bps=60.0)
    assert _named(decision).keys() == {"target_pct"}
    assert _named(decision)["target_pct"] > 1.0
    assert _decide(poor, rest_s=500.0)[0].action is Action.HOLD  # 0.3 % of costs are paid by a target of 1 %


def test_a_halted_account_is_left_to_its_human() -> None:
    assert _decide(make_facts(regime=Regime.TRENDING_UP, efficiency=0.4), halted=True)[0].action is Action.HOLD
    assert _decide(make_facts(regime=Regime.TRENDING_UP), controls_trading_enabled=False)[0].action is Action.HOLD


def test_size_only_grows_on_results() -> None:
    trend = {"regime": Regime.TRENDING_UP, "efficiency": 0.4, "base_position_pct": 1.5}
    done = {"ema_dev_trending_pct": 1.5, "target_pct": 2.5, "pullback_pct": 0.8}
    assert _named(_decide(make_facts(trades=10, **trend, **done))[0]) == {"base_position_pct": 2.0}
    assert _decide(make_facts(trades=9, **trend, **done))[0].action is Action.HOLD


def test_a_market_that_never_trades_gets_the_one_blocking_check_loosened() -> None:
    silent = {"trades": 0, "bars": 200}
    assert _named(_decide(make_facts(why=Reason.WEAK_SIGNAL, **silent))[0]) == {"signal_strength": 1.0}
    assert _named(_decide(make_facts(why=Reason.EMA_DEVIATION, **silent))[0]) == {"ema_dev_ranging_pct": 0.625}


def test_losses_first_cut_and_then_pause() -> None:
    three, _ = _decide(make_facts(loss_streak=3, recent=(LOSS,), realised_usd=-90.0))
    five, _ = _decide(make_facts(loss_streak=5, recent=(LOSS,), realised_usd=-150.0))
    assert _named(three)["base_position_pct"] < 2.0
    assert _named(three)["signal_strength"] == 3
    assert five.action is Action.PAUSE


def test_losses_that_were_answered_already_are_not_answered_twice() -> None:
    decision, _ = _decide(make_facts(loss_streak=5, recent=(LOSS,), realised_usd=-150.0, set_age_s=2.0))
    assert decision.action is Action.HOLD


def test_its_own_pause_ends_in_a_known_calm_regime() -> None:
    assert _decide(make_facts(**OWN_PAUSE))[0].action is Action.RESUME
    for regime in TURBULENT:
        assert _decide(make_facts(regime=regime, **OWN_PAUSE))[0].action is Action.HOLD
    assert _decide(make_facts(**(OWN_PAUSE | {"set_age_s": 5.0})))[0].action is Action.HOLD
    assert _decide(make_facts(**(OWN_PAUSE | {"enabled_by": Source.OPERATOR})))[0].action is Action.HOLD


def test_a_losing_position_is_left_half_way_to_the_halt() -> None:
    decision, _ = _decide(make_facts(position_qty=0.5, unrealised_usd=-40.0), account_drawdown_pct=6.0)
    assert decision.action is Action.EMERGENCY_EXIT


def test_costs_that_eat_the_gains_make_it_trade_less() -> None:
    named = _named(_decide(make_facts(trades=12, realised_usd=-20.0, fees_usd=60.0))[0])
    assert named["cooldown_ms"] > 2000


def test_it_holds_with_words_where_nothing_is_to_be_done() -> None:
    settled = make_facts(ema_dev_ranging_pct=0.35, target_pct=1.2, pullback_pct=0.4, base_position_pct=2.0)
    assert _decide(settled)[0].action is Action.HOLD
    assert _decide(make_facts(stale=True))[0].action is Action.HOLD
    assert _decide(make_facts(set_age_s=10.0))[0].action is Action.HOLD


SITUATIONS = st.fixed_dictionaries(
    {
        "regime": st.sampled_from(Regime),
        "why": st.sampled_from(Reason),
        "loss_streak": st.integers(0, 8),
        "realised_usd": st.floats(-200, 200),
        "trades": st.integers(0, 40),
        "position_qty": st.sampled_from([0.0, 0.5]),
        "efficiency": st.floats(0, 1),
    }
)


@settings(deadline=None)
@given(SITUATIONS)
def test_the_guard_never_has_to_cut_what_the_rules_propose(situation: dict[str, Any]) -> None:
    decision, snapshot = _decide(make_facts(fees_usd=50.0, recent=(LOSS,), **situation))
    verdict = judge(snapshot, decision, [], GuardLimits(), snapshot.taken_ns)
    assert verdict.ruling is Ruling.ACCEPT, verdict.reasons
