"""A first regime detector, on closed 1 s bars and relative to the symbol's own history.

Trend: Kaufman's efficiency ratio (net move over path length; P. Kaufman, *Smarter Trading*, 1995) over two minutes.
High volatility: the short-run mean absolute return is more than twice the long-run one. A new label must hold for
``DWELL_BARS`` before it counts, so that it does not flicker.
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Regime

WINDOW_BARS = 120
FIRST_BARS = 60  # fewer than this and the regime is unknown
DWELL_BARS = 10
TREND_EFFICIENCY = 0.25
HIGH_VOLATILITY_RATIO = 2.0
SHORT_BARS = 30
LONG_BARS = 300

UNKNOWN = int(Regime.UNKNOWN)
UP = int(Regime.TRENDING_UP)
DOWN = int(Regime.TRENDING_DOWN)
RANGING = int(Regime.RANGING)
HIGH_VOLATILITY = int(Regime.HIGH_VOLATILITY)


@compiled
def _measure(symbol: Any) -> None:
    """Update efficiency, trend and both volatilities from the ring of closes."""
    bars = symbol.bars
    size = len(symbol.closes_usd)
    window = min(WINDOW_BARS, bars - 1)
    last = symbol.closes_usd[(bars - 1) % size]
    first = symbol.closes_usd[(bars - 1 - window) % size]
    path = 0.0
    for back in range(window):
        path += abs(symbol.closes_usd[(bars - 1 - back) % size] - symbol.closes_usd[(bars - 2 - back) % size])
    symbol.efficiency = abs(last - first) / path if path > 0.0 else 0.0
    symbol.trend_pct = 100.0 * (last - first) / first
    before = symbol.closes_usd[(bars - 2) % size]
    absolute_return = abs(last - before) / before
    # a plain mean while young, an exponential one after: the first bars then weigh no more than any other
    symbol.volatility_short += (absolute_return - symbol.volatility_short) / min(bars - 1, SHORT_BARS)
    symbol.volatility_long += (absolute_return - symbol.volatility_long) / min(bars - 1, LONG_BARS)


@compiled
def _candidate(symbol: Any) -> int:
    if symbol.bars < FIRST_BARS:
        return UNKNOWN
    if symbol.volatility_short > HIGH_VOLATILITY_RATIO * symbol.volatility_long:
        return HIGH_VOLATILITY
    if symbol.efficiency >= TREND_EFFICIENCY:
        return UP if symbol.trend_pct > 0.0 else DOWN
    return RANGING


@compiled
def regime_step(symbol: Any) -> int:
    """Advance by one closed bar; return the regime before it."""
    before = int(symbol.regime)
    if symbol.bars < 2:
        return before
    _measure(symbol)
    candidate = _candidate(symbol)
    if candidate != symbol.regime_candidate:
        symbol.regime_candidate = candidate
        symbol.regime_bars = 0
    symbol.regime_bars += 1
    if symbol.regime_bars >= DWELL_BARS or before == UNKNOWN:
        symbol.regime = candidate
    return before
