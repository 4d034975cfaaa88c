"""Hyperliquid's REST side: instruments and candles. A failed request is an error, never an empty answer.

Everything is ``POST /info``. A malformed body is answered by 422 and plain text, an unknown coin by ``null``.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
import numpy as np
import numpy.typing as npt

from shared.errors import FeedError, UsageError
from trader.feeds.binance.messages import decode
from trader.feeds.hyperliquid.messages import Candle, read_candle
from trader.feeds.hyperliquid.venue import (
    CANDLE_INTERVAL,
    CANDLES_PER_REQUEST,
    MIN_NOTIONAL_USD,
    MINUTE_MS,
    MOST_PRICE_DECIMALS,
    TOO_MANY,
    Endpoints,
)
from trader.feeds.instruments import Instrument
from trader.feeds.rounding import price_step

_TIMEOUT_S = 10.0
_ATTEMPTS = 4
_BACKOFF_S = 0.5
_LIMITED_S = 10.0  # 1,200 a minute and no Retry-After: a request at a time, well apart


class _Asset(msgspec.Struct, rename="camel"):
    name: str
    sz_decimals: int
    is_delisted: bool | None = None


class _Meta(msgspec.Struct):
    universe: list[_Asset]


_META = msgspec.json.Decoder(_Meta)
_MIDS = msgspec.json.Decoder(dict[str, float], strict=False)
_RAW = msgspec.json.Decoder(list[msgspec.Raw])


class _Dated(msgspec.Struct):
    time: int


_DATED = msgspec.json.Decoder(_Dated | None)


class HyperliquidRest:
    """Requests of public data. Use ``async with``.

    Parameters
    ----------
    endpoints
        Where.
    rng
        Jitters the pauses.
    """

    def __init__(self, endpoints: Endpoints, rng: np.random.Generator) -> None:
        self._url = endpoints.rest_url
        self._rng = rng
        self._client = httpx.AsyncClient(
            base_url=endpoints.rest_url, timeout=_TIMEOUT_S, trust_env=not endpoints.direct, verify=not endpoints.direct
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    async def info(self, kind: str, **fields: Any) -> bytes:
        """Return the answer to one ``info`` request.

        Errors
        ------
        FeedError
            If there was none, or the venue refused; try again later.
        """
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(float(self._rng.uniform(0.0, _BACKOFF_S * 2.0**attempt)))
            try:
                response = await self._client.post("/info", json={"type": kind, **fields})
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__} {error}".strip()
                continue
            if response.status_code == httpx.codes.OK:
                return response.content
            problem = str(response.status_code)
            if response.status_code == TOO_MANY:
                await asyncio.sleep(float(self._rng.uniform(0.5, 1.0)) * _LIMITED_S)
            elif not response.is_server_error:
                raise FeedError(f"POST /info {kind}: was {problem} {response.text[:80]!r}, expected 200")
        raise FeedError(f"POST /info {kind}: was {problem}, expected an answer of {self._url}; check the network")

    async def instruments(self, symbols: Sequence[str]) -> list[Instrument]:
        """Return the facts of ``symbols``, in their order; ``symbol`` is the name as the venue spells it.

        Errors
        ------
        UsageError
            If one does not exist or is delisted; names those that look like it.
        FeedError
            If the venue does not answer.
        """
        listed = {asset.name: asset for asset in decode(_META, await self.info("meta"), "meta").universe}
        mids = decode(_MIDS, await self.info("allMids"), "allMids")
        return [_instrument(_find(symbol, listed), mids) for symbol in symbols]

    async def history(self, coin: str, minutes: int) -> npt.NDArray[np.float64]:
        """Return the last closed minutes, oldest first, shape (n, 6): open time ms, open, high, low, close, volume.

        n is below ``minutes`` if the coin is younger, or none of its trades fell into a minute.

        Errors
        ------
        FeedError
            If the venue does not answer, or with something else.
        """
        dated = decode(_DATED, await self.info("l2Book", coin=coin), "l2Book")
        if dated is None:
            raise FeedError(f"l2Book: was null, expected the book of {coin}")
        end_ms = dated.time - dated.time % MINUTE_MS  # the venue's clock, not ours: is a minute closed?
        wanted = min(minutes, CANDLES_PER_REQUEST)
        request = {"coin": coin, "interval": CANDLE_INTERVAL, "startTime": end_ms - wanted * MINUTE_MS, "endTime": end_ms - 1}
        answer = await self.info("candleSnapshot", req=request)
        candles = [read_candle(raw) for raw in decode(_RAW, answer, "candleSnapshot")]
        rows = [_row(candle) for candle in candles if candle.close_ms < end_ms]
        return np.array(rows[-minutes:], np.float64).reshape(-1, 6)


def _find(symbol: str, listed: dict[str, _Asset]) -> _Asset:
    """Find a coin; the case of a name matters to the venue (``kPEPE``), and it closes the socket over a wrong one."""
    found = listed.get(symbol)
    if found is None:
        alike = [name for name in listed if name.casefold() == symbol.casefold()]
        found = listed[alike[0]] if len(alike) == 1 else None
    if found is None:
        near = difflib.get_close_matches(symbol, listed, n=5, cutoff=0.5) or sorted(listed)[:5]
        raise UsageError(f"symbol: was {symbol!r}, expected one the venue lists, such as {', '.join(near)}")
    if found.is_delisted:
        raise UsageError(f"symbol: was {found.name}, which is delisted, expected one that trades")
    return found


def _instrument(asset: _Asset, mids: dict[str, float]) -> Instrument:
    step = float(f"1e{-asset.sz_decimals}")
    instrument = Instrument(
        symbol=asset.name,
        tick_size=0.0,
        step_size=step,
        min_qty=step,
        min_notional_usd=MIN_NOTIONAL_USD,
        perpetual=True,
        size_decimals=asset.sz_decimals,
        most_price_decimals=MOST_PRICE_DECIMALS,
    )
    # the rule is by significant figures: this is the step around today's price, the border rounds by the rule itself
    near = float(price_step(instrument, mids.get(asset.name, 1.0)))
    return msgspec.structs.replace(instrument, tick_size=near)


def _row(candle: Candle) -> list[float]:
    return [candle.open_ms, candle.o, candle.h, candle.l, candle.c, candle.v]
