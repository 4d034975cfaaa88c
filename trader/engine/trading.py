"""From a decision to an order: entering, leaving, quoting and cancelling. What the exchange makes of it is in ``exchange``."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import EventKind, Reason, Source
from trader.engine.exchange import FREE, UNDER_WAY, fill_market, note_due
from trader.engine.outbox import new_event
from trader.engine.state import ASK_SLOT, BID_SLOT, MARKET_SLOT, NEVER_NS, ORDER_SLOTS
from trader.execution.latency import latency_ns
from trader.execution.paper import touch_price

RETRY_NS = 1_000_000_000  # after a venue has refused to close a position, before it is asked again

_SIGNAL = int(EventKind.SIGNAL)
_ORDER = int(EventKind.ORDER)
_CANCEL_REQUEST = int(EventKind.CANCEL_REQUEST)
_NONE = int(Reason.NONE)
_EMERGENCY = int(Reason.EMERGENCY)
_MANUAL = int(Reason.MANUAL)
_KILL = int(Reason.KILL_FILE)
_ENGINE = int(Source.ENGINE)


@compiled
def _send(state: Any, box: Any, index: int, slot: int, side: int, qty: float, limit_usd: float, reason: int, source: int) -> None:
    """Put an order on its way; without latency it is there at once. A venue's orders wait for its reports."""
    symbol = state.symbols[index]
    state.order_id += 1
    order = symbol.orders[slot]
    order.status = UNDER_WAY
    order.side = side
    order.post_only = 1 if limit_usd > 0.0 else 0
    order.reason = reason
    order.source = source
    order.order_id = state.order_id
    order.limit_usd = limit_usd
    order.qty = qty
    order.queue_qty = 0.0
    order.cancel_ns = 0
    order.due_ns = NEVER_NS if state.live else state.time_ns + latency_ns(state)
    order.seen_usd = limit_usd if limit_usd > 0.0 else touch_price(symbol, side)
    order.unconfirmed = 0
    event = new_event(state, box, _ORDER, index)
    event.side = side
    event.reason = reason
    event.source = source
    event.old = 1.0 if symbol.position_qty * side < 0.0 else 0.0  # it only reduces
    event.new = limit_usd
    event.order_id = order.order_id
    event.trade_id = symbol.trade_id
    event.price_usd = order.seen_usd
    event.qty = qty
    if slot == MARKET_SLOT and order.due_ns <= state.time_ns:
        fill_market(state, box, index)
    else:
        note_due(state)


@compiled
def market_order_pending(symbol: Any) -> bool:
    """Say whether a market order is on its way: until it is filled no other is sent."""
    return bool(symbol.orders[MARKET_SLOT].status != FREE)


@compiled
def enter(state: Any, box: Any, index: int, signed_qty: float, price_usd: float) -> None:
    """Send a market order that opens a position."""
    symbol = state.symbols[index]
    side = 1 if signed_qty > 0.0 else -1
    state.trade_id += 1
    symbol.trade_id = state.trade_id
    symbol.flatten = _NONE
    signal = new_event(state, box, _SIGNAL, index)
    signal.side = side
    signal.score = symbol.score
    signal.new = symbol.strength
    signal.price_usd = price_usd
    signal.trade_id = symbol.trade_id
    _send(state, box, index, MARKET_SLOT, side, abs(signed_qty), 0.0, _NONE, _ENGINE)


@compiled
def trade_by_hand(state: Any, box: Any, index: int, side: int, qty: float, source: int) -> None:
    """Send a human's market order; from flat it opens a trade that is marked as manual."""
    symbol = state.symbols[index]
    if symbol.position_qty == 0.0:
        state.trade_id += 1
        symbol.trade_id = state.trade_id
        symbol.flatten = _NONE
    _send(state, box, index, MARKET_SLOT, side, qty, 0.0, _MANUAL, source)


@compiled
def leave(state: Any, box: Any, index: int, reason: int, source: int) -> None:
    """Cancel what rests and close the whole position at the market.

    An emergency reaches what is still on its way as well: should it be filled, it is closed at once.
    """
    symbol = state.symbols[index]
    for slot in range(BID_SLOT, ORDER_SLOTS):
        cancel(state, box, index, slot)
    pending = symbol.orders[MARKET_SLOT].status != FREE
    if reason in (_EMERGENCY, _KILL) and (pending or symbol.resting > 0 or state.live):
        symbol.flatten = reason
    refused = state.live and state.time_ns < symbol.refused_ns + RETRY_NS
    qty = symbol.position_qty
    if qty != 0.0 and not pending and not refused:
        _send(state, box, index, MARKET_SLOT, -1 if qty > 0.0 else 1, abs(qty), 0.0, reason, source)


@compiled
def cancel(state: Any, box: Any, index: int, slot: int) -> None:
    """Send the cancel of a resting order, once; it may be filled until it arrives."""
    order = state.symbols[index].orders[slot]
    if order.status == FREE or order.cancel_ns != 0:
        return
    if state.live:
        order.cancel_ns = NEVER_NS
        event = new_event(state, box, _CANCEL_REQUEST, index)
        event.order_id = order.order_id
        event.side = order.side
        event.qty = order.qty
        event.price_usd = order.limit_usd
    else:
        order.cancel_ns = max(state.time_ns + latency_ns(state), order.due_ns)
        note_due(state)


@compiled
def quote(state: Any, box: Any, index: int, side: int, qty: float, price_usd: float, reason: int) -> None:
    """Keep one resting order on a side: send it, move it by cancelling it first, or take it away (price or quantity 0)."""
    symbol = state.symbols[index]
    slot = BID_SLOT if side > 0 else ASK_SLOT
    order = symbol.orders[slot]
    wanted = price_usd > 0.0 and qty > 0.0
    if order.status == FREE:
        if wanted:
            if symbol.position_qty == 0.0 and symbol.orders[BID_SLOT + ASK_SLOT - slot].status == FREE:
                state.trade_id += 1
                symbol.trade_id = state.trade_id
            _send(state, box, index, slot, side, qty, price_usd, reason, _ENGINE)
    elif not wanted or order.limit_usd != price_usd or order.qty > qty:
        cancel(state, box, index, slot)
