"""Spot bodies about orders, fills and balances, in the venue's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.clock import NS_PER_MS
from trader.simulator.trading.orders import ZERO, Fill, Order, TimeInForce

if TYPE_CHECKING:
    from decimal import Decimal

    from trader.simulator.spec import SymbolSpec
    from trader.simulator.trading.account import Account
    from trader.simulator.trading.accounts_file import AccountEntry
    from trader.simulator.trading.ledger import SpotLedger

Body = dict[str, object]
_STP = "EXPIRE_MAKER"


def eight(value: Decimal) -> str:
    """Print a number the way spot does: eight places."""
    return f"{value:.8f}"


def order_type(order: Order) -> str:
    """Return the venue's word for the kind of an order."""
    request = order.request
    if request.trigger is not None:
        word = "TAKE_PROFIT" if request.trigger.is_profit else "STOP_LOSS"
        return word if request.price is None else f"{word}_LIMIT"
    if request.price is None:
        return "MARKET"
    return "LIMIT_MAKER" if request.tif is TimeInForce.POST else "LIMIT"


def time_in_force(order: Order) -> str:
    """Return the venue's word for how long an order rests."""
    return "GTC" if order.request.tif is TimeInForce.POST or order.price is None else str(order.request.tif)


def order_core(order: Order) -> Body:
    """Return the fields that every answer about an order carries."""
    request = order.request
    core: Body = {
        "price": eight(order.price or ZERO),
        "origQty": eight(order.qty),
        "executedQty": eight(order.filled),
        "origQuoteOrderQty": eight(request.quote_qty),
        "cummulativeQuoteQty": eight(order.filled_value),
        "status": str(order.status),
        "timeInForce": time_in_force(order),
        "type": order_type(order),
        "side": str(order.side),
    }
    return core | ({"stopPrice": eight(request.trigger.price)} if request.trigger else {})


def placed(order: Order, detail: str) -> Body:
    """Return the answer to a placement; ``detail`` is ACK, RESULT or FULL."""
    head: Body = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.request.client_id,
        "transactTime": order.updated_ns // NS_PER_MS,
    }
    if detail == "ACK":
        return head
    body = head | order_core(order) | {"workingTime": working_ms(order), "selfTradePreventionMode": _STP}
    if detail == "FULL":
        body["fills"] = [
            {
                "price": eight(fill.price), "qty": eight(fill.qty), "commission": eight(fill.fee),
                "commissionAsset": fill.fee_asset, "tradeId": fill.trade_id,
            }
            for fill in order.fills
        ]  # fmt: skip
    return body


def queried(order: Order) -> Body:
    """Return the answer to a query."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.request.client_id,
        **order_core(order),
        "stopPrice": eight(order.request.trigger.price if order.request.trigger else ZERO),
        "icebergQty": eight(ZERO),
        "time": order.created_ns // NS_PER_MS,
        "updateTime": order.updated_ns // NS_PER_MS,
        "isWorking": not order.is_waiting,
        "workingTime": working_ms(order),
        "selfTradePreventionMode": _STP,
    }


def canceled(order: Order, cancel_id: str) -> Body:
    """Return the answer to a cancel, which has a client id of its own."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.request.client_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ns // NS_PER_MS,
        **order_core(order),
        "selfTradePreventionMode": _STP,
    }


def working_ms(order: Order) -> int:
    """Return since when an order is on the book, -1 while it waits for its trigger."""
    return -1 if order.is_waiting else (order.triggered_ns or order.created_ns) // NS_PER_MS


def trade(fill: Fill) -> Body:
    """Return one row of myTrades."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": eight(fill.price),
        "qty": eight(fill.qty),
        "quoteQty": eight(fill.value),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.ns // NS_PER_MS,
        "isBuyer": fill.side == "BUY",
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def account(owner: Account, ledger: SpotLedger, entry: AccountEntry, *, hide_zero: bool) -> Body:
    """Return the account answer."""
    maker, taker = ledger.fees.maker, ledger.fees.taker
    rates = {"maker": eight(maker), "taker": eight(taker), "buyer": eight(ZERO), "seller": eight(ZERO)}
    balances = [
        {"asset": asset, "free": eight(held.free), "locked": eight(held.locked)}
        for asset, held in sorted(ledger.balances.items())
        if held.total or not hide_zero
    ]
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates,
        "canTrade": entry.may_trade,
        "canWithdraw": entry.may_withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": owner.updated_ns // NS_PER_MS,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": 1,
    }


def commission_rates(spec: SymbolSpec, ledger: SpotLedger) -> Body:
    """Return the account's commission for one symbol."""
    zero = {"maker": eight(ZERO), "taker": eight(ZERO), "buyer": eight(ZERO), "seller": eight(ZERO)}
    rates = zero | {"maker": eight(ledger.fees.maker), "taker": eight(ledger.fees.taker)}
    discount = {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB", "discount": eight(ZERO)}
    commissions = {"standardCommission": rates, "specialCommission": zero, "taxCommission": zero}
    return {"symbol": spec.symbol, **commissions, "discount": discount}
