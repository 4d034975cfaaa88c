"""Candles are folded from 1 s bars so that they keep their seconds, and marks stand where things happened."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.chart_view import CANDLE_S, chart
from shared.clock import NS_PER_S
from shared.events import EventKind, Source, Status
from shared.layout import PRICE_HISTORY
from tests.support_views import NOW_NS, SYMBOLS, closes, event, portfolio, row

AI = {"source": Source.TUNER, "status": Status.TUNER_CONFIG_UPDATE}


def test_five_seconds_are_one_candle_with_open_high_low_close_and_volume() -> None:
    view = portfolio()
    record = row(view)
    closes(record, [10.0, 12.0, 9.0, 11.0, 10.5])
    record["highs_usd"][-2], record["lows_usd"][-3] = 13.0, 8.0
    (candle,) = chart(view, SYMBOLS, 0, ()).candles
    assert (candle.open, candle.high, candle.low, candle.close, candle.volume) == (10.0, 13.0, 8.0, 10.5, 5.0)


def test_the_forming_candle_takes_the_last_price() -> None:
    view = portfolio()
    closes(row(view), [10.0] * 6, last=15.0)
    last = chart(view, SYMBOLS, 0, ()).candles[-1]
    assert (last.close, last.high, last.open) == (15.0, 15.0, 10.0)


def test_no_bars_are_no_candles_and_no_average() -> None:
    empty = chart(portfolio(), SYMBOLS, 0, ())
    assert (empty.candles, empty.ema_usd, empty.change_1m_pct) == ((), (), None)


@given(count=st.integers(1, PRICE_HISTORY), gone=st.integers(0, 10_000))
def test_every_second_is_in_exactly_one_candle_and_the_average_has_one_point_each(count: int, gone: int) -> None:
    view = portfolio()
    record = row(view)
    closes(record, [100.0 + i % 7 for i in range(count)])
    record["bars"] = count + (gone if count == PRICE_HISTORY else 0)
    shown = chart(view, SYMBOLS, 0, ())
    assert sum(candle.volume for candle in shown.candles) == count
    assert len(shown.ema_usd) == len(shown.candles) <= PRICE_HISTORY // CANDLE_S + 1
    assert all(c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high for c in shown.candles)


def test_a_candle_keeps_its_seconds_when_a_new_one_comes() -> None:
    view = portfolio()
    record = row(view)
    series = [100.0 + np.sin(i) for i in range(PRICE_HISTORY + 1)]
    closes(record, series[:-1])
    record["bars"] = 1203
    before = chart(view, SYMBOLS, 0, ()).candles
    closes(record, series[1:])
    record["bars"] = 1204
    after = chart(view, SYMBOLS, 0, ()).candles
    assert [c.close for c in before[1:-1]] == [c.close for c in after[1:-1]]


def test_a_fill_stands_on_the_candle_of_its_second() -> None:
    view = portfolio()
    closes(row(view), [100.0] * 10)
    sold = event(EventKind.FILL, time_ns=NOW_NS - 7 * NS_PER_S, side=-1, price_usd=100.5)
    other = event(EventKind.FILL, time_ns=NOW_NS, side=1, price_usd=2700.0, symbol=1)
    shown = chart(view, SYMBOLS, 0, (sold, other))
    assert [(round(m.x, 3), m.price_usd) for m in shown.sells] == [(0.1, 100.5)]
    assert shown.buys == ()


def test_what_is_older_than_the_chart_is_not_marked() -> None:
    view = portfolio()
    closes(row(view), [100.0] * 10)
    assert chart(view, SYMBOLS, 0, (event(EventKind.FILL, time_ns=NOW_NS - 60 * NS_PER_S, side=1),)).buys == ()


def test_an_ai_change_is_a_mark_with_old_and_new() -> None:
    view = portfolio()
    closes(row(view), [100.0] * 20)
    made = event(EventKind.TUNER_CONFIG, field=8, old=1.0, new=0.8, **AI)
    assert [mark.text for mark in chart(view, SYMBOLS, 0, (made,)).ai] == ["stop 1 → 0.8"]


def test_changes_of_one_decision_are_one_mark() -> None:
    view = portfolio()
    closes(row(view), [100.0] * 20)
    made = [event(EventKind.TUNER_CONFIG, field=field, old=1.0, new=0.8, **AI) for field in (8, 7)]
    assert [mark.text for mark in chart(view, SYMBOLS, 0, made).ai] == ["stop 1 → 0.8 +1"]


def test_a_refused_wish_of_the_ai_is_no_change_on_the_chart() -> None:
    view = portfolio()
    closes(row(view), [100.0] * 20)
    refused = event(EventKind.CONFIG_REFUSED, field=8, old=1.0, new=0.8, source=Source.TUNER)
    assert chart(view, SYMBOLS, 0, (refused,)).ai == ()


def test_lines_of_a_position_go_when_it_is_closed() -> None:
    view = portfolio()
    record = row(view, 0, position_qty=1.0, entry_price_usd=100.0, target_price_usd=101.5, stop_price_usd=99.0)
    shown = chart(view, SYMBOLS, 0, ())
    assert (shown.entry_usd, shown.target_usd, shown.stop_usd) == (100.0, 101.5, 99.0)
    record["position_qty"] = 0.0
    shown = chart(view, SYMBOLS, 0, ())
    assert (shown.entry_usd, shown.target_usd, shown.stop_usd) == (0.0, 0.0, 0.0)


def test_a_trader_of_before_the_highs_were_published_still_has_candles() -> None:
    view = portfolio()
    record = row(view)
    closes(record, [10.0, 12.0, 9.0, 11.0, 10.5])
    record["highs_usd"], record["lows_usd"] = 0.0, 0.0
    (candle,) = chart(view, SYMBOLS, 0, ()).candles
    assert (candle.high, candle.low) == (12.0, 9.0)
    assert candle.close == pytest.approx(10.5)
