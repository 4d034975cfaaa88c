"""Orders, fills and accounts in the venue's words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from shared.clock import NS_PER_MS
from trader.simulator.hyperliquid.wire import number
from trader.simulator.trading.events import Execution, Funding, OrderEvent
from trader.simulator.trading.orders import ZERO, Fill, Order, Side, Status, TimeInForce
from trader.simulator.trading.venue import SCHEDULED

if TYPE_CHECKING:
    from trader.simulator.trading.ledger import MarginLedger
    from trader.simulator.trading.position import Position

Body = dict[str, object]
NO_CLOID = "-"  # client ids the exchange made up for orders without one begin so
_TIFS = {TimeInForce.GTC: "Gtc", TimeInForce.IOC: "Ioc", TimeInForce.POST: "Alo", TimeInForce.FOK: "Ioc"}


def text(value: Decimal, places: int = 8) -> str:
    """Print a number as the venue does: trailing zeros stripped, at least one place."""
    return number(f"{value:.{places}f}")


def side(order_side: Side) -> str:
    """Return B or A."""
    return "B" if order_side is Side.BUY else "A"


def cloid(order: Order) -> Body:
    """Return the client's own id of an order, if it gave one."""
    known = order.request.client_id
    return {} if known.startswith(NO_CLOID) else {"cloid": known}


def order_body(order: Order) -> Body:
    """Return an order as ``openOrders`` and ``orderUpdates`` tell it."""
    limit = order.price or (order.request.trigger.price if order.request.trigger else ZERO)
    return {
        "coin": order.symbol,
        "side": side(order.side),
        "limitPx": text(limit),
        "sz": text(order.left),
        "oid": order.order_id,
        "timestamp": order.created_ns // NS_PER_MS,
        "origSz": text(order.qty),
        **cloid(order),
    }


def frontend_order(order: Order) -> Body:
    """Return an order as ``frontendOpenOrders`` and ``orderStatus`` tell it."""
    trigger = order.request.trigger
    words = "Limit"
    if trigger is not None:
        words = ("Take Profit" if trigger.is_profit else "Stop") + (" Market" if order.price is None else " Limit")
    condition = "N/A" if trigger is None else f"Price {'above' if trigger.rises else 'below'} {text(trigger.price)}"
    return order_body(order) | {
        "triggerCondition": condition,
        "isTrigger": trigger is not None,
        "triggerPx": text(trigger.price if trigger else ZERO),
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": order.request.reduce_only,
        "orderType": words,
        "tif": None if trigger is not None else _TIFS[order.request.tif],
    }


def order_status(order: Order) -> str:
    """Return the venue's word for where an order stands."""
    if order.status is Status.FILLED:
        return "filled"
    if order.status is Status.CANCELED:
        return "scheduledCancel" if order.cancel_id == SCHEDULED else "canceled"
    if order.status is not Status.EXPIRED:
        return "triggered" if order.triggered_ns else "open"
    if order.request.reduce_only and order.request.tif is not TimeInForce.IOC:
        return "reduceOnlyCanceled"
    return "canceled" if order.filled else "iocCancelRejected"


def order_update(event: OrderEvent) -> Body:
    """Return one entry of ``orderUpdates``."""
    status = "triggered" if event.execution is Execution.TRIGGERED else order_status(event.order)
    return {"order": order_body(event.order), "status": status, "statusTimestamp": event.ns // NS_PER_MS}


def fill_body(order: Order, fill: Fill, position_after: Decimal) -> Body:
    """Return one fill; ``position_after`` is the signed position it led to."""
    start = position_after - fill.side.sign * fill.qty
    return {
        "coin": fill.symbol,
        "px": text(fill.price),
        "sz": text(fill.qty),
        "side": side(fill.side),
        "time": fill.ns // NS_PER_MS,
        "startPosition": text(start),
        "dir": direction(start, position_after),
        "closedPnl": text(fill.realized),
        "hash": "0x" + f"{fill.trade_id:064x}",
        "oid": fill.order_id,
        "crossed": not fill.is_maker,
        "fee": text(fill.fee),
        "tid": fill.trade_id,
        "feeToken": "USDC",
        "twapId": None,
        **cloid(order),
    }


def funding_body(paid: Funding) -> Body:
    """Return one payment of funding."""
    delta = {
        "type": "funding", "coin": paid.symbol, "usdc": text(paid.amount, 6), "szi": text(paid.qty),
        "fundingRate": f"{paid.rate:f}", "nSamples": None,
    }  # fmt: skip
    return {"time": paid.ns // NS_PER_MS, "hash": "0x" + "0" * 64, "delta": delta}


def direction(start: Decimal, end: Decimal) -> str:
    """Name what a fill did to the position."""
    if start * end < 0:
        return "Long > Short" if start > 0 else "Short > Long"
    what = "Long" if start > 0 or end > 0 else "Short"
    return f"{'Open' if abs(end) > abs(start) else 'Close'} {what}"


def clearinghouse_state(ledger: MarginLedger, most_leverage: dict[str, int], now_ms: int) -> Body:
    """Return the margin account."""
    held = {symbol: position for symbol, position in ledger.positions.items() if position.qty}
    value = sum((abs(position.qty) * ledger.marks(symbol) for symbol, position in held.items()), ZERO)
    raw = ledger.wallet - sum((position.cost for position in held.values()), ZERO)
    margin = ledger.position_margin
    summary = {
        "accountValue": text(ledger.equity, 6), "totalNtlPos": text(value, 6), "totalRawUsd": text(raw, 6),
        "totalMarginUsed": text(margin, 6),
    }  # fmt: skip
    return {
        "marginSummary": summary,
        "crossMarginSummary": dict(summary),
        "crossMaintenanceMarginUsed": text(ledger.maintenance_margin, 6),
        "withdrawable": text(ledger.available, 6),
        "assetPositions": [
            {"type": "oneWay", "position": position_body(ledger, symbol, position, most_leverage[symbol])}
            for symbol, position in held.items()
        ],
        "time": now_ms,
    }


def position_body(ledger: MarginLedger, symbol: str, held: Position, most_leverage: int) -> Body:
    """Return one position."""
    mark = ledger.marks(symbol)
    profit, margin = held.unrealized(mark), ledger.margin_of(symbol)
    slope = held.qty - abs(held.qty) * ledger.maintenance
    liquidation = mark - (ledger.equity - ledger.maintenance_margin) / slope
    funding = {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"}
    return {
        "coin": symbol,
        "szi": text(held.qty),
        "leverage": {"type": "isolated" if held.isolated else "cross", "value": held.leverage},
        "entryPx": text(held.entry, 6),
        "positionValue": text(abs(held.qty) * mark, 6),
        "unrealizedPnl": text(profit, 6),
        "returnOnEquity": text(profit / margin if margin else ZERO),
        "liquidationPx": text(liquidation) if liquidation > 0 else None,
        "marginUsed": text(margin, 6),
        "maxLeverage": most_leverage,
        "cumFunding": funding,
    }
