"""The technical-indicator strategy. Entries on closed bars; exits on every price, whatever the tuner does."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason, Regime
from trader.engine.state import (
    EMA_DEV_HIGHVOL,
    EMA_DEV_RANGING,
    EMA_DEV_TRENDING,
    PULLBACK,
    SIGNAL_STRENGTH,
    STOP,
    TARGET,
)

MINIMUM_HOLD_NS = 60_000_000_000  # a reversal of the signal closes nothing before: signals flip, costs do not flip back

_NONE = int(Reason.NONE)
_WEAK = int(Reason.WEAK_SIGNAL)
_TOO_FAR = int(Reason.EMA_DEVIATION)
_TARGET = int(Reason.TARGET)
_STOP = int(Reason.STOP)
_PULLBACK = int(Reason.PULLBACK)
_REVERSAL = int(Reason.REVERSAL)
_UP = int(Regime.TRENDING_UP)
_DOWN = int(Regime.TRENDING_DOWN)
_HIGH_VOLATILITY = int(Regime.HIGH_VOLATILITY)


@compiled
def largest_deviation_pct(symbol: Any) -> float:
    """Return the EMA-deviation limit of the current regime, %."""
    values = symbol.settings.values
    if symbol.regime in (_UP, _DOWN):
        return float(values[EMA_DEV_TRENDING])
    if symbol.regime == _HIGH_VOLATILITY:
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


@compiled
def exit_reason(symbol: Any, price_usd: float) -> int:
    """Return why the open position must be closed at ``price_usd`` (its executable price), or NONE.

    The stop is looked at first: where two exits are met at one price the worse is told.
    """
    side = 1.0 if symbol.position_qty > 0.0 else -1.0
    values = symbol.settings.values
    entry_usd = symbol.entry_price_usd
    gain_pct = 100.0 * side * (price_usd - entry_usd) / entry_usd
    if gain_pct <= -values[STOP]:
        return _STOP
    if gain_pct >= values[TARGET]:
        return _TARGET
    best_gain_pct = 100.0 * side * (symbol.best_price_usd - entry_usd) / entry_usd
    given_back_pct = 100.0 * side * (symbol.best_price_usd - price_usd) / symbol.best_price_usd
    if best_gain_pct >= values[PULLBACK] and given_back_pct >= values[PULLBACK]:
        return _PULLBACK
    return _NONE


@compiled
def reversal_reason(symbol: Any, time_ns: int) -> int:
    """Return REVERSAL if a closed bar's signal now points against the position strongly enough, else NONE."""
    side = 1.0 if symbol.position_qty > 0.0 else -1.0
    held_long_enough = time_ns - symbol.entry_ns >= MINIMUM_HOLD_NS
    if held_long_enough and symbol.score * side < 0.0 and symbol.strength >= symbol.settings.values[SIGNAL_STRENGTH]:
        return _REVERSAL
    return _NONE
