"""python-binance on spot or USD-M: ``python -m tests.clients.python_binance PORT spot|usdm``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from binance import AsyncClient, BinanceSocketManager
from binance.client import Client

from tests.clients.report import KEY, SECRET, Report


def point(port: int) -> None:
    """Point both clients at loopback."""
    base, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    for client in (Client, AsyncClient):
        client.API_URL, client.FUTURES_URL, client.FUTURES_DATA_URL = base + "/api", base + "/fapi", base + "/futures/data"
        client.MARGIN_API_URL, client.WS_API_URL, client.WS_FUTURES_URL = base + "/sapi", ws + "/ws-api/v3", ws + "/ws-fapi/v1"
    BinanceSocketManager.STREAM_URL = BinanceSocketManager.FSTREAM_URL = ws + "/"


def rest(market: str) -> int:
    """Make the REST calls."""
    report, client = Report(f"python-binance {market} REST"), Client(KEY, SECRET)
    spot, symbol = market == "spot", {"symbol": "BTCUSDT"}
    pre = "" if spot else "futures_"

    def call(name: str, **params: Any) -> Any:
        return getattr(client, pre + name)(**params)

    report.run("markets", client.get_exchange_info if spot else client.futures_exchange_info, lambda i: len(i["symbols"]) == 1)
    book = report.run("order book", lambda: call("get_order_book" if spot else "order_book", **symbol, limit=20))
    bid = float(book["bids"][0][0])
    report.run("trades", lambda: call("get_recent_trades" if spot else "recent_trades", **symbol, limit=10))
    report.run("balance", client.get_account if spot else client.futures_account)
    base = symbol | {"side": "BUY", "quantity": "0.01"}
    report.run(
        "market order",
        lambda: call("create_order", **base, type="MARKET", newOrderRespType="RESULT"),
        lambda o: o["status"] == "FILLED",
    )
    limit = base | {"type": "LIMIT", "timeInForce": "GTC", "price": f"{bid * 0.99:.1f}", "newClientOrderId": "client-2"}
    report.run("limit order", lambda: call("create_order", **limit), lambda o: o["status"] == "NEW")
    named = symbol | {"origClientOrderId": "client-2"}
    report.run("fetch order by client id", lambda: call("get_order", **named), lambda o: o["status"] == "NEW")
    report.run("open orders", lambda: call("get_open_orders", **symbol), lambda rows: len(rows) == 1)
    report.run("cancel", lambda: call("cancel_order", **named), lambda o: o["status"] == "CANCELED")
    report.refused("cancel again", lambda: call("cancel_order", **named), "-2011")
    report.run("own trades", lambda: call("get_my_trades" if spot else "account_trades", **symbol), lambda rows: len(rows) > 0)
    if not spot:
        report.run("positions", lambda: call("position_information", **symbol), lambda rows: float(rows[0]["positionAmt"]) > 0)
        report.run("leverage", lambda: call("change_leverage", **symbol, leverage=10))
    return report.failed


async def stream(market: str) -> int:
    """Make the WebSocket calls."""
    report = Report(f"python-binance {market} WebSocket")
    client = await AsyncClient.create(KEY, SECRET)
    sockets = BinanceSocketManager(client)
    spot = market == "spot"
    trades = sockets.trade_socket("BTCUSDT") if spot else sockets.aggtrade_futures_socket("BTCUSDT")
    await report.await_("trades", lambda: first(trades))
    depth = sockets.depth_socket("BTCUSDT") if spot else sockets.futures_depth_socket("BTCUSDT", depth="")
    await report.await_("order book diffs", lambda: first(depth))
    user = sockets.user_socket() if spot else sockets.futures_user_socket()
    async with user as open_socket:
        await asyncio.sleep(1.0)
        create = client.create_order if spot else client.futures_create_order
        await report.await_("create", lambda: create(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01"))
        wanted = "executionReport" if spot else "ORDER_TRADE_UPDATE"
        await report.await_("user stream: orders", lambda: asyncio.wait_for(until(open_socket, wanted), 10))
    await client.close_connection()
    return report.failed


async def first(socket: Any) -> Any:
    """Return the first message of a socket."""
    async with socket as open_socket:
        return await asyncio.wait_for(open_socket.recv(), 10)


async def until(socket: Any, kind: str) -> Any:
    """Return the first event of a kind."""
    while True:
        message = await socket.recv()
        if kind in str(message):
            return message


if __name__ == "__main__":
    point(int(sys.argv[1]))
    failed = rest(sys.argv[2])
    sys.exit(failed + asyncio.run(stream(sys.argv[2])))
