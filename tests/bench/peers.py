# mypy: disable-error-code="import-not-found,untyped-decorator"
"""The tape of the benchmarks through hftbacktest: doing nothing, and with the orders on the clock. In the peers' own environment.

``tests/bench/tape.py`` writes the tape; ``make bench-peers`` runs all of them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from compared import compared
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    GTC,
    LOCAL_EVENT,
    MARKET,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.types import event_dtype
from numba import njit

TRADE, DEPTH, SNAPSHOT = 1, 3, 4  # as in trader.engine.inputs, which is not installed here
ASK = 1
STEP_NS = 1_000_000_000
ORDER_BTC = 0.01


def converted(tape: Any) -> Any:
    """Return trades and levels as hftbacktest's events; it has no best quotes of their own."""
    used = tape[np.isin(tape["kind"], (TRADE, DEPTH, SNAPSHOT)) & (tape["a"] > 0)]
    sell = (used["flags"] & 1) == ASK  # an ask, or a trade whose taker sold
    kind = np.select([used["kind"] == TRADE, used["kind"] == DEPTH], [TRADE_EVENT, DEPTH_EVENT], DEPTH_SNAPSHOT_EVENT)
    events = np.zeros(len(used), event_dtype)
    events["ev"] = EXCH_EVENT | LOCAL_EVENT | kind.astype(np.uint64) | np.where(sell, SELL_EVENT, BUY_EVENT).astype(np.uint64)
    events["exch_ts"] = events["local_ts"] = used["time_ns"]
    events["px"], events["qty"] = used["a"], used["b"]
    return events


@njit
def idle(backtest: Any) -> int:
    """Let time pass, a second at a time, to the end of the tape."""
    steps = 0
    while backtest.elapse(STEP_NS) == 0:
        steps += 1
    return steps


@njit
def on_the_clock(backtest: Any, times: Any, fills: Any) -> int:
    """Send a market order at each time, buying and selling in turn, and note at what price it was filled."""
    backtest.elapse(1)  # its clock stands at 0 until then
    for number in range(len(times)):
        if backtest.elapse(times[number] - backtest.current_timestamp) != 0:
            return number
        price = backtest.depth(0).best_ask if number % 2 == 0 else backtest.depth(0).best_bid
        if number % 2 == 0:
            backtest.submit_buy_order(0, number + 1, price, ORDER_BTC, GTC, MARKET, True)
        else:
            backtest.submit_sell_order(0, number + 1, price, ORDER_BTC, GTC, MARKET, True)
        order = backtest.orders(0).get(number + 1)
        fills[number, 0] = 1.0 if number % 2 == 0 else -1.0
        fills[number, 1] = order.exec_price
        fills[number, 2] = order.exec_qty
    idle(backtest)
    return len(times)


def backtest_of(events: Any) -> Any:
    """Return a fresh backtest of one linear asset without latency."""
    prices = events["px"][events["ev"] & 0xFF == DEPTH_EVENT]
    return ROIVectorMarketDepthBacktest(
        [
            BacktestAsset()
            .data([events])
            .linear_asset(1.0)
            .constant_order_latency(0, 0)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.001)
            .tick_size(0.1)
            .lot_size(0.001)
            .roi_lb(float(prices.min()))
            .roi_ub(float(prices.max()))
        ]
    )


def main(folder: str) -> None:
    """Print events a second, best of five after one run that compiles, and how its fills compare with ours."""
    events = converted(np.load(Path(folder) / "tape.npy"))
    times, ours = np.load(Path(folder) / "orders.npy"), np.load(Path(folder) / "fills.npy")
    fills = np.zeros((len(times), 3))
    for name, work in (("idle", idle), ("orders on the clock", lambda backtest: on_the_clock(backtest, times, fills))):
        best_s = float("inf")
        for _ in range(6):
            backtest = backtest_of(events)
            start = time.perf_counter()
            work(backtest)
            best_s = min(best_s, time.perf_counter() - start)
            top = (backtest.depth(0).best_bid, backtest.depth(0).best_ask)
            backtest.close()
        sys.stdout.write(
            f"hftbacktest, {name}: {len(events):,} events, {len(events) / best_s / 1e6:.2f} M/s, "
            f"last top {top[0]:.2f} / {top[1]:.2f}\n"
        )
    sys.stdout.write(compared("hftbacktest", fills, ours))


if __name__ == "__main__":
    main(sys.argv[1])
