"""Turning what the market maker wants into resting orders, once a closed second."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason
from trader.engine.state import BASE_POSITION, MAX_POSITION
from trader.engine.trading import market_order_pending, quote
from trader.market.tape import mark_price
from trader.portfolio.accounting import equity_usd

_QUOTE = int(Reason.QUOTE)
_NOT_FOR_QUOTES = (
    int(Reason.IN_POSITION), int(Reason.ORDER_PENDING), int(Reason.COOLDOWN), int(Reason.WEAK_SIGNAL), int(Reason.NO_STRATEGY),
    int(Reason.EMA_DEVIATION), int(Reason.LEADER_DISAGREES), int(Reason.FLIP_COOLDOWN), int(Reason.LONG_ONLY),
    int(Reason.MIN_EDGE),
)  # fmt: skip


@compiled
def _may_add(symbol: Any) -> bool:
    """Say whether every check that concerns a quote allows more exposure."""
    for i in range(symbol.n_checks):
        check = symbol.checks[i]
        if not check.passed and int(check.reason) not in _NOT_FOR_QUOTES:
            return False
    return bool(symbol.n_checks > 0)


@compiled
def requote(state: Any, box: Any, index: int) -> None:
    """Bring the two resting orders in line with the quotes: both sides when flat, only the reducing one in a position."""
    symbol = state.symbols[index]
    if symbol.manual and symbol.position_qty != 0.0:
        return
    bid_usd = float(symbol.quote_bid_usd)
    ask_usd = float(symbol.quote_ask_usd)
    if bid_usd <= 0.0 and ask_usd <= 0.0 and symbol.orders[1].status == 0 and symbol.orders[2].status == 0:
        return
    position = float(symbol.position_qty)
    unit = _unit_qty(state, symbol) if _may_add(symbol) and not market_order_pending(symbol) else 0.0
    bid_qty = unit if position == 0.0 else max(-position, 0.0)
    ask_qty = unit if position == 0.0 and symbol.perpetual else max(position, 0.0)
    quote(state, box, index, 1, bid_qty, bid_usd, _QUOTE)
    quote(state, box, index, -1, ask_qty, ask_usd, _QUOTE)


@compiled
def _unit_qty(state: Any, symbol: Any) -> float:
    """Return the quantity of a quote that opens: the base size, in whole steps, 0.0 if the venue would not take it."""
    price = mark_price(symbol)
    if price <= 0.0 or symbol.step_size <= 0.0:
        return 0.0
    values = symbol.settings.values
    share_pct = min(values[BASE_POSITION] * state.size_factor, values[MAX_POSITION])
    qty = float(int(equity_usd(state) * share_pct / 100.0 / price / symbol.step_size + 1e-9) * symbol.step_size)
    return qty if qty * price >= symbol.min_notional_usd else 0.0
