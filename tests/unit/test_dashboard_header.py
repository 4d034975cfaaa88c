"""The header tells which mode it is, how old everything is, and the true reason of whatever is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.header_view import Switches, header, waiting
from dashboard.model import Header, Level, Tone
from shared.clock import NS_PER_S
from shared.events import Mode, Reason, RiskState, TraderStatus
from tests.support_views import NOW_NS, SYMBOLS, applied, check, portfolio, row

PLAIN = Switches(override=False, entries=True, dry_run=False)


def shown(view: Any, *, silent_s: float = 0.0, alive: bool = True, switches: Switches = PLAIN) -> Header:
    beat_ns = NOW_NS - int(silent_s * NS_PER_S)
    return header("x", view, SYMBOLS, applied(), beat_ns, NOW_NS, switches=switches, alive=alive)


def halted(*reasons: tuple[Reason, float, float]) -> Any:
    view = portfolio(halted=1, risk=RiskState.HALTED)
    for index in range(len(SYMBOLS)):
        for reason, value, limit in reasons:
            check(row(view, index), reason, value, limit, passed=False)
    return view


@pytest.mark.parametrize(
    ("reason", "value", "limit", "words"),
    [
        (Reason.DRAWDOWN_HALT, 10.4, 10, "drawdown 10.40 % reached its limit of 10 %"),
        (Reason.DAILY_LOSS, 6.21, 6, "daily loss 6.21 % reached its limit of 6 %"),
        (Reason.KILL_FILE, 1, 0, "kill file: everything is closed"),
    ],
)
def test_a_halt_names_its_true_reason(reason: Reason, value: float, limit: float, words: str) -> None:
    head = shown(halted((reason, value, limit)))
    (alert,) = head.alerts
    assert words in alert.text
    assert (alert.level, head.halted) == (Level.RED, True)
    assert "RISK HALT" in [badge.text for badge in head.badges]


def test_two_halts_at_once_are_both_told() -> None:
    head = shown(halted((Reason.DRAWDOWN_HALT, 10.4, 10), (Reason.DAILY_LOSS, 7, 6)))
    assert [alert.key for alert in head.alerts] == ["halt DRAWDOWN_HALT", "halt DAILY_LOSS"]


def test_a_halt_without_a_check_that_says_why_is_still_told() -> None:
    assert "see WHY NO TRADE" in shown(portfolio(halted=1)).alert


def test_a_failed_check_without_a_halt_is_no_halt() -> None:
    view = portfolio()
    check(row(view), Reason.COOLDOWN, 100, 2000, passed=False)
    assert shown(view).alerts == ()


def test_the_crash_guard_is_told_as_what_it_is_and_not_as_a_halt() -> None:
    view = portfolio(risk=RiskState.REDUCING)
    check(row(view), Reason.CRASH_GUARD, 2, 1, passed=False)
    head = shown(view)
    assert head.alert.startswith("CRASH GUARD: 2 symbols spike")
    assert not head.halted


@pytest.mark.parametrize(
    ("mode", "tone", "alerts"), [(Mode.NORMAL, Tone.GREY, 0), (Mode.DEFENSIVE, Tone.WARN, 0), (Mode.EXIT_ONLY, Tone.BAD, 1)]
)
def test_the_mode_is_always_shown_and_exit_only_alerts(mode: Mode, tone: Tone, alerts: int) -> None:
    head = shown(portfolio(mode=mode))
    assert (head.mode, head.mode_tone, len(head.alerts)) == (mode.name.replace("_", " "), tone, alerts)


def test_a_feed_that_is_silent_says_for_how_long_and_that_exits_stay_armed() -> None:
    head = shown(portfolio(last_message_ns=NOW_NS - 41 * NS_PER_S, stale=1))
    assert "FEED STALE: silent for 41 s" in head.alert
    assert "exits stay armed" in head.alert


def test_one_silent_symbol_is_told_apart_from_a_dead_feed() -> None:
    head = shown(portfolio(stale=1))
    assert "some symbols are silent" in head.alert
    assert head.feed.level is Level.OK


def test_a_trader_that_hangs_hides_every_smaller_alert() -> None:
    head = shown(portfolio(halted=1), silent_s=8)
    assert [alert.key for alert in head.alerts] == ["hangs"]
    assert head.state == "NOT RESPONDING"


def test_a_dead_trader_says_how_old_the_figures_are() -> None:
    head = shown(portfolio(), silent_s=300, alive=False)
    assert "these figures are 5 min old" in head.alert
    assert (head.state, head.level) == ("NOT RUNNING", Level.RED)


def test_a_trader_that_has_stopped_is_not_running_though_its_memory_is_there() -> None:
    assert shown(portfolio(status=TraderStatus.STOPPED), alive=True).state == "NOT RUNNING"


def test_a_trader_that_starts_is_amber() -> None:
    head = shown(portfolio(status=TraderStatus.STARTING))
    assert (head.state, head.level) == ("STARTING", Level.AMBER)


def test_live_money_is_a_red_badge_and_a_testnet_says_so() -> None:
    badges = shown(portfolio(live=1, testnet=1, reconciled=1)).badges
    assert [(badge.text, badge.tone) for badge in badges] == [("LIVE", Tone.BAD), ("TESTNET", Tone.WARN)]


def test_live_books_that_differ_and_unconfirmed_orders_alert() -> None:
    keys = [alert.key for alert in shown(portfolio(live=1, unconfirmed=2)).alerts]
    assert keys == ["reconcile", "unconfirmed"]
    assert shown(portfolio(live=0)).alerts == ()


@pytest.mark.parametrize(("field", "value", "key"), [("clock_offset_ms", -1500.0, "clock"), ("feed_lag_ms", 2500.0, "lag")])
def test_a_clock_that_is_off_and_late_data_are_amber(field: str, value: float, key: str) -> None:
    view = portfolio()
    view[field] = value
    (alert,) = shown(view).alerts
    assert (alert.key, alert.level) == (key, Level.AMBER)


def test_a_venue_that_drifts_names_its_symbols() -> None:
    view = portfolio()
    row(view, 1, drift_bps=-80.0)
    assert "VENUE DRIFT: ETHUSDT" in shown(view).alert


def test_red_alerts_stand_before_amber_ones() -> None:
    head = shown(portfolio(clock_offset_ms=9000.0, live=1))
    assert [alert.level for alert in head.alerts] == [Level.RED, Level.AMBER]
    assert head.alert_level is Level.RED


def test_the_next_funding_counts_down() -> None:
    view = portfolio()
    row(view, 0, next_funding_ns=NOW_NS + 3_725 * NS_PER_S, funding_rate=0.0001)
    assert shown(view).facts == "funding BTCUSDT +1.00 bps in 1:02:05"


def test_override_paused_entries_and_dry_run_are_badges() -> None:
    head = shown(portfolio(), switches=Switches(override=True, entries=False, dry_run=True))
    assert [badge.text for badge in head.badges] == ["PAPER", "MANUAL OVERRIDE", "ENTRIES PAUSED", "AI DRY RUN"]


def test_waiting_says_how_to_start_and_a_problem_replaces_that() -> None:
    assert "trader --paper" in waiting("").alert
    broken = waiting("", "LAYOUT MISMATCH: restart both")
    assert (broken.state, broken.level, broken.alert) == ("CANNOT READ THE TRADER", Level.RED, "LAYOUT MISMATCH: restart both")
