"""The indicators against TA-Lib, written by others, on recorded and on random bars; and no look ahead."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_support import Story, market
from tests.support import recorded
from trader.engine.state import INDICATORS
from trader.market.indicators import (
    ATR_PERIOD,
    BAND_PERIOD,
    EMA_FAST,
    EMA_SLOW,
    RSI_PERIOD,
    indicators,
    indicators_step,
)

Floats = npt.NDArray[np.float64]
NAMES = ("ema fast", "ema slow", "rsi", "atr", "band middle", "band width")
FIELDS = ("ema_fast_usd", "ema_slow_usd", "rsi", "atr_usd", "band_middle_usd", "band_width_usd")


def walk(seed: int, bars: int) -> tuple[Floats, Floats, Floats]:
    """Return highs, lows and closes of a random walk around 100."""
    random = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(random.normal(0.0, 2e-3, bars)))
    opens = np.concatenate([closes[:1], closes[:-1]])
    noise = np.abs(random.normal(0.0, 0.1, (2, bars)))
    return np.maximum(opens, closes) + noise[0], np.minimum(opens, closes) - noise[1], closes


def oracle(highs: Floats, lows: Floats, closes: Floats) -> Floats:
    upper, middle, _ = talib.BBANDS(closes, BAND_PERIOD, 1.0, 1.0)
    columns = (
        talib.EMA(closes, EMA_FAST),
        talib.EMA(closes, EMA_SLOW),
        talib.RSI(closes, RSI_PERIOD),
        talib.ATR(highs, lows, closes, ATR_PERIOD),
        middle,
        upper - middle,
    )
    return np.stack(columns, axis=1)


def assert_same(ours: Floats, theirs: Floats) -> None:
    for i, name in enumerate(NAMES):
        np.testing.assert_array_equal(np.isnan(ours[:, i]), np.isnan(theirs[:, i]), err_msg=f"warm-up of {name}")
        # TA-Lib's bands come from a running sum of squares: good to about 1e-7 of the price, not of the width
        np.testing.assert_allclose(ours[:, i], theirs[:, i], rtol=1e-9, atol=1e-6 if i == 5 else 1e-9, err_msg=name)


def as_rows(out: Any) -> list[float]:
    return [float(out[name]) for name in FIELDS]


@given(st.integers(0, 2**32 - 1), st.integers(61, 400))
@settings(max_examples=60, deadline=None)
def test_indicators_agree_with_talib_on_random_walks(seed: int, bars: int) -> None:
    highs, lows, closes = walk(seed, bars)
    assert_same(indicators(highs, lows, closes), oracle(highs, lows, closes))


@pytest.mark.recorded
def test_indicators_agree_with_talib_on_recorded_minutes() -> None:
    path = recorded("binance_vision_usdm_klines_1m") / "AVAXUSDT-1m-2026-06.csv.gz"
    with gzip.open(path, "rt") as file:
        bars = np.loadtxt(file, delimiter=",", skiprows=1, usecols=(2, 3, 4), max_rows=20_000)
    highs, lows, closes = (np.ascontiguousarray(column) for column in bars.T)
    ours, theirs = indicators(highs, lows, closes), oracle(highs, lows, closes)
    still = (closes[1:] == closes[:-1]).all()
    assert not still
    assert_same(ours, theirs)


def test_a_market_that_does_not_move_has_a_middling_rsi_and_no_width() -> None:
    flat = np.full(100, 50.0)
    last = indicators(flat, flat, flat)[-1]
    assert last.tolist() == [50.0, 50.0, 50.0, 0.0, 50.0, 0.0]


@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_folding_the_steps_is_the_batch_to_the_bit(seed: int, bars: int) -> None:
    highs, lows, closes = walk(seed, bars)
    state: Any = np.zeros(1, INDICATORS)
    ring = np.zeros(300)
    stepped = []
    for i in range(bars):
        ring[i % 300] = closes[i]
        indicators_step(state[0], highs[i], lows[i], closes[i], ring)
        stepped.append(as_rows(state[0]))
    assert np.array(stepped).tobytes() == indicators(highs, lows, closes).tobytes()


@given(st.integers(0, 2**32 - 1), st.integers(2, 200), st.data())
@settings(max_examples=40, deadline=None)
def test_no_bar_sees_the_bars_after_it(seed: int, bars: int, data: st.DataObject) -> None:
    highs, lows, closes = walk(seed, bars)
    known = data.draw(st.integers(1, bars - 1))
    other_future = [np.concatenate([a[:known], a[known:] * 1.5]) for a in (highs, lows, closes)]
    whole, other = indicators(highs, lows, closes), indicators(*other_future)
    assert whole[:known].tobytes() == other[:known].tobytes()
    assert indicators(highs[:known], lows[:known], closes[:known]).tobytes() == whole[:known].tobytes()


def test_the_engine_folds_its_one_second_bars_with_these_steps() -> None:
    _, _, prices = walk(7, 150)
    story = Story().tell(market(list(prices)))
    symbol = story.symbol()
    # the first second only sets the price, the last bar is still forming; trades close a bar at their own price
    bars = int(symbol["fast"]["bars"])
    closes = prices[1 : bars + 1]
    opens = np.concatenate([prices[:1], closes[:-1]])
    expected = indicators(np.maximum(opens, closes), np.minimum(opens, closes), closes)[-1]
    assert bars == 148
    assert as_rows(symbol["fast"]) == pytest.approx(expected.tolist(), rel=1e-12)
