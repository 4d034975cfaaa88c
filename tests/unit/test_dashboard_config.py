"""The config panel's facts, why there is no trade, and what taking back a change would do."""

from __future__ import annotations

import math

import pytest

from dashboard.config_view import (
    LIMITS,
    PAPER_COSTS,
    PRESETS,
    STRATEGY_MAP,
    break_even_pct,
    config,
    last_ai_undo,
    raises_risk,
    round_trip_bps,
    set_times,
    undo_of,
)
from dashboard.model import Tone
from dashboard.why_view import why
from shared.clock import clock_time
from shared.events import NO_ENTRY, EventKind, Reason, Source, words
from shared.params import CONTROLS, PARAMS, STRATEGY_NAMES, index_of
from tests.support_views import NOW_NS, SYMBOLS, applied, applied_symbol, check, event, portfolio, row

STOP, TARGET, COOLDOWN = (index_of(PARAMS, name) for name in ("stop_pct", "target_pct", "cooldown_ms"))
MANUAL = ("[MANUAL]", False)


def test_each_value_says_who_set_it_and_when() -> None:
    record = applied_symbol(stop_pct=0.8)
    record["sources"][STOP] = Source.TUNER
    times = set_times([event(EventKind.TUNER_CONFIG, symbol=0, field=STOP, time_ns=NOW_NS)])
    panel = config(SYMBOLS, 0, [record, applied_symbol()], applied(), MANUAL, times)
    stop, target = panel.settings[STOP], panel.settings[TARGET]
    assert (stop.value, stop.previous, stop.default, stop.who, stop.by_ai) == (0.8, 1.0, 1.0, "AI", True)
    assert stop.when == clock_time(NOW_NS)[:5]
    assert (target.who, target.when, target.changed) == ("", "", False)


def test_a_control_and_a_parameter_of_the_same_number_are_not_mixed_up() -> None:
    times = set_times([event(EventKind.CONFIG_APPLIED, symbol=-1, field=100 + STOP), event(EventKind.CONFIG_APPLIED, field=STOP)])
    assert set(times) == {(-1, STOP), (0, STOP)}


def test_what_was_refused_has_set_nothing() -> None:
    assert set_times([event(EventKind.CONFIG_REFUSED, field=STOP)]) == {}


def test_every_control_stands_on_exactly_one_page() -> None:
    switches = [index_of(CONTROLS, name) for name in ("trading_enabled", "manual_override", "tuner_mode", "tune_now")]
    assert sorted([*LIMITS, *PAPER_COSTS, *STRATEGY_MAP, *switches]) == list(range(len(CONTROLS)))


def test_presets_name_known_controls_and_strategies() -> None:
    for preset in PRESETS.values():
        assert len(preset) == len(STRATEGY_MAP)
        assert all(0 <= code <= len(STRATEGY_NAMES) for code in preset.values())
        assert all(index_of(CONTROLS, name) in STRATEGY_MAP for name in preset)


def test_reward_and_risk_and_the_win_rate_that_pays_the_costs() -> None:
    panel = config(SYMBOLS, 0, [applied_symbol(target_pct=2.0), applied_symbol()], applied(), MANUAL, {})
    assert panel.reward_risk == 2.0
    assert panel.round_trip_bps == round_trip_bps(5.0, 10.0) == 30.0
    assert panel.break_even_pct == pytest.approx(100 * 1.3 / (1.7 + 1.3))


def test_a_target_below_its_costs_never_breaks_even() -> None:
    assert break_even_pct(0.2, 1.0, 30.0) == 100.0
    assert break_even_pct(1.0, 1.0, 0.0) == 50.0


def test_undo_goes_back_to_before_the_last_change_and_says_what_raises_risk() -> None:
    undo = undo_of("BTCUSDT", 0, applied_symbol(stop_pct=0.8, target_pct=2.0, enabled=0))
    assert undo is not None
    assert dict(undo.changes) == {STOP: 1.0, TARGET: 1.5, 10: 1.0}
    assert undo.raises == ("stop_pct 0.80 → 1.00", "enabled 0 → 1")
    assert "target_pct 2 → 1.5" in undo.words


def test_there_is_nothing_to_undo_before_the_first_change() -> None:
    assert undo_of("BTCUSDT", 0, applied_symbol()) is None


def test_the_ais_last_change_is_found_in_whatever_symbol_it_was() -> None:
    first, second = applied_symbol(stop_pct=0.8), applied_symbol(stop_pct=0.7)
    for record, at in ((first, 5), (second, 9)):
        record["source"], record["updated_ns"] = Source.TUNER, at
    undo = last_ai_undo(SYMBOLS, [first, second])
    assert undo is not None
    assert undo.symbol == "ETHUSDT"


def test_what_a_human_changed_since_is_not_taken_back_as_the_ais() -> None:
    record = applied_symbol(stop_pct=0.8)
    record["source"] = Source.DASHBOARD
    assert last_ai_undo(SYMBOLS, [record, applied_symbol()]) is None


@pytest.mark.parametrize(
    ("changes", "raised"),
    [({STOP: 1.5}, True), ({STOP: 0.5}, False), ({COOLDOWN: 1000.0}, True), ({COOLDOWN: 5000.0}, False), ({TARGET: 9.0}, False)],
)
def test_raising_risk_knows_the_direction_of_each_parameter(changes: dict[int, float], raised: bool) -> None:
    assert bool(raises_risk(PARAMS, changes, [param.default for param in PARAMS])) is raised


def test_the_checklist_puts_what_fails_first_with_value_and_need() -> None:
    view = portfolio()
    record = row(view, 0, why=Reason.COOLDOWN)
    check(record, Reason.TRADING_DISABLED, 1, 1, passed=True)
    check(record, Reason.COOLDOWN, 900, 2000, passed=False)
    page = why("BTCUSDT", record, view["blocked"])
    assert (page.checks[0].sign, page.checks[0].name) == ("✗", "cooldown")
    assert (page.checks[0].value, page.checks[0].needs) == ("900 ms", "≥ 2,000 ms")
    assert page.checks[1].value == "entries on"
    assert page.verdict == "✗ no entry: cooldown"


def test_what_cannot_be_known_yet_is_neither_good_nor_bad() -> None:
    view = portfolio()
    record = row(view, 0, why=Reason.NO_PRICE)
    check(record, Reason.TOO_SMALL, math.nan, math.nan, passed=False)
    (line,) = why("BTCUSDT", record, view["blocked"]).checks
    assert (line.passed, line.sign, line.value, line.tone) == (None, "?", "–", Tone.GREY)


def test_a_fill_that_never_was_is_long_ago() -> None:
    view = portfolio()
    record = row(view)
    check(record, Reason.COOLDOWN, math.inf, 2000, passed=True)
    assert why("BTCUSDT", record, view["blocked"]).checks[0].value == "long ago"


def test_a_symbol_that_may_enter_says_so_and_one_without_a_second_too() -> None:
    view = portfolio()
    record = row(view)
    assert why("BTCUSDT", record, view["blocked"]).verdict == "no second has closed yet"
    check(record, Reason.PAUSED, 1, 1, passed=True)
    assert why("BTCUSDT", record, view["blocked"]).tone is Tone.GOOD


def test_what_a_human_can_change_comes_with_advice() -> None:
    view = portfolio()
    for reason in (Reason.PAUSED, Reason.TRADING_DISABLED, Reason.DRAWDOWN_HALT, Reason.KILL_FILE, Reason.NO_STRATEGY):
        assert why("BTCUSDT", row(view, 0, why=reason), view["blocked"]).advice, reason


@pytest.mark.parametrize("reason", [int(code) for code in NO_ENTRY] + [999])
def test_every_reason_has_a_line_even_an_unknown_one(reason: int) -> None:
    view = portfolio()
    record = row(view)
    check(record, Reason.COOLDOWN, 1.5, 2.5, passed=False)
    record["checks"][0]["reason"] = reason
    (line,) = why("BTCUSDT", record, view["blocked"]).checks
    assert line.name == (words(Reason(reason)) if reason != 999 else "reason 999")
    assert line.value


def test_what_blocked_most_comes_first_as_a_share() -> None:
    view = portfolio()
    view["blocked"][Reason.WEAK_SIGNAL], view["blocked"][Reason.COOLDOWN] = 30, 10
    assert why("BTCUSDT", row(view), view["blocked"]).blocked == (("weak signal", 30, 75.0), ("cooldown", 10, 25.0))
