# mypy: disable-error-code="import-not-found,import-untyped,misc"
"""The tape of the benchmarks through nautilus_trader, with the orders on the clock. Runs in the peers' own environment."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from compared import compared
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import OrderBookDeltaDataWrangler, TradeTickDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

TRADE, DEPTH, SNAPSHOT = 1, 3, 4  # as in trader.engine.inputs, which is not installed here
EVERY_S = 10
ORDER_BTC = "0.010"


class OnTheClock(Strategy):
    """A market order every ten seconds, buying and selling in turn."""

    def __init__(self, instrument: Any, times: Any) -> None:
        super().__init__()
        self.instrument, self.times = instrument, times
        self.fills: list[tuple[float, float, float]] = []
        self.sent = 0

    def on_start(self) -> None:
        """Take the market and set the clock."""
        self.subscribe_order_book_deltas(self.instrument.id, BookType.L2_MBP)
        self.subscribe_trade_ticks(self.instrument.id)
        first = pd.Timestamp(int(self.times[0]), tz="UTC") - timedelta(seconds=EVERY_S)
        self.clock.set_timer("orders", timedelta(seconds=EVERY_S), start_time=first, callback=self.on_time)

    def on_time(self, _event: Any) -> None:
        """Send the next order."""
        if self.sent >= len(self.times):
            return
        side = OrderSide.BUY if self.sent % 2 == 0 else OrderSide.SELL
        self.sent += 1
        self.submit_order(self.order_factory.market(self.instrument.id, side, self.instrument.make_qty(ORDER_BTC)))

    def on_order_filled(self, event: Any) -> None:
        """Note the fill."""
        self.fills.append((1.0 if event.order_side == OrderSide.BUY else -1.0, float(event.last_px), float(event.last_qty)))


def converted(tape: Any, instrument: Any) -> tuple[list[Any], list[Any]]:
    """Return levels and trades as nautilus's own objects."""
    used = tape[np.isin(tape["kind"], (TRADE, DEPTH, SNAPSHOT)) & (tape["a"] > 0)]
    stamps = pd.to_datetime(used["time_ns"], unit="ns", utc=True)
    trades = used["kind"] == TRADE
    side = (used["flags"] & 1) == 1
    frame = pd.DataFrame({"price": used["a"], "quantity": used["b"]}, index=stamps)[trades]
    frame["buyer_maker"], frame["trade_id"] = side[trades], np.arange(int(trades.sum())).astype(str)
    levels = pd.DataFrame({"price": used["a"], "size": used["b"]}, index=stamps)[~trades]
    levels["action"] = np.where(used["b"][~trades] > 0, "UPDATE", "DELETE")
    levels["side"] = np.where(side[~trades], "SELL", "BUY")
    levels["order_id"], levels["flags"], levels["sequence"] = 0, 0, np.arange(len(levels))
    return OrderBookDeltaDataWrangler(instrument).process(levels), TradeTickDataWrangler(instrument).process(frame)


def main(folder: str) -> None:
    """Print events a second of one run (the data made beforehand), and how its fills compare with ours."""
    instrument = TestInstrumentProvider.btcusdt_perp_binance()
    times, ours = np.load(Path(folder) / "orders.npy"), np.load(Path(folder) / "fills.npy")
    levels, trades = converted(np.load(Path(folder) / "tape.npy"), instrument)
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.MARGIN, [Money(100_000, USDT)], book_type=BookType.L2_MBP)
    engine.add_instrument(instrument)
    strategy = OnTheClock(instrument, times)
    engine.add_strategy(strategy)
    engine.add_data(levels, sort=False)
    engine.add_data(trades, sort=True)
    count = len(levels) + len(trades)
    start = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - start
    sys.stdout.write(f"nautilus_trader, orders on the clock: {count:,} events, {count / seconds / 1e6:.3f} M/s\n")
    sys.stdout.write(compared("nautilus_trader", np.array(strategy.fills), ours))
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
