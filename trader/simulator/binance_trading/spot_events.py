"""Spot user-data events: executionReport and outboundAccountPosition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.clock import NS_PER_MS
from trader.simulator.binance_trading.spot_bodies import eight, order_type, time_in_force, working_ms
from trader.simulator.trading.events import AccountEvent, Event, Execution, OrderEvent
from trader.simulator.trading.orders import ZERO

if TYPE_CHECKING:
    from trader.simulator.trading.account import Account
    from trader.simulator.trading.ledger import SpotLedger

Body = dict[str, object]


def spot_events(event: Event, account: Account, ledger: SpotLedger, event_ms: int) -> list[Body]:
    """Return the venue's events for one event of the core; ``event_ms`` is the time it is sent."""
    if isinstance(event, OrderEvent):
        return [execution_report(event, event_ms)]
    return [account_position(event, ledger, event_ms, account.updated_ns // NS_PER_MS)] if event.assets else []


def execution_report(event: OrderEvent, event_ms: int) -> Body:
    """Return what happened to an order."""
    order, fill, request = event.order, event.fill, event.order.request
    is_cancel = event.execution is Execution.CANCELED
    # A triggered stop is told of as new: only now does it stand on the book.
    execution = Execution.NEW if event.execution is Execution.TRIGGERED else event.execution
    return {
        "e": "executionReport",
        "E": event_ms,
        "s": order.symbol,
        "c": f"cancel{order.order_id}" if is_cancel else request.client_id,
        "S": str(order.side),
        "o": order_type(order),
        "f": time_in_force(order),
        "q": eight(order.qty),
        "p": eight(order.price or ZERO),
        "P": eight(request.trigger.price if request.trigger else ZERO),
        "F": eight(ZERO),
        "g": -1,
        "C": request.client_id if is_cancel else "",
        "x": str(execution),
        "X": str(order.status),
        "r": "NONE",
        "i": order.order_id,
        "l": eight(fill.qty if fill else ZERO),
        "z": eight(order.filled),
        "L": eight(fill.price if fill else ZERO),
        "n": eight(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": event.ns // NS_PER_MS,
        "t": fill.trade_id if fill else -1,
        "I": event.ns // 1000,
        "w": order.is_open and not order.is_waiting,
        "m": fill.is_maker if fill else False,
        "M": False,
        "O": order.created_ns // NS_PER_MS,
        "Z": eight(order.filled_value),
        "Y": eight(fill.value if fill else ZERO),
        "Q": eight(request.quote_qty),
        "W": working_ms(order),
        "V": "EXPIRE_MAKER",
    }


def account_position(event: AccountEvent, ledger: SpotLedger, event_ms: int, updated_ms: int) -> Body:
    """Return the assets that changed, as they stand now."""
    rows = [
        {"a": asset, "f": eight(ledger.balances[asset].free), "l": eight(ledger.balances[asset].locked)} for asset in event.assets
    ]
    return {"e": "outboundAccountPosition", "E": event_ms, "u": updated_ms, "B": rows}
