"""The WebSocket API: the trading calls as messages, sessions, and the spot user-data subscriptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from trader.simulator.binance_trading.errors import ApiError, error_body, mandatory
from trader.simulator.binance_trading.limits import WEIGHT_LIMIT
from trader.simulator.source import Market

if TYPE_CHECKING:
    from trader.simulator.binance_trading.gateway import BinanceTrading
    from trader.simulator.trading.accounts_file import AccountEntry

Send = Callable[[bytes], Awaitable[None]]
_MOST_SUBSCRIPTIONS = 1000
_UNSIGNED = ("signature",)

_SPOT_CALLS = {
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "account.commission": ("GET", "/api/v3/account/commission"),
}
_USDM_CALLS = {
    "order.place": ("POST", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "account.status": ("GET", "/fapi/v2/account"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "account.position": ("GET", "/fapi/v2/positionRisk"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
}


class WsReply(NamedTuple):
    """An answer, and whether it may have caused events."""

    text: bytes
    acted: bool


@dataclass(slots=True, eq=False)
class WsApiSession:
    """One connection to the WebSocket API.

    Attributes
    ----------
    trading
        Answers the calls.
    send
        Sends an event to the client.
    """

    trading: BinanceTrading
    send: Send
    _logged_on: AccountEntry | None = None
    _logon_ms: int = 0
    _subscriptions: dict[int, tuple[object, str]] = field(default_factory=dict)
    _next: int = 0

    def handle(self, message: str | bytes) -> WsReply:
        """Answer one message."""
        request_id: object = None
        try:
            request = _parse(message)
            request_id = request.get("id")
            method, params = str(request["method"]), request.get("params") or {}
            result = self._dispatch(method, {str(name): value for name, value in params.items()})
            return WsReply(self._answer({"id": request_id, "status": 200, "result": result}), acted=True)
        except ApiError as error:
            body = msgspec.json.decode(error_body(error))
            return WsReply(self._answer({"id": request_id, "status": error.status, "error": body}), acted=False)

    def method(self, message: str | bytes) -> str:
        """Return the method a message calls, empty if it cannot be read."""
        try:
            return str(_parse(message)["method"])
        except ApiError:
            return ""

    def refusal(self, message: str | bytes, status: int, error: object) -> bytes:
        """Return the answer to a message that is refused unread."""
        try:
            request_id = _parse(message).get("id")
        except ApiError:
            request_id = None
        return self._answer({"id": request_id, "status": status, "error": error})

    def close(self) -> None:
        """End the subscriptions."""
        for token, _ in self._subscriptions.values():
            self.trading.user_data.unsubscribe(token)

    def _dispatch(self, method: str, params: dict[str, Any]) -> object:
        own = {
            "ping": dict,
            "time": lambda: {"serverTime": self.trading.routes.now_ms()},
            "session.logon": lambda: self._logon(params),
            "session.status": self._status,
            "session.logout": self._logout,
        }
        if method in own:
            self.trading.charge(1)
            return own[method]()
        spot = self.trading.market is Market.SPOT
        if spot and method.startswith("userDataStream."):
            return self._user_data(method, params)
        call = (_SPOT_CALLS if spot else _USDM_CALLS).get(method)
        if call is None:
            raise ApiError(400, -1000, f"Unknown method '{method}'.")
        key, payload, texts = self._identify(params)
        return self.trading.call(*call, key, payload, texts)

    def _user_data(self, method: str, params: dict[str, Any]) -> object:
        self.trading.charge(2)
        if method == "userDataStream.subscribe.signature":
            owner = self.trading.authenticate(*self._identify(params)).name
        elif method == "userDataStream.subscribe" and self._logged_on is not None:
            owner = self._logged_on.name
        elif method == "userDataStream.unsubscribe":
            return self._unsubscribe(params)
        elif method in {"userDataStream.start", "userDataStream.ping", "userDataStream.stop"}:
            raise ApiError(410, -1000, "This endpoint has been removed. Please use userDataStream.subscribe.signature.")
        else:
            raise ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        if any(name == owner for _, name in self._subscriptions.values()):
            raise ApiError(400, -2035, "User Data Stream subscription already active for this account.")
        if len(self._subscriptions) >= _MOST_SUBSCRIPTIONS:
            raise ApiError(400, -1003, "Too many subscriptions.")
        number, self._next = self._next, self._next + 1
        token = (self, number)
        self._subscriptions[number] = (token, owner)

        async def sink(payload: bytes) -> None:
            await self.send(b'{"subscriptionId":%d,"event":%s}' % (number, payload))

        self.trading.user_data.subscribe(owner, token, sink)
        return {"subscriptionId": number}

    def _unsubscribe(self, params: dict[str, Any]) -> object:
        chosen = params.get("subscriptionId")
        for number in [number for number in self._subscriptions if chosen in {None, number}]:
            self.trading.user_data.unsubscribe(self._subscriptions.pop(number)[0])
        return {}

    def _identify(self, params: dict[str, Any]) -> tuple[str | None, str, dict[str, str]]:
        """Return (API key, what was signed, parameters as text); a session that has logged on need not sign."""
        texts = {name: _text(value) for name, value in params.items() if value is not None}
        if self._logged_on is not None and "signature" not in texts:
            return self._logged_on.key, "", texts | {"apiKey": self._logged_on.key}
        payload = "&".join(f"{name}={texts[name]}" for name in sorted(texts) if name not in _UNSIGNED)
        return texts.get("apiKey"), payload, texts

    def _logon(self, params: dict[str, Any]) -> object:
        key, payload, texts = self._identify(params)
        entry = self.trading.authenticate(key, payload, texts)
        if not entry.ed25519:
            raise ApiError(400, -1022, "Signature for this request is not valid.")
        self._logged_on, self._logon_ms = entry, self.trading.routes.now_ms()
        return self._status()

    def _logout(self) -> object:
        self._logged_on = None
        return self._status()

    def _status(self) -> object:
        entry = self._logged_on
        return {
            "apiKey": entry.key if entry else None,
            "authorizedSince": self._logon_ms if entry else None,
            "connectedSince": self._logon_ms,
            "returnRateLimits": True,
            "serverTime": self.trading.routes.now_ms(),
            "userDataStream": bool(self._subscriptions),
        }

    def _answer(self, body: dict[str, object]) -> bytes:
        limit = {
            "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
            "limit": WEIGHT_LIMIT[self.trading.market], "count": self.trading.used_weight,
        }  # fmt: skip
        return msgspec.json.encode(body | {"rateLimits": [limit]})


def _parse(message: str | bytes) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(message)
    except msgspec.MsgspecError:
        raise ApiError(400, -1000, "Malformed request.") from None
    if not isinstance(request, dict) or not isinstance(request.get("params") or {}, dict):
        raise ApiError(400, -1000, "Malformed request.")
    if "method" not in request:
        raise mandatory("method")
    return request


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
