"""hyperliquid-python-sdk, market data: ``python -m tests.clients.hyperliquid_sdk_market PORT``."""

from __future__ import annotations

import queue
import sys
from typing import Any

from hyperliquid.info import Info

from tests.clients.report import Report

_WAIT_S = 10.0
_STREAMS = (
    ("order book", {"type": "l2Book", "coin": "BTC"}, lambda d: len(d["levels"][0]) == 20),
    ("best bid and ask", {"type": "bbo", "coin": "BTC"}, lambda d: float(d["bbo"][0]["px"]) < float(d["bbo"][1]["px"])),
    ("trades", {"type": "trades", "coin": "BTC"}, lambda d: {"tid", "px", "sz", "users", "hash"} <= set(d[0])),
    ("candle", {"type": "candle", "coin": "ETH", "interval": "1m"}, lambda d: float(d["l"]) <= float(d["h"])),
    ("asset context", {"type": "activeAssetCtx", "coin": "ETH"}, lambda d: float(d["ctx"]["markPx"]) > 0),
    ("mids", {"type": "allMids"}, lambda d: {"BTC", "ETH"} <= set(d["mids"])),
)


def rest(info: Info) -> int:
    """Make the REST calls."""
    report = Report("hyperliquid-sdk REST")
    report.run("markets", info.meta, lambda m: [a["name"] for a in m["universe"]][:2] == ["BTC", "ETH"])
    report.run("markets with contexts", info.meta_and_asset_ctxs, lambda m: len(m[0]["universe"]) == len(m[1]))
    report.run("spot markets", info.spot_meta, lambda m: m["universe"][0]["name"] == "PURR/USDC")
    report.run("asset id", lambda: info.name_to_asset("ETH"), lambda asset: asset == 1)
    report.run("mids", info.all_mids, lambda mids: float(mids["BTC"]) > 0)
    report.run("order book", lambda: info.l2_snapshot("BTC"), lambda b: [len(side) for side in b["levels"]] == [20, 20])
    now_ms = info.l2_snapshot("BTC")["time"]
    span = now_ms - 3_600_000, now_ms
    report.run("candles", lambda: info.candles_snapshot("BTC", "1m", *span), lambda rows: 59 <= len(rows) <= 61)
    report.run("funding", lambda: info.funding_history("BTC", *span), lambda rows: len(rows) == 1)
    report.refused("malformed", lambda: info.post("/info", {"type": "nonsense"}), "422")
    return report.failed


def stream(info: Info) -> int:
    """Subscribe everything on the one socket the SDK has."""
    report = Report("hyperliquid-sdk WebSocket")
    heard: dict[str, queue.Queue[Any]] = {name: queue.Queue() for name, _, _ in _STREAMS}
    for name, subscription, _ in _STREAMS:
        info.subscribe(subscription, heard[name].put)
    for name, _, check in _STREAMS:
        report.run(name, lambda name=name: heard[name].get(timeout=_WAIT_S)["data"], check)  # type: ignore[misc]
    report.run("ping", lambda: info.ws_manager.ws.send('{"method":"ping"}'))
    report.run(
        "still alive after it", lambda: [heard["order book"].get(timeout=_WAIT_S) for _ in range(3)], lambda rows: len(rows) == 3
    )
    return report.failed


if __name__ == "__main__":
    at_loopback = Info(f"http://127.0.0.1:{sys.argv[1]}")
    Report("", rest(at_loopback) + stream(at_loopback)).end()
