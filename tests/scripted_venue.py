"""A small Binance USD-M on a real socket whose answers a test scripts: lost answers, 504, doubles, empty lists, a dead stream.

Orders are matched at once at the price the test sets. What it cannot do is in ``trader_sim``; what it can, it does on command.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

SYMBOL = "BTCUSDT"
_FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "1000000", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
    {"filterType": "MIN_NOTIONAL", "notional": "5"},
]
_INFO = {
    "symbol": SYMBOL, "pair": SYMBOL, "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8,
    "underlyingType": "COIN", "deliveryDate": 4133404800000, "onboardDate": 1569398400000, "filters": _FILTERS,
    "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
}  # fmt: skip

LOSE_ANSWER = "lose answer"  # the order is taken, the connection drops before the answer
LOSE_REQUEST = "lose request"  # the connection drops, the order is not taken
TIMEOUT_504 = "504"  # the order is taken, a gateway answers
REFUSE = "refuse"
NEVER_KNOWN = "-1007 not taken"
HOLD_EVENT = "hold event"  # the answer comes before the fill event
NO_EVENT = "no event"  # the user stream says nothing of it


class ScriptedVenue:
    """The server. ``script`` holds what happens to the next orders, one word each; without one all goes well.

    Attributes
    ----------
    placed
        Every order that was taken, by client id, in order.
    requests
        Method and path of every request.
    """

    def __init__(self) -> None:
        self.script: deque[str] = deque()
        self.price = 60_000.0
        self.fee_rate = 0.0005
        self.wallet = 100_000.0
        self.position = self.entry = 0.0
        self.orders: dict[str, dict[str, Any]] = {}
        self.stops: dict[str, dict[str, Any]] = {}
        self.trades: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.withdrawals: bool | None = False
        self.empty_positions = False
        self.countdowns: list[int] = []
        self.port = 0
        self._ids = 1000
        self._sockets: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None

    @property
    def placed(self) -> list[str]:
        return list(self.orders)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self.cut()
        await self._runner.cleanup()

    async def cut(self) -> None:
        """Close every stream."""
        for socket in list(self._sockets):
            await socket.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        if path.startswith("/private/ws"):
            return await self._stream(request)
        self.requests.append((request.method, path))
        given = dict(parse_qsl(request.query_string)) | dict(parse_qsl(await request.text()))
        made = self._routes().get((request.method, path.rpartition("/")[2]))
        if made is None:
            return web.json_response({"code": -1, "msg": f"no such path {path}"}, status=404)
        answer = made(given)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer is None:  # a lost answer: the connection goes
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(answer, web.Response):
            return answer
        status = 400 if isinstance(answer, dict) and answer.get("code", 0) < 0 else 200
        return web.json_response(answer, status=status)

    def _routes(self) -> dict[tuple[str, str], Any]:
        return {
            ("GET", "exchangeInfo"): lambda _: {"symbols": [_INFO], "timezone": "UTC", "serverTime": _now_ms(), "rateLimits": []},
            ("GET", "time"): lambda _: {"serverTime": _now_ms()},
            ("GET", "apiRestrictions"): lambda _: self._restrictions(),
            ("POST", "listenKey"): lambda _: {"listenKey": "k1"},
            ("PUT", "listenKey"): lambda _: {"listenKey": "k1"},
            ("POST", "order"): self._place,
            ("GET", "order"): self._query,
            ("DELETE", "order"): self._cancel,
            ("POST", "algoOrder"): self._place_stop,
            ("GET", "algoOrder"): self._query_stop,
            ("DELETE", "algoOrder"): self._cancel_stop,
            ("GET", "openOrders"): lambda _: [o for o in self.orders.values() if o["status"] == "NEW"],
            ("GET", "openAlgoOrders"): lambda _: [o for o in self.stops.values() if o["algoStatus"] == "NEW"],
            ("GET", "userTrades"): lambda given: [t for t in self.trades if t["time"] >= int(given.get("startTime", 0))],
            ("GET", "positionRisk"): lambda _: self._risk(),
            ("GET", "account"): lambda _: self._account(),
            ("POST", "countdownCancelAll"): self._countdown,
        }

    def _restrictions(self) -> dict[str, Any]:
        return {"code": -1, "msg": "none"} if self.withdrawals is None else {"enableWithdrawals": self.withdrawals}

    def _countdown(self, given: dict[str, str]) -> dict[str, Any]:
        self.countdowns.append(int(given["countdownTime"]))
        return given

    def _risk(self) -> list[dict[str, Any]]:
        if self.empty_positions or not self.position:
            return []
        return [
            {"symbol": SYMBOL, "positionAmt": f"{self.position:.3f}", "entryPrice": f"{self.entry:.8f}", "positionSide": "BOTH"}
        ]

    def _account(self) -> dict[str, Any]:
        positions = [{"symbol": SYMBOL, "positionAmt": f"{self.position:.3f}"}] if self.position else []
        return {"assets": [{"asset": "USDT", "walletBalance": f"{self.wallet:.8f}"}], "positions": positions}

    # orders

    async def _place(self, given: dict[str, str]) -> Any:
        word = self.script.popleft() if self.script else ""
        if word == LOSE_REQUEST:
            return None
        if word == REFUSE:
            return {"code": -2019, "msg": "Margin is insufficient."}
        if word == NEVER_KNOWN:
            return web.json_response({"code": -1007, "msg": "Timeout waiting for response from backend server."}, status=408)
        client_id = given["newClientOrderId"]
        if client_id in self.orders:
            return {"code": -4116, "msg": "ClientOrderId is duplicated."}
        order = self._new(client_id, given)
        if given["type"] == "MARKET":
            event = self._fill(order, float(given["quantity"]))
            if word == HOLD_EVENT:
                asyncio.get_running_loop().call_later(0.2, lambda: asyncio.ensure_future(self.say(event)))
            elif word != NO_EVENT:
                await self.say(event)
        if word == LOSE_ANSWER:
            return None
        if word == TIMEOUT_504:
            return web.Response(status=504, text="<html>504 Gateway Time-out</html>", content_type="text/html")
        return order

    def _new(self, client_id: str, given: dict[str, str]) -> dict[str, Any]:
        self._ids += 1
        order = {
            "orderId": self._ids, "symbol": SYMBOL, "status": "NEW", "clientOrderId": client_id, "price": given.get("price", "0"),
            "avgPrice": "0", "origQty": given["quantity"], "executedQty": "0", "cumQuote": "0", "timeInForce": "GTC",
            "type": given["type"], "side": given["side"], "reduceOnly": given.get("reduceOnly") == "true", "stopPrice": "0",
            "updateTime": _now_ms(), "time": _now_ms(),
        }  # fmt: skip
        self.orders[client_id] = order
        return order

    def _fill(self, order: dict[str, Any], wanted: float) -> dict[str, Any]:
        side = 1.0 if order["side"] == "BUY" else -1.0
        qty = min(wanted, abs(self.position)) if order["reduceOnly"] else wanted
        before = self.position
        self.position = round(before + side * qty, 3)
        if before * side >= 0.0:
            self.entry = (abs(before) * self.entry + qty * self.price) / (abs(before) + qty)
        else:
            self.wallet += (self.price - self.entry) * min(qty, abs(before)) * (1.0 if before > 0 else -1.0)
            self.entry = self.price if self.position * before < 0 else self.entry
        fee = qty * self.price * self.fee_rate
        self.wallet -= fee
        order.update(status="FILLED" if qty == wanted else "EXPIRED", executedQty=f"{qty:.3f}", avgPrice=str(self.price))
        trade = {
            "symbol": SYMBOL, "id": len(self.trades) + 1, "orderId": order["orderId"], "side": order["side"],
            "price": f"{self.price:.2f}", "qty": f"{qty:.3f}", "commission": f"{fee:.8f}", "commissionAsset": "USDT",
            "time": _now_ms(), "positionSide": "BOTH", "maker": False, "buyer": side > 0,
        }  # fmt: skip
        self.trades.append(trade)
        told = {
            "s": SYMBOL, "c": order["clientOrderId"], "S": order["side"], "o": order["type"], "f": "GTC", "q": order["origQty"],
            "p": order["price"], "ap": f"{self.price}", "sp": "0", "x": "TRADE", "X": order["status"], "i": order["orderId"],
            "l": trade["qty"], "z": order["executedQty"], "L": trade["price"], "N": "USDT", "n": trade["commission"],
            "T": trade["time"], "t": trade["id"], "m": False, "R": order["reduceOnly"], "ps": "BOTH", "rp": "0",
        }  # fmt: skip
        return {"e": "ORDER_TRADE_UPDATE", "E": _now_ms(), "T": _now_ms(), "o": told}

    def _query(self, given: dict[str, str]) -> dict[str, Any]:
        client_id, order_id = given.get("origClientOrderId"), given.get("orderId")
        for order in self.orders.values():
            if order["clientOrderId"] == client_id or str(order["orderId"]) == order_id:
                return order
        return {"code": -2013, "msg": "Order does not exist."}

    def _cancel(self, given: dict[str, str]) -> dict[str, Any]:
        order = self.orders.get(given.get("origClientOrderId", ""))
        if order is None or order["status"] != "NEW":
            return {"code": -2011, "msg": "Unknown order sent."}
        order["status"] = "CANCELED"
        return order

    # stops

    def _place_stop(self, given: dict[str, str]) -> dict[str, Any]:
        self._ids += 1
        stop = {
            "algoId": self._ids, "clientAlgoId": given["clientAlgoId"], "algoType": "CONDITIONAL", "orderType": given["type"],
            "symbol": SYMBOL, "side": given["side"], "quantity": given["quantity"], "algoStatus": "NEW", "actualOrderId": "",
            "triggerPrice": given["triggerPrice"], "price": "0", "reduceOnly": True, "createTime": _now_ms(),
            "updateTime": _now_ms(),
        }  # fmt: skip
        self.stops[given["clientAlgoId"]] = stop
        return stop

    def _query_stop(self, given: dict[str, str]) -> dict[str, Any]:
        return self.stops.get(given.get("clientAlgoId", ""), {"code": -2013, "msg": "Order does not exist."})

    def _cancel_stop(self, given: dict[str, str]) -> dict[str, Any]:
        stop = self.stops.get(given.get("clientAlgoId", ""))
        if stop is None or stop["algoStatus"] != "NEW":
            return {"code": -2011, "msg": "Unknown order sent."}
        stop["algoStatus"] = "CANCELED"
        return stop

    async def trigger(self, *, quietly: bool = False) -> None:
        """Let the resting stop reach its price."""
        stop = next(s for s in self.stops.values() if s["algoStatus"] == "NEW")
        self.price = float(stop["triggerPrice"])
        given = {"quantity": stop["quantity"], "side": stop["side"], "type": "MARKET", "reduceOnly": "true"}
        order = self._new(f"algo-{stop['algoId']}", given)
        event = self._fill(order, float(stop["quantity"]))
        stop.update(algoStatus="FINISHED", actualOrderId=str(order["orderId"]))
        if not quietly:
            await self.say(event)

    # the user stream

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        self._sockets.discard(socket)
        return socket

    async def say(self, event: dict[str, Any]) -> None:
        for socket in list(self._sockets):
            await socket.send_str(json.dumps(event))


def _now_ms() -> int:
    return int(time.time() * 1000)  # noqa: TID251 - a venue has a clock of its own
