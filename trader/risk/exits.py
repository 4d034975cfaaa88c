"""When an open position must be closed: looked at on every price, whatever anybody has switched off."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason
from trader.engine.state import PULLBACK, SIGNAL_STRENGTH, STOP, TARGET

MINIMUM_HOLD_NS = 60_000_000_000  # a reversal of the signal closes nothing before: signals flip, costs do not flip back

_NONE = int(Reason.NONE)
_TARGET = int(Reason.TARGET)
_STOP = int(Reason.STOP)
_PULLBACK = int(Reason.PULLBACK)
_REVERSAL = int(Reason.REVERSAL)


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
