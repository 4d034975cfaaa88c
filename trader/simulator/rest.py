"""The REST side: paths, parameters, weights and the venue's error bodies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec

from shared.clock import NS_PER_S
from trader.simulator.exchange_info import exchange_info
from trader.simulator.klines import INTERVAL_MINUTES, aggregate
from trader.simulator.source import Market, Source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.clock import Clock
    from trader.simulator.gate import SnapshotGate

# As of 2026-04; REQUEST_WEIGHT per minute and per address.
WEIGHT_LIMIT = {Market.SPOT: 6000, Market.USDM: 2400}
_USDM_DEPTH_LIMITS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_SPOT_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_USDM_KLINE_WEIGHTS = ((99, 1), (499, 2), (1000, 5), (1500, 10))
_TOO_MUCH = (
    "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, JSON body, extra headers."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class _ApiError(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class RestApi:
    """Answers GET requests out of a source.

    Parameters
    ----------
    source, gate
        The market, and the gate that depth requests open.
    clock
        Measures the minute of the weight limit.
    """

    def __init__(self, source: Source, gate: SnapshotGate, clock: Clock) -> None:
        self._source = source
        self._gate = gate
        self._clock = clock
        self._minute = -1
        self._used = 0
        prefix = "/api/v3/" if source.market is Market.SPOT else "/fapi/v1/"
        self._routes: dict[str, Callable[[dict[str, str]], Awaitable[bytes]]] = {
            prefix + "ping": self._ping,
            prefix + "time": self._time,
            prefix + "exchangeInfo": self._exchange_info,
            prefix + "depth": self._depth,
            prefix + "klines": self._klines,
        }

    async def get(self, target: str) -> Answer:
        """Answer one request target (path and query)."""
        url = urlsplit(target)
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        status, extra = 200, {}
        try:
            route = self._routes.get(url.path)
            if route is None:
                raise _ApiError(404, -5000, f"Path {url.path}, Method GET is invalid")
            body = await route(params)
        except _ApiError as error:
            status = error.status
            extra = {"Retry-After": str(self._seconds_left())} if status == 429 else {}
            body = msgspec.json.encode({"code": error.code, "msg": str(error)})
        return Answer(status, body, {"X-MBX-USED-WEIGHT-1M": str(self._used), **extra})

    def _charge(self, weight: int) -> None:
        minute = self._clock.now_ns() // (60 * NS_PER_S)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += weight
        limit = WEIGHT_LIMIT[self._source.market]
        if self._used > limit:
            raise _ApiError(429, -1003, _TOO_MUCH.format(limit=limit))

    def _seconds_left(self) -> int:
        return 60 - self._clock.now_ns() // NS_PER_S % 60

    async def _ping(self, _params: dict[str, str]) -> bytes:
        self._charge(1)
        return b"{}"

    async def _time(self, _params: dict[str, str]) -> bytes:
        self._charge(1)
        return msgspec.json.encode({"serverTime": self._source.server_time_ms()})

    async def _exchange_info(self, params: dict[str, str]) -> bytes:
        self._charge(20 if self._source.market is Market.SPOT else 1)
        wanted = list(self._source.specs)
        # The futures endpoint knows no symbol filter and always answers with everything.
        if self._source.market is Market.SPOT and ("symbol" in params or "symbols" in params):
            wanted = [params["symbol"]] if "symbol" in params else _json_names(params["symbols"])
        specs = [self._source.specs[self._known(symbol)] for symbol in wanted]
        return msgspec.json.encode(exchange_info(self._source.market, specs, self._source.server_time_ms()))

    async def _depth(self, params: dict[str, str]) -> bytes:
        limit = _integer(params, "limit", 100 if self._source.market is Market.SPOT else 500)
        self._charge(self._depth_weight(limit))
        symbol = self._symbol(params)
        await self._gate.reached(symbol)
        body = self._source.depth(symbol, min(limit, 5000))
        self._gate.fetched(symbol)
        return body

    def _depth_weight(self, limit: int) -> int:
        if self._source.market is Market.SPOT:
            if limit < 1:
                raise _ApiError(400, -1130, "Data sent for parameter 'limit' is not valid.")
            return next((weight for top, weight in _SPOT_DEPTH_WEIGHTS if limit <= top), 250)
        if limit not in _USDM_DEPTH_LIMITS:
            raise _ApiError(400, -4021, f"{limit} is not valid depth limit.")
        return _USDM_DEPTH_LIMITS[limit]

    async def _klines(self, params: dict[str, str]) -> bytes:
        spot = self._source.market is Market.SPOT
        limit = min(_integer(params, "limit", 500), 1000 if spot else 1500)
        if limit < 1:
            raise _ApiError(400, -1130, "Data sent for parameter 'limit' is not valid.")
        self._charge(2 if spot else next(weight for top, weight in _USDM_KLINE_WEIGHTS if limit <= top))
        symbol = self._symbol(params)
        if not params.get("interval"):
            raise _mandatory("interval")
        minutes = INTERVAL_MINUTES.get(params["interval"])
        if minutes is None:
            raise _ApiError(400, -1120, "Invalid interval.")
        start, end = _integer(params, "startTime", 0), _integer(params, "endTime", 2**63)
        bars = [bar for bar in aggregate(self._source.bars(symbol), minutes) if start <= bar.open_ms <= end]
        # With a start time the page begins there; without one the newest bars are wanted.
        page = bars[:limit] if "startTime" in params else bars[-limit:]
        return msgspec.json.encode([bar.row() for bar in page])

    def _symbol(self, params: dict[str, str]) -> str:
        if not params.get("symbol"):
            raise _mandatory("symbol")
        return self._known(params["symbol"])

    def _known(self, symbol: str) -> str:
        if symbol not in self._source.specs:
            raise _ApiError(400, -1121, "Invalid symbol.")
        return symbol


def _mandatory(name: str) -> _ApiError:
    return _ApiError(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _integer(params: dict[str, str], name: str, default: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise _ApiError(400, -1100, f"Illegal characters found in parameter '{name}'.") from None


def _json_names(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text.encode(), type=list[str])
    except msgspec.MsgspecError:
        raise _ApiError(400, -1100, "Illegal characters found in parameter 'symbols'.") from None
