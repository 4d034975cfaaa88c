"""The USD-M trading calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

import msgspec

from shared.clock import NS_PER_MS
from trader.simulator.binance_trading import usdm_bodies as bodies
from trader.simulator.binance_trading.errors import ApiError, illegal, mandatory, no_such_order, refusal
from trader.simulator.binance_trading.filters import check_usdm
from trader.simulator.binance_trading.params import Params
from trader.simulator.binance_trading.routes import Caller, Route, TradingRoutes
from trader.simulator.binance_trading.spot_bodies import eight
from trader.simulator.source import Market
from trader.simulator.trading.orders import ZERO, Order, OrderRequest, Reason, Side, TimeInForce, Trigger

if TYPE_CHECKING:
    from trader.simulator.trading.ledger import MarginLedger

_PLAIN = {"LIMIT": ("quantity", "price", "timeInForce"), "MARKET": ("quantity",)}
_CONDITIONAL = {
    "STOP": ("quantity", "price"),
    "TAKE_PROFIT": ("quantity", "price"),
    "STOP_MARKET": (),
    "TAKE_PROFIT_MARKET": (),
}
_TIFS = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTX": TimeInForce.POST, "GTD": TimeInForce.GTC}
_MOST_LEVERAGE = 125


class UsdmRoutes(TradingRoutes):
    """USD-M orders, account and positions. Weights as of 2026-04."""

    hides_waiting = True

    def table(self) -> Mapping[tuple[str, str], Route]:
        """Return the calls by (method, path)."""
        return self._order_calls() | self._account_calls()

    def _order_calls(self) -> dict[tuple[str, str], Route]:
        v1 = "/fapi/v1/"
        return {
            ("POST", v1 + "order"): Route(self.place, 0),
            ("POST", v1 + "order/test"): Route(self.test, 1),
            ("GET", v1 + "order"): Route(self.query, 1),
            ("DELETE", v1 + "order"): Route(self.cancel, 1),
            ("POST", v1 + "batchOrders"): Route(self.place_batch, 5),
            ("DELETE", v1 + "batchOrders"): Route(self.cancel_batch, 1),
            ("GET", v1 + "openOrder"): Route(self.query_open, 1),
            ("GET", v1 + "openOrders"): Route(self.open_orders, 1),
            ("DELETE", v1 + "allOpenOrders"): Route(self.cancel_all, 1),
            ("GET", v1 + "allOrders"): Route(self.all_orders, 5),
            ("GET", v1 + "userTrades"): Route(self.user_trades, 5),
            ("POST", v1 + "algoOrder"): Route(self.place_algo, 0),
            ("GET", v1 + "algoOrder"): Route(self.query_algo, 1),
            ("DELETE", v1 + "algoOrder"): Route(self.cancel_algo, 1),
            ("GET", v1 + "openAlgoOrders"): Route(self.open_algos, 1),
            ("DELETE", v1 + "algoOpenOrders"): Route(self.cancel_algos, 1),
            ("GET", v1 + "allAlgoOrders"): Route(self.all_algos, 5),
            ("POST", v1 + "countdownCancelAll"): Route(self.countdown, 10),
        }

    def _account_calls(self) -> dict[tuple[str, str], Route]:
        v1, v2, v3 = "/fapi/v1/", "/fapi/v2/", "/fapi/v3/"
        return {
            ("GET", v2 + "balance"): Route(self.balance, 5),
            ("GET", v3 + "balance"): Route(self.balance, 5),
            ("GET", v2 + "account"): Route(lambda caller: self.account(caller, self._all()), 5),
            ("GET", v3 + "account"): Route(lambda caller: self.account(caller, self._engaged(caller)), 5),
            ("GET", v2 + "positionRisk"): Route(lambda caller: self.position_risk(caller, self._all()), 5),
            ("GET", v3 + "positionRisk"): Route(lambda caller: self.position_risk(caller, self._engaged(caller)), 5),
            ("POST", v1 + "leverage"): Route(self.leverage, 1),
            ("POST", v1 + "marginType"): Route(self.margin_type, 1),
            ("GET", v1 + "positionSide/dual"): Route(lambda _: {"dualSidePosition": False}, 30),
            ("POST", v1 + "positionSide/dual"): Route(self.position_side, 1),
            ("GET", v1 + "multiAssetsMargin"): Route(lambda _: {"multiAssetsMargin": False}, 30),
            ("GET", v1 + "leverageBracket"): Route(self.brackets, 1),
            ("GET", v1 + "commissionRate"): Route(self.commission, 20),
            ("GET", v1 + "income"): Route(self.income, 30),
            ("GET", v1 + "symbolConfig"): Route(self.symbol_config, 5),
            ("GET", v1 + "accountConfig"): Route(self.account_config, 5),
        }

    # ---- orders

    def request(self, caller: Caller) -> OrderRequest:
        """Read and check a plain order."""
        kind = caller.params.required("type")
        if kind in _CONDITIONAL or kind == "TRAILING_STOP_MARKET":
            raise ApiError(
                400, -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            )
        return self._read(caller, kind, "newClientOrderId", _PLAIN, None)

    def _read(
        self, caller: Caller, kind: str, id_name: str, known: Mapping[str, tuple[str, ...]], trigger: Trigger | None
    ) -> OrderRequest:
        params, symbol = caller.params, self.symbol(caller)
        side = Side(params.choice("side"))
        if kind not in known:
            raise ApiError(400, -1116, "Invalid orderType.")
        if params.text("positionSide", "BOTH") != "BOTH":
            raise ApiError(400, -4061, "Order's position side does not match user's setting.")
        closes = params.flag("closePosition")
        for name in known[kind]:
            params.required(name)
        if trigger is not None and not closes:
            params.required("quantity")
        has_price = "price" in known[kind]
        tif = _TIFS[params.choice("timeInForce")] if has_price and params.text("timeInForce") else TimeInForce.GTC
        request = OrderRequest(
            symbol, side, ZERO if closes else params.decimal("quantity") or ZERO, params.decimal("price") if has_price else None,
            params.client_id(id_name) or self.fresh_id("web_"), tif, trigger,
            reduce_only=params.flag("reduceOnly") or closes, closes_position=closes,
        )  # fmt: skip
        spec, count = self.source.specs[symbol], len(caller.account.open_orders(symbol))
        check_usdm(spec, self.venue.view(symbol), request, count)
        return request

    def place(self, caller: Caller) -> object:
        """POST order."""
        return self._placed(caller, self.place_order(caller))

    def _placed(self, caller: Caller, order: Order) -> object:
        spec = self.source.specs[order.symbol]
        if caller.params.text("newOrderRespType", "ACK") == "ACK":
            return bodies.acknowledged(order, spec)
        return bodies.order_body(order, spec, with_time=False)

    def test(self, caller: Caller) -> object:
        """POST order/test: everything is checked, nothing is placed."""
        self.request(caller)
        return {}

    def place_batch(self, caller: Caller) -> object:
        """POST batchOrders: each row succeeds or fails for itself."""
        rows = _json_rows(caller.params.required("batchOrders"))
        return [self._each(self.place, caller, {**row}) for row in rows[:5]]

    def cancel_batch(self, caller: Caller) -> object:
        """DELETE batchOrders by numbers or client ids."""
        params, symbol = caller.params, self.symbol(caller)
        numbers = params.text("orderIdList", "[]").strip("[]").split(",")
        texts = msgspec.json.decode(params.text("origClientOrderIdList", "[]").encode(), type=list[str])
        rows = [{"symbol": symbol, "orderId": number.strip()} for number in numbers if number.strip()]
        rows += [{"symbol": symbol, "origClientOrderId": text} for text in texts]
        return [self._each(self.cancel, caller, row) for row in rows]

    def _each(self, act: Callable[[Caller], object], caller: Caller, values: dict[str, str]) -> object:
        try:
            return act(Caller(caller.account, caller.entry, Params(values)))
        except ApiError as error:
            return {"code": error.code, "msg": str(error)}

    def query(self, caller: Caller) -> object:
        """GET order."""
        return self._body(self.found(caller, missing=no_such_order()))

    def query_open(self, caller: Caller) -> object:
        """GET openOrder."""
        order = self.found(caller, missing=no_such_order())
        if not order.is_open:
            raise no_such_order()
        return self._body(order)

    def cancel(self, caller: Caller) -> object:
        """DELETE order."""
        order = self.found(caller, missing=refusal(Market.USDM, Reason.UNKNOWN_ORDER))
        return bodies.order_body(self.cancel_order(caller, order), self.source.specs[order.symbol], with_time=False)

    def open_orders(self, caller: Caller) -> object:
        """GET openOrders."""
        orders = caller.account.open_orders(self.optional_symbol(caller))
        return [self._body(order) for order in orders if not self.hidden(order)]

    def cancel_all(self, caller: Caller) -> object:
        """DELETE allOpenOrders of one symbol; conditional ones stay."""
        for order in caller.account.open_orders(self.symbol(caller)):
            if not self.hidden(order):
                self.cancel_order(caller, order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def all_orders(self, caller: Caller) -> object:
        """GET allOrders."""
        return [self._body(order) for order in self.orders_page(caller)]

    def user_trades(self, caller: Caller) -> object:
        """GET userTrades."""
        fills = self.fills_page(caller, self.optional_symbol(caller))
        return [bodies.trade(fill, self.source.specs[fill.symbol]) for fill in fills]

    def countdown(self, caller: Caller) -> object:
        """POST countdownCancelAll: the dead man's switch of one symbol, in venue time; 0 stops it."""
        symbol, wait_ms = self.symbol(caller), caller.params.number("countdownTime", -1)
        if wait_ms < 0:
            raise mandatory("countdownTime")
        caller.account.countdowns.pop(symbol, None)
        if wait_ms:
            caller.account.countdowns[symbol] = self.venue.now_ns() + wait_ms * NS_PER_MS
        return {"symbol": symbol, "countdownTime": str(wait_ms)}

    def _body(self, order: Order) -> object:
        return bodies.order_body(order, self.source.specs[order.symbol], with_time=True)

    # ---- conditional orders

    def place_algo(self, caller: Caller) -> object:
        """POST algoOrder."""
        return self._algo(self.place_order(caller, self._read_algo))

    def _read_algo(self, caller: Caller) -> OrderRequest:
        params = caller.params
        if params.required("algoType") != "CONDITIONAL":
            raise illegal("algoType")
        kind, side = params.required("type"), Side(params.choice("side"))
        is_profit = kind.startswith("TAKE")
        by_mark = params.text("workingType", "CONTRACT_PRICE") == "MARK_PRICE"
        trigger = Trigger(params.required_decimal("triggerPrice"), (side is Side.BUY) != is_profit, by_mark, is_profit)
        return self._read(caller, kind, "clientAlgoId", _CONDITIONAL, trigger)

    def query_algo(self, caller: Caller) -> object:
        """GET algoOrder."""
        return self._algo(self._found_algo(caller, no_such_order()))

    def cancel_algo(self, caller: Caller) -> object:
        """DELETE algoOrder."""
        order = self._found_algo(caller, refusal(Market.USDM, Reason.UNKNOWN_ORDER))
        if order.triggered_ns:
            raise refusal(Market.USDM, Reason.UNKNOWN_ORDER)
        self.cancel_order(caller, order)
        ids = {"algoId": order.order_id, "clientAlgoId": order.request.client_id}
        return ids | {"code": "200", "msg": "success"}

    def open_algos(self, caller: Caller) -> object:
        """GET openAlgoOrders."""
        orders = caller.account.open_orders(self.optional_symbol(caller))
        return [self._algo(order) for order in orders if self.hidden(order)]

    def cancel_algos(self, caller: Caller) -> object:
        """DELETE algoOpenOrders of one symbol."""
        for order in caller.account.open_orders(self.symbol(caller)):
            if self.hidden(order):
                self.cancel_order(caller, order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def all_algos(self, caller: Caller) -> object:
        """GET allAlgoOrders."""
        symbol = self.symbol(caller)
        orders = [order for order in caller.account.orders.values() if order.symbol == symbol and order.request.trigger]
        return [self._algo(order) for order in orders]

    def _found_algo(self, caller: Caller, missing: ApiError) -> Order:
        order = self.found(caller, missing=missing, algo=True)
        if order.request.trigger is None:
            raise missing
        return order

    def _algo(self, order: Order) -> object:
        return bodies.algo_body(order, self.source.specs[order.symbol])

    # ---- account

    def account(self, caller: Caller, symbols: list[str]) -> object:
        """GET account."""
        return bodies.account(caller.account, _ledger(caller), caller.entry, symbols)

    def _all(self) -> list[str]:
        return list(self.source.specs)

    def _engaged(self, caller: Caller) -> list[str]:
        """Return the symbols with a position or an open order: version 3 leaves the others out."""
        ledger, ordered = _ledger(caller), {order.symbol for order in caller.account.open_orders()}
        return [symbol for symbol in self.source.specs if symbol in ordered or ledger.position(symbol).qty]

    def balance(self, caller: Caller) -> object:
        """GET balance."""
        return [bodies.balance(caller.account, _ledger(caller))]

    def position_risk(self, caller: Caller, symbols: list[str]) -> object:
        """GET positionRisk."""
        ledger, wanted = _ledger(caller), self.optional_symbol(caller)
        return [bodies.position_risk(ledger, symbol, ledger.position(symbol)) for symbol in symbols if wanted in {None, symbol}]

    def leverage(self, caller: Caller) -> object:
        """POST leverage."""
        symbol, leverage = self.symbol(caller), caller.params.number("leverage", 0)
        if not 1 <= leverage <= _MOST_LEVERAGE:
            raise ApiError(400, -4028, f"Leverage {leverage} is not valid")
        _ledger(caller).position(symbol).leverage = leverage
        self.venue.touched(caller.account, "leverage", symbols=(symbol,))
        return {"symbol": symbol, "leverage": leverage, "maxNotionalValue": "100000000"}

    def margin_type(self, caller: Caller) -> object:
        """POST marginType; only the word is kept."""
        held = _ledger(caller).position(self.symbol(caller))
        isolated = caller.params.required("marginType") == "ISOLATED"
        if held.isolated == isolated:
            raise ApiError(400, -4046, "No need to change margin type.")
        held.isolated = isolated
        return {"code": 200, "msg": "success"}

    def position_side(self, caller: Caller) -> object:
        """POST positionSide/dual: one-way is the only mode here."""
        if caller.params.flag("dualSidePosition"):
            raise ApiError(400, -4067, "Position side cannot be changed if there exists open orders.")
        raise ApiError(400, -4059, "No need to change position side.")

    def brackets(self, caller: Caller) -> object:
        """GET leverageBracket: one bracket for all sizes."""
        share = f"{_ledger(caller).maintenance:f}"
        bracket = {
            "bracket": 1, "initialLeverage": _MOST_LEVERAGE, "notionalCap": 100_000_000, "notionalFloor": 0,
            "maintMarginRatio": float(share), "cum": 0.0,
        }  # fmt: skip
        wanted = self.optional_symbol(caller)
        return [{"symbol": symbol, "brackets": [bracket]} for symbol in ([wanted] if wanted else self.source.specs)]

    def commission(self, caller: Caller) -> object:
        """GET commissionRate."""
        fees = _ledger(caller).fees
        rates = {
            "makerCommissionRate": f"{fees.maker:f}",
            "takerCommissionRate": f"{fees.taker:f}",
            "rpiCommissionRate": "0.00005",
        }
        return {"symbol": self.symbol(caller)} | rates

    def income(self, caller: Caller) -> object:
        """GET income: funding only."""
        mine = [paid for paid in self.venue.fundings if paid.owner == caller.account.name]
        return [
            {
                "symbol": paid.symbol, "incomeType": "FUNDING_FEE", "income": eight(paid.amount), "asset": _ledger(caller).asset,
                "time": paid.ns // NS_PER_MS, "info": "FUNDING_FEE", "tranId": number, "tradeId": "",
            }
            for number, paid in enumerate(mine, start=1)
        ]  # fmt: skip

    def symbol_config(self, caller: Caller) -> object:
        """GET symbolConfig."""
        ledger, wanted = _ledger(caller), self.optional_symbol(caller)
        return [
            {
                "symbol": symbol, "marginType": "ISOLATED" if ledger.position(symbol).isolated else "CROSSED",
                "isAutoAddMargin": False, "leverage": ledger.position(symbol).leverage, "maxNotionalValue": "100000000",
            }
            for symbol in ([wanted] if wanted else self.source.specs)
        ]  # fmt: skip

    def account_config(self, caller: Caller) -> object:
        """GET accountConfig."""
        entry = caller.entry
        rights = {"canTrade": entry.may_trade, "canDeposit": True, "canWithdraw": entry.may_withdraw}
        return {
            "feeTier": 0,
            **rights,
            "dualSidePosition": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }


def _ledger(caller: Caller) -> MarginLedger:
    return cast("MarginLedger", caller.account.ledger)


def _json_rows(text: str) -> list[dict[str, str]]:
    try:
        rows = msgspec.json.decode(text.encode(), type=list[dict[str, object]])
    except msgspec.MsgspecError:
        raise illegal("batchOrders") from None
    return [{name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in row.items()} for row in rows]
