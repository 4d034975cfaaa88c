"""Live: what the venue says of our orders is what happened. The same books as on paper, filled by reports instead."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import EventKind, Reason, Source
from trader.engine.exchange import FREE, book_fill, end_order
from trader.engine.inputs import Report
from trader.engine.outbox import new_event
from trader.engine.state import MARKET_SLOT, ORDER_SLOTS
from trader.execution.queue import RESTING
from trader.portfolio.accounting import equity_usd

DUST = 1e-9  # share of a fill below which nothing is left of an order

_ACCEPTED = int(Report.ACCEPTED)
_FILLED = int(Report.FILLED)
_ENDED = int(Report.ENDED)
_ORDER_STATE = int(EventKind.ORDER_STATE)
_RECONCILED = int(EventKind.RECONCILED)
_DISCREPANCY = int(EventKind.DISCREPANCY)
_UNCONFIRMED = int(Reason.UNCONFIRMED_ORDER)
_NOT_RECONCILED = int(Reason.NOT_RECONCILED)
_REFUSED = int(Reason.REFUSED_BY_VENUE)
_ENGINE = int(Source.ENGINE)
_NOWHERE = -1


@compiled
def _slot_of(symbol: Any, order_id: int) -> int:
    for slot in range(ORDER_SLOTS):
        if symbol.orders[slot].status != FREE and symbol.orders[slot].order_id == order_id:
            return slot
    return _NOWHERE


@compiled
def _tell(state: Any, box: Any, index: int, order_id: int, reason: int) -> None:
    event = new_event(state, box, _ORDER_STATE, index)
    event.order_id = order_id
    event.reason = reason


@compiled
def _stranger(state: Any, box: Any, index: int, r: Any) -> None:
    """Book a fill of an order that is in no slot: a protective stop that rested at the venue, or one that had ended for us."""
    symbol = state.symbols[index]
    if symbol.position_qty == 0.0:
        state.trade_id += 1
        symbol.trade_id = state.trade_id
    spare = state.spare[0]
    spare.side = 1 if r.a > 0.0 else -1
    spare.reason = r.aux
    spare.source = _ENGINE
    spare.order_id = r.ref
    book_fill(state, box, index, spare, abs(r.a), r.b, r.c, 0.0)


@compiled
def _filled(state: Any, box: Any, index: int, slot: int, r: Any) -> None:
    order = state.symbols[index].orders[slot]
    qty = abs(r.a)
    order.unconfirmed = 0
    order.qty -= qty
    if order.qty <= DUST * qty:
        order.status = FREE
    worse_usd = max((r.b - order.seen_usd) * order.side, 0.0) if slot == MARKET_SLOT else 0.0
    book_fill(state, box, index, order, qty, r.b, r.c, qty * worse_usd)


@compiled
def _ended(state: Any, box: Any, index: int, slot: int, reason: int) -> None:
    symbol = state.symbols[index]
    symbol.orders[slot].unconfirmed = 0
    if reason == _REFUSED:
        symbol.refused_ns = state.time_ns
    end_order(state, box, index, slot, reason)


@compiled
def on_report(state: Any, box: Any, r: Any) -> None:
    """Take what the venue said of one order. Ignored on paper, and for an instrument there is not."""
    if not state.live or r.symbol >= state.n_symbols:
        return
    index = r.symbol
    symbol = state.symbols[index]
    slot = _slot_of(symbol, r.ref)
    if r.flags == _FILLED:
        if slot == _NOWHERE:
            _stranger(state, box, index, r)
        else:
            _filled(state, box, index, slot, r)
    elif slot == _NOWHERE:
        return
    elif r.flags == _ENDED:
        _ended(state, box, index, slot, r.aux)
    elif r.flags == _ACCEPTED:
        symbol.orders[slot].unconfirmed = 0
        if slot != MARKET_SLOT:
            symbol.orders[slot].status = RESTING
        _tell(state, box, index, r.ref, 0)
    else:
        symbol.orders[slot].unconfirmed = 1
        _tell(state, box, index, r.ref, _UNCONFIRMED)


@compiled
def on_reconciled(state: Any, box: Any, r: Any) -> None:
    """Take whether venue and ledger agree; told when it changes."""
    before = int(state.reconciled)
    state.reconciled = 1 if r.a > 0.0 else 0
    state.unconfirmed = int(r.b)
    if before == state.reconciled:
        return
    event = new_event(state, box, _RECONCILED if state.reconciled else _DISCREPANCY, -1)
    event.reason = 0 if state.reconciled else _NOT_RECONCILED
    event.new = r.b
    event.cash_usd = state.cash_usd
    event.equity_usd = equity_usd(state)
