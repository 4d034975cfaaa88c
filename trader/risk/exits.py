"""When an open position must be closed: looked at on every price, whatever anybody has switched off."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason
from trader.engine.state import COMMISSION, PULLBACK, SIGNAL_STRENGTH, SLIPPAGE, STOP, TARGET

MINIMUM_HOLD_NS = 60_000_000_000  # a reversal of the signal closes nothing before: signals flip, costs do not flip back
TIME_EXIT_S = 3600  # a position older than this is kept only while the score still points its way
BREAK_EVEN_ARM = 0.5  # share of the target at which a gain is no longer given back altogether
PROFIT_LOCK_ARM = 0.75  # share of the target at which part of the best gain is locked in
PROFIT_LOCK_KEPT = 0.5  # that part

_NONE = int(Reason.NONE)
_TARGET = int(Reason.TARGET)
_STOP = int(Reason.STOP)
_PULLBACK = int(Reason.PULLBACK)
_REVERSAL = int(Reason.REVERSAL)
_TIME_EXIT = int(Reason.TIME_EXIT)
_BREAK_EVEN = int(Reason.BREAK_EVEN)
_PROFIT_LOCK = int(Reason.PROFIT_LOCK)


@compiled
def costs_ahead_pct(state: Any) -> float:
    """Return the gain over the entry price at which leaving costs nothing, %; the entry's slippage is in that price already."""
    return float((state.controls.values[SLIPPAGE] + 2.0 * state.controls.values[COMMISSION]) / 100.0)


@compiled
def exit_reason(state: Any, symbol: Any, price_usd: float) -> int:
    """Return why the open position must be closed at ``price_usd`` (its executable price), or NONE.

    Where several exits are met at one price the worst outcome is told: stop, break-even, profit lock, pullback, target.
    """
    side = 1.0 if symbol.position_qty > 0.0 else -1.0
    values = symbol.settings.values
    entry_usd = symbol.entry_price_usd
    gain_pct = 100.0 * side * (price_usd - entry_usd) / entry_usd
    if gain_pct <= -values[STOP]:
        return _STOP
    best_gain_pct = 100.0 * side * (symbol.best_price_usd - entry_usd) / entry_usd
    costs_pct = costs_ahead_pct(state)
    if best_gain_pct >= max(BREAK_EVEN_ARM * values[TARGET], 2.0 * costs_pct) and gain_pct <= costs_pct:
        return _BREAK_EVEN
    if best_gain_pct >= PROFIT_LOCK_ARM * values[TARGET] and gain_pct <= PROFIT_LOCK_KEPT * best_gain_pct:
        return _PROFIT_LOCK
    given_back_pct = 100.0 * side * (symbol.best_price_usd - price_usd) / symbol.best_price_usd
    if best_gain_pct >= values[PULLBACK] and given_back_pct >= values[PULLBACK]:
        return _PULLBACK
    return _TARGET if gain_pct >= values[TARGET] else _NONE


@compiled
def exit_levels(state: Any, symbol: Any) -> tuple[float, float]:
    """Return the prices (target, stop) at which the open position is closed now, USD; (0.0, 0.0) without a position.

    The stop is the nearest of stop, break-even, profit lock and pullback that are armed.
    """
    if symbol.position_qty == 0.0:
        return 0.0, 0.0
    side = 1.0 if symbol.position_qty > 0.0 else -1.0
    values = symbol.settings.values
    entry_usd, best_usd = symbol.entry_price_usd, symbol.best_price_usd
    best_gain_pct = 100.0 * side * (best_usd - entry_usd) / entry_usd
    costs_pct = costs_ahead_pct(state)
    kept_pct = -values[STOP]
    if best_gain_pct >= max(BREAK_EVEN_ARM * values[TARGET], 2.0 * costs_pct):
        kept_pct = max(kept_pct, costs_pct)
    if best_gain_pct >= PROFIT_LOCK_ARM * values[TARGET]:
        kept_pct = max(kept_pct, PROFIT_LOCK_KEPT * best_gain_pct)
    stop_usd = entry_usd * (1.0 + side * kept_pct / 100.0)
    if best_gain_pct >= values[PULLBACK]:
        trailing_usd = best_usd * (1.0 - side * values[PULLBACK] / 100.0)
        stop_usd = max(stop_usd, trailing_usd) if side > 0.0 else min(stop_usd, trailing_usd)
    return float(entry_usd * (1.0 + side * values[TARGET] / 100.0)), float(stop_usd)


@compiled
def reversal_reason(symbol: Any, time_ns: int) -> int:
    """Return why a closed bar's signal ends the position, or NONE: it points against it, or no longer its way after an hour."""
    side = 1.0 if symbol.position_qty > 0.0 else -1.0
    held_ns = time_ns - symbol.entry_ns
    if held_ns >= MINIMUM_HOLD_NS and symbol.score * side < 0.0 and symbol.strength >= symbol.settings.values[SIGNAL_STRENGTH]:
        return _REVERSAL
    if held_ns >= TIME_EXIT_S * 1_000_000_000 and symbol.score * side <= 0.0:
        return _TIME_EXIT
    return _NONE
