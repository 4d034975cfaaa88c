"""The WebSocket calls that ccxt.pro makes alike on every venue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from tests.clients.report import Report

Call = Callable[[], Awaitable[Any]]


async def stream(report: Report, exchange: Any, symbol: str, own: Mapping[str, Call], call: str, create: Call) -> int:
    """Watch book and trades, then let an order (``call``, ``create``) come out of ``own``, the user's streams by name."""
    try:
        await exchange.load_markets()
        await report.await_(
            "order book", lambda: soon(exchange.watch_order_book(symbol)), lambda b: b["bids"][0][0] < b["asks"][0][0]
        )
        await report.await_("trades", lambda: soon(exchange.watch_trades(symbol)), lambda rows: len(rows) > 0)
        waiting = {f"user stream: {name}": asyncio.ensure_future(watch()) for name, watch in own.items()}
        await asyncio.sleep(1.5)
        await report.await_(call, lambda: soon(create()))
        for name, task in waiting.items():
            await report.await_(name, partial(soon, task))
    finally:
        await exchange.close()
    return report.failed


async def soon(awaitable: Awaitable[Any]) -> Any:
    """Wait ten seconds at most."""
    return await asyncio.wait_for(awaitable, 10)
