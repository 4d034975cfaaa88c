"""Whether to enter now: every check in order, the first that fails is the answer to "why no trade"."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason, Strategy
from trader.engine.state import ASK_SLOT, BID_SLOT, MARKET_SLOT
from trader.engine.trading import enter
from trader.market.tape import mark_price
from trader.portfolio.accounting import equity_usd, gross_usd
from trader.risk.checks import evaluate, first_failing
from trader.risk.limits import note_order

_NONE = int(Reason.NONE)
_MARKET_MAKER = int(Strategy.MARKET_MAKER)


@compiled
def order_pending(symbol: Any) -> bool:
    """Say whether an order is on its way, or one of a strategy that acts no more still rests: what it will do is not known."""
    if symbol.orders[MARKET_SLOT].status != 0:
        return True
    quotes = symbol.orders[BID_SLOT].status + symbol.orders[ASK_SLOT].status
    return bool(quotes != 0 and symbol.strategy != _MARKET_MAKER)


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
