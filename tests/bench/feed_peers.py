# mypy: disable-error-code="import-not-found,no-untyped-call"
"""What other clients take for the same frames. Runs in their environment: ``python feed_peers.py FRAMES`` prints JSON.

Each gets its frames as bytes, as its own socket would hand them over, and keeps the order book it keeps anyway.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

ROUNDS = 5
SYMBOL = "BTCUSDT"


async def through_ccxt(kind: str, frames: list[bytes], snapshot: bytes) -> float:
    """Return the nanoseconds a frame takes in ccxt.pro."""
    import ccxt.pro

    exchange = ccxt.pro.binanceusdm({"options": {"defaultType": "swap"}})
    market = exchange.safe_market_structure(
        {
            "id": SYMBOL, "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT", "settle": "USDT", "type": "swap",
            "swap": True, "linear": True, "contract": True, "spot": False, "precision": {"price": 0.1, "amount": 0.001},
        }
    )  # fmt: skip
    exchange.set_markets([market])
    client = exchange.client("wss://fstream.binance.com/public/ws/0")
    if kind == "depth":
        book = exchange.order_book({}, 1000)
        body = json.loads(snapshot)
        book.reset(exchange.parse_order_book(body, "BTC/USDT:USDT"))
        book["nonce"] = body["lastUpdateId"]
        exchange.orderbooks["BTC/USDT:USDT"] = book
    begun = time.process_time_ns()
    for frame in frames:
        exchange.handle_message(client, json.loads(frame))
    taken = time.process_time_ns() - begun
    if kind == "depth":
        assert book["nonce"] == json.loads(frames[-1])["data"]["u"], "ccxt lost the chain"
    await exchange.close()
    return taken / len(frames)


async def through_cryptofeed(kind: str, frames: list[bytes], snapshot: bytes) -> float:
    """Return the nanoseconds a frame takes in cryptofeed; what it does not read is nan."""
    from cryptofeed.defines import ASK, BID, CANDLES, FUNDING, L2_BOOK, TICKER, TRADES
    from cryptofeed.exchanges import BinanceFutures
    from cryptofeed.symbols import Symbols
    from cryptofeed.types import OrderBook

    name = "BTC-USDT-PERP"
    Symbols.set("BINANCE_FUTURES", {name: SYMBOL}, {"instrument_type": {name: "perpetual"}})
    channels = {"depth": L2_BOOK, "aggTrade": TRADES, "bookTicker": TICKER, "markPrice": FUNDING, "kline": CANDLES}
    if kind not in channels:
        return float("nan")

    async def nothing(*_: object) -> None: ...

    channel = channels[kind]
    feed: Any = BinanceFutures(symbols=[name], channels=[channel], callbacks={channel: nothing})
    feed.last_update_id, feed.forced, feed._l2_book = {}, {}, {}

    async def take_snapshot(_pair: str) -> None:
        body = json.loads(snapshot)
        sides = {BID: body["bids"], ASK: body["asks"]}
        feed._l2_book[name] = OrderBook(feed.id, name, max_depth=0)
        feed._l2_book[name].book.bids = {Decimal(p): Decimal(q) for p, q in sides[BID]}
        feed._l2_book[name].book.asks = {Decimal(p): Decimal(q) for p, q in sides[ASK]}
        feed.last_update_id[name] = body["lastUpdateId"]

    feed._snapshot = take_snapshot
    if kind == "depth":
        await feed.message_handler(frames[0].decode(), None, 0.0)  # takes the snapshot
    texts = [frame.decode() for frame in frames[kind == "depth" :]]
    begun = time.process_time_ns()
    for text in texts:
        await feed.message_handler(text, None, 0.0)
    taken = time.process_time_ns() - begun
    if kind == "depth":
        assert feed.last_update_id[name] == json.loads(texts[-1])["data"]["u"], "cryptofeed lost the chain"
    return taken / len(texts)


def main() -> None:
    """Measure both clients over the frames of a file: by kind, and the snapshot under ``snapshot``."""
    logging.disable(logging.CRITICAL)
    frames = {kind: [line.encode() for line in lines] for kind, lines in json.loads(Path(sys.argv[1]).read_text()).items()}
    (snapshot,) = frames.pop("snapshot")
    results: dict[str, dict[str, float]] = {}
    for name, measure in (("ccxt.pro", through_ccxt), ("cryptofeed", through_cryptofeed)):
        results[name] = {k: min(asyncio.run(measure(k, f, snapshot)) for _ in range(ROUNDS)) for k, f in frames.items()}
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
