"""Scores are bounded whatever the market does, no opinion knows the future, and MACD is TA-Lib's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import NS_PER_S
from shared.events import Strategy
from tests.engine_support import START_NS, Rows, Story, eventful_market
from trader.engine.state import INDICATORS
from trader.market.indicators import MACD_FAST, MACD_SIGNAL, MACD_SLOW, indicators_step
from trader.signals.fair_value import deviation_score, exhaustion_score
from trader.signals.momentum import move_score
from trader.signals.order_flow import imbalance_score, spread_score
from trader.signals.technical import location_score, macd_score, momentum_score, trend_score

PRICES = st.floats(1e-6, 1e7)
AMOUNTS = st.floats(0.0, 1e12)
SECONDS = 260


@given(PRICES, PRICES, PRICES, PRICES, AMOUNTS)
@settings(max_examples=200, deadline=None)
def test_detectors_are_bounded(one: float, two: float, three: float, four: float, amount: float) -> None:
    scores = (
        trend_score(one, two, amount),
        location_score(one, two, amount),
        macd_score(one, two, amount),
        move_score(one, two, three, four, amount),
        deviation_score(one, two, amount),
        imbalance_score(amount, one),
        imbalance_score(0.0, amount),
        spread_score(one, two),
        momentum_score(min(one, 100.0)),
        exhaustion_score(min(one, 100.0)),
    )
    assert all(-1.0 <= score <= 1.0 for score in scores)


@given(st.integers(0, 2**32 - 1), st.integers(60, 300))
@settings(max_examples=40, deadline=None)
def test_macd_agrees_with_talib(seed: int, bars: int) -> None:
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 2e-3, bars)))
    state: Any = np.zeros(1, INDICATORS)
    ours = []
    for i in range(bars):
        indicators_step(state[0], closes[i], closes[i], closes[i], closes[: i + 1])
        ours.append((float(state[0]["macd_usd"]), float(state[0]["macd_signal_usd"])))
    macd, signal, _ = talib.MACD(closes, MACD_FAST, MACD_SLOW, MACD_SIGNAL)
    warm = MACD_SLOW + MACD_SIGNAL - 2
    np.testing.assert_allclose(np.array(ours)[warm:], np.stack([macd, signal], axis=1)[warm:], rtol=1e-9, atol=1e-9)
    assert math.isnan(macd[warm - 1])
    assert math.isnan(ours[warm - 1][1])


def seconds_of(rows: Rows) -> list[Rows]:
    """Return the rows second by second."""
    parts: list[Rows] = [[] for _ in range(SECONDS + 2)]
    for one in rows:
        parts[min((one[1] - START_NS) // NS_PER_S, SECONDS + 1)].append(one)
    return parts


def wants(story: Story) -> bytes:
    """Return everything the strategies and SMART want of both symbols."""
    symbols = story.account["symbols"][:2]
    names = ("opinions", "strategy", "score", "strength", "objection", "expected_bps", "quote_bid_usd", "quote_ask_usd", "regime")
    return b"".join(symbols[name].tobytes() for name in names)


@given(st.integers(0, 1000), st.data())
@settings(max_examples=15, deadline=None)
def test_no_strategy_sees_what_comes_after(seed: int, data: st.DataObject) -> None:
    parts = seconds_of(eventful_market(seed, SECONDS))
    cut = data.draw(st.integers(1, len(parts)))
    full, seen = Story(2), []
    for part in parts:
        full.tell(part)
        seen.append(wants(full))
    prefix = Story(2).tell([one for part in parts[:cut] for one in part])
    assert wants(prefix) == seen[cut - 1]


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_opinions_are_bounded_on_any_market(seed: int) -> None:
    for story in (Story(2), Story(2, signal_strength=1.0)):
        for part in seconds_of(eventful_market(seed, SECONDS)):
            story.tell(part)
            opinions = story.account["symbols"]["opinions"][:2]
            assert (np.abs(opinions["score"]) <= 1.0).all()
            assert ((opinions["strength"] >= 0) & (opinions["strength"] <= 3)).all()
            assert (np.isfinite(opinions["expected_bps"]) & (opinions["expected_bps"] >= 0.0)).all()
            assert not opinions[:, Strategy.NONE]["score"].any()
