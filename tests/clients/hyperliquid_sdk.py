"""Hyperliquid's own SDK: ``python -m tests.clients.hyperliquid_sdk PORT hyperliquid``."""

from __future__ import annotations

import sys
import time
from typing import Any

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from tests.clients.report import WALLET_KEY, Report

_WITHIN_S = 10.0


def first_status(answer: Any) -> Any:
    """Return the first of an answer's statuses."""
    return answer["response"]["data"]["statuses"][0]


def rest(report: Report, info: Info, exchange: Exchange, user: str) -> None:
    """Make the calls."""
    report.run("markets", info.meta, lambda meta: any(asset["name"] == "BTC" for asset in meta["universe"]))
    book = report.run("order book", lambda: info.l2_snapshot("BTC"), lambda b: len(b["levels"]) == 2)
    bid, ask = (float(side[0]["px"]) for side in book["levels"])
    report.run("mids", info.all_mids, lambda mids: float(mids["BTC"]) > 0)
    report.run("balance", lambda: info.user_state(user), lambda s: float(s["marginSummary"]["accountValue"]) > 0)
    report.run("market order", lambda: exchange.market_open("BTC", True, 0.01), lambda a: "filled" in first_status(a))
    limit = {"limit": {"tif": "Gtc"}}
    low = float(int(bid * 0.97))
    name = Cloid.from_int(7)
    placed = report.run(
        "limit order", lambda: exchange.order("BTC", True, 0.01, low, limit, cloid=name), lambda a: "resting" in first_status(a)
    )
    oid = first_status(placed)["resting"]["oid"]
    report.run(
        "fetch order by client id", lambda: info.query_order_by_cloid(user, name), lambda o: o["order"]["order"]["oid"] == oid
    )
    report.run("open orders", lambda: info.open_orders(user), lambda rows: [row["oid"] for row in rows] == [oid])
    report.run(
        "modify", lambda: exchange.modify_order(oid, "BTC", True, 0.02, low, limit), lambda a: "resting" in first_status(a)
    )
    newest = report.run("frontend orders", lambda: info.frontend_open_orders(user), lambda rows: rows[0]["sz"] == "0.02")
    report.run("cancel", lambda: exchange.cancel("BTC", newest[0]["oid"]), lambda a: first_status(a) == "success")
    report.run(
        "cancel again", lambda: exchange.cancel("BTC", newest[0]["oid"]), lambda a: "never placed" in first_status(a)["error"]
    )
    taking = {"limit": {"tif": "Alo"}}
    high = float(int(ask * 1.01))
    report.run(
        "post-only that takes",
        lambda: exchange.order("BTC", True, 0.01, high, taking),
        lambda a: "Post only" in first_status(a)["error"],
    )
    report.run(
        "IOC", lambda: exchange.order("BTC", True, 0.01, high, {"limit": {"tif": "Ioc"}}), lambda a: "filled" in first_status(a)
    )
    report.run(
        "more than the balance",
        lambda: exchange.order("BTC", True, 900.0, low, limit),
        lambda a: "margin" in first_status(a)["error"],
    )
    report.run(
        "wrong tick", lambda: exchange.order("BTC", True, 0.01, low + 0.15, limit), lambda a: "tick" in first_status(a)["error"]
    )
    stop = {"trigger": {"isMarket": True, "triggerPx": float(int(bid * 0.95)), "tpsl": "sl"}}
    report.run(
        "stop order",
        lambda: exchange.order("BTC", False, 0.01, low, stop, reduce_only=True),
        lambda a: "resting" in first_status(a),
    )
    report.run("leverage", lambda: exchange.update_leverage(10, "BTC"), lambda a: a["status"] == "ok")
    report.run("countdown", lambda: exchange.schedule_cancel(int(time.time() * 1000) + 60_000), lambda a: a["status"] == "ok")  # noqa: TID251
    report.run("positions", lambda: info.user_state(user)["assetPositions"], lambda rows: rows[0]["position"]["szi"] == "0.02")
    report.run("own trades", lambda: info.user_fills(user), lambda rows: len(rows) >= 2)
    report.run("close position", lambda: exchange.market_close("BTC"), lambda a: "filled" in first_status(a))


def stream(port: int, exchange: Exchange, user: str) -> int:
    """Make the WebSocket calls."""
    report, info = Report("hyperliquid-sdk WebSocket"), Info(f"http://127.0.0.1:{port}")
    heard: dict[str, list[Any]] = {}
    for kind, extra in (
        ("trades", {"coin": "BTC"}),
        ("l2Book", {"coin": "BTC"}),
        ("userFills", {"user": user}),
        ("orderUpdates", {"user": user}),
    ):
        heard[kind] = []
        info.subscribe({"type": kind, **extra}, heard[kind].append)

    def came(kind: str, least: int) -> bool:
        deadline = time.monotonic() + _WITHIN_S
        while len(heard[kind]) < least and time.monotonic() < deadline:
            time.sleep(0.05)
        return len(heard[kind]) >= least

    report.run("trades", lambda: came("trades", 1), bool)
    report.run("order book", lambda: came("l2Book", 1), bool)
    came("userFills", 1)  # the snapshot
    before = len(heard["userFills"])
    report.run("create", lambda: exchange.market_open("BTC", True, 0.01), lambda a: "filled" in first_status(a))
    report.run("user stream: trades", lambda: came("userFills", before + 1), bool)
    report.run("user stream: orders", lambda: came("orderUpdates", 1), bool)
    return report.failed


def main(port: int) -> None:
    """Make all calls and leave."""
    report = Report("hyperliquid-sdk REST")
    wallet = Account.from_key(WALLET_KEY)
    info, exchange = Info(f"http://127.0.0.1:{port}", skip_ws=True), Exchange(wallet, f"http://127.0.0.1:{port}")
    rest(report, info, exchange, wallet.address)
    Report("", report.failed + stream(port, exchange, wallet.address)).end()


if __name__ == "__main__":
    main(int(sys.argv[1]))
