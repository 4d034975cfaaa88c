"""``POST /info``: one JSON body in, one JSON answer out; what cannot be read is a 422 in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from shared.clock import NS_PER_S
from trader.simulator.hyperliquid.aggregation import aggregated
from trader.simulator.hyperliquid.facts import (
    ASSETS,
    CANDLE_MS,
    LIGHT,
    LIGHT_WEIGHT,
    OTHER_ASSET,
    WEIGHT,
    WEIGHT_PER_MIN,
)
from trader.simulator.hyperliquid.wire import Book, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.clock import Clock
    from trader.simulator.hyperliquid.flow import Flow

OK, UNREADABLE, TOO_MANY = 200, 422, 429
_UNREADABLE_WORDS = b"Failed to deserialize the JSON body into the target type"
_USDC = {
    "name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
    "isCanonical": True, "evmContract": None, "fullName": None,
}  # fmt: skip
_PURR = {
    "name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1, "tokenId": "0xc1fb593aeffbeb02f85e0308e9956a90",
    "isCanonical": True, "evmContract": None, "fullName": None,
}  # fmt: skip
_SPOT_META = {
    "universe": [{"tokens": [1, 0], "name": "PURR/USDC", "index": 0, "isCanonical": True}],
    "tokens": [_USDC, _PURR],
}
_SPOT_CONTEXT = {
    "prevDayPx": "0.2", "dayNtlVlm": "0.0", "markPx": "0.2", "midPx": None, "circulatingSupply": "596000000.0",
    "coin": "PURR/USDC", "totalSupply": "596000000.0", "dayBaseVlm": "0.0",
}  # fmt: skip


class _Unreadable(Exception):
    """The body is none the venue knows."""


class _TooMany(Exception):
    """The minute's allowance of the address is spent."""


class Info:
    """Answers public requests out of a flow.

    Parameters
    ----------
    flow
        The market.
    clock
        Measures the minute of the weight limit.
    """

    def __init__(self, flow: Flow, clock: Clock) -> None:
        self._flow = flow
        self._state = flow.state
        self._clock = clock
        self._minute = -1
        self._used = 0
        self._answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "meta": lambda _: self._meta(),
            "metaAndAssetCtxs": lambda _: [self._meta(), [coin.context() for coin in self._state.coins.values()]],
            "spotMeta": lambda _: _SPOT_META,
            "spotMetaAndAssetCtxs": lambda _: [_SPOT_META, [_SPOT_CONTEXT]],
            "allMids": lambda _: self._state.mids(),
            "allPerpMetas": lambda _: [self._meta()],
            "perpDexs": lambda _: [None],
            "exchangeStatus": lambda _: {"specialStatuses": None, "time": self._state.now_ms},
            "l2Book": self._book,
            "recentTrades": self._recent_trades,
            "candleSnapshot": self._candles,
            "fundingHistory": self._fundings,
        }

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Answer one body: HTTP status, and JSON or (422, the body is none the venue knows) plain text."""
        try:
            request = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return UNREADABLE, _UNREADABLE_WORDS
        status, value = self.ask(request)
        return status, _UNREADABLE_WORDS if status == UNREADABLE else encode(value)

    def ask(self, request: dict[str, Any]) -> tuple[int, Any]:
        """Answer a request that is JSON: HTTP status and value; see :meth:`answer`."""
        try:
            return OK, self._ask(request)
        except _Unreadable:
            return UNREADABLE, None
        except _TooMany:
            return TOO_MANY, None

    def _ask(self, request: dict[str, Any]) -> Any:
        kind = request.get("type")
        find = self._answers.get(kind) if isinstance(kind, str) else None
        if find is None:
            raise _Unreadable
        self._charge(LIGHT_WEIGHT if kind in LIGHT else WEIGHT)
        return find(request)

    def _charge(self, weight: int) -> None:
        minute = self._clock.now_ns() // (60 * NS_PER_S)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += weight
        if self._used > WEIGHT_PER_MIN:
            raise _TooMany

    def _meta(self) -> dict[str, Any]:
        universe: list[dict[str, Any]] = []
        tables: dict[int, int] = {}
        for name in self._state.coins:
            known, leverage, table = ASSETS.get(name, OTHER_ASSET)
            tables[table] = leverage
            asset = {
                "szDecimals": self._flow.specs.get(name, known),
                "name": name,
                "maxLeverage": leverage,
                "marginTableId": table,
            }
            universe.append(asset | ({"isDelisted": True} if name == self._flow.delisted else {}))
        margin = [
            [table, {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": leverage}]}]
            for table, leverage in tables.items()
        ]
        return {"universe": universe, "marginTables": margin, "collateralToken": 0}

    def _book(self, request: dict[str, Any]) -> Book | None:
        coin = _text(request, "coin")
        figures, mantissa = request.get("nSigFigs"), request.get("mantissa")
        if figures not in (None, 2, 3, 4, 5) or mantissa not in (None, 1, 2, 5):
            raise _Unreadable
        if coin not in self._state.coins:
            return None
        return aggregated(self._state.full_book(coin), figures, mantissa)

    def _recent_trades(self, request: dict[str, Any]) -> list[Any] | None:
        coin = self._state.coins.get(_text(request, "coin"))
        return None if coin is None else list(coin.trades)[::-1]

    def _candles(self, request: dict[str, Any]) -> list[Any] | None:
        wanted = request.get("req")
        if not isinstance(wanted, dict) or wanted.get("interval") not in CANDLE_MS:
            raise _Unreadable
        coin = self._state.coins.get(_text(wanted, "coin"))
        if coin is None:
            return []
        return coin.candles(wanted["interval"], _time(wanted, "startTime", None), _time(wanted, "endTime", self._state.now_ms))

    def _fundings(self, request: dict[str, Any]) -> list[Any] | None:
        coin = _text(request, "coin")
        start_ms, end_ms = _time(request, "startTime", None), _time(request, "endTime", self._state.now_ms)
        return self._state.funding_history(coin, start_ms, end_ms) if coin in self._state.coins else None


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise _Unreadable
    return value


def _time(request: dict[str, Any], name: str, default: int | None) -> int:
    value = request.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Unreadable
    return value
