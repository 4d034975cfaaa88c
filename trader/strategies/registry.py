"""The strategies there are.

A new one is a file with one function, one import and one line here, and its name in ``shared.params.STRATEGY_NAMES`` (its place
there is its code).

Plain calls instead of a table of functions: numba then compiles everything into the one step, and caches it.
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from trader.strategies.blend import blend
from trader.strategies.fair_value import fair_value
from trader.strategies.market_maker import market_maker
from trader.strategies.momentum import momentum
from trader.strategies.order_flow import order_flow
from trader.strategies.technical import technical


@compiled
def ask_all(state: Any, index: int) -> None:
    """Let every strategy write its opinion of a symbol. A strategy may read those asked before it."""
    technical(state, index)
    momentum(state, index)
    fair_value(state, index)
    market_maker(state, index)
    order_flow(state, index)
    blend(state, index)
