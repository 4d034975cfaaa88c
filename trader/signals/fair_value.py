"""Fair value: the median of the last closes, and three detectors of a price that returns to it. Scores in [-1, 1], + means up.

The closes are kept in order, so a second costs one shift of memory and the median and the quartiles are exact. The robust
deviation is the interquartile range over 1.349, which is the standard deviation of normal data and blind to spikes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.compiled import compiled
from trader.engine.state import FAIR_WINDOW_BARS
from trader.signals.momentum import close_before
from trader.signals.technical import FULL_MOMENTUM_RSI, clip

FIRST_CLOSES = 60  # fewer and there is no fair value
NORMAL_QUARTILES = 1.349
FULL_DEVIATIONS = 3.0  # price this many robust deviations from its fair value: score 1
EXTREME_S = 15  # the farthest point of a deviation is looked for this far back
FULL_RETRACE = 0.2  # this share of the farthest deviation given back: score 1


@compiled
def _replace(ordered: Any, count: int, old: float, new: float) -> None:
    """Take one value out of an ordered array and put another in, moving only what lies between."""
    at = int(np.searchsorted(ordered[:count], old))
    while at + 1 < count and ordered[at + 1] < new:
        ordered[at] = ordered[at + 1]
        at += 1
    while at > 0 and ordered[at - 1] > new:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = new


@compiled
def _insert(ordered: Any, count: int, new: float) -> None:
    """Put a value into an ordered array that has room."""
    at = count
    while at > 0 and ordered[at - 1] > new:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = new


@compiled
def fair_value_step(symbol: Any) -> None:
    """Take the last closed second into the window; set the fair value and its deviation (0.0 while too young)."""
    fair = symbol.fair
    close = close_before(symbol, 0)
    if fair.count < FAIR_WINDOW_BARS:
        _insert(fair.sorted_usd, fair.count, close)
        fair.count += 1
    else:
        _replace(fair.sorted_usd, FAIR_WINDOW_BARS, close_before(symbol, FAIR_WINDOW_BARS), close)
    count = fair.count
    if count < FIRST_CLOSES:
        return
    fair.value_usd = 0.5 * (fair.sorted_usd[(count - 1) // 2] + fair.sorted_usd[count // 2])
    fair.deviation_usd = (fair.sorted_usd[(3 * count) // 4] - fair.sorted_usd[count // 4]) / NORMAL_QUARTILES


@compiled
def deviation_score(close_usd: float, fair_usd: float, deviation_usd: float) -> float:
    """Return how far the price stands below (+) or above (-) its fair value."""
    return clip((fair_usd - close_usd) / (FULL_DEVIATIONS * deviation_usd)) if deviation_usd > 0.0 else 0.0


@compiled
def reversion_score(symbol: Any) -> float:
    """Return how much of the deviation has been given back since its farthest point, signed towards the fair value.

    0.0 while the deviation still grows: nobody should catch a falling price.
    """
    fair_usd = symbol.fair.value_usd
    now = close_before(symbol, 0) - fair_usd
    farthest = 0.0
    for back in range(min(EXTREME_S, symbol.bars)):
        other = close_before(symbol, back) - fair_usd
        if other * now > 0.0:
            farthest = max(farthest, abs(other))
    if farthest <= 0.0:
        return 0.0
    given_back = clip((1.0 - abs(now) / farthest) / FULL_RETRACE)
    return given_back if now < 0.0 else -given_back


@compiled
def exhaustion_score(rsi: float) -> float:
    """Return how one-sided the last move was, read against it: + after a fall."""
    return clip((50.0 - rsi) / FULL_MOMENTUM_RSI)
