"""Candles over REST: only what is missing is asked for, and what has come is kept whatever happens next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from shared.errors import FeedError
from trader.data.store import CANDLES, INTERVALS_MS, Series, Store, is_sound, missing_ranges
from trader.feeds.binance.messages import decode
from trader.feeds.binance.rest import BinanceRest

PAGE = 1_000  # candles a request: both markets allow it
PAGES_KEPT = 20  # pages between two writes
_ROWS = msgspec.json.Decoder(list[list[float]], strict=False)


async def fetch_candles(
    rest: BinanceRest, store: Store, series: Series, first_ms: int, last_ms: int, progress: Callable[[int], Any]
) -> int:
    """Fetch the candles of ``first_ms`` to ``last_ms`` (open times, inclusive) that are not there yet; return how many came.

    ``progress`` is called with the number of candles of the range that are done. Ctrl-C and errors keep what has come.

    Errors
    ------
    FeedError
        If the venue does not answer, or with something else.
    """
    step_ms = INTERVALS_MS[series.interval]
    _, _, now_ms = await rest.time()
    last_ms = min(last_ms, int(now_ms) - int(now_ms) % step_ms - step_ms)  # the venue's clock: only closed candles
    wanted = missing_ranges(store.keys(series), first_ms * 1_000, last_ms * 1_000, step_ms * 1_000)
    progress((last_ms - first_ms) // step_ms + 1 - sum((last - first) // (step_ms * 1_000) + 1 for first, last in wanted))
    pages: list[pa.Table] = []
    came = 0
    try:
        for first_us, end_us in wanted:
            start_ms, end_ms = first_us // 1_000, end_us // 1_000
            while start_ms <= end_ms:
                page, after_ms = await _page(rest, series, start_ms, end_ms)
                came += len(page)
                progress((min(after_ms, end_ms + step_ms) - start_ms) // step_ms)
                start_ms = after_ms
                pages.append(page)
                if len(pages) >= PAGES_KEPT:
                    store.merge(series, pa.concat_tables(pages))
                    pages.clear()
    finally:
        if pages:
            store.merge(series, pa.concat_tables(pages))
    return came


async def _page(rest: BinanceRest, series: Series, start_ms: int, end_ms: int) -> tuple[pa.Table, int]:
    """Return the candles of one request, and where the next begins; a venue that has none so early says so by its first."""
    step_ms = INTERVALS_MS[series.interval]
    last_ms = min(end_ms, start_ms + (PAGE - 1) * step_ms)
    ends = {"startTime": start_ms, "endTime": last_ms, "limit": PAGE}
    body = await rest.get("/klines", {"symbol": series.symbol, "interval": series.interval, **ends})
    rows = decode(_ROWS, body, "klines")
    if any(len(row) < len(CANDLES.names) for row in rows):
        raise FeedError(f"klines: was a row of {min(map(len, rows))} fields, expected {len(CANDLES.names)}")
    columns = np.array([row[: len(CANDLES.names)] for row in rows], np.float64).reshape(-1, len(CANDLES.names)).T
    table = pa.table(
        [pa.array(column).cast(field.type) for column, field in zip(_in_micros(columns, step_ms), CANDLES, strict=True)],
        schema=CANDLES,
    )
    if not is_sound(table):
        raise FeedError("klines: was a price of 0 or none, expected prices above 0")
    return table, last_ms + step_ms


def _in_micros(columns: Any, step_ms: int) -> list[Any]:
    opened = columns[0] * 1_000
    return [opened, *columns[1:6], opened + step_ms * 1_000 - 1, *columns[7:]]
