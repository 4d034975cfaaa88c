from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import NS_PER_S
from trader.engine.inputs import InputKind, batch, row
from trader.feeds.drift import ALARM_BPS, FRESH_NS, DriftCheck, base_asset

SYMBOLS = ("BTCUSDT@binance-usdm", "BTC@hyperliquid", "BTCUSDT@binance-spot", "ETH@hyperliquid", "BTCUSDC@binance-usdm")


class Desk:
    def __init__(self) -> None:
        self.drift_bps = np.zeros(len(SYMBOLS))
        self.check = DriftCheck(SYMBOLS, self.drift_bps)

    def quote(self, symbol: int, mid: float, now_ns: int) -> None:
        self.check.take(batch([row(InputKind.QUOTE, now_ns, symbol, a=mid - 1.0, c=mid + 1.0)]))


@pytest.mark.parametrize(
    ("symbol", "asset"),
    [
        ("BTCUSDT@binance-usdm", "BTC"),
        ("BTC@hyperliquid", "BTC"),
        ("1000PEPEUSDT", "1000PEPE"),
        ("KAS@hyperliquid", "KAS"),
        ("kPEPE@hyperliquid", "1000PEPE"),
        ("ETHUSDC", "ETH"),
        ("USDT", "USDT"),
    ],
)
def test_the_asset_behind_a_name(symbol: str, asset: str) -> None:
    assert base_asset(symbol) == asset


def test_the_distance_is_from_the_median_of_the_other_venues() -> None:
    desk = Desk()
    for symbol, mid in enumerate((100_000.0, 100_200.0, 100_100.0, 3_000.0, 100_000.0)):
        desk.quote(symbol, mid, NS_PER_S)
    desk.check.check(NS_PER_S)
    # of the perpetual at 100,000 the others are hyperliquid and spot; its sister on the same venue says nothing about the venue
    assert desk.drift_bps[0] == pytest.approx((100_000 / 100_150 - 1) * 1e4)
    assert desk.drift_bps[1] == pytest.approx((100_200 / 100_000 - 1) * 1e4)
    assert desk.drift_bps[3] == 0.0


def test_a_venue_that_stays_away_is_told_once_and_its_return_as_well() -> None:
    desk = Desk()
    told: list[str] = []
    for second in range(1, 30):
        away = 1_000.0 if 5 <= second < 20 else 0.0
        for symbol, mid in ((0, 100_000.0), (1, 100_000.0 + away), (2, 100_000.0)):
            desk.quote(symbol, mid, second * NS_PER_S)
        told += desk.check.check(second * NS_PER_S)
        assert ("BTC@hyperliquid" in desk.check.adrift) == (10 <= second < 20)
    assert [words.partition(" price: ")[0] for words in told] == ["BTC@hyperliquid"] * 2
    assert "was +100 bps" in told[0]
    assert "came back" in told[1]


def test_an_old_price_is_compared_with_nothing() -> None:
    desk = Desk()
    desk.quote(0, 100_000.0, NS_PER_S)
    desk.quote(1, 101_000.0, NS_PER_S + FRESH_NS)
    assert desk.check.check(NS_PER_S + FRESH_NS + 1) == []
    assert not desk.drift_bps.any()


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(1.0, 1e6), st.integers(0, 40)), max_size=60))
def test_whatever_comes_the_distances_are_numbers_and_only_far_ones_alarm(quotes: list[tuple[int, float, int]]) -> None:
    desk = Desk()
    now_ns = 0
    for symbol, mid, wait_s in quotes:
        now_ns += wait_s * NS_PER_S // 10
        desk.quote(symbol, mid + 1.0, now_ns)
        desk.check.check(now_ns)
        assert np.isfinite(desk.drift_bps).all()
        assert all(abs(desk.drift_bps[SYMBOLS.index(name)]) > ALARM_BPS for name in desk.check.adrift)
