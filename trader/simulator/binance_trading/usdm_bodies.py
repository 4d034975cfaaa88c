"""USD-M bodies about orders, fills, balances and positions, in the venue's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.clock import NS_PER_MS
from trader.simulator.binance_trading.spot_bodies import eight
from trader.simulator.trading.orders import ZERO, Fill, Order, TimeInForce

if TYPE_CHECKING:
    from decimal import Decimal

    from trader.simulator.spec import SymbolSpec
    from trader.simulator.trading.account import Account
    from trader.simulator.trading.accounts_file import AccountEntry
    from trader.simulator.trading.ledger import MarginLedger
    from trader.simulator.trading.position import Position

Body = dict[str, object]


def order_type(order: Order) -> str:
    """Return the venue's word for the kind an order was placed as."""
    request = order.request
    if request.trigger is None:
        return "MARKET" if request.price is None else "LIMIT"
    word = "TAKE_PROFIT" if request.trigger.is_profit else "STOP"
    return f"{word}_MARKET" if request.price is None else word


def working_type(order: Order) -> str:
    """Return the kind an order works as: a triggered stop is a plain order."""
    return "MARKET" if order.price is None else "LIMIT"


def time_in_force(order: Order) -> str:
    """Return the venue's word for how long an order rests."""
    return "GTX" if order.request.tif is TimeInForce.POST else str(order.request.tif)


def order_body(order: Order, spec: SymbolSpec, *, with_time: bool) -> Body:
    """Return an order as every futures call answers it."""
    price, qty = _price_text(spec), _qty_text(spec)
    body: Body = {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": str(order.status),
        "clientOrderId": order.request.client_id,
        "price": price(order.price or ZERO),
        "avgPrice": f"{order.mean_price:.5f}",
        "origQty": qty(order.qty),
        "executedQty": qty(order.filled),
        "cumQty": qty(order.filled),
        "cumQuote": eight(order.filled_value),
        "timeInForce": time_in_force(order),
        "type": working_type(order),
        "reduceOnly": order.request.reduce_only,
        "closePosition": order.request.closes_position,
        "side": str(order.side),
        "positionSide": "BOTH",
        "stopPrice": price(order.request.trigger.price if order.request.trigger else ZERO),
        "workingType": "MARK_PRICE" if order.request.trigger and order.request.trigger.by_mark else "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order_type(order),
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": order.updated_ns // NS_PER_MS,
    }
    return body | ({"time": order.created_ns // NS_PER_MS} if with_time else {})


def acknowledged(order: Order, spec: SymbolSpec) -> Body:
    """Return the answer of type ACK: NEW and nothing executed, even when it filled at once."""
    zero = _qty_text(spec)(ZERO)
    unfilled = {"status": "NEW", "avgPrice": "0.00", "executedQty": zero, "cumQty": zero, "cumQuote": eight(ZERO)}
    return order_body(order, spec, with_time=False) | unfilled


def algo_status(order: Order) -> str:
    """Return where a conditional order stands in the venue's words."""
    if not order.triggered_ns:
        return str(order.status)
    return "TRIGGERED" if order.is_open else "FINISHED"


def algo_body(order: Order, spec: SymbolSpec) -> Body:
    """Return a conditional order."""
    trigger, price = order.request.trigger, _price_text(spec)
    return {
        "algoId": order.order_id,
        "clientAlgoId": order.request.client_id,
        "algoType": "CONDITIONAL",
        "orderType": order_type(order),
        "symbol": order.symbol,
        "side": str(order.side),
        "positionSide": "BOTH",
        "timeInForce": time_in_force(order),
        "quantity": _qty_text(spec)(order.qty),
        "algoStatus": algo_status(order),
        "actualOrderId": str(order.order_id) if order.triggered_ns else "",
        "actualPrice": f"{order.mean_price:.5f}",
        "triggerPrice": price(trigger.price if trigger else ZERO),
        "price": price(order.price or ZERO),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "MARK_PRICE" if trigger and trigger.by_mark else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": order.request.closes_position,
        "priceProtect": False,
        "reduceOnly": order.request.reduce_only,
        "activatePrice": "",
        "callbackRate": "",
        "createTime": order.created_ns // NS_PER_MS,
        "updateTime": order.updated_ns // NS_PER_MS,
        "triggerTime": order.triggered_ns // NS_PER_MS,
        "goodTillDate": 0,
    }


def trade(fill: Fill, spec: SymbolSpec) -> Body:
    """Return one row of userTrades."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "side": str(fill.side),
        "price": _price_text(spec)(fill.price),
        "qty": _qty_text(spec)(fill.qty),
        "realizedPnl": eight(fill.realized),
        "quoteQty": eight(fill.value),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.ns // NS_PER_MS,
        "positionSide": "BOTH",
        "buyer": fill.side == "BUY",
        "maker": fill.is_maker,
    }


def account(owner: Account, ledger: MarginLedger, entry: AccountEntry) -> Body:
    """Return the account answer; a superset of versions 2 and 3."""
    updated_ms = owner.updated_ns // NS_PER_MS
    asset = {"asset": ledger.asset} | margins(ledger, "") | {"marginAvailable": True, "updateTime": updated_ms}
    flags = {
        "feeTier": 0, "feeBurn": False, "canTrade": entry.may_trade, "canDeposit": True, "canWithdraw": entry.may_withdraw,
        "updateTime": 0, "multiAssetsMargin": False, "tradeGroupId": -1,
    }  # fmt: skip
    positions = [account_position(ledger, symbol, ledger.position(symbol)) for symbol in ledger.specs]
    total = margins(ledger, "total")
    total["maxWithdrawAmount"] = total.pop("totalMaxWithdrawAmount")
    total["availableBalance"] = total.pop("totalAvailableBalance")
    return flags | total | {"assets": [asset], "positions": positions}


def margins(ledger: MarginLedger, prefix: str) -> dict[str, object]:
    """Return the wallet and margin fields, named as for one asset or (``prefix`` total) for the account."""
    bound, orders, available = ledger.position_margin, ledger.order_margin, ledger.available
    values = {
        "walletBalance": ledger.wallet,
        "unrealizedProfit": ledger.unrealized,
        "marginBalance": ledger.equity,
        "maintMargin": ledger.maintenance_margin,
        "initialMargin": bound + orders,
        "positionInitialMargin": bound,
        "openOrderInitialMargin": orders,
        "crossWalletBalance": ledger.wallet,
        "crossUnPnl": ledger.unrealized,
        "availableBalance": available,
        "maxWithdrawAmount": available,
    }
    if not prefix:
        return {name: eight(value) for name, value in values.items()}
    return {prefix + name[0].upper() + name[1:]: eight(value) for name, value in values.items()}


def balance(owner: Account, ledger: MarginLedger) -> Body:
    """Return the one row of the balance answer."""
    return {
        "accountAlias": "simulated",
        "asset": ledger.asset,
        "balance": eight(ledger.wallet),
        "crossWalletBalance": eight(ledger.wallet),
        "crossUnPnl": eight(ledger.unrealized),
        "availableBalance": eight(ledger.available),
        "maxWithdrawAmount": eight(ledger.available),
        "marginAvailable": True,
        "updateTime": owner.updated_ns // NS_PER_MS,
    }


def account_position(ledger: MarginLedger, symbol: str, held: Position) -> Body:
    """Return a position inside the account answer."""
    mark = ledger.marks(symbol)
    value, margin = held.qty * mark, ledger.margin_of(symbol)
    qty = _qty_text(ledger.specs[symbol])
    return {
        "symbol": symbol,
        "initialMargin": eight(margin),
        "maintMargin": eight(abs(value) * ledger.maintenance),
        "unrealizedProfit": eight(held.unrealized(mark)),
        "positionInitialMargin": eight(margin),
        "openOrderInitialMargin": eight(ZERO),
        "leverage": str(held.leverage),
        "isolated": held.isolated,
        "entryPrice": eight(held.entry),
        "breakEvenPrice": eight(held.entry),
        "maxNotional": "100000000",
        "bidNotional": "0",
        "askNotional": "0",
        "positionSide": "BOTH",
        "positionAmt": qty(held.qty),
        "notional": eight(value),
        "isolatedMargin": "0",
        "isolatedWallet": "0",
        "updateTime": held.updated_ns // NS_PER_MS,
    }


def position_risk(ledger: MarginLedger, symbol: str, held: Position) -> Body:
    """Return a row of positionRisk; a superset of versions 2 and 3."""
    mark = ledger.marks(symbol)
    value, margin = held.qty * mark, ledger.margin_of(symbol)
    return {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": _qty_text(ledger.specs[symbol])(held.qty),
        "entryPrice": eight(held.entry),
        "breakEvenPrice": eight(held.entry),
        "markPrice": eight(mark),
        "unRealizedProfit": eight(held.unrealized(mark)),
        "liquidationPrice": eight(liquidation_price(ledger, symbol, held)),
        "leverage": str(held.leverage),
        "maxNotionalValue": "100000000",
        "marginType": "isolated" if held.isolated else "cross",
        "isAutoAddMargin": "false",
        "isolatedMargin": "0.00000000",
        "notional": eight(value),
        "marginAsset": ledger.asset,
        "isolatedWallet": "0",
        "initialMargin": eight(margin),
        "maintMargin": eight(abs(value) * ledger.maintenance),
        "positionInitialMargin": eight(margin),
        "openOrderInitialMargin": eight(ZERO),
        "adl": 2,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": held.updated_ns // NS_PER_MS,
    }


def liquidation_price(ledger: MarginLedger, symbol: str, held: Position) -> Decimal:
    """Return the mark at which this position alone brings the account to its maintenance margin; 0 if none does."""
    if not held.qty:
        return ZERO
    mark = ledger.marks(symbol)
    spare = ledger.equity - ledger.maintenance_margin
    slope = held.qty - abs(held.qty) * ledger.maintenance
    return max(mark - spare / slope, ZERO)


def _price_text(spec: SymbolSpec) -> _Printer:
    return _Printer(spec.price_decimals)


def _qty_text(spec: SymbolSpec) -> _Printer:
    return _Printer(spec.qty_decimals)


class _Printer:
    def __init__(self, places: int) -> None:
        self._places = places

    def __call__(self, value: Decimal) -> str:
        return f"{value:.{self._places}f}"
