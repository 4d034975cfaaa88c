"""Markets, positions, money and the scalper's read: what the tables and bars show, from published records."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.figures import change, countdown, distances
from dashboard.markets_view import markets, spread_bps
from dashboard.model import Account, Level, Tone
from dashboard.money_view import account, books_line, cost_lines, equity_curve
from dashboard.palette import SKY, VERMILION, palette_of
from dashboard.positions_view import SPARK_POINTS, distance_pct, positions, spark, trades
from dashboard.scalper_view import scalper
from shared import layout
from shared.clock import NS_PER_S
from shared.events import GREEN, RED, Reason, Regime
from tests.support_views import NOW_NS, SYMBOLS, closes, portfolio, row


def test_a_market_shows_its_change_over_a_minute_spread_regime_and_confidence() -> None:
    view = portfolio()
    record = row(view, 0, regime=Regime.TRENDING_UP, regime_confidence=0.82, bid_price_usd=100.9, ask_price_usd=101.1)
    closes(record, [100.0] * 60, last=101.0)
    line = markets(view, SYMBOLS, NOW_NS)[0]
    assert line.change_1m_pct == pytest.approx(1.0)
    assert line.spread_bps == pytest.approx(19.8, abs=0.01)
    assert (line.regime, line.regime_tone, line.confidence_pct) == ("▲ UP", Tone.UP, 82.0)


def test_less_than_a_minute_has_no_change_rather_than_a_wrong_one() -> None:
    view = portfolio()
    closes(row(view), [100.0] * 59, last=101.0)
    assert markets(view, SYMBOLS, NOW_NS)[0].change_1m_pct is None


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 100.0), (100.0, 0.0), (101.0, 100.0)])
def test_a_book_without_two_sides_or_crossed_has_no_spread(bid: float, ask: float) -> None:
    assert spread_bps(bid, ask) is None


def test_a_symbol_has_its_own_feed_age_in_the_time_of_a_replay() -> None:
    view = portfolio(time_ns=NOW_NS - 10**18)  # a recording of long ago
    row(view, 0, last_market_ns=NOW_NS - 10**18 - 25 * NS_PER_S)
    row(view, 1, last_market_ns=NOW_NS - 10**18, stale=1)
    first, second = markets(view, SYMBOLS, NOW_NS)
    assert (first.feed.level, round(first.feed.seconds or 0)) == (Level.AMBER, 25)
    assert second.feed.level is Level.RED


def test_an_unknown_regime_and_reason_are_shown_as_numbers() -> None:
    view = portfolio()
    row(view, 0, regime=99, why=9999)
    line = markets(view, SYMBOLS, NOW_NS)[0]
    assert (line.regime, line.why) == ("? 99", "reason 9999")


def test_sixty_four_symbols_are_sixty_four_lines() -> None:
    names = [f"SYM{i}USDT" for i in range(64)]
    assert len(markets(portfolio(names), names, NOW_NS)) == 64


def test_only_open_positions_are_listed() -> None:
    view = portfolio()
    row(view, 1, position_qty=-2.0, entry_price_usd=2700.0, last_price_usd=2690.0, unrealised_usd=20.0)
    (line,) = positions(view, SYMBOLS, tuner_active=False)
    assert (line.symbol, line.index, line.side, line.pnl_usd) == ("ETHUSDT", 1, -1, 20.0)
    assert line.pnl_pct == pytest.approx(100 * 20 / 5400)


@pytest.mark.parametrize(("side", "target", "stop"), [(1, 101.5, 99.0), (-1, 98.5, 101.0)])
def test_target_and_stop_are_as_far_for_a_long_as_for_a_short(side: int, target: float, stop: float) -> None:
    view = portfolio()
    row(view, 0, position_qty=side, entry_price_usd=100, last_price_usd=100, target_price_usd=target, stop_price_usd=stop)
    (line,) = positions(view, SYMBOLS, tuner_active=False)
    assert line.target_pct == pytest.approx(1.5)
    assert line.stop_pct == pytest.approx(1.0)


def test_a_level_that_is_not_published_has_no_distance() -> None:
    assert distance_pct(0.0, 100.0, 1) is None
    assert distances(None, None) == "–"
    assert distances(1.5, None) == "1.50/– %"


@pytest.mark.parametrize(
    ("manual", "tuner", "name", "smart"),
    [(0, False, "MOMENT", False), (0, True, "SMART", True), (1, True, "MANUAL", False)],
)
def test_what_steers_a_position_is_named(manual: int, tuner: bool, name: str, smart: bool) -> None:
    view = portfolio()
    row(view, 0, position_qty=1.0, strategy=2, manual=manual)
    (line,) = positions(view, SYMBOLS, tuner_active=tuner)
    assert (line.strategy, line.smart) == (name, smart)


def test_a_spark_keeps_the_newest_price_and_stays_short() -> None:
    series = np.zeros(300)
    series[-250:] = np.arange(1, 251)
    points = spark(series)
    assert (len(points), points[-1]) == (SPARK_POINTS, 250.0)
    assert list(points) == sorted(points)
    assert spark(np.zeros(300)) == ()


def test_trades_are_newest_first_and_a_manual_one_says_so() -> None:
    view = portfolio()
    for i, reason in enumerate((Reason.TARGET, Reason.MANUAL)):
        trade = view["recent"][i]
        trade["trade_id"], trade["reason"], trade["symbol"], trade["side"] = i + 1, reason, i, 1
    assert [(t.symbol, t.reason) for t in trades(view, SYMBOLS)] == [("ETHUSDT", "manual"), ("BTCUSDT", "target")]


def test_the_books_agree_with_funding_in_them() -> None:
    view = portfolio(realised_usd=500.0, unrealised_usd=-120.0, fees_usd=30.0, funding_usd=2.5, equity_usd=100_347.5)
    money = account(view, 0.0)
    assert (money.net_usd, money.reconciled) == (347.5, True)
    assert books_line(money)[1] is Tone.GOOD


def test_books_that_differ_by_a_cent_are_told() -> None:
    words, tone = books_line(Account(start_equity_usd=100.0, equity_usd=100.02))
    assert "BOOKS DISAGREE" in words
    assert tone is Tone.BAD


def test_a_venue_that_disagrees_is_worse_than_a_rounding() -> None:
    assert "VENUE" in books_line(account(portfolio(live=1), 0.0))[0]
    assert account(portfolio(live=0), 0.0).venue_agrees


def test_what_the_advice_cost_is_taken_off_at_the_end() -> None:
    money = account(portfolio(realised_usd=10.0, equity_usd=100_010.0), 0.5)
    lines = dict(cost_lines(money))
    assert lines["= Net P&L"][0] == "▲ +10.00"
    assert lines["After AI"][0] == "▲ +9.50"


def test_the_drawdown_is_measured_from_the_peak_so_far() -> None:
    view = portfolio(peak_equity_usd=102.0)
    view["equity_usd_1s"][-4:] = (100.0, 102.0, 101.0, 102.0)
    curve = equity_curve(view)
    assert curve.drawdown_pct == pytest.approx((0.0, 0.0, -100 / 102, 0.0))
    assert curve.worst_pct == pytest.approx(-100 / 102)


def test_a_peak_before_what_is_published_still_counts() -> None:
    view = portfolio(peak_equity_usd=110.0)
    view["equity_usd_1s"][-2:] = (99.0, 104.5)
    assert equity_curve(view).drawdown_pct == pytest.approx((-10.0, -5.0))
    assert equity_curve(portfolio()).equity_usd == ()


def test_no_scalper_is_an_empty_state_and_an_old_read_says_so() -> None:
    assert scalper("BTCUSDT", None, NOW_NS).bars == ()
    read = np.zeros((), layout.SCALPER_READ)
    assert scalper("BTCUSDT", read, NOW_NS).bars == ()
    read["time_ns"], read["action"] = NOW_NS - 61 * NS_PER_S, -1
    old = scalper("BTCUSDT", read, NOW_NS)
    assert (old.old, old.age, old.action) == (True, "61 s ago", "▼ SELL")


def test_the_scalpers_bars_tell_direction_by_sign_and_arrow_and_are_clamped() -> None:
    read = np.zeros((), layout.SCALPER_READ)
    read["time_ns"], read["momentum"], read["pressure"], read["freshness"] = NOW_NS, 0.62, -3.0, 1.4
    momentum, pressure, _, freshness = scalper("BTCUSDT", read, NOW_NS).bars
    assert (momentum.share, momentum.text, momentum.tone) == (0.62, "▲ +62 %", Tone.UP)
    assert (pressure.share, pressure.text) == (1.0, "▼ -100 %")
    assert freshness.share == 1.0


@pytest.mark.parametrize(("value", "words"), [(None, "–"), (0.0, "0.00"), (0.123, "▲ +0.12"), (-4.0, "▼ -4.00")])
def test_a_change_is_told_by_arrow_and_sign_not_by_colour_alone(value: float | None, words: str) -> None:
    assert change(value)[0] == words


@pytest.mark.parametrize(("seconds", "words"), [(None, ""), (-3.0, "0:00"), (67.9, "1:07"), (3725.0, "1:02:05")])
def test_a_countdown_never_runs_below_zero(seconds: float | None, words: str) -> None:
    assert countdown(seconds) == words


def test_red_up_swaps_gains_and_losses_and_nothing_else() -> None:
    plain, swapped = palette_of(), palette_of(red_up=True)
    assert (plain.colour(Tone.UP), plain.colour(Tone.DOWN)) == (GREEN, RED)
    assert (swapped.colour(Tone.UP), swapped.colour(Tone.DOWN)) == (RED, GREEN)
    assert swapped.colour(Tone.BAD) == RED
    assert swapped.level(Level.OK) == GREEN


def test_the_colour_blind_pair_is_blue_and_orange_and_every_tone_has_a_colour() -> None:
    safe = palette_of(colour_blind=True)
    assert (safe.colour(Tone.UP), safe.colour(Tone.DOWN), safe.colour(Tone.GOOD)) == (SKY, VERMILION, SKY)
    assert all(len(safe.colour(tone)) == 3 for tone in Tone)
