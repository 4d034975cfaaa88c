"""The leader filter: coins follow one another, so an entry needs the leading symbol (BTC, say) on its side.

Two conditions: the leader's own signal must point the same way, on a feed that is alive; and over ``STRENGTH_WINDOW_S`` (or as
long as both are known) the symbol must not have moved against the trade by more than ``LARGEST_LAG_PCT`` compared with the
leader (relative strength).
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Strategy
from trader.engine.state import LEADER
from trader.signals.momentum import close_before

STRENGTH_WINDOW_S = 60
LARGEST_LAG_PCT = 0.10

_TECHNICAL = int(Strategy.TECHNICAL)
_MARKET_MAKER = int(Strategy.MARKET_MAKER)


@compiled
def direction(symbol: Any) -> float:
    """Return the leader's signal: of its acting strategy, or of the technical one where that has no direction."""
    if symbol.strategy in (0, _MARKET_MAKER):
        return float(symbol.opinions[_TECHNICAL].score)
    return float(symbol.score)


@compiled
def relative_return_pct(symbol: Any, other: Any) -> float:
    """Return the move of a symbol minus that of another over the same closed seconds, %."""
    window_s = min(STRENGTH_WINDOW_S, symbol.bars - 1, other.bars - 1)
    if window_s < 1:
        return 0.0
    own = close_before(symbol, 0) / close_before(symbol, window_s)
    return 100.0 * (own - close_before(other, 0) / close_before(other, window_s))


@compiled
def leader_disagrees(state: Any, index: int) -> bool:
    """Say whether the leader is against the entry that the symbol's score asks for."""
    leader = int(state.controls.values[LEADER]) - 1
    if leader < 0 or leader == index:
        return False
    if leader >= state.n_symbols:
        return True
    symbol = state.symbols[index]
    other = state.symbols[leader]
    if other.stale or not direction(other) * symbol.score > 0.0:
        return True
    side = 1.0 if symbol.score > 0.0 else -1.0
    return bool(side * relative_return_pct(symbol, other) < -LARGEST_LAG_PCT)
