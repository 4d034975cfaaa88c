"""The spot trading calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from trader.simulator.binance_trading import spot_bodies as bodies
from trader.simulator.binance_trading.errors import ApiError, mandatory, no_such_order, refusal
from trader.simulator.binance_trading.filters import check_spot
from trader.simulator.binance_trading.routes import Caller, Route, TradingRoutes
from trader.simulator.source import Market
from trader.simulator.trading.orders import ZERO, OrderRequest, Reason, Side, TimeInForce, Trigger

if TYPE_CHECKING:
    from decimal import Decimal

    from trader.simulator.trading.ledger import SpotLedger

_TYPES = {
    "LIMIT": ("timeInForce", "quantity", "price"),
    "MARKET": (),
    "STOP_LOSS": ("quantity", "stopPrice"),
    "TAKE_PROFIT": ("quantity", "stopPrice"),
    "STOP_LOSS_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
    "TAKE_PROFIT_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
    "LIMIT_MAKER": ("quantity", "price"),
}
_FULL_BY_DEFAULT = ("MARKET", "LIMIT")


class SpotRoutes(TradingRoutes):
    """Spot orders, account and trades. Weights as of 2026-04."""

    def table(self) -> Mapping[tuple[str, str], Route]:
        """Return the calls by (method, path)."""
        v3 = "/api/v3/"
        return {
            ("POST", v3 + "order"): Route(self.place, 0),
            ("POST", v3 + "order/test"): Route(self.test, 1),
            ("GET", v3 + "order"): Route(self.query, 4),
            ("DELETE", v3 + "order"): Route(self.cancel, 1),
            ("POST", v3 + "order/cancelReplace"): Route(self.replace, 1),
            ("GET", v3 + "openOrders"): Route(self.open_orders, 6),
            ("DELETE", v3 + "openOrders"): Route(self.cancel_all, 1),
            ("GET", v3 + "allOrders"): Route(self.all_orders, 20),
            ("GET", v3 + "myTrades"): Route(self.my_trades, 20),
            ("GET", v3 + "account"): Route(self.account, 20),
            ("GET", v3 + "account/commission"): Route(self.commission, 20),
            ("GET", v3 + "rateLimit/order"): Route(lambda _: [], 40),
        }

    def request(self, caller: Caller) -> OrderRequest:
        """Read and check a spot order."""
        params, symbol = caller.params, self.symbol(caller)
        side, kind = Side(params.choice("side")), params.required("type")
        if kind not in _TYPES:
            raise ApiError(400, -1116, "Invalid orderType.")
        for name in _TYPES[kind]:
            params.required(name)
        tif = TimeInForce.GTC
        if "timeInForce" in _TYPES[kind]:
            word = params.choice("timeInForce")
            if word not in {"GTC", "IOC", "FOK"}:
                raise ApiError(400, -1115, "Invalid timeInForce.")
            tif = TimeInForce(word)
        qty, quote_qty = params.decimal("quantity") or ZERO, params.decimal("quoteOrderQty") or ZERO
        if kind == "MARKET" and not qty and not quote_qty:
            raise mandatory("quantity")
        stop = params.decimal("stopPrice") if "stopPrice" in _TYPES[kind] else None
        price = params.decimal("price") if "price" in _TYPES[kind] else None
        request = OrderRequest(
            symbol, side, qty, price, params.client_id("newClientOrderId") or self.fresh_id("sim"),
            TimeInForce.POST if kind == "LIMIT_MAKER" else tif, _trigger(side, stop, is_profit=kind.startswith("TAKE")),
            quote_qty=ZERO if qty else quote_qty,
        )  # fmt: skip
        check_spot(self.source.specs[symbol], self.venue.view(symbol), request, len(caller.account.open_orders(symbol)))
        return request

    def place(self, caller: Caller) -> object:
        """POST order. A fill-or-kill that cannot be filled is answered as EXPIRED, not refused."""
        order = self.place_order(caller)
        default = "FULL" if caller.params.text("type") in _FULL_BY_DEFAULT else "ACK"
        return bodies.placed(order, caller.params.text("newOrderRespType", default))

    def test(self, caller: Caller) -> object:
        """POST order/test: everything is checked, nothing is placed."""
        self.request(caller)
        return {}

    def query(self, caller: Caller) -> object:
        """GET order."""
        return bodies.queried(self.found(caller, missing=no_such_order()))

    def cancel(self, caller: Caller) -> object:
        """DELETE order."""
        order = self.found(caller, missing=refusal(Market.SPOT, Reason.UNKNOWN_ORDER))
        cancel_id = caller.params.client_id("newClientOrderId") or self.fresh_id("cancel")
        return bodies.canceled(self.cancel_order(caller, order), cancel_id)

    def replace(self, caller: Caller) -> object:
        """POST order/cancelReplace in mode STOP_ON_FAILURE."""
        params = caller.params
        number, client_id = params.integer("cancelOrderId"), params.text("cancelOrigClientOrderId")
        keys = {"orderId": str(number) if number is not None else "", "origClientOrderId": client_id}
        chosen = Caller(caller.account, caller.entry, type(params)({**params.values, **keys}))
        order = self.cancel_order(caller, self.found(chosen, missing=refusal(Market.SPOT, Reason.UNKNOWN_ORDER)))
        new = self.place_order(caller)
        answers = {
            "cancelResponse": bodies.canceled(order, self.fresh_id("cancel")),
            "newOrderResponse": bodies.placed(new, "RESULT"),
        }
        return {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS", **answers}

    def open_orders(self, caller: Caller) -> object:
        """GET openOrders."""
        return [bodies.queried(order) for order in caller.account.open_orders(self.optional_symbol(caller))]

    def cancel_all(self, caller: Caller) -> object:
        """DELETE openOrders of one symbol."""
        orders = self.venue.cancel_all(caller.account, self.symbol(caller))
        if not orders:
            raise refusal(Market.SPOT, Reason.UNKNOWN_ORDER)
        return [bodies.canceled(order, self.fresh_id("cancel")) for order in orders]

    def all_orders(self, caller: Caller) -> object:
        """GET allOrders."""
        return [bodies.queried(order) for order in self.orders_page(caller)]

    def my_trades(self, caller: Caller) -> object:
        """GET myTrades."""
        return [bodies.trade(fill) for fill in self.fills_page(caller, self.symbol(caller))]

    def account(self, caller: Caller) -> object:
        """GET account."""
        hide = caller.params.flag("omitZeroBalances")
        return bodies.account(caller.account, _ledger(caller), caller.entry, hide_zero=hide)

    def commission(self, caller: Caller) -> object:
        """GET account/commission."""
        return bodies.commission_rates(self.source.specs[self.symbol(caller)], _ledger(caller))


def _ledger(caller: Caller) -> SpotLedger:
    return cast("SpotLedger", caller.account.ledger)


def _trigger(side: Side, stop: Decimal | None, *, is_profit: bool) -> Trigger | None:
    if stop is None:
        return None
    # A stop buys when the price has risen to it; a take-profit buys when it has fallen to it.
    return Trigger(stop, rises=(side is Side.BUY) != is_profit, is_profit=is_profit)
