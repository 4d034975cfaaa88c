"""A human's own buy or sell: no signal is asked, but what protects the account is."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason, RiskState
from trader.engine.state import BASE_POSITION, LEVERAGE, MAX_GROSS, MAX_SYMBOL
from trader.engine.trading import market_order_pending, trade_by_hand
from trader.market.tape import mark_price
from trader.portfolio.accounting import equity_usd, gross_usd
from trader.risk.sizing import entry_cost, whole_steps

_HALTED = int(RiskState.HALTED)
_DISABLED = int(Reason.TRADING_DISABLED)
_STALE = int(Reason.STALE_FEED)
_NO_PRICE = int(Reason.NO_PRICE)
_NO_INSTRUMENT = int(Reason.NO_INSTRUMENT)
_PENDING = int(Reason.ORDER_PENDING)
_LONG_ONLY = int(Reason.LONG_ONLY)
_TOO_SMALL = int(Reason.TOO_SMALL)
_SYMBOL = int(Reason.SYMBOL_EXPOSURE)
_GROSS = int(Reason.GROSS_LIMIT)
_BUYING_POWER = int(Reason.BUYING_POWER)
_NOT_RECONCILED = int(Reason.NOT_RECONCILED)


@compiled
def _unfit(symbol: Any) -> int:
    """Return why nothing can be traded in the symbol at all, or 0."""
    if symbol.step_size <= 0.0:
        return _NO_INSTRUMENT
    if mark_price(symbol) <= 0.0:
        return _NO_PRICE
    if symbol.stale:
        return _STALE
    if market_order_pending(symbol):
        return _PENDING
    return 0


@compiled
def _too_much(state: Any, symbol: Any, side: int, qty: float) -> int:
    """Return the limit that an order which adds to the position would pass, or 0."""
    if state.risk == _HALTED:
        return _DISABLED
    if not state.reconciled:
        return _NOT_RECONCILED
    price = mark_price(symbol)
    equity = equity_usd(state)
    after = abs(symbol.position_qty + side * qty) * price
    left = equity - qty * price * entry_cost(state, symbol)
    controls = state.controls.values
    if after > left * controls[MAX_SYMBOL] / 100.0:
        return _SYMBOL
    gross = gross_usd(state) - abs(symbol.position_qty) * price + after
    if gross > left * controls[MAX_GROSS] / 100.0:
        return _GROSS
    if gross > left * (controls[LEVERAGE] if symbol.perpetual else 1.0):
        return _BUYING_POWER
    return 0


@compiled
def by_hand(state: Any, box: Any, index: int, side: int, notional_usd: float, source: int) -> int:
    """Buy or sell at the market for about ``notional_usd`` (0: the symbol's base size); return why not, or 0.

    Reducing is possible in every state; adding holds the account's limits. On spot a sale sells what there is and no more.
    """
    symbol = state.symbols[index]
    reason = _unfit(symbol)
    if reason != 0:
        return reason
    wanted = notional_usd
    if wanted <= 0.0:
        wanted = max(equity_usd(state), 0.0) * symbol.settings.values[BASE_POSITION] / 100.0
    qty = whole_steps(symbol, wanted, mark_price(symbol))
    if not symbol.perpetual and side < 0:
        if symbol.position_qty <= 0.0:
            return _LONG_ONLY
        qty = min(qty, symbol.position_qty)
    if qty <= 0.0:
        return _TOO_SMALL
    reduces = symbol.position_qty * side < 0.0 and qty <= abs(symbol.position_qty)
    if not reduces:
        reason = _too_much(state, symbol, side, qty)
        if reason != 0:
            return reason
    trade_by_hand(state, box, index, side, qty, source)
    return 0
