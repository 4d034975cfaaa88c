"""The REST side: paths, parameters, weights and the venue's error bodies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec

from trader.simulator.binance_trading.errors import ApiError, error_body, mandatory
from trader.simulator.exchange_info import exchange_info
from trader.simulator.http_front import HttpAnswer
from trader.simulator.klines import INTERVAL_MINUTES, aggregate
from trader.simulator.source import Market, Source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trader.simulator.binance_trading.limits import RequestBudget
    from trader.simulator.gate import SnapshotGate
    from trader.simulator.public_rest import PublicRest

_USDM_DEPTH_LIMITS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_SPOT_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_USDM_KLINE_WEIGHTS = ((99, 1), (499, 2), (1000, 5), (1500, 10))


class RestApi:
    """Answers GET requests out of a source.

    Parameters
    ----------
    source, gate
        The market, and the gate that depth requests open.
    budget
        Counts request weight.
    public
        Answers about recent trades and prices.
    """

    def __init__(self, source: Source, gate: SnapshotGate, budget: RequestBudget, public: PublicRest) -> None:
        self._source = source
        self._gate = gate
        self._budget = budget
        prefix = "/api/v3/" if source.market is Market.SPOT else "/fapi/v1/"
        self._routes: dict[str, Callable[[dict[str, str]], Awaitable[bytes]]] = {
            prefix + "ping": self._ping,
            prefix + "time": self._time,
            prefix + "exchangeInfo": self._exchange_info,
            prefix + "depth": self._depth,
            prefix + "klines": self._klines,
        }
        # Clients of both markets greet the spot host first; here one port is all hosts.
        self._routes |= {"/api/v3/ping": self._ping, "/api/v3/time": self._time}
        for path, (weight, answer) in public.table().items():
            self._routes[path] = partial(self._simple, weight, answer)

    async def get(self, method: str, target: str) -> HttpAnswer:
        """Answer one request: its method, and its target (path and query)."""
        url = urlsplit(target)
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        status, extra = 200, {}
        try:
            route = self._routes.get(url.path) if method == "GET" else None
            if route is None:
                raise ApiError(404, -5000, f"Path {url.path}, Method {method} is invalid")
            body = await route(params)
        except ApiError as error:
            status = error.status
            extra = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
            body = error_body(error)
        return HttpAnswer(status, body, {"X-MBX-USED-WEIGHT-1M": str(self._budget.used), **extra})

    async def _simple(self, weight: int, answer: Callable[[dict[str, str]], object], params: dict[str, str]) -> bytes:
        self._budget.charge(weight)
        return msgspec.json.encode(answer(params))

    async def _ping(self, _params: dict[str, str]) -> bytes:
        self._budget.charge(1)
        return b"{}"

    async def _time(self, _params: dict[str, str]) -> bytes:
        self._budget.charge(1)
        return msgspec.json.encode({"serverTime": self._source.server_time_ms()})

    async def _exchange_info(self, params: dict[str, str]) -> bytes:
        self._budget.charge(20 if self._source.market is Market.SPOT else 1)
        wanted = list(self._source.specs)
        # The futures endpoint knows no symbol filter and always answers with everything.
        if self._source.market is Market.SPOT and ("symbol" in params or "symbols" in params):
            wanted = [params["symbol"]] if "symbol" in params else _json_names(params["symbols"])
        specs = [self._source.specs[self._known(symbol)] for symbol in wanted]
        return msgspec.json.encode(exchange_info(self._source.market, specs, self._source.server_time_ms()))

    async def _depth(self, params: dict[str, str]) -> bytes:
        limit = _integer(params, "limit", 100 if self._source.market is Market.SPOT else 500)
        self._budget.charge(self._depth_weight(limit))
        symbol = self._symbol(params)
        await self._gate.reached(symbol)
        body = self._source.depth(symbol, min(limit, 5000))
        self._gate.fetched(symbol)
        return body

    def _depth_weight(self, limit: int) -> int:
        if self._source.market is Market.SPOT:
            if limit < 1:
                raise ApiError(400, -1130, "Data sent for parameter 'limit' is not valid.")
            return next((weight for top, weight in _SPOT_DEPTH_WEIGHTS if limit <= top), 250)
        if limit not in _USDM_DEPTH_LIMITS:
            raise ApiError(400, -4021, f"{limit} is not valid depth limit.")
        return _USDM_DEPTH_LIMITS[limit]

    async def _klines(self, params: dict[str, str]) -> bytes:
        spot = self._source.market is Market.SPOT
        limit = min(_integer(params, "limit", 500), 1000 if spot else 1500)
        if limit < 1:
            raise ApiError(400, -1130, "Data sent for parameter 'limit' is not valid.")
        self._budget.charge(2 if spot else next(weight for top, weight in _USDM_KLINE_WEIGHTS if limit <= top))
        symbol = self._symbol(params)
        if not params.get("interval"):
            raise mandatory("interval")
        minutes = INTERVAL_MINUTES.get(params["interval"])
        if minutes is None:
            raise ApiError(400, -1120, "Invalid interval.")
        start, end = _integer(params, "startTime", 0), _integer(params, "endTime", 2**63)
        bars = [bar for bar in aggregate(self._source.bars(symbol), minutes) if start <= bar.open_ms <= end]
        # With a start time the page begins there; without one the newest bars are wanted.
        page = bars[:limit] if "startTime" in params else bars[-limit:]
        return msgspec.json.encode([bar.row() for bar in page])

    def _symbol(self, params: dict[str, str]) -> str:
        if not params.get("symbol"):
            raise mandatory("symbol")
        return self._known(params["symbol"])

    def _known(self, symbol: str) -> str:
        if symbol not in self._source.specs:
            raise ApiError(400, -1121, "Invalid symbol.")
        return symbol


def _integer(params: dict[str, str], name: str, default: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ApiError(400, -1100, f"Illegal characters found in parameter '{name}'.") from None


def _json_names(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text.encode(), type=list[str])
    except msgspec.MsgspecError:
        raise ApiError(400, -1100, "Illegal characters found in parameter 'symbols'.") from None
