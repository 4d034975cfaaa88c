"""The technical-indicator strategy: follows the market when trend, momentum and location agree.

Three detectors vote for the strength; the MACD histogram only weighs in the score, because it fades in a steady trend.
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Strategy
from trader.signals.momentum import close_before
from trader.signals.technical import location_score, macd_score, momentum_score, trend_score
from trader.strategies.opinion import agreeing, say

CODE = int(Strategy.TECHNICAL)
MACD_WEIGHT = 0.1


@compiled
def technical(state: Any, index: int) -> None:
    """Follow the mean of the technical detectors."""
    symbol = state.symbols[index]
    fast = symbol.fast
    trend = trend_score(fast.ema_fast_usd, fast.ema_slow_usd, fast.atr_usd)
    momentum = momentum_score(fast.rsi)
    location = location_score(close_before(symbol, 0), fast.band_middle_usd, fast.band_width_usd)
    macd = macd_score(fast.macd_usd, fast.macd_signal_usd, fast.atr_usd)
    score = (1.0 - MACD_WEIGHT) * (trend + momentum + location) / 3.0 + MACD_WEIGHT * macd
    say(state, index, symbol.opinions[CODE], score, agreeing(score, trend, momentum, location))
