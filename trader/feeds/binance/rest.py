"""Binance's REST side: snapshots, instruments, candles. A failed request is an error, never an empty answer."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx
import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import Clock
from shared.errors import FeedError, UsageError
from trader.feeds.binance.messages import decode
from trader.feeds.binance.venue import KLINE_INTERVAL, MINUTE_MS, Endpoints
from trader.feeds.budget import TOO_MANY, Budget
from trader.feeds.instruments import Instrument

_TIMEOUT_S = 10.0
_ATTEMPTS = 4
_BACKOFF_S = 0.5
_INVALID_SYMBOL = -1121
_PERPETUAL = ("PERPETUAL", "TRADIFI_PERPETUAL")

Params = Mapping[str, str | int]


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    tick_size: float = 0.0
    step_size: float = 0.0
    min_qty: float = 0.0
    max_qty: float = 0.0
    min_notional: float = 0.0
    notional: float = 0.0  # USD-M's name of the same


class _Symbol(msgspec.Struct, rename="camel"):
    symbol: str
    status: str
    filters: list[_Filter]
    contract_type: str = ""


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


class _ServerTime(msgspec.Struct):
    time_ms: int = msgspec.field(name="serverTime")


class _Refusal(msgspec.Struct):
    code: int = 0
    msg: str = ""


Kline = tuple[int, float, float, float, float, float, int]
_INFO = msgspec.json.Decoder(_ExchangeInfo, strict=False)
_TIME = msgspec.json.Decoder(_ServerTime)
_KLINES = msgspec.json.Decoder(list[list[float]], strict=False)
_REFUSAL = msgspec.json.Decoder(_Refusal)


class Answer(msgspec.Struct):
    """What the venue answered."""

    status: int
    body: bytes

    @property
    def refusal(self) -> _Refusal:
        """Return the venue's code and words, if it gave any."""
        try:
            return _REFUSAL.decode(self.body)
        except msgspec.DecodeError:
            return _Refusal()


class BinanceRest:
    """Requests of public data. Use ``async with``.

    Parameters
    ----------
    endpoints
        Where, and how much.
    clock, rng
        For the pauses the venue asks for, and their jitter.
    budget
        The allowance, if others ask the same host.
    """

    def __init__(self, endpoints: Endpoints, clock: Clock, rng: np.random.Generator, budget: Budget | None = None) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._rng = rng
        self._budget = budget or Budget(endpoints.weights.per_min, clock, rng)
        weights = endpoints.weights
        self._weights = {"/depth": weights.depth, "/klines": weights.klines, "/exchangeInfo": weights.exchange_info}
        self._client = httpx.AsyncClient(
            base_url=endpoints.rest_url + endpoints.rest_prefix,
            timeout=_TIMEOUT_S,
            trust_env=not endpoints.direct,
            verify=not endpoints.direct,  # loading the certificates takes 20 ms; a plain http address needs none
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    async def get(self, path: str, params: Params, *, attempts: int = _ATTEMPTS) -> bytes:
        """Return the body of a successful answer.

        Errors
        ------
        FeedError
            If there was none within ``attempts``, or the venue refused; try again later.
        """
        answer = await self.ask(path, params, attempts=attempts)
        if answer.status != httpx.codes.OK:
            refusal = answer.refusal
            raise FeedError(f"GET {path}: was {answer.status} {refusal.code} {refusal.msg!r}, expected 200")
        return answer.body

    async def ask(self, path: str, params: Params, *, attempts: int = _ATTEMPTS) -> Answer:
        """Return the venue's answer, whatever it is; only silence, overload and its own failures are tried again.

        Errors
        ------
        FeedError
            If none came within ``attempts``, or the venue wants a longer pause than a minute.
        """
        problem = ""
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(float(self._rng.uniform(0.0, _BACKOFF_S * 2.0**attempt)))
            await self._budget.spend(self._weights.get(path, 1), f"GET {path}")
            try:
                response = await self._client.get(path, params=dict(params))
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__} {error}".strip()
                continue
            self._budget.obey(response.status_code, response.headers, response.content)
            if response.status_code not in TOO_MANY and not response.is_server_error:
                return Answer(response.status_code, response.content)
            problem = str(response.status_code)
        raise FeedError(f"GET {path}: was {problem}, expected an answer of {self._endpoints.rest_url}; check the network")

    async def time(self) -> tuple[int, int, float]:
        """Return when we asked and when we knew (ns by this machine's clock), and what the venue's clock said (ms)."""
        sent_ns = self._clock.now_ns()
        body = await self.get("/time", {}, attempts=1)
        return sent_ns, self._clock.now_ns(), float(decode(_TIME, body, "time").time_ms)

    async def snapshot(self, symbol: str) -> bytes:
        """Return the depth answer of a symbol, unread. One attempt: whoever needs it asks again.

        Errors
        ------
        FeedError
            If there is none.
        """
        return await self.get("/depth", {"symbol": symbol, "limit": self._endpoints.depth_limit}, attempts=1)

    async def instruments(self, symbols: Sequence[str]) -> list[Instrument]:
        """Return the facts of ``symbols``, in their order.

        Errors
        ------
        UsageError
            If one does not exist or does not trade; names those that look like it.
        FeedError
            If the venue does not answer.
        """
        known = await self._symbols(symbols)
        return [_instrument(symbol, known) for symbol in symbols]

    async def _symbols(self, symbols: Sequence[str]) -> dict[str, _Symbol]:
        """Return what the venue lists: on spot only ``symbols`` (everything is 10 MB), unless one of them is unknown."""
        params = {"symbols": msgspec.json.encode(list(symbols)).decode()} if self._endpoints.market == "spot" else {}
        answer = await self.ask("/exchangeInfo", params)
        if params and answer.refusal.code == _INVALID_SYMBOL:
            answer = await self.ask("/exchangeInfo", {})
        if answer.status != httpx.codes.OK:
            refusal = answer.refusal
            raise FeedError(f"GET /exchangeInfo: was {answer.status} {refusal.code} {refusal.msg!r}, expected 200")
        return {symbol.symbol: symbol for symbol in decode(_INFO, answer.body, "exchangeInfo").symbols}

    async def history(self, symbol: str, minutes: int) -> npt.NDArray[np.float64]:
        """Return the last closed minutes, oldest first, shape (n, 6): open time ms, open, high, low, close, volume.

        n is below ``minutes`` if the instrument is younger.

        Errors
        ------
        FeedError
            If the venue does not answer, or with something else.
        """
        now_ms = decode(_TIME, await self.get("/time", {}), "time").time_ms
        end_ms = now_ms - now_ms % MINUTE_MS - 1  # the venue's clock, not ours: is a minute closed?
        pages: list[list[list[float]]] = []
        missing = minutes
        while missing > 0:
            page = await self._klines(symbol, end_ms, min(missing, self._endpoints.klines_limit))
            pages.insert(0, page)
            if not page:
                break
            missing -= len(page)
            end_ms = int(page[0][0]) - 1
        rows = [row[:6] for page in pages for row in page]
        return np.array(rows, np.float64).reshape(-1, 6)

    async def _klines(self, symbol: str, end_ms: int, limit: int) -> list[list[float]]:
        params: Params = {"symbol": symbol, "interval": KLINE_INTERVAL, "endTime": end_ms, "limit": limit}
        rows = decode(_KLINES, await self.get("/klines", params), "klines")
        for row in rows:
            if len(row) < 7 or not all(0.0 < price < float("inf") for price in row[1:5]):
                raise FeedError(f"klines: was {row[:7]}, expected open time, four prices above 0, volume and close time")
        return [row for row in rows if row[6] <= end_ms]


def _instrument(symbol: str, known: Mapping[str, _Symbol]) -> Instrument:
    found = known.get(symbol)
    if found is None:
        near = difflib.get_close_matches(symbol, known, n=5, cutoff=0.5) or sorted(known)[:5]
        raise UsageError(f"symbol: was {symbol!r}, expected one the venue lists, such as {', '.join(near)}")
    if found.status != "TRADING":
        raise UsageError(f"symbol: was {symbol} with status {found.status}, expected one that is TRADING")
    return _facts(found)


def listed(body: bytes) -> dict[str, Instrument]:
    """Return the facts of everything an exchangeInfo answer lists, trading or not.

    Errors
    ------
    FeedError
        If it is no such answer.
    """
    return {found.symbol: _facts(found) for found in decode(_INFO, body, "exchangeInfo").symbols}


def _facts(found: _Symbol) -> Instrument:
    filters = {item.filter_type: item for item in found.filters}
    try:
        price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    except KeyError as error:
        raise FeedError(f"exchangeInfo.{found.symbol}.filters: was {sorted(filters)}, expected {error} among them") from None
    least = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
    return Instrument(
        symbol=found.symbol,
        tick_size=price.tick_size,
        step_size=lot.step_size,
        min_qty=lot.min_qty,
        max_qty=lot.max_qty,
        min_notional_usd=max(least.min_notional, least.notional) if least else 0.0,
        perpetual=found.contract_type in _PERPETUAL,
    )
