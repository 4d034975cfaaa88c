"""The generated flow keeps the venue's rules over minutes, and looks like a market."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trader.simulator.generated import GeneratedSource
from trader.simulator.source import Frame, GateMark, Market

START_NS = 1_700_000_000_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Book:
    """A second, independent book: snapshot plus diffs with the market's own chain rule."""

    def __init__(self, snapshot: dict[str, Any], market: Market) -> None:
        self.sides = {"b": dict(_levels(snapshot["bids"])), "a": dict(_levels(snapshot["asks"]))}
        self.id = snapshot["lastUpdateId"]
        self.market = market
        self.is_first = True

    def apply(self, diff: dict[str, Any]) -> None:
        if self.is_first:
            gapless = self.market is Market.SPOT  # there the first may begin right after the snapshot
            assert diff["U"] <= self.id + gapless <= diff["u"]
        elif self.market is Market.SPOT:
            assert diff["U"] == self.id + 1
        else:
            assert diff["pu"] == self.id
            assert diff["U"] > diff["pu"]
        self.is_first = False
        for side, levels in self.sides.items():
            for price, qty in _levels(diff[side]):
                if qty == 0:
                    levels.pop(price, None)
                else:
                    levels[price] = qty
        self.id = diff["u"]

    def top(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        bid, ask = max(self.sides["b"]), min(self.sides["a"])
        assert bid < ask
        return bid, self.sides["b"][bid], ask, self.sides["a"][ask]


def _levels(rows: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(qty)) for price, qty in rows]


def _follow(source: GeneratedSource) -> tuple[int, int]:
    """Rebuild the books from the gate on; return how many diffs were applied and tickers compared."""
    books: dict[str, Book] = {}
    tops: dict[str, tuple[int, tuple[Decimal, ...]]] = {}
    diffs = agreed = 0
    for item in source.items():
        if isinstance(item, GateMark):
            books = {s: Book(json.loads(source.depth(s, 1000)), source.market) for s in item.symbols}
        elif item.stream.endswith("@bookTicker"):
            data = json.loads(item.payload)
            tops[data["s"]] = (data["u"], tuple(Decimal(data[key]) for key in "bBaA"))
        elif "@depth" in item.stream and books:
            data = json.loads(item.payload)
            book = books[data["s"]]
            book.apply(data)
            diffs += 1
            # The last ticker names the newest change of the top, so the top must still be that one.
            update_id, top = tops[data["s"]]
            assert update_id <= book.id
            assert top == book.top()
            agreed += 1
    return diffs, agreed


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32), market=st.sampled_from(list(Market)))
def test_chain_rule_holds_and_tickers_agree_with_the_rebuilt_book(seed: int, market: Market) -> None:
    diffs, agreed = _follow(GeneratedSource(market, SYMBOLS, seed, START_NS, duration_s=90.0))
    assert diffs == agreed
    assert diffs > 2 * 850  # nearly every 100 ms of both symbols


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32), market=st.sampled_from(list(Market)))
def test_trades_print_at_the_touch_and_within_its_size(seed: int, market: Market) -> None:
    top: dict[str, Decimal] = {}
    ids: list[int] = []
    fresh = False
    for item in GeneratedSource(market, ("BTCUSDT",), seed, START_NS, duration_s=30.0).items():
        if not isinstance(item, Frame):
            continue
        data = json.loads(item.payload)
        if item.stream.endswith("@bookTicker"):
            top, fresh = {key: Decimal(data[key]) for key in "bBaA"}, True
        elif item.stream.endswith("@trade"):
            ids.append(data["t"])
            if fresh:  # the first print since the ticker meets exactly the touch; a sweep goes on behind it
                price, size = ("b", "B") if data["m"] else ("a", "A")
                assert Decimal(data["p"]) == top[price]
                assert Decimal(data["q"]) <= top[size]
            fresh = False
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_same_seed_same_frames_other_seed_other_frames() -> None:
    def frames(seed: int) -> list[Frame]:
        flow = GeneratedSource(Market.USDM, SYMBOLS, seed, START_NS, duration_s=5.0).items()
        return [item for item in flow if isinstance(item, Frame)]

    assert frames(1) == frames(1)
    assert frames(1) != frames(2)


@pytest.mark.parametrize("market", list(Market))
def test_frames_are_in_time_order_and_every_stream_speaks(market: Market) -> None:
    source = GeneratedSource(market, SYMBOLS, 3, START_NS, duration_s=65.0)
    frames = [item for item in source.items() if isinstance(item, Frame)]
    stamps = [frame.ns for frame in frames]
    assert stamps == sorted(stamps)
    assert {frame.stream for frame in frames} == source.streams
    closed = [frame for frame in frames if "kline" in frame.stream and b'"x":true' in frame.payload]
    assert len(closed) == len(SYMBOLS)
    assert all(b'"t":' in frame.payload and b', "T":' in frame.payload for frame in closed)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_newcomer_sees_moves_within_two_minutes(seed: int) -> None:
    source = GeneratedSource(Market.USDM, SYMBOLS, seed, START_NS, duration_s=120.0)
    mids = []
    for item in source.items():
        if isinstance(item, Frame) and item.stream == "btcusdt@bookTicker":
            data = json.loads(item.payload)
            mids.append((float(data["b"]) + float(data["a"])) / 2)
    assert (max(mids) / min(mids) - 1) * 100 > 0.1
    assert (max(mids) / min(mids) - 1) * 100 < 3.0


@pytest.mark.parametrize("market", list(Market))
def test_history_ends_where_the_market_opens(market: Market) -> None:
    source = GeneratedSource(market, SYMBOLS, 11, START_NS)
    *bars, opening = source.bars("BTCUSDT")
    assert len(bars) == 240
    assert (opening.open_ms, opening.trades) == (bars[-1].close_ms + 1, 0)
    assert [bar.open_ms for bar in bars] == [bars[0].open_ms + i * 60_000 for i in range(240)]
    assert bars[-1].close_ms < source.server_time_ms() <= bars[-1].close_ms + 60_000
    top = json.loads(source.depth("BTCUSDT", 5))["bids"][0][0]
    assert abs(float(bars[-1].close) / float(top) - 1) < 1e-3
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
