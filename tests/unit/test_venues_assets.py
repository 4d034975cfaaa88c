from __future__ import annotations

import numpy as np
import pytest

from shared.clock import NS_PER_S
from shared.events import EventKind
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind, InputRow, batch, row
from trader.engine.state import new_state
from trader.feeds.assets import asset_numbers, base_asset
from trader.feeds.instruments import Instrument
from trader.feeds.rows import instrument_row

SYMBOLS = ("BTCUSDT@binance-usdm", "BTC@hyperliquid", "ETH@hyperliquid", "BTCUSDT@binance-spot", "SOLUSDT@binance-usdm")


@pytest.mark.parametrize(
    ("symbol", "asset"),
    [
        ("BTCUSDT@binance-usdm", "BTC"),
        ("BTC@hyperliquid", "BTC"),
        ("1000PEPEUSDT", "1000PEPE"),
        ("kPEPE@hyperliquid", "1000PEPE"),
        ("KAS@hyperliquid", "KAS"),
        ("ETHUSDC", "ETH"),
        ("ETHBTC", "ETHBTC"),
        ("BTCEUR", "BTCEUR"),
        ("USDT", "USDT"),
    ],
)
def test_the_asset_behind_a_name(symbol: str, asset: str) -> None:
    assert base_asset(symbol) == asset


def test_only_what_several_venues_have_gets_a_number() -> None:
    assert asset_numbers(SYMBOLS) == [1, 1, 0, 1, 0]
    assert asset_numbers(("BTCUSDT", "BTCUSDC", "ETHUSDT")) == [0, 0, 0]
    assert asset_numbers(("BTCUSDC@binance-spot", "BTCEUR@binance-spot", "BTCUSDT@binance-usdm")) == [1, 0, 1]
    assert asset_numbers(("kPEPE@hyperliquid", "ETH@hyperliquid", "1000PEPEUSDT@b", "ETHUSDT@b")) == [1, 2, 1, 2]


def test_the_engine_tells_when_one_venue_leaves_the_others() -> None:
    engine = Engine(new_state(len(SYMBOLS), 100_000.0))
    known = Instrument(symbol="", tick_size=0.1, step_size=0.001, min_qty=0.001, min_notional_usd=5.0, perpetual=True)
    numbers = asset_numbers(SYMBOLS)
    engine.process(batch([instrument_row(i, NS_PER_S, known, asset=number) for i, number in enumerate(numbers)]))
    told = []
    for second in range(1, 20):
        prices = (100_000.0, 101_000.0 if 5 <= second < 12 else 100_010.0, 3_000.0, 100_000.0, 150.0)
        quotes: list[InputRow] = [
            row(InputKind.QUOTE, second * NS_PER_S, i, a=price - 0.5, b=1.0, c=price + 0.5, d=1.0)
            for i, price in enumerate(prices)
        ]
        events = engine.process(batch(quotes))
        told += [int(event["symbol"]) for event in events[events["kind"] == EventKind.VENUE_DRIFT]]
    assert told.count(1) == 2  # it left, and it came back
    assert not set(told) & {2, 4}
    assert np.isfinite(engine.state[0]["symbols"]["drift_bps"]).all()
