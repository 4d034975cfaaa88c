"""The paper exchange at work: orders arrive, queue, are filled or cancelled, and every fill is booked the same way."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import EventKind, Reason
from trader.engine.outbox import new_event
from trader.engine.state import ASK_SLOT, BID_SLOT, MARKET_SLOT, NEVER_NS, ORDER_SLOTS
from trader.engine.trades import close_trade, open_trade
from trader.execution.paper import BPS, LIQUIDATION_FEE_BPS, commission_usd, maker_usd, market_price, slipped, touch_price
from trader.execution.queue import RESTING, displayed_qty, filled_by_trade, gone_through
from trader.portfolio.accounting import apply_fill, equity_usd

FREE = 0
UNDER_WAY = 1

_FILL = int(EventKind.FILL)
_CANCEL = int(EventKind.CANCEL)
_LIQUIDATION = int(Reason.LIQUIDATION)
_POST_ONLY = int(Reason.POST_ONLY)
_CANCELLED = int(Reason.CANCELLED)


@compiled
def note_due(state: Any) -> None:
    """Find the earliest order or cancel on its way: until then nothing needs looking at."""
    due_ns = NEVER_NS
    for index in range(state.n_symbols):
        for slot in range(ORDER_SLOTS):
            order = state.symbols[index].orders[slot]
            if order.status == UNDER_WAY:
                due_ns = min(due_ns, order.due_ns)
            elif order.status == RESTING and order.cancel_ns > 0:
                due_ns = min(due_ns, order.cancel_ns)
    state.due_ns = due_ns


@compiled
def _book(state: Any, box: Any, index: int, order: Any, qty: float, price_usd: float, fee_usd: float, slip_usd: float) -> None:
    """Book a fill that does not cross zero, and open or close the trade it belongs to."""
    symbol = state.symbols[index]
    before = float(symbol.position_qty)
    realised = apply_fill(state, symbol, qty * order.side, price_usd, fee_usd)
    symbol.slippage_usd += slip_usd
    symbol.last_fill_ns = state.time_ns
    fill = new_event(state, box, _FILL, index)
    fill.side = order.side
    fill.reason = order.reason
    fill.order_id = order.order_id
    fill.trade_id = symbol.trade_id
    fill.price_usd = price_usd
    fill.qty = qty
    fill.fee_usd = fee_usd
    fill.slippage_usd = slip_usd
    fill.pnl_usd = realised
    fill.position_qty = symbol.position_qty
    fill.cash_usd = state.cash_usd
    fill.equity_usd = equity_usd(state)
    fill.source = order.source
    symbol.trade_fees_usd += fee_usd
    symbol.trade_realised_usd += realised
    if before * order.side >= 0.0:
        symbol.opened_qty += qty
        symbol.opened_usd += qty * price_usd
    if before == 0.0:
        open_trade(state, box, index, int(order.reason), int(order.source))
    elif symbol.position_qty == 0.0:
        close_trade(state, box, index, before, int(order.reason), int(order.source))


@compiled
def book_fill(
    state: Any, box: Any, index: int, order: Any, qty: float, price_usd: float, fee_usd: float, slip_usd: float
) -> None:
    """Book a fill; one that turns the position over ends a trade and begins another."""
    symbol = state.symbols[index]
    open_qty = abs(symbol.position_qty)
    turns = symbol.position_qty * order.side < 0.0 and qty > open_qty * (1.0 + 1e-12)
    if turns:
        share = open_qty / qty
        _book(state, box, index, order, open_qty, price_usd, fee_usd * share, slip_usd * share)
        state.trade_id += 1
        symbol.trade_id = state.trade_id
        share = 1.0 - share
        _book(state, box, index, order, qty - open_qty, price_usd, fee_usd * share, slip_usd * share)
    else:
        _book(state, box, index, order, qty, price_usd, fee_usd, slip_usd)


@compiled
def fill_market(state: Any, box: Any, index: int) -> None:
    """Fill the market order that has arrived, whole."""
    symbol = state.symbols[index]
    order = symbol.orders[MARKET_SLOT]
    side = int(order.side)
    qty = float(order.qty)
    before_slippage = market_price(symbol, side, qty)
    price = slipped(state, before_slippage, side)
    fee = commission_usd(state, qty * price)
    if order.reason == _LIQUIDATION:
        fee += qty * price * LIQUIDATION_FEE_BPS * BPS
    order.status = FREE
    book_fill(state, box, index, order, qty, price, fee, qty * abs(price - before_slippage))


@compiled
def _fill_limit(state: Any, box: Any, index: int, slot: int, qty: float) -> None:
    """Fill a resting order, in part or whole, at its own price."""
    symbol = state.symbols[index]
    order = symbol.orders[slot]
    order.qty -= qty
    if order.qty <= 1e-12 * qty:
        order.status = FREE
        symbol.resting -= 1
    price = float(order.limit_usd)
    book_fill(state, box, index, order, qty, price, maker_usd(state, qty * price), 0.0)


@compiled
def end_order(state: Any, box: Any, index: int, slot: int, reason: int) -> None:
    """Take an order off the exchange unfilled, and say so."""
    symbol = state.symbols[index]
    order = symbol.orders[slot]
    if order.status == RESTING and symbol.resting > 0:
        symbol.resting -= 1
    order.status = FREE
    event = new_event(state, box, _CANCEL, index)
    event.side = order.side
    event.reason = reason
    event.order_id = order.order_id
    event.trade_id = symbol.trade_id
    event.price_usd = order.limit_usd
    event.qty = order.qty


@compiled
def _arrive(state: Any, box: Any, index: int, slot: int) -> None:
    """Take an order at the exchange: a market order is filled, a post-only order queues or is refused if it would take."""
    symbol = state.symbols[index]
    order = symbol.orders[slot]
    side = int(order.side)
    if slot == MARKET_SLOT:
        fill_market(state, box, index)
    elif (order.limit_usd - touch_price(symbol, side)) * side >= 0.0:
        end_order(state, box, index, slot, _POST_ONLY)
    else:
        order.status = RESTING
        order.queue_qty = displayed_qty(symbol, side, float(order.limit_usd))
        symbol.resting += 1


@compiled
def orders_due(state: Any, box: Any) -> None:
    """Let every order and cancel whose time has come reach the exchange, before the market moves on."""
    for index in range(state.n_symbols):
        for slot in range(ORDER_SLOTS):
            order = state.symbols[index].orders[slot]
            if order.status == UNDER_WAY and order.due_ns <= state.time_ns:
                _arrive(state, box, index, slot)
            if order.status == RESTING and 0 < order.cancel_ns <= state.time_ns:
                end_order(state, box, index, slot, _CANCELLED)
    note_due(state)


@compiled
def match_trade(state: Any, box: Any, index: int, price_usd: float, qty: float, seller_took: int) -> None:
    """Let a public trade fill what rests."""
    for slot in range(BID_SLOT, ASK_SLOT + 1):
        filled = filled_by_trade(state.symbols[index].orders[slot], price_usd, qty, seller_took)
        if filled > 0.0:
            _fill_limit(state, box, index, slot, filled)


@compiled
def match_quote(state: Any, box: Any, index: int, bid_usd: float, ask_usd: float) -> None:
    """Fill what the quote has gone through."""
    for slot in range(BID_SLOT, ASK_SLOT + 1):
        order = state.symbols[index].orders[slot]
        if gone_through(order, bid_usd, ask_usd):
            _fill_limit(state, box, index, slot, float(order.qty))
