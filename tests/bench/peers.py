# mypy: disable-error-code="import-not-found,untyped-decorator"
"""The tape of the benchmarks through hftbacktest, with a strategy that does nothing. Runs in the peers' own environment.

``tests/bench/tape.py`` writes the tape; ``make bench-peers`` runs both.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
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


def main() -> None:
    """Print events a second, best of five after one run that compiles."""
    events = converted(np.load(sys.argv[1]))
    prices = events["px"][events["ev"] & 0xFF == DEPTH_EVENT]
    best_s = float("inf")
    top: tuple[float, float] = (0.0, 0.0)
    for _ in range(6):
        asset = (
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
        )
        backtest = ROIVectorMarketDepthBacktest([asset])
        start = time.perf_counter()
        idle(backtest)
        best_s = min(best_s, time.perf_counter() - start)
        top = (backtest.depth(0).best_bid, backtest.depth(0).best_ask)
        backtest.close()
    sys.stdout.write(
        f"hftbacktest, idle: {len(events):,} events, {len(events) / best_s / 1e6:.1f} M/s, last top {top[0]:.2f} / {top[1]:.2f}\n"
    )


if __name__ == "__main__":
    main()
