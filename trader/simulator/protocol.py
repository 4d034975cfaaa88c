"""The WebSocket protocol without sockets: connection paths and control messages in, replies out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from trader.simulator.source import Market
from trader.simulator.streams import Category

MAX_ID_LENGTH = 36
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_CATEGORIES = {
    "public": Category.PUBLIC,
    "market": Category.MARKET,
    "private": Category.PRIVATE,
    "sim": Category.ALL,  # our own extension: everything in one order, so that two replays interleave alike
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a WebSocket URL asks for.

    Attributes
    ----------
    category
        Which streams the connection delivers.
    combined
        Whether payloads come inside ``{"stream", "data"}``.
    streams
        Names given in the URL, in order; a listen key is one of them.
    kinds
        Event types a private connection asked for; empty for all.
    """

    category: Category
    combined: bool
    streams: tuple[str, ...]
    kinds: tuple[str, ...] = ()


def parse_endpoint(target: str, market: Market) -> Endpoint | None:
    """Read a request target such as ``/stream?streams=a/b``; None if no WebSocket lives there."""
    url = urlsplit(target)
    parts = [unquote(part) for part in url.path.split("/") if part]
    category = Category.ALL
    if market is Market.USDM:
        # An unrouted futures connection is still accepted by the venue and serves the public category only.
        category = Category.PUBLIC
        if parts and parts[0] in _CATEGORIES:
            category = _CATEGORIES[parts.pop(0)]
    if not parts or parts[0] not in {"ws", "stream"}:
        return None
    if parts[0] == "stream":
        if len(parts) > 1:
            return None
        names = "/".join(parse_qs(url.query).get("streams", [])).split("/")
    else:
        names = [part for part in parts[1:] if not part.isdigit()]  # ccxt numbers its connections: /ws/0
    query = parse_qs(url.query)
    kinds = tuple(kind for kind in "/".join(query.get("events", [])).split("/") if kind)
    wanted = tuple(dict.fromkeys(name for name in [*names, *query.get("listenKey", [])] if name))
    return Endpoint(category, parts[0] == "stream", wanted, kinds)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and the change it announces; the change takes effect after the answer is sent."""

    text: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    combined: bool | None = None


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class ControlSession:
    """The state that control messages change: subscriptions (in order) and the combined flag."""

    combined: bool
    subscriptions: dict[str, None] = field(default_factory=dict)

    def handle(self, text: str | bytes) -> Reply:
        """Answer one control message; nothing changes until :meth:`commit`."""
        request_id: object = None
        try:
            message = _parse(text)
            request_id = _request_id(message)
            return self._dispatch(message, request_id)
        except _Refused as refused:
            error = {"error": {"code": refused.code, "msg": str(refused)}, "id": request_id}
            return Reply(_dumps(error))

    def commit(self, reply: Reply) -> None:
        """Carry out what a reply announced."""
        for name in reply.subscribe:
            self.subscriptions[name] = None
        for name in reply.unsubscribe:
            self.subscriptions.pop(name, None)
        if reply.combined is not None:
            self.combined = reply.combined

    def _dispatch(self, message: dict[str, Any], request_id: object) -> Reply:
        method, params = message.get("method"), message.get("params")
        if "method" not in message:
            raise _Refused(2, "Invalid request: missing field `method` at line 1 column 1")
        if method not in _METHODS:
            expected = ", ".join(f"`{known}`" for known in _METHODS)
            raise _Refused(2, f"Invalid request: unknown variant `{method}`, expected one of {expected} at line 1 column 1")
        if method == "LIST_SUBSCRIPTIONS":
            return Reply(_result(list(self.subscriptions), request_id))
        if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            names = _stream_names(params)
            ack = _result(None, request_id)
            return Reply(ack, subscribe=names) if method == "SUBSCRIBE" else Reply(ack, unsubscribe=names)
        return self._property(str(method), params, request_id)

    def _property(self, method: str, params: object, request_id: object) -> Reply:
        wanted = 2 if method == "SET_PROPERTY" else 1
        values = params if isinstance(params, list) else []
        if not values or not isinstance(values[0], str):
            raise _Refused(2, "Invalid request: property name must be a string")
        if len(values) > wanted:
            raise _Refused(2, "Invalid request: too many parameters")
        if values[0] != "combined":
            raise _Refused(0, "Unknown property")
        if method == "GET_PROPERTY":
            return Reply(_result(self.combined, request_id))
        if len(values) < wanted or not isinstance(values[1], bool):
            raise _Refused(1, "Invalid value type: expected Boolean")
        return Reply(_result(None, request_id), combined=values[1])


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except json.JSONDecodeError as error:
        raise _Refused(3, f"Invalid JSON: expected value at line {error.lineno} column {error.colno}") from None
    except (UnicodeDecodeError, RecursionError):
        raise _Refused(3, "Invalid JSON: expected value at line 1 column 1") from None
    if not isinstance(message, dict):
        raise _Refused(2, "Invalid request: expected an object at line 1 column 1")
    return message


def _request_id(message: dict[str, Any]) -> object:
    value = message.get("id")
    if value is None or (isinstance(value, str) and len(value) <= MAX_ID_LENGTH):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    raise _Refused(2, "Invalid request: request ID must be an unsigned integer")


def _stream_names(params: object) -> tuple[str, ...]:
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        raise _Refused(2, "Invalid request: params must be an array of stream names")
    return tuple(params)


def _result(result: object, request_id: object) -> str:
    return _dumps({"result": result, "id": request_id})


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
