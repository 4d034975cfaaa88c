"""How a strategy says what it wants: the opinion record, and the rules every directional strategy shares."""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from shared.events import Reason, Regime
from trader.engine.state import EMA_DEV_HIGHVOL, EMA_DEV_RANGING, EMA_DEV_TRENDING, SIGNAL_STRENGTH
from trader.market.indicators import WARM_UP_BARS
from trader.market.tape import mark_price
from trader.signals.technical import AGREES

EDGE_HORIZON_S = 3600.0  # trades of this system live minutes to hours: the move they may expect is that of an hour
MOST_STRENGTH = 3

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
def entry_objection(state: Any, symbol: Any, strength: int) -> int:
    """Return why a directional strategy should not enter now: too weak for the operator and the mode, too far, or NONE."""
    if strength < min(float(MOST_STRENGTH), symbol.settings.values[SIGNAL_STRENGTH] + state.strength_extra):
        return _WEAK
    ema_usd = symbol.fast.ema_slow_usd
    if abs(mark_price(symbol) - ema_usd) > ema_usd * largest_deviation_pct(symbol) / 100.0:
        return _TOO_FAR
    return _NONE


@compiled
def expected_move_bps(symbol: Any, score: float) -> float:
    """Return the absolute move to expect: the usual one of ``EDGE_HORIZON_S``, scaled by how sure the score is."""
    return float(abs(score) * symbol.volatility_long * 1e4 * math.sqrt(EDGE_HORIZON_S))


@compiled
def agreeing(score: float, one: float, two: float, three: float) -> int:
    """Count the detectors that clearly point where the score points."""
    side = 1.0 if score > 0.0 else -1.0
    return int(one * side >= AGREES) + int(two * side >= AGREES) + int(three * side >= AGREES)


@compiled
def say(state: Any, index: int, opinion: Any, score: float, strength: int) -> None:
    """Write a directional opinion; silence while the indicators warm up."""
    symbol = state.symbols[index]
    warm = symbol.fast.bars >= WARM_UP_BARS and not math.isnan(score)
    opinion.score = score if warm else 0.0
    opinion.strength = strength if warm else 0
    opinion.expected_bps = expected_move_bps(symbol, opinion.score)
    opinion.objection = entry_objection(state, symbol, opinion.strength)
    opinion.quote_bid_usd = 0.0
    opinion.quote_ask_usd = 0.0
