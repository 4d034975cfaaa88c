"""What halts the account, what only lets it reduce, how boldly it trades, and what ends each of these."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.clock import NS_PER_S
from shared.events import NO_ENTRY, EventKind, Mode, Reason, Regime, RiskState
from shared.params import CONTROLS, index_of
from tests.engine_support import (
    CLOSES,
    START_NS,
    Story,
    control,
    emergency_exit,
    kill_file,
    market,
    quote,
    ramp,
    second_ns,
    spot,
    timer,
)
from trader.engine.entry import decide_entry
from trader.engine.inputs import InputKind, row
from trader.engine.outbox import new_outbox
from trader.engine.risk_step import second_of_account
from trader.engine.state import ENABLED_FIELD, MAX_POSITION, MODE_FACTS
from trader.risk.limits import CRASH_GUARD_S, DAY_NS, note_order
from trader.risk.modes import BOLD_WIN_STREAK, EXIT_ONLY_MOST_S, EXIT_ONLY_S, PROBATION_S, next_mode, note_result

RISE = ramp(100.0, 2.0, 64)
NEXT_DAY_S = (DAY_NS - START_NS % DAY_NS) // NS_PER_S + 1


def ready(n_symbols: int = 1) -> Story:
    """Return a story whose first symbol would enter now."""
    story = Story(n_symbols, enabled=0.0).tell(market(RISE, symbols=range(n_symbols)))
    story.account["symbols"]["settings"]["values"][:, ENABLED_FIELD] = 1.0
    story.account["symbols"]["expected_bps"] = 1e9  # whatever its strategy expects: not the question here
    assert entering(story) > 0.0
    return story


def entering(story: Story, index: int = 0) -> float:
    """Return the quantity the checks let a symbol enter with now."""
    return float(decide_entry(story.account, index))


def set_control(story: Story, name: str, value: float) -> None:
    story.account["controls"]["values"][index_of(CONTROLS, name)] = value


def look(story: Story) -> Any:
    """Let the account be looked at without a market; return the events."""
    box = new_outbox()
    second_of_account(story.account, box[0])
    return box["events"][0][: int(box["count"][0])]


def risk(story: Story) -> RiskState:
    return RiskState(int(story.account["risk"]))


def test_every_check_is_told_with_value_and_limit_whatever_blocks_first() -> None:
    story = ready()
    set_control(story, "trading_enabled", 0.0)
    assert entering(story) == 0.0
    row_ = story.view()["rows"][0]
    checks = row_["checks"][: int(row_["n_checks"])]
    told = [Reason(int(code)) for code in checks["reason"]]
    assert len(set(told)) == len(told) >= 27
    assert set(told) <= set(NO_ENTRY)
    assert [told[i] for i in np.flatnonzero(checks["passed"] == 0)] == [Reason.TRADING_DISABLED]
    assert told.index(Reason.WARMING_UP) < told.index(Reason.IN_POSITION) < told.index(Reason.TOO_SMALL)
    by_reason = dict(zip(told, checks, strict=True))
    assert (by_reason[Reason.WEAK_SIGNAL]["value"], by_reason[Reason.WEAK_SIGNAL]["limit"]) == (3.0, 2.0)
    assert by_reason[Reason.GROSS_LIMIT]["limit"] == pytest.approx(60_000.0, rel=1e-3)
    assert by_reason[Reason.TOO_SMALL]["value"] == pytest.approx(4000.0, rel=1e-3)


def test_what_cannot_be_computed_is_not_a_number_and_not_passed() -> None:
    story = Story().tell([timer(i) for i in range(3)])
    checks = story.symbol()["checks"][: int(story.symbol()["n_checks"])]
    unknown = checks[np.isnan(checks["value"])]
    assert Reason.TOO_SMALL in unknown["reason"]
    assert not unknown["passed"].any()
    assert story.why() is Reason.NO_PRICE


def test_the_histogram_counts_every_second_by_its_first_reason() -> None:
    story = Story().tell(market(RISE[:30]))
    blocked = story.view()["blocked"]
    assert int(blocked[Reason.WARMING_UP]) == int(blocked.sum()) == 29


def test_a_move_that_does_not_pay_its_costs_is_not_entered() -> None:
    story = ready()
    spread = 1e4 * 0.01 / RISE[-1]
    story.symbol()["expected_bps"] = 30.0 + spread - 0.01  # 2 x (5 + 10) bps and the spread
    assert entering(story) == 0.0
    assert story.why() is Reason.MIN_EDGE
    story.symbol()["expected_bps"] = 30.0 + spread + 0.01
    assert entering(story) > 0.0
    story.symbol()["expected_bps"] = 0.0
    set_control(story, "min_edge_factor", 0.0)
    assert entering(story) > 0.0


def test_orders_a_second_and_a_minute_are_counted_over_all_symbols() -> None:
    story = ready()
    set_control(story, "orders_per_s", 2.0)
    set_control(story, "orders_per_min", 3.0)
    note_order(story.account)
    assert entering(story) > 0.0
    note_order(story.account)
    assert entering(story) == 0.0
    assert story.why() is Reason.ORDER_RATE
    story.account["time_ns"] += NS_PER_S
    assert entering(story) > 0.0
    note_order(story.account)
    story.account["time_ns"] += 58 * NS_PER_S
    assert entering(story) == 0.0
    story.account["time_ns"] += NS_PER_S
    assert entering(story) > 0.0


def test_an_entry_in_the_story_counts_as_an_order() -> None:
    story = Story(2).tell([control("orders_per_s", 1.0), *market(RISE[:62], symbols=(0, 1))])
    assert [story.symbol(i)["position_qty"] > 0.0 for i in (0, 1)] == [True, False]
    assert story.why(1) is Reason.ORDER_RATE


def test_buying_power_counts_what_is_held_already() -> None:
    story = ready(2)
    for name in ("max_gross_pct", "max_correlated_pct"):
        set_control(story, name, 300.0)
    set_control(story, "leverage", 1.0)
    other = story.symbol(1)
    other["position_qty"] = 970.0  # 97 % of equity; an entry would be 4 %
    other["entry_price_usd"] = RISE[-1]
    story.account["cash_usd"] = 100_000.0 - 970.0 * RISE[-1]
    assert entering(story) == 0.0
    assert story.why() is Reason.BUYING_POWER
    set_control(story, "leverage", 2.0)
    assert entering(story) > 0.0
    story.symbol()["perpetual"] = 0  # spot has no leverage
    assert entering(story) == 0.0


def test_a_size_over_the_limit_of_trade_or_symbol_is_shrunk_to_fit() -> None:
    story = ready()
    price = RISE[-1]
    assert entering(story) == np.floor(4000.0 / price)
    set_control(story, "max_trade_loss_pct", 0.025)  # 25 USD at a stop of 1 % and costs of 0.3 %
    assert entering(story) == np.floor(25.0 / 0.013 / price)
    set_control(story, "max_symbol_pct", 1.0)
    assert entering(story) == np.floor(1000.0 / price)


@pytest.mark.parametrize("name", ["max_gross_pct", "max_correlated_pct"])
def test_a_limit_is_held_against_the_equity_left_after_the_costs_of_the_entry(name: str) -> None:
    story = ready()
    share_pct = 100.0 * entering(story) * RISE[-1] / 100_000.0  # about 4; its costs of 15 bps take 6e-5 of equity
    set_control(story, name, share_pct * (1.0 + 3e-5))
    assert entering(story) == 0.0
    set_control(story, name, share_pct * (1.0 + 9e-5))
    assert entering(story) > 0.0


def falling_story(**controls: float) -> Story:
    story = Story(base_position_pct=5.0, max_position_pct=10.0)
    story.tell([control(name, value, ref=10 + i) for i, (name, value) in enumerate(controls.items())])
    return story.tell(market(RISE[:62])).tell(market(ramp(85.0, 0.5, 10), 62))


def test_a_daily_loss_halts_until_midnight_utc() -> None:
    story = falling_story(max_daily_loss_pct=1.0, max_drawdown_pct=50.0)
    (halt,) = story.of(EventKind.RISK_HALT)
    assert (halt["reason"], story.why()) == (Reason.DAILY_LOSS, Reason.DAILY_LOSS)
    assert halt["new"] >= 1.0
    assert risk(story) is RiskState.HALTED
    assert story.account["halted"]
    story.tell(market([86.0] * 3, int(NEXT_DAY_S) - 1)).tell([timer(NEXT_DAY_S + 4)])
    assert not story.account["halted"]
    assert risk(story) is RiskState.ACTIVE
    assert len(story.of(EventKind.RISK_HALT)) == 1


def test_a_human_ends_a_daily_halt_and_the_loss_counts_from_there() -> None:
    story = falling_story(max_daily_loss_pct=1.0, max_drawdown_pct=50.0)
    story.tell([control("trading_enabled", 1.0, 80, ref=30), *market(ramp(85.0, 0.5, 5), 80)])
    assert not story.account["halted"]
    assert len(story.of(EventKind.RISK_HALT)) == 1


def test_a_human_who_resumes_begins_in_the_normal_mode() -> None:
    story = falling_story(max_daily_loss_pct=50.0, max_drawdown_pct=1.0)
    assert mode(story) is Mode.EXIT_ONLY
    story.tell([control("trading_enabled", 1.0, 71.5, ref=30)])
    assert (mode(story), risk(story), float(story.account["size_factor"])) == (Mode.NORMAL, RiskState.ACTIVE, 1.0)
    change = story.of(EventKind.MODE_CHANGE)[-1]
    assert (change["old"], change["new"], change["reason"]) == (Mode.EXIT_ONLY, Mode.NORMAL, Reason.OPERATOR)


def test_midnight_does_not_end_a_drawdown_halt() -> None:
    story = falling_story(max_daily_loss_pct=50.0, max_drawdown_pct=1.0)
    story.tell(market([86.0] * 3, int(NEXT_DAY_S) - 1)).tell([timer(NEXT_DAY_S + 4)])
    assert story.account["halted"]
    assert story.why() is Reason.DRAWDOWN_HALT


def holding() -> Story:
    story = Story(2).tell(market(RISE[:62], symbols=(0, 1)))
    assert [float(story.symbol(i)["position_qty"]) > 0.0 for i in (0, 1)] == [True, True]
    return story


def test_a_kill_file_closes_everything_at_once_and_halts() -> None:
    story = holding().tell([kill_file(62, present=True)])
    assert [float(story.symbol(i)["position_qty"]) for i in (0, 1)] == [0.0, 0.0]
    assert story.of(*CLOSES)["reason"].tolist() == [Reason.KILL_FILE] * 2
    assert story.of(EventKind.RISK_HALT)["reason"].tolist() == [Reason.KILL_FILE]
    assert risk(story) is RiskState.HALTED


def test_a_human_resumes_only_after_the_kill_file_is_gone() -> None:
    story = holding().tell([kill_file(62, present=True), control("trading_enabled", 1.0, 63)])
    assert risk(story) is RiskState.HALTED
    story.tell([kill_file(64, present=False), *market(RISE[62:64], 65, symbols=(0, 1))])
    assert risk(story) is RiskState.HALTED
    story.tell([control("trading_enabled", 1.0, 67)])
    assert risk(story) is RiskState.ACTIVE
    assert len(story.of(EventKind.RISK_HALT)) == 1


@pytest.mark.parametrize("state", RiskState)
def test_a_reducing_order_passes_in_every_state(state: RiskState) -> None:
    story = holding()
    if state is RiskState.REDUCING:
        story.account["guard"]["crash_until_ns"] = second_ns(1000)
    elif state is RiskState.HALTED:
        story.account["guard"]["daily_halt"] = 1
    look(story)
    assert risk(story) is state
    story.tell([emergency_exit(62.5, 0), quote(62.6, RISE[61] * 0.98, 1)])
    assert story.of(*CLOSES)["reason"].tolist() == [Reason.EMERGENCY, Reason.STOP]


@pytest.mark.parametrize(("n_symbols", "spiking", "guarded"), [(1, 1, False), (2, 1, True), (3, 1, False), (4, 2, True)])
def test_half_of_the_symbols_in_a_spike_let_positions_only_be_reduced(n_symbols: int, spiking: int, guarded: bool) -> None:
    story = ready(n_symbols)
    story.account["symbols"]["regime"][:spiking] = Regime.SPIKE
    events = look(story)
    assert events["reason"].tolist() == ([Reason.CRASH_GUARD] if guarded else [])
    assert risk(story) is (RiskState.REDUCING if guarded else RiskState.ACTIVE)
    if not guarded:
        return
    assert entering(story) == 0.0
    assert story.why() is Reason.CRASH_GUARD
    assert not len(look(story))  # told once
    story.account["symbols"]["regime"][:spiking] = Regime.RANGING
    story.account["time_ns"] += CRASH_GUARD_S * NS_PER_S - 1
    assert entering(story) == 0.0
    story.account["time_ns"] += 1
    look(story)
    assert (entering(story) > 0.0, risk(story)) == (True, RiskState.ACTIVE)


def test_trouble_with_most_feeds_stops_entries_in_all_symbols() -> None:
    story = ready(3)
    story.account["symbols"]["stale"][1:3] = 1
    look(story)
    assert (entering(story), story.why(), risk(story)) == (0.0, Reason.STALE_FEED, RiskState.REDUCING)
    story.account["symbols"]["stale"][1] = 0
    look(story)
    assert (entering(story) > 0.0, risk(story)) == (True, RiskState.ACTIVE)


def results(story: Story, *net_usd: float) -> Any:
    for net in net_usd:
        note_result(story.account, 0, net)
    return look(story)


def mode(story: Story) -> Mode:
    return Mode(int(story.account["mode"]))


@pytest.mark.parametrize(
    ("losses", "expected", "size"),
    [(2, Mode.NORMAL, 1.0), (3, Mode.CAUTIOUS, 0.7), (5, Mode.DEFENSIVE, 0.4), (8, Mode.EXIT_ONLY, 0.0)],
)
def test_a_losing_streak_makes_entries_smaller(losses: int, expected: Mode, size: float) -> None:
    story = ready()
    story.account["guard"]["last_loss_ns"] = 0
    set_control(story, "loss_cooldown_s", 0.0)
    events = results(story, *[-10.0] * losses)
    assert (mode(story), float(story.account["size_factor"])) == (expected, size)
    if expected is Mode.NORMAL:
        assert not len(events)
        return
    (change,) = events
    assert (change["kind"], change["old"], change["new"]) == (EventKind.MODE_CHANGE, Mode.NORMAL, expected)
    assert change["reason"] == Reason.TRADE_LOSS
    assert entering(story) == np.floor(4000.0 * size / RISE[-1])
    assert story.why() is (Reason.EXIT_ONLY if size == 0.0 else Reason.NONE)
    assert risk(story) is (RiskState.REDUCING if size == 0.0 else RiskState.ACTIVE)


def test_a_defensive_mode_asks_for_one_more_detector() -> None:
    story = ready()
    set_control(story, "loss_cooldown_s", 0.0)
    results(story, *[-10.0] * 5)
    story.symbol()["strength"] = 2
    assert (entering(story), story.why()) == (0.0, Reason.WEAK_SIGNAL)
    story.symbol()["strength"] = 3
    assert entering(story) > 0.0


def test_winning_makes_entries_larger_but_never_above_the_cap() -> None:
    story = ready()
    set_control(story, "loss_cooldown_s", 0.0)
    results(story, *[-5.0, 12.0] * 5, *[10.0, 12.0] * BOLD_WIN_STREAK)
    assert mode(story) is Mode.AGGRESSIVE
    assert entering(story) == np.floor(5000.0 / RISE[-1])
    story.symbol()["settings"]["values"][MAX_POSITION] = 4.5
    assert entering(story) == np.floor(4500.0 / RISE[-1])
    results(story, -1.0, -1.0, -1.0)
    assert mode(story) is Mode.CAUTIOUS


@pytest.mark.parametrize(
    ("share", "expected"), [(0.4, Mode.NORMAL), (0.5, Mode.CAUTIOUS), (0.75, Mode.DEFENSIVE), (0.9, Mode.EXIT_ONLY)]
)
def test_a_drawdown_makes_the_mode_stricter(share: float, expected: Mode) -> None:
    story = ready()
    story.account["peak_equity_usd"] = 100_000.0 / (1.0 - share * 0.1 - 1e-9)
    events = look(story)
    assert mode(story) is expected
    assert events["reason"].tolist() == ([] if expected is Mode.NORMAL else [Reason.DRAWDOWN_HALT])


def facts(**values: float) -> Any:
    made: Any = np.zeros(1, MODE_FACTS)[0]
    for name, value in values.items():
        made[name] = value
    return made


WAYS_BACK = [
    (Mode.AGGRESSIVE, PROBATION_S, {}, Mode.NORMAL),
    (Mode.CAUTIOUS, PROBATION_S, {"loss_streak": 9}, Mode.NORMAL),
    (Mode.DEFENSIVE, PROBATION_S, {"drawdown_share": 0.99}, Mode.CAUTIOUS),
    (Mode.EXIT_ONLY, EXIT_ONLY_S, {"drawdown_share": 0.8}, Mode.DEFENSIVE),
    (Mode.EXIT_ONLY, EXIT_ONLY_MOST_S, {"drawdown_share": 0.95}, Mode.DEFENSIVE),
]


@pytest.mark.parametrize("way", WAYS_BACK, ids=lambda way: f"{way[0].name} {way[1]:.0f}")
def test_time_alone_ends_every_mode(way: tuple[Mode, float, dict[str, float], Mode]) -> None:
    old, after_s, given, new = way
    standing = facts(quiet_s=1e6, **given)
    assert next_mode(int(old), standing, after_s - 1.0) == old
    assert next_mode(int(old), standing, after_s) == new


def test_a_new_loss_begins_the_probation_anew() -> None:
    assert next_mode(int(Mode.CAUTIOUS), facts(quiet_s=10.0), 10 * PROBATION_S) == Mode.CAUTIOUS


def test_wins_end_a_mode_before_its_time() -> None:
    assert next_mode(int(Mode.CAUTIOUS), facts(wins_since=3, win_streak=3), 1.0) == Mode.NORMAL
    assert next_mode(int(Mode.EXIT_ONLY), facts(wins_since=3, win_streak=3), 1.0) == Mode.EXIT_ONLY


def test_a_spot_short_is_refused_before_its_size_is_asked() -> None:
    story = spot().tell(market(ramp(100.0, -2.0, 64)))
    assert story.why() is Reason.LONG_ONLY


def test_the_kill_input_of_a_state_without_prices_only_halts() -> None:
    story = Story().tell([row(InputKind.KILL, START_NS, a=1.0)])
    assert risk(story) is RiskState.HALTED
    assert not len(story.of(EventKind.ORDER))
