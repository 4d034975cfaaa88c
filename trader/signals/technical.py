"""Technical detectors that follow the market: trend, momentum, location and MACD. Each is a score in [-1, 1]; + means up."""

from __future__ import annotations

from shared.compiled import compiled

FULL_TREND_ATR = 4.0  # EMAs this many ATRs apart: score 1
FULL_MOMENTUM_RSI = 20.0  # RSI this far from 50: score 1
FULL_LOCATION_DEVIATIONS = 2.0  # price on the outer Bollinger band: score 1
FULL_MACD_ATR = 1.0  # MACD this many ATRs above its signal: score 1
AGREES = 0.5  # a detector counts towards strength from this score on


@compiled
def clip(score: float) -> float:
    """Bound a score to [-1, 1]."""
    return min(max(score, -1.0), 1.0)


@compiled
def trend_score(fast_usd: float, slow_usd: float, atr_usd: float) -> float:
    """Return the distance of the EMAs in units of the ATR."""
    return clip((fast_usd - slow_usd) / (FULL_TREND_ATR * atr_usd)) if atr_usd > 0.0 else 0.0


@compiled
def momentum_score(rsi: float) -> float:
    """Return the distance of the RSI from its middle."""
    return clip((rsi - 50.0) / FULL_MOMENTUM_RSI)


@compiled
def location_score(close_usd: float, middle_usd: float, deviation_usd: float) -> float:
    """Return where the close stands between the Bollinger bands: +1 on or above the upper one."""
    return clip((close_usd - middle_usd) / (FULL_LOCATION_DEVIATIONS * deviation_usd)) if deviation_usd > 0.0 else 0.0


@compiled
def macd_score(macd_usd: float, signal_usd: float, atr_usd: float) -> float:
    """Return the MACD histogram in units of the ATR: is the trend gaining or losing speed."""
    return clip((macd_usd - signal_usd) / (FULL_MACD_ATR * atr_usd)) if atr_usd > 0.0 else 0.0
