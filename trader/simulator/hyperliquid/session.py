"""The socket's protocol without sockets: a client's message in, what to answer and what to change out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from trader.simulator.hyperliquid.facts import CANDLE_MS
from trader.simulator.hyperliquid.wire import encode, message

if TYPE_CHECKING:
    from collections.abc import Container

SIM_TIME, SIM_END = "simTime", "simEnd"  # our own extension, never sent by the venue
_COIN_CHANNELS = ("trades", "bbo", "activeAssetCtx", "candle", "l2Book")
_USER_CHANNELS = {
    "userFills": {"aggregateByTime": False}, "orderUpdates": {}, "userEvents": {}, "userFundings": {}, "openOrders": {},
    "userNonFundingLedgerUpdates": {}, "clearinghouseState": {}, "notification": {}, "webData3": {},
}  # fmt: skip
_UNREADABLE = "Error parsing JSON into valid websocket request: "


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription in the venue's own form, defaults filled in.

    Attributes
    ----------
    form
        What an acknowledgement repeats.
    stream
        Under which name the flow carries it: ``l2Book:BTC``, ``allMids``.
    """

    form: dict[str, Any]
    stream: str

    @property
    def key(self) -> bytes:
        """What tells it from all others."""
        return encode(self.form)

    @property
    def fast(self) -> bool:
        """Whether it is the book of 5 levels."""
        return bool(self.form.get("fast"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a message brings about; the text is sent before anything else happens.

    Attributes
    ----------
    hang_up
        The connection is cut, without a word and without a close frame.
    post
        Id and request of a request over the socket.
    """

    text: bytes = b""
    subscribe: Subscription | None = None
    unsubscribe: Subscription | None = None
    hang_up: bool = False
    post: tuple[int, dict[str, Any]] | None = None


class _Unreadable(Exception):
    """The message means nothing to the venue."""


class _UnknownCoin(Exception):
    """The message names something that does not exist; the venue cuts the connection."""


@dataclass(slots=True)
class Session:
    """What one connection has subscribed, in order.

    Parameters
    ----------
    coins
        Names that exist, delisted ones among them; case matters.
    """

    coins: Container[str]
    subscriptions: dict[bytes, Subscription] = field(default_factory=dict)

    @property
    def hears_user(self) -> bool:
        """Whether it has subscribed anything about a user."""
        return any(subscription.form["type"] in _USER_CHANNELS for subscription in self.subscriptions.values())

    def handle(self, text: str | bytes) -> Answer:
        """Answer one message; a subscription it announces is in force at once."""
        try:
            return self._handle(text)
        except _Unreadable:
            plain = text if isinstance(text, str) else text.decode(errors="replace")
            return Answer(_error(_UNREADABLE + plain))
        except _UnknownCoin:
            return Answer(hang_up=True)

    def _handle(self, text: str | bytes) -> Answer:
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise _Unreadable from None
        method = request.get("method") if isinstance(request, dict) else None
        if method == "ping":
            return Answer(b'{"channel":"pong"}')
        if method == "post":
            return Answer(post=_post(request))
        if method not in ("subscribe", "unsubscribe"):
            raise _Unreadable
        wanted = self._read(request.get("subscription"))
        key = wanted.key
        if (key in self.subscriptions) == (method == "subscribe"):
            return Answer(_error(f"Already {method}d: {key.decode()}"))
        text_out = message("subscriptionResponse", encode({"method": method, "subscription": wanted.form}))
        if method == "subscribe":
            self.subscriptions[key] = wanted
            return Answer(text_out, subscribe=wanted)
        return Answer(text_out, unsubscribe=self.subscriptions.pop(key))

    def _read(self, asked: object) -> Subscription:
        if not isinstance(asked, dict) or not isinstance(asked.get("type"), str):
            raise _Unreadable
        kind = asked["type"]
        if kind in (SIM_TIME, "allMids"):
            return Subscription({"type": kind} | ({"dex": asked["dex"]} if isinstance(asked.get("dex"), str) else {}), kind)
        if kind in _USER_CHANNELS:
            user = asked.get("user")
            if not isinstance(user, str):
                raise _Unreadable
            extra = {name: asked.get(name, default) for name, default in _USER_CHANNELS[kind].items()}
            return Subscription({"type": kind, "user": user.lower()} | extra, f"{kind}:{user.lower()}")
        if kind not in _COIN_CHANNELS or not isinstance(asked.get("coin"), str):
            raise _Unreadable
        form = {"type": kind, "coin": asked["coin"]} | self._details(kind, asked)
        if asked["coin"] not in self.coins:
            raise _UnknownCoin
        return Subscription(form, f"{kind}:{asked['coin']}")

    def _details(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        if kind == "candle":
            if asked.get("interval") not in CANDLE_MS:
                raise _Unreadable
            return {"interval": asked["interval"]}
        if kind == "l2Book":
            figures, mantissa = asked.get("nSigFigs"), asked.get("mantissa")
            if figures not in (None, 2, 3, 4, 5) or mantissa not in (None, 1, 2, 5) or (mantissa and figures != 5):
                raise _UnknownCoin
            return {"nSigFigs": figures, "mantissa": mantissa, "fast": bool(asked.get("fast"))}
        return {}


def _post(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    asked = request.get("request")
    if not isinstance(request.get("id"), int) or not isinstance(asked, dict) or not isinstance(asked.get("payload"), dict):
        raise _Unreadable
    if asked.get("type") not in ("info", "action"):
        raise _Unreadable
    return request["id"], asked


def _error(words: str) -> bytes:
    return message("error", encode(words))


def unreadable_post(request: dict[str, Any]) -> bytes:
    """Return the answer to a request that cannot be read: it does not say which one it was."""
    return _error(_UNREADABLE + encode({"method": "post", "request": request}).decode())
