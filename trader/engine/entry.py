"""Whether to enter now: every check in order, the first that fails is the answer to "why no trade"."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason
from trader.engine.state import ORDER_SLOTS
from trader.engine.trading import enter
from trader.market.tape import mark_price
from trader.portfolio.accounting import equity_usd, gross_usd
from trader.risk.checks import evaluate, first_failing
from trader.risk.limits import note_order

_NONE = int(Reason.NONE)


@compiled
def order_pending(symbol: Any) -> bool:
    """Say whether an order of the symbol is on its way or resting: until it is gone, what it will do is not known."""
    pending = 0
    for slot in range(ORDER_SLOTS):
        pending += int(symbol.orders[slot].status != 0)
    return pending > 0


@compiled
def decide_entry(state: Any, index: int) -> float:
    """Evaluate all checks of a symbol, keep the outcome, and return the signed quantity to enter with, 0.0 for none."""
    symbol = state.symbols[index]
    qty = evaluate(state, index, equity_usd(state), gross_usd(state), order_pending(symbol))
    symbol.why = first_failing(symbol)
    if symbol.why != _NONE:
        state.blocked[int(symbol.why)] += 1
        return 0.0
    return float(qty)


@compiled
def consider_entry(state: Any, box: Any, index: int) -> None:
    """Enter if every check allows it; the first that does not is the symbol's ``why``."""
    qty = decide_entry(state, index)
    if qty != 0.0:
        note_order(state)
        enter(state, box, index, qty, mark_price(state.symbols[index]))
