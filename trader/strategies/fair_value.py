"""The fair-value strategy: trades the return to the median price, once a large deviation has begun to shrink."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Strategy
from trader.signals.fair_value import deviation_score, exhaustion_score, reversion_score
from trader.signals.momentum import close_before
from trader.strategies.opinion import agreeing, say

CODE = int(Strategy.FAIR_VALUE)


@compiled
def fair_value(state: Any, index: int) -> None:
    """Lean against a deviation that shrinks; expect no more than the way back."""
    symbol = state.symbols[index]
    fair = symbol.fair
    close = close_before(symbol, 0)
    deviation = deviation_score(close, fair.value_usd, fair.deviation_usd)
    reversion = reversion_score(symbol) if deviation != 0.0 else 0.0
    exhaustion = exhaustion_score(symbol.fast.rsi)
    score = (deviation + reversion + exhaustion) / 3.0
    if reversion == 0.0 or score * deviation < 0.0:
        score = 0.0
    strength = agreeing(score, deviation, reversion, exhaustion) if score != 0.0 else 0
    opinion = symbol.opinions[CODE]
    say(state, index, opinion, score, strength)
    opinion.expected_bps = min(opinion.expected_bps, 1e4 * abs(close - fair.value_usd) / close)
