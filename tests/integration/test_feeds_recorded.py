"""Recorded frames through the handler: the books must end where the venue's did."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from shared.clock import ManualClock
from tests.support import recorded
from trader.engine.inputs import ASK, FIRST, InputKind
from trader.feeds.binance.book_sync import Chain, Rule, SpotRule, UsdmRule
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.binance.messages import read_depth, read_envelope
from trader.feeds.binance.venue import Market
from trader.feeds.stats import FeedStats

pytestmark = pytest.mark.recorded

BTC = "BTCUSDT"
FUTURES_2021 = ["SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT"]


def lines(folder: Path) -> Iterator[tuple[int, bytes]]:
    for path in sorted(folder.glob("*.gz")):
        with gzip.open(path) as file:
            for line in file:
                stamp, _, frame = line.rstrip(b"\n").partition(b" ")
                yield int(stamp), frame


def text_lines(path: Path) -> list[str]:
    with gzip.open(path, "rt") as file:
        return file.read().splitlines()


def replay(market: Market, folder: Path, *, hold: bool) -> tuple[npt.NDArray[np.void], FeedStats]:
    clock, stats = ManualClock(0), FeedStats()
    handler = BinanceHandler(market, [BTC], "trade", clock, stats, hold=hold)
    batches = []
    for stamp, frame in lines(folder):
        clock.set(stamp)
        if frame.startswith(b'{"lastUpdateId"'):
            handler.on_snapshot(BTC, frame)
        else:
            handler.on_frame(frame)
        batches.append(handler.take())
    return np.concatenate(batches), stats


def plain_books(rows: npt.NDArray[np.void]) -> dict[int, tuple[dict[float, float], dict[float, float]]]:
    """Rebuild the books from the rows in the simplest way there is: (bids, asks) by symbol index."""
    books: dict[int, tuple[dict[float, float], dict[float, float]]] = {}
    for row in rows[(rows["kind"] == InputKind.DEPTH) | (rows["kind"] == InputKind.SNAPSHOT)]:
        if row["flags"] & FIRST:
            books[int(row["symbol"])] = ({}, {})
        side = books[int(row["symbol"])][1 if row["flags"] & ASK else 0]
        if row["b"] > 0.0:
            side[float(row["a"])] = float(row["b"])
        else:
            side.pop(float(row["a"]), None)
    return books


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize(
    ("market", "name", "top", "counts"),
    [
        ("spot", "binance_spot_raw_ws_2024", (61602.01, 61602.02), (19_904, 73_174)),
        ("usdm", "binance_usdm_raw_ws_2024", (61659.70, 61659.80), (21_313, 66_089)),
    ],
)
def test_a_recorded_session_ends_at_the_recorded_top(
    market: Market, name: str, top: tuple[float, float], counts: tuple[int, int], *, hold: bool
) -> None:
    rows, stats = replay(market, recorded(name), hold=hold)
    ((bids, asks),) = plain_books(rows).values()
    assert (max(bids), min(asks)) == top
    assert (stats.chain_breaks, stats.bad_messages, stats.unknown_events, stats.duplicate_trades) == (0, 0, 0, 0)
    kinds = rows["kind"]
    assert tuple(int(np.count_nonzero(kinds == kind)) for kind in (InputKind.TRADE, InputKind.QUOTE)) == counts
    assert (np.diff(rows["time_ns"]) >= 0).all()


def test_a_quote_of_the_books_own_update_shows_the_books_top() -> None:
    rows, _ = replay("spot", recorded("binance_spot_raw_ws_2024"), hold=True)
    rows = rows[:120_000]
    ends = np.flatnonzero(np.isin(rows["kind"], (InputKind.DEPTH, InputKind.SNAPSHOT)) & (rows["flags"] & 2 > 0))
    book_end = {int(rows["ref"][at]): int(at) for at in ends}
    same = [quote for quote in rows[rows["kind"] == InputKind.QUOTE] if int(quote["ref"]) in book_end][:20]
    assert len(same) == 20
    for quote in same:
        ((bids, asks),) = plain_books(rows[: book_end[int(quote["ref"])] + 1]).values()
        assert (max(bids), bids[max(bids)]) == (quote["a"], quote["b"])
        assert (min(asks), asks[min(asks)]) == (quote["c"], quote["d"])


def test_the_rule_of_spot_sees_gaps_in_futures_where_there_are_none() -> None:
    frames = [frame for _, frame in lines(recorded("binance_usdm_raw_ws_2024")) if b"@depth" in frame[:40]]
    updates = [read_depth(read_envelope(frame).data) for frame in frames]

    def breaks(rule: Rule) -> int:
        return sum(rule.chain(after, before.final_id, 0) is Chain.BROKEN for before, after in pairwise(updates))

    assert breaks(UsdmRule()) == 0
    assert breaks(SpotRule()) > 0.9 * len(updates)


def test_four_futures_whose_snapshots_come_late_stay_in_step() -> None:
    folder = recorded("binance_raw_cryptofeed_2021")
    clock, stats = ManualClock(0), FeedStats()
    handler = BinanceHandler("usdm", FUTURES_2021, "aggTrade", clock, stats, hold=True, hold_s=5.0)
    moments: list[tuple[float, str, bytes]] = []
    for line in text_lines(folder / "BINANCE_FUTURES.http.0.0.txt.gz"):
        if line.startswith("http"):
            request, _, answer = line.partition(" -> ")
            stamp, _, body = answer.partition(": ")
            moments.append((float(stamp), request.partition("symbol=")[2].partition("&")[0], body.encode()))
    for line in text_lines(folder / "BINANCE_FUTURES.ws.1.0.txt.gz")[1:]:
        stamp, _, body = line.partition(": ")
        moments.append((float(stamp), "", body.encode()))
    batches = []
    for stamp_s, symbol, frame in sorted(moments, key=lambda moment: moment[0]):
        clock.set(int(stamp_s * 1e9))
        if symbol:
            handler.on_snapshot(symbol, frame)
        else:
            handler.on_frame(frame)
        batches.append(handler.take())
    assert all(handler.in_step(symbol) for symbol in FUTURES_2021)
    assert (stats.chain_breaks, stats.stale_snapshots, stats.bad_messages) == (0, 0, 0)
    books = plain_books(np.concatenate(batches))
    assert [max(bids) < min(asks) for bids, asks in books.values()] == [True] * 4
