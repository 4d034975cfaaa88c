"""A trade, from the fill that opens the position to the fill that ends it, told and remembered."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import EventKind, Reason
from shared.layout import RECENT_TRADES
from trader.engine.outbox import new_event
from trader.portfolio.accounting import count_trade, equity_usd
from trader.risk.modes import note_result

_OPEN = int(EventKind.POSITION_OPEN)
_CLOSE = int(EventKind.POSITION_CLOSE)
_TARGET_HIT = int(EventKind.TARGET_HIT)
_STOP_LOSS = int(EventKind.STOP_LOSS)
_TRAILING_EXIT = int(EventKind.TRAILING_EXIT)
_TARGET = int(Reason.TARGET)
_STOP = int(Reason.STOP)
_MANUAL = int(Reason.MANUAL)
_PULLBACK = int(Reason.PULLBACK)


@compiled
def open_trade(state: Any, box: Any, index: int, reason: int, source: int) -> None:
    """Begin a trade with the fill just booked; one that a human wanted is marked."""
    symbol = state.symbols[index]
    symbol.entry_ns = state.time_ns
    symbol.best_price_usd = symbol.entry_price_usd
    symbol.manual = 1 if reason == _MANUAL else 0
    opened = new_event(state, box, _OPEN, index)
    opened.side = 1 if symbol.position_qty > 0.0 else -1
    opened.trade_id = symbol.trade_id
    opened.price_usd = symbol.entry_price_usd
    opened.qty = abs(symbol.position_qty)
    opened.position_qty = symbol.position_qty
    opened.cash_usd = state.cash_usd
    opened.equity_usd = equity_usd(state)
    opened.score = symbol.score
    opened.reason = reason
    opened.source = source


@compiled
def close_trade(state: Any, box: Any, index: int, before_qty: float, reason: int, source: int) -> None:
    """End the trade: its result is its own fills, both fees and its funding."""
    symbol = state.symbols[index]
    qty = float(symbol.opened_qty)
    side = 1 if before_qty > 0.0 else -1
    costs = symbol.trade_fees_usd + symbol.trade_funding_usd
    net = symbol.trade_realised_usd - costs
    count_trade(symbol, net)
    note_result(state, index, net)
    kind = _CLOSE
    if reason == _TARGET:
        kind = _TARGET_HIT
    elif reason == _STOP:
        kind = _STOP_LOSS
    elif reason == _PULLBACK:
        kind = _TRAILING_EXIT
    entry_usd = symbol.opened_usd / qty
    exit_usd = entry_usd + side * symbol.trade_realised_usd / qty
    closed = new_event(state, box, kind, index)
    closed.side = side
    closed.reason = reason
    closed.source = source
    closed.trade_id = symbol.trade_id
    closed.price_usd = exit_usd
    closed.qty = qty
    closed.fee_usd = costs
    closed.pnl_usd = net
    closed.old = entry_usd
    closed.new = exit_usd
    closed.cash_usd = state.cash_usd
    closed.equity_usd = equity_usd(state)
    _remember(state, index, closed)
    symbol.opened_qty = 0.0
    symbol.opened_usd = 0.0
    symbol.trade_realised_usd = 0.0
    symbol.trade_fees_usd = 0.0
    symbol.trade_funding_usd = 0.0


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
