"""The technical-indicator strategy."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason, Regime
from trader.engine.state import (
    EMA_DEV_HIGHVOL,
    EMA_DEV_RANGING,
    EMA_DEV_TRENDING,
    SIGNAL_STRENGTH,
)

_NONE = int(Reason.NONE)
_WEAK = int(Reason.WEAK_SIGNAL)
_TOO_FAR = int(Reason.EMA_DEVIATION)
_UP = int(Regime.TRENDING_UP)
_DOWN = int(Regime.TRENDING_DOWN)
_HIGH_VOLATILITY = int(Regime.HIGH_VOLATILITY)
_SPIKE = int(Regime.SPIKE)


@compiled
def largest_deviation_pct(symbol: Any) -> float:
    """Return the EMA-deviation limit of the current regime, %."""
    values = symbol.settings.values
    if symbol.regime in (_UP, _DOWN):
        return float(values[EMA_DEV_TRENDING])
    if symbol.regime in (_HIGH_VOLATILITY, _SPIKE):
        return float(values[EMA_DEV_HIGHVOL])
    return float(values[EMA_DEV_RANGING])


@compiled
def entry_objection(symbol: Any, price_usd: float) -> int:
    """Return why the strategy does not want to enter now, or NONE."""
    if symbol.strength < symbol.settings.values[SIGNAL_STRENGTH]:
        return _WEAK
    ema_usd = symbol.fast.ema_slow_usd
    if abs(price_usd - ema_usd) > ema_usd * largest_deviation_pct(symbol) / 100.0:
        return _TOO_FAR
    return _NONE
