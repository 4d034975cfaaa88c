"""Whether to enter now: every check in order, the first that fails is the answer to "why no trade"."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason
from trader.engine.trading import enter
from trader.market.tape import mark_price
from trader.portfolio.accounting import equity_usd, gross_usd
from trader.risk.limits import entry_blocked
from trader.risk.sizing import entry_qty, gross_allows

_NONE = int(Reason.NONE)
_TOO_SMALL = int(Reason.TOO_SMALL)
_GROSS = int(Reason.GROSS_LIMIT)


@compiled
def consider_entry(state: Any, box: Any, index: int) -> None:
    """Enter if every check allows it; keep the first that does not as the symbol's ``why``."""
    symbol = state.symbols[index]
    symbol.why = entry_blocked(state, symbol)
    if symbol.why != _NONE:
        return
    price = mark_price(symbol)
    symbol.why = symbol.objection
    if symbol.why != _NONE:
        return
    equity = equity_usd(state)
    qty = entry_qty(symbol, price, equity)
    if qty <= 0.0:
        symbol.why = _TOO_SMALL
        return
    if not gross_allows(state, gross_usd(state), qty * price, equity):
        symbol.why = _GROSS
        return
    enter(state, box, index, qty if symbol.score > 0.0 else -qty, price)
