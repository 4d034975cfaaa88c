"""When a cycle starts."""

from __future__ import annotations

from typing import Any

from shared.clock import NS_PER_S
from shared.events import Regime
from tests.support_tuner import NOW_NS, make_facts, make_snapshot
from tuner.snapshot import Snapshot
from tuner.triggers import Fired, NewsSignal, Trigger, TriggerLimits, TriggerState, absorb, due, next_cycle_ns

LIMITS = TriggerLimits(interval_s=300.0)
ETH = make_facts(symbol="ETHUSDT", index=1)


def _later(seconds: float) -> int:
    return NOW_NS + int(seconds * NS_PER_S)


def _snapshot(streak: int = 0, tune_now: int = 0, epoch: int = 7) -> Snapshot:
    return make_snapshot(make_facts(loss_streak=streak), ETH, epoch=epoch, controls_tune_now=tune_now)


def _started(tune_now: int = 0, streak: int = 0) -> TriggerState:
    """Return the state after the first cycle at ``NOW_NS``."""
    state, fired = due(TriggerState(), _snapshot(streak, tune_now), NOW_NS, LIMITS)
    assert fired is not None
    assert fired.trigger is Trigger.STARTUP
    return state


def _names(fired: Fired | None) -> Trigger:
    return fired.trigger if fired else Trigger.NONE


def test_the_first_look_fires_once_and_a_restarted_trader_fires_again() -> None:
    state, fired = due(_started(), _snapshot(), _later(1), LIMITS)
    assert fired is None
    state, fired = due(state, _snapshot(epoch=8), _later(30), LIMITS)
    assert _names(fired) is Trigger.STARTUP
    assert "restarted" in (fired.reason if fired else "")
    _, fired = due(state, _snapshot(epoch=9), _later(31), LIMITS)
    assert fired is None  # a trader that restarts all the time is not asked about all the time


def test_the_schedule_counts_from_the_last_cycle_over_all_symbols() -> None:
    state = _started()
    assert next_cycle_ns(state, LIMITS) == _later(300)
    assert due(state, _snapshot(), _later(299.9), LIMITS)[1] is None
    state, fired = due(state, _snapshot(), _later(300), LIMITS)
    assert _names(fired) is Trigger.SCHEDULED
    assert due(state, _snapshot(), _later(599), LIMITS)[1] is None


def test_a_human_asks_once_and_is_answered_once() -> None:
    state = _started(tune_now=4)
    state, fired = due(state, _snapshot(tune_now=5), _later(5), LIMITS)
    assert _names(fired) is Trigger.MANUAL
    assert due(state, _snapshot(tune_now=5), _later(6), LIMITS)[1] is None
    assert due(state, _snapshot(tune_now=6), _later(6), LIMITS)[1] is None  # cooling down
    assert _names(due(state, _snapshot(tune_now=6), _later(7.1), LIMITS)[1]) is Trigger.MANUAL  # not forgotten


def test_three_new_losses_in_a_row_fire_for_that_symbol_only() -> None:
    state = _started()
    assert due(state, _snapshot(streak=2), _later(5), LIMITS)[1] is None
    state, fired = due(state, _snapshot(streak=3), _later(6), LIMITS)
    assert _names(fired) is Trigger.LOSS_STREAK
    assert fired is not None
    assert fired.symbols == (0,)
    assert "BTCUSDT" in fired.reason
    assert due(state, _snapshot(streak=5), _later(80), LIMITS)[1] is None
    assert due(state, _snapshot(streak=6), _later(40), LIMITS)[1] is None  # within its cooldown
    assert _names(due(state, _snapshot(streak=6), _later(80), LIMITS)[1]) is Trigger.LOSS_STREAK


def test_a_win_ends_the_streak_that_was_answered() -> None:
    state, _ = due(_started(), _snapshot(streak=3), _later(6), LIMITS)
    state, _ = due(state, _snapshot(streak=0), _later(80), LIMITS)
    assert _names(due(state, _snapshot(streak=3), _later(90), LIMITS)[1]) is Trigger.LOSS_STREAK


def test_losses_from_before_the_start_are_no_news() -> None:
    assert due(_started(streak=5), _snapshot(streak=5), _later(70), LIMITS)[1] is None


def test_a_loss_streak_does_not_delay_the_schedule() -> None:
    state, _ = due(_started(), _snapshot(streak=3), _later(299), LIMITS)
    assert _names(due(state, _snapshot(streak=3), _later(300), LIMITS)[1]) is Trigger.SCHEDULED


def test_what_happened_while_the_tuner_was_barred_fires_nothing_afterwards() -> None:
    state = absorb(_started(), _snapshot(streak=4, tune_now=3))
    assert due(state, _snapshot(streak=4, tune_now=3), _later(100), LIMITS)[1] is None


def test_a_start_under_override_still_fires_once_it_is_over() -> None:
    state = absorb(TriggerState(), _snapshot())
    assert _names(due(state, _snapshot(), _later(1), LIMITS)[1]) is Trigger.STARTUP


def _facts(**changes: Any) -> Snapshot:
    return make_snapshot(make_facts(**changes), ETH)


def test_a_growing_drawdown_fires_for_what_is_held_and_again_only_when_it_grew_again() -> None:
    def fallen(drawdown_pct: float) -> Snapshot:
        return make_snapshot(
            make_facts(), make_facts(symbol="ETHUSDT", index=1, position_qty=1.0), account_drawdown_pct=drawdown_pct
        )

    assert due(_started(), fallen(1.9), _later(5), LIMITS)[1] is None
    state, fired = due(_started(), fallen(2.0), _later(5), LIMITS)
    assert _names(fired) is Trigger.DRAWDOWN
    assert fired is not None
    assert fired.symbols == (1,)
    assert due(state, fallen(3.9), _later(100), LIMITS)[1] is None
    assert _names(due(state, fallen(4.0), _later(100), LIMITS)[1]) is Trigger.DRAWDOWN
    state, _ = due(state, fallen(0.5), _later(101), LIMITS)  # recovered
    assert _names(due(state, fallen(2.5), _later(110), LIMITS)[1]) is Trigger.DRAWDOWN


def test_a_spike_of_volatility_is_measured_against_the_last_look() -> None:
    assert due(_started(), _facts(volatility_pct=0.0249), _later(5), LIMITS)[1] is None
    state, fired = due(_started(), _facts(volatility_pct=0.025), _later(5), LIMITS)
    assert _names(fired) is Trigger.VOLATILITY
    assert due(state, _facts(volatility_pct=0.03), _later(100), LIMITS)[1] is None


def test_a_change_of_regime_fires_once_and_not_from_or_to_the_unknown() -> None:
    state, fired = due(_started(), _facts(regime=Regime.TRENDING_UP), _later(5), LIMITS)
    assert _names(fired) is Trigger.REGIME
    assert "ranging to trending up" in (fired.reason if fired else "")
    assert due(state, _facts(regime=Regime.TRENDING_UP), _later(100), LIMITS)[1] is None
    assert due(state, _facts(regime=Regime.UNKNOWN), _later(100), LIMITS)[1] is None
    assert due(state, _facts(regime=Regime.RANGING), _later(30), LIMITS)[1] is None  # within its cooldown
    assert _names(due(state, _facts(regime=Regime.RANGING), _later(66), LIMITS)[1]) is Trigger.REGIME


def test_five_wins_in_a_row_are_a_reason_to_think_of_reducing() -> None:
    assert due(_started(), _facts(win_streak=4), _later(5), LIMITS)[1] is None
    state, fired = due(_started(), _facts(win_streak=5), _later(5), LIMITS)
    assert _names(fired) is Trigger.WIN_STREAK
    assert due(state, _facts(win_streak=9), _later(200), LIMITS)[1] is None
    assert _names(due(state, _facts(win_streak=10), _later(200), LIMITS)[1]) is Trigger.WIN_STREAK


def test_a_grave_headline_fires_once_for_the_symbols_it_names() -> None:
    news = (NewsSignal(news_id="news#1", symbols=(1,), words="delisting: ETHUSDT"),)
    state, fired = due(_started(), _snapshot(), _later(5), LIMITS, news)
    assert _names(fired) is Trigger.NEWS
    assert fired is not None
    assert (fired.symbols, fired.by_news) == ((1,), True)
    assert due(state, _snapshot(), _later(100), LIMITS, news)[1] is None
    more = (*news, NewsSignal(news_id="news#2", symbols=(0,), words="halt: BTCUSDT"))
    assert due(state, _snapshot(), _later(30), LIMITS, more)[1] is None  # within its cooldown
    assert _names(due(state, _snapshot(), _later(66), LIMITS, more)[1]) is Trigger.NEWS


def test_what_is_due_at_once_is_one_cycle_the_gravest_first() -> None:
    both = make_snapshot(make_facts(loss_streak=3, regime=Regime.SPIKE), ETH)
    state, fired = due(_started(), both, _later(300), LIMITS)
    assert fired is not None
    assert (fired.trigger, fired.also) == (Trigger.LOSS_STREAK, (Trigger.REGIME, Trigger.SCHEDULED))
    assert (fired.symbols, fired.rest, fired.covers_all) == ((0,), True, True)
    assert fired.reason.count(";") == 2
    assert due(state, both, _later(301), LIMITS)[1] is None
    assert next_cycle_ns(state, LIMITS) == _later(600)  # the schedule's turn is over with it
