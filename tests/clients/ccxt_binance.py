"""ccxt and ccxt.pro on spot or USD-M: ``python -m tests.clients.ccxt_binance PORT spot|usdm``."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import ccxt
import ccxt.pro

from tests.clients.ccxt_stream import stream
from tests.clients.report import KEY, SECRET, Report


def pointed(exchange: Any, port: int, market: str) -> Any:
    """Point a ccxt exchange at loopback."""
    exchange.options |= {"fetchMarkets": {"types": ["spot" if market == "spot" else "linear"]}, "fetchCurrencies": False}
    exchange.enableRateLimit = False
    urls = exchange.urls["api"]
    for name, url in urls.items():
        if isinstance(url, str):
            urls[name] = f"http://127.0.0.1:{port}/" + url.split("/", 3)[3]
    if "ws" in urls:
        base = f"ws://127.0.0.1:{port}"
        urls["ws"] |= {"spot": base + "/ws", "linear": base + "/ws"}
        urls["ws"]["ws-api"] = {"spot": base + "/ws-api/v3", "linear": base + "/ws-fapi/v1", "inverse": base}
    return exchange


def rest(port: int, market: str) -> int:
    """Make the REST calls."""
    report = Report(f"ccxt {market} REST")
    keys = {"apiKey": KEY, "secret": SECRET}
    exchange = pointed(ccxt.binance(keys) if market == "spot" else ccxt.binanceusdm(keys), port, market)
    symbol = "BTC/USDT" if market == "spot" else "BTC/USDT:USDT"
    report.run("markets", exchange.load_markets, lambda found: symbol in found)
    book = report.run("order book", lambda: exchange.fetch_order_book(symbol, 20), lambda b: b["bids"][0][0] < b["asks"][0][0])
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    report.run("trades", lambda: exchange.fetch_trades(symbol, limit=10))
    report.run("ticker", lambda: exchange.fetch_ticker(symbol), lambda t: t["last"] > 0)
    report.run("candles", lambda: exchange.fetch_ohlcv(symbol, "1m", limit=10), lambda rows: len(rows) == 10)
    report.run("balance", exchange.fetch_balance, lambda b: b["USDT"]["total"] > 0)
    report.run("market order", lambda: exchange.create_order(symbol, "market", "buy", 0.01), lambda o: o["status"] == "closed")
    name = {"clientOrderId": "client-1"}
    order = report.run("limit order", lambda: exchange.create_order(symbol, "limit", "buy", 0.01, round(bid * 0.99, 1), name))
    known = {"origClientOrderId": "client-1"}
    report.run("fetch order by client id", lambda: exchange.fetch_order(None, symbol, known), lambda o: o["id"] == order["id"])
    report.run("open orders", lambda: exchange.fetch_open_orders(symbol), lambda rows: [o["id"] for o in rows] == [order["id"]])
    report.run("cancel", lambda: exchange.cancel_order(order["id"], symbol), lambda o: o["status"] == "canceled")
    report.refused("cancel again", lambda: exchange.cancel_order(order["id"], symbol), "OrderNotFound")
    taking = {"postOnly": True}
    report.refused(
        "post-only that takes", lambda: exchange.create_order(symbol, "limit", "buy", 0.01, round(ask * 1.01, 1), taking),
        "OrderImmediatelyFillable", "-5022",
    )  # fmt: skip
    ioc = {"timeInForce": "IOC"}
    report.run(
        "IOC", lambda: exchange.create_order(symbol, "limit", "buy", 0.01, round(ask * 1.01, 1), ioc), lambda o: o["filled"] > 0
    )
    report.refused(
        "more than the balance", lambda: exchange.create_order(symbol, "market", "buy", 99), "InsufficientFunds", "-2019"
    )
    guard = {"stopLossPrice": round(bid * 0.98, 1)} | ({} if market == "spot" else {"reduceOnly": True})
    stop = report.run("stop order", lambda: exchange.create_order(symbol, "market", "sell", 0.01, None, guard))
    report.run("cancel stop", lambda: exchange.cancel_order(stop["id"], symbol, {"trigger": True}))
    report.run("own trades", lambda: exchange.fetch_my_trades(symbol), lambda rows: sum(t["amount"] for t in rows) > 0.019)
    if market == "usdm":
        report.run("positions", lambda: exchange.fetch_positions([symbol]), lambda rows: rows[0]["side"] == "long")
        report.run("leverage", lambda: exchange.set_leverage(10, symbol))
        report.run("funding rate", lambda: exchange.fetch_funding_rate(symbol))
    return report.failed


async def streams(port: int, market: str) -> int:
    """Make the WebSocket calls."""
    keys = {"apiKey": KEY, "secret": SECRET}
    exchange = pointed(ccxt.pro.binance(keys) if market == "spot" else ccxt.pro.binanceusdm(keys), port, market)
    symbol = "BTC/USDT" if market == "spot" else "BTC/USDT:USDT"
    own = {
        "orders": partial(exchange.watch_orders, symbol),
        "trades": partial(exchange.watch_my_trades, symbol),
        "balance": exchange.watch_balance,
    }
    create = partial(exchange.create_order_ws, symbol, "market", "buy", 0.01)
    return await stream(Report(f"ccxt {market} WebSocket"), exchange, symbol, own, "create over WebSocket API", create)


if __name__ == "__main__":
    chosen_port, chosen = int(sys.argv[1]), sys.argv[2]
    sys.exit(rest(chosen_port, chosen) + asyncio.run(streams(chosen_port, chosen)))
