"""ccxt and ccxt.pro on Hyperliquid, market data: ``python -m tests.clients.ccxt_hyperliquid_market PORT``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import ccxt
import ccxt.pro

from tests.clients.ccxt_hyperliquid import pointed
from tests.clients.report import Report

BTC, ETH = "BTC/USDC:USDC", "ETH/USDC:USDC"
_WAIT_S = 10.0


def rest(port: int) -> int:
    """Make the REST calls."""
    report = Report("ccxt REST")
    exchange = pointed(ccxt.hyperliquid(), port)
    report.run("markets", exchange.load_markets, lambda found: found[BTC]["precision"]["amount"] == 1e-05)
    report.run("asset id", lambda: exchange.market(ETH)["baseId"], lambda asset: str(asset) == "1")
    report.run("order book", lambda: exchange.fetch_order_book(BTC, 20), lambda b: b["bids"][0][0] < b["asks"][0][0])
    report.run("mids", lambda: exchange.fetch_tickers([BTC, ETH]), lambda t: set(t) == {BTC, ETH})
    report.run("ticker", lambda: exchange.fetch_ticker(BTC), lambda t: t["close"] > 0)
    report.run("candles", lambda: exchange.fetch_ohlcv(BTC, "1m", limit=30), lambda rows: len(rows) >= 29)
    report.run("funding rate", lambda: exchange.fetch_funding_rates([BTC])[BTC], lambda f: f["fundingRate"] == 0.0000125)
    since_ms = exchange.milliseconds() - 2 * 3_600_000
    report.run("funding", lambda: exchange.fetch_funding_rate_history(BTC, since_ms), lambda rows: len(rows) == 2)
    report.run("open interest", lambda: exchange.fetch_open_interest(BTC), lambda o: o["openInterestAmount"] is not None)
    return report.failed


async def stream(port: int) -> int:
    """Make the WebSocket calls."""
    report = Report("ccxt WebSocket")
    exchange = pointed(ccxt.pro.hyperliquid(), port)
    try:
        await exchange.load_markets()
        calls: tuple[tuple[str, Any, Any], ...] = (
            (
                "order book",
                lambda: exchange.watch_order_book(BTC),
                lambda b: len(b["bids"]) == 20 and b["bids"][0][0] < b["asks"][0][0],
            ),
            ("trades", lambda: exchange.watch_trades(BTC), lambda rows: len(rows) > 0 and rows[0]["side"] in ("buy", "sell")),
            ("candle", lambda: exchange.watch_ohlcv(BTC, "1m"), lambda rows: rows[-1][3] <= rows[-1][2]),
            ("mids", lambda: exchange.watch_tickers([BTC]), lambda t: t[BTC]["last"] is not None or t[BTC]["close"] is not None),
            ("second book on the socket", lambda: exchange.watch_order_book(ETH), lambda b: b["bids"][0][0] < b["asks"][0][0]),
        )
        for name, act, check in calls:
            await report.await_(name, lambda act=act: asyncio.wait_for(act(), _WAIT_S), check)  # type: ignore[misc]
        again = [await exchange.watch_order_book(BTC) for _ in range(3)]
        report.run("still alive after it", lambda: again, lambda books: len(books) == 3)
    finally:
        await exchange.close()
    return report.failed


if __name__ == "__main__":
    chosen_port = int(sys.argv[1])
    sys.exit(rest(chosen_port) + asyncio.run(stream(chosen_port)))
