"""ccxt and ccxt.pro on Hyperliquid: ``python -m tests.clients.ccxt_hyperliquid PORT hyperliquid``."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import ccxt
import ccxt.pro

from tests.clients.ccxt_stream import stream
from tests.clients.report import WALLET, WALLET_KEY, Report

_SYMBOL = "BTC/USDC:USDC"


def pointed(exchange: Any, port: int) -> Any:
    """Point a ccxt exchange at loopback."""
    base = f"http://127.0.0.1:{port}"
    exchange.urls["api"] |= {"public": base, "private": base, "ws": {"public": f"ws://127.0.0.1:{port}/ws"}}
    exchange.options["fetchMarkets"] = {"types": ["swap"]}
    exchange.enableRateLimit = False
    return exchange


def rest(port: int) -> int:
    """Make the REST calls."""
    report = Report("ccxt hyperliquid REST")
    exchange = pointed(ccxt.hyperliquid({"walletAddress": WALLET, "privateKey": WALLET_KEY}), port)
    report.run("markets", exchange.load_markets, lambda found: _SYMBOL in found)
    book = report.run("order book", lambda: exchange.fetch_order_book(_SYMBOL, 10), lambda b: b["bids"][0][0] < b["asks"][0][0])
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    report.run("ticker", lambda: exchange.fetch_ticker(_SYMBOL), lambda t: t["last"] > 0)
    report.run("candles", lambda: exchange.fetch_ohlcv(_SYMBOL, "1m", limit=10), lambda rows: len(rows) >= 9)
    report.run("balance", exchange.fetch_balance, lambda b: b["USDC"]["total"] > 0)
    report.run("market order", lambda: exchange.create_order(_SYMBOL, "market", "buy", 0.01, ask), lambda o: o["filled"] == 0.01)
    low, name = float(int(bid * 0.97)), "0x" + "00" * 15 + "21"
    order = report.run("limit order", lambda: exchange.create_order(_SYMBOL, "limit", "buy", 0.01, low, {"clientOrderId": name}))
    known = {"clientOrderId": name}
    report.run("fetch order by client id", lambda: exchange.fetch_order(None, _SYMBOL, known), lambda o: o["id"] == order["id"])
    report.run("open orders", lambda: exchange.fetch_open_orders(_SYMBOL), lambda rows: [o["id"] for o in rows] == [order["id"]])
    report.run("cancel", lambda: exchange.cancel_order(order["id"], _SYMBOL))
    report.refused("cancel again", lambda: exchange.cancel_order(order["id"], _SYMBOL), "OrderNotFound")
    high = float(int(ask * 1.01))
    post = {"postOnly": True}
    report.refused("post-only that takes", lambda: exchange.create_order(_SYMBOL, "limit", "buy", 0.01, high, post), "Post only")
    ioc = {"timeInForce": "ioc"}
    report.run("IOC", lambda: exchange.create_order(_SYMBOL, "limit", "buy", 0.01, high, ioc), lambda o: o["filled"] > 0)
    report.refused(
        "more than the balance", lambda: exchange.create_order(_SYMBOL, "limit", "buy", 900, low), "InsufficientFunds", "margin"
    )
    guard = {"stopLossPrice": float(int(bid * 0.95)), "reduceOnly": True}
    stop = report.run("stop order", lambda: exchange.create_order(_SYMBOL, "market", "sell", 0.01, low, guard))
    report.run("cancel stop", lambda: exchange.cancel_order(stop["id"], _SYMBOL))
    report.run("own trades", lambda: exchange.fetch_my_trades(_SYMBOL), lambda rows: len(rows) >= 2)
    report.run("positions", lambda: exchange.fetch_positions([_SYMBOL]), lambda rows: rows[0]["contracts"] == 0.02)
    report.run("leverage", lambda: exchange.set_leverage(10, _SYMBOL, {"marginMode": "cross"}))
    report.run("countdown", lambda: exchange.cancel_all_orders_after(60_000))
    return report.failed


async def streams(port: int) -> int:
    """Make the WebSocket calls."""
    exchange = pointed(ccxt.pro.hyperliquid({"walletAddress": WALLET, "privateKey": WALLET_KEY}), port)
    own = {"orders": partial(exchange.watch_orders, _SYMBOL), "trades": partial(exchange.watch_my_trades, _SYMBOL)}

    def create() -> Any:
        ask = exchange.orderbooks[_SYMBOL]["asks"][0][0]
        return exchange.create_order(_SYMBOL, "market", "buy", 0.01, ask)

    return await stream(Report("ccxt hyperliquid WebSocket"), exchange, _SYMBOL, own, "create", create)


if __name__ == "__main__":
    sys.exit(rest(int(sys.argv[1])) + asyncio.run(streams(int(sys.argv[1]))))
