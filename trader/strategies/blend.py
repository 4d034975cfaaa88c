"""The blend: a weighted mean of the directional strategies, the weights by regime. Trends follow, ranges return, else all."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Regime, Strategy
from trader.signals.technical import AGREES
from trader.strategies.opinion import MOST_STRENGTH, say

CODE = int(Strategy.BLEND)
PARTS = (int(Strategy.TECHNICAL), int(Strategy.MOMENTUM), int(Strategy.FAIR_VALUE), int(Strategy.ORDER_FLOW))
TREND_WEIGHTS = (0.4, 0.4, 0.0, 0.2)  # of the parts, in their order
RANGE_WEIGHTS = (0.0, 0.0, 0.7, 0.3)
OTHER_WEIGHTS = (0.3, 0.3, 0.2, 0.2)
_UP = int(Regime.TRENDING_UP)
_DOWN = int(Regime.TRENDING_DOWN)
_RANGING = int(Regime.RANGING)
_LOW_VOLATILITY = int(Regime.LOW_VOLATILITY)


@compiled
def weights_of(regime: int) -> tuple[float, float, float, float]:
    """Return the weights of the parts in a regime; they sum to 1."""
    if regime in (_UP, _DOWN):
        return TREND_WEIGHTS
    if regime in (_RANGING, _LOW_VOLATILITY):
        return RANGE_WEIGHTS
    return OTHER_WEIGHTS


@compiled
def blend(state: Any, index: int) -> None:
    """Weigh the opinions already given this second; the strength counts those that clearly agree."""
    symbol = state.symbols[index]
    weights = weights_of(int(symbol.regime))
    score = 0.0
    for i in range(len(PARTS)):
        score += weights[i] * symbol.opinions[PARTS[i]].score
    side = 1.0 if score > 0.0 else -1.0
    agree = 0
    for i in range(len(PARTS)):
        agree += int(weights[i] > 0.0 and symbol.opinions[PARTS[i]].score * side >= AGREES)
    say(state, index, symbol.opinions[CODE], score, min(agree, MOST_STRENGTH))
