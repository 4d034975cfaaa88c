"""ccxt.pro on the frames of a file, ns a frame as JSON: run by ``tests.bench.feed_cost_hyperliquid`` in ccxt's environment.

From the text of a frame to the structure a program would use: what its socket client does, then its handler.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import ccxt.pro
from ccxt.async_support.base.ws.client import Client

ROUNDS = 5
COINS = ("BTC", "ETH", "SOL")


def quiet(*_: Any) -> None:
    """Take what a client would be told."""


async def measure(frames: dict[str, list[str]]) -> dict[str, float]:
    """Return the cost of each kind of frame that ccxt.pro handles without trading."""
    exchange = ccxt.pro.hyperliquid()
    markets = [perpetual(exchange, coin, number) for number, coin in enumerate(COINS)]
    exchange.set_markets(markets)
    client = Client("ws://127.0.0.1:9/ws", exchange.handle_message, quiet, quiet, quiet, {})
    costs: dict[str, float] = {}
    for kind in ("l2Book", "trades", "candle"):
        costs[kind] = min(round_ns(exchange, client, frames[kind]) for _ in range(ROUNDS))
    await exchange.close()
    return costs


def round_ns(exchange: Any, client: Any, frames: list[str]) -> float:
    """Return the nanoseconds a frame takes: JSON as its client reads it, then its handler."""
    begun_ns = time.process_time_ns()
    for frame in frames:
        exchange.handle_message(client, json.loads(frame))
    return (time.process_time_ns() - begun_ns) / len(frames)


def perpetual(exchange: Any, coin: str, number: int) -> Any:
    """Return a market as load_markets would have it."""
    asset = {"name": coin, "szDecimals": 5, "maxLeverage": 40, "funding": "0.0", "openInterest": "0", "prevDayPx": "1",
             "dayNtlVlm": "1", "premium": "0", "oraclePx": "100", "markPx": "100", "midPx": "100", "impactPxs": ["1", "1"],
             "baseId": number}  # fmt: skip
    return exchange.parse_market(asset)


if __name__ == "__main__":
    found = asyncio.run(measure(json.loads(Path(sys.argv[1]).read_text())))
    print(json.dumps(found))  # noqa: T201 - the answer
