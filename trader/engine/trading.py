"""Entering and leaving a position: the road from a decision to booked money, with an event for each station."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import EventKind, Reason, Source
from shared.layout import RECENT_TRADES
from trader.engine.outbox import new_event
from trader.execution.paper import commission_usd, market_price, slipped
from trader.portfolio.accounting import apply_fill, count_trade, equity_usd
from trader.risk.modes import note_result

_SIGNAL = int(EventKind.SIGNAL)
_ORDER = int(EventKind.ORDER)
_FILL = int(EventKind.FILL)
_OPEN = int(EventKind.POSITION_OPEN)
_CLOSE = int(EventKind.POSITION_CLOSE)
_TARGET_HIT = int(EventKind.TARGET_HIT)
_STOP_LOSS = int(EventKind.STOP_LOSS)
_TRAILING_EXIT = int(EventKind.TRAILING_EXIT)
_NONE = int(Reason.NONE)
_TARGET = int(Reason.TARGET)
_STOP = int(Reason.STOP)
_PULLBACK = int(Reason.PULLBACK)
_ENGINE = int(Source.ENGINE)


@compiled
def _market_order(state: Any, box: Any, index: int, signed_qty: float, reason: int) -> float:
    """Send a market order to the paper exchange and book its fill; return the realised gain before fees."""
    symbol = state.symbols[index]
    side = 1 if signed_qty > 0.0 else -1
    qty = abs(signed_qty)
    state.order_id += 1
    before_slippage = market_price(symbol, side, qty)
    order = new_event(state, box, _ORDER, index)
    order.side = side
    order.reason = reason
    order.order_id = state.order_id
    order.trade_id = symbol.trade_id
    order.price_usd = before_slippage
    order.qty = qty
    order.source = _ENGINE
    price = slipped(state, before_slippage, side)
    fee = commission_usd(state, qty * price)
    realised = apply_fill(state, symbol, signed_qty, price, fee)
    symbol.slippage_usd += qty * abs(price - before_slippage)
    symbol.last_fill_ns = state.time_ns
    fill = new_event(state, box, _FILL, index)
    fill.side = side
    fill.reason = reason
    fill.order_id = state.order_id
    fill.trade_id = symbol.trade_id
    fill.price_usd = price
    fill.qty = qty
    fill.fee_usd = fee
    fill.slippage_usd = qty * abs(price - before_slippage)
    fill.pnl_usd = realised
    fill.position_qty = symbol.position_qty
    fill.cash_usd = state.cash_usd
    fill.equity_usd = equity_usd(state)
    fill.source = _ENGINE
    return realised


@compiled
def enter(state: Any, box: Any, index: int, signed_qty: float, price_usd: float) -> None:
    """Open a position at the market."""
    symbol = state.symbols[index]
    side = 1 if signed_qty > 0.0 else -1
    state.trade_id += 1
    symbol.trade_id = state.trade_id
    signal = new_event(state, box, _SIGNAL, index)
    signal.side = side
    signal.score = symbol.score
    signal.new = symbol.strength
    signal.price_usd = price_usd
    signal.trade_id = symbol.trade_id
    fees_before = symbol.fees_usd
    _market_order(state, box, index, signed_qty, _NONE)
    symbol.entry_ns = state.time_ns
    symbol.entry_fees_usd = symbol.fees_usd - fees_before
    symbol.best_price_usd = symbol.entry_price_usd
    opened = new_event(state, box, _OPEN, index)
    opened.side = side
    opened.trade_id = symbol.trade_id
    opened.price_usd = symbol.entry_price_usd
    opened.qty = abs(signed_qty)
    opened.position_qty = symbol.position_qty
    opened.cash_usd = state.cash_usd
    opened.equity_usd = equity_usd(state)
    opened.score = symbol.score


@compiled
def leave(state: Any, box: Any, index: int, reason: int, source: int) -> None:
    """Close the whole position at the market and record the finished trade."""
    symbol = state.symbols[index]
    if symbol.position_qty == 0.0:
        return
    qty = symbol.position_qty
    entry_usd = symbol.entry_price_usd
    fees_before = symbol.fees_usd
    realised = _market_order(state, box, index, -qty, reason)
    fees = symbol.entry_fees_usd + symbol.fees_usd - fees_before
    net = realised - fees
    count_trade(symbol, net)
    note_result(state, index, net)
    kind = _CLOSE
    if reason == _TARGET:
        kind = _TARGET_HIT
    elif reason == _STOP:
        kind = _STOP_LOSS
    elif reason == _PULLBACK:
        kind = _TRAILING_EXIT
    exit_usd = entry_usd + realised / qty
    closed = new_event(state, box, kind, index)
    closed.side = 1 if qty > 0.0 else -1
    closed.reason = reason
    closed.source = source
    closed.trade_id = symbol.trade_id
    closed.price_usd = exit_usd
    closed.qty = abs(qty)
    closed.fee_usd = fees
    closed.pnl_usd = net
    closed.old = entry_usd
    closed.new = exit_usd
    closed.cash_usd = state.cash_usd
    closed.equity_usd = equity_usd(state)
    _remember(state, index, closed)


@compiled
def _remember(state: Any, index: int, closed: Any) -> None:
    symbol = state.symbols[index]
    row = state.recent[int(closed.trade_id % RECENT_TRADES)]
    row.trade_id = closed.trade_id
    row.symbol = index
    row.side = closed.side
    row.reason = closed.reason
    row.entry_ns = symbol.entry_ns
    row.exit_ns = state.time_ns
    row.qty = closed.qty
    row.entry_price_usd = closed.old
    row.exit_price_usd = closed.price_usd
    row.fees_usd = closed.fee_usd
    row.pnl_usd = closed.pnl_usd
