"""The checks before an entry, in order; the first that fails is the answer to "why no trade"."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason
from trader.engine.state import COOLDOWN, ENABLED_FIELD, MAX_DRAWDOWN, TRADING_ENABLED
from trader.market.book import is_crossed
from trader.market.indicators import WARM_UP_BARS
from trader.market.tape import mark_price

NS_PER_MS = 1_000_000

_NONE = int(Reason.NONE)
_DISABLED = int(Reason.TRADING_DISABLED)
_HALT = int(Reason.DRAWDOWN_HALT)
_PAUSED = int(Reason.PAUSED)
_NO_PRICE = int(Reason.NO_PRICE)
_NO_INSTRUMENT = int(Reason.NO_INSTRUMENT)
_STALE = int(Reason.STALE_FEED)
_CROSSED = int(Reason.CROSSED_BOOK)
_WARMING_UP = int(Reason.WARMING_UP)
_IN_POSITION = int(Reason.IN_POSITION)
_COOLDOWN = int(Reason.COOLDOWN)
_LONG_ONLY = int(Reason.LONG_ONLY)


@compiled
def entry_blocked(state: Any, symbol: Any) -> int:
    """Return the reason that forbids any entry in the symbol now, or NONE. Says nothing about the signal."""
    if state.controls.values[TRADING_ENABLED] < 1.0:
        return _DISABLED
    if state.halted:
        return _HALT
    if symbol.settings.values[ENABLED_FIELD] < 1.0:
        return _PAUSED
    if symbol.step_size <= 0.0:
        return _NO_INSTRUMENT
    if mark_price(symbol) <= 0.0:
        return _NO_PRICE
    if symbol.stale:
        return _STALE
    if symbol.book_valid and is_crossed(symbol):
        return _CROSSED
    if symbol.fast.bars < WARM_UP_BARS:
        return _WARMING_UP
    if symbol.position_qty != 0.0:
        return _IN_POSITION
    if state.time_ns - symbol.last_fill_ns < symbol.settings.values[COOLDOWN] * NS_PER_MS:
        return _COOLDOWN
    if symbol.score < 0.0 and not symbol.perpetual:
        return _LONG_ONLY
    return _NONE


@compiled
def drawdown_pct(state: Any, equity_usd: float) -> float:
    """Return the fall from the equity peak, %."""
    return 100.0 * (1.0 - equity_usd / state.peak_equity_usd) if state.peak_equity_usd > 0.0 else 0.0


@compiled
def drawdown_broken(state: Any, equity_usd: float) -> bool:
    """Say whether the drawdown limit is reached: new entries then stop until a human enables trading again."""
    return bool(drawdown_pct(state, equity_usd) >= state.controls.values[MAX_DRAWDOWN])
