"""The whole feed against ``trader_sim`` as a process: sockets, snapshots, simulated time, the end."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from shared.clock import SystemClock
from shared.errors import UsageError
from tests.processes import simulator
from tests.support import eventually, recorded
from trader.engine.inputs import FIRST, InputKind
from trader.feeds.binance.feed import BinanceFeed
from trader.feeds.binance.venue import Market, loopback
from trader.feeds.stats import FeedStats

pytestmark = pytest.mark.recorded


def feed_of(market: Market, port: int, symbols: list[str], batches: list[npt.NDArray[np.void]], stats: FeedStats) -> BinanceFeed:
    return BinanceFeed(
        loopback(market, port),
        symbols,
        clock=SystemClock(),
        rng=np.random.default_rng(1),
        stats=stats,
        sink=batches.append,
        hold=True,
        sim=True,
    )


def stream(market: Market, folder: Path, home: Path, *arguments: str) -> tuple[npt.NDArray[np.void], FeedStats]:
    """Return everything a replay brings, and the feed's counters."""
    batches: list[npt.NDArray[np.void]] = []
    stats = FeedStats()

    async def run(port: int) -> None:
        feed = feed_of(market, port, ["BTCUSDT"], batches, stats)
        async with asyncio.timeout(60):
            await feed.run()
        assert feed.ended.is_set()

    with simulator(home, "--replay", str(folder), *arguments) as port:
        asyncio.run(run(port))
    return np.concatenate(batches), stats


def top_of(rows: npt.NDArray[np.void]) -> tuple[float, float]:
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for row in rows[(rows["kind"] == InputKind.DEPTH) | (rows["kind"] == InputKind.SNAPSHOT)]:
        if row["flags"] & FIRST:
            sides = ({}, {})
        sides[int(row["flags"]) & 1][float(row["a"])] = float(row["b"])
    bids, asks = ([price for price, qty in side.items() if qty > 0.0] for side in sides)
    return max(bids), min(asks)


@pytest.mark.parametrize(
    ("market", "name", "top", "frames"),
    [
        ("spot", "binance_spot_raw_ws_2024", (61602.01, 61602.02), 99_573),
        ("usdm", "binance_usdm_raw_ws_2024", (61659.70, 61659.80), 93_953),
    ],
)
def test_a_replayed_session_arrives_whole(
    market: Market, name: str, top: tuple[float, float], frames: int, tmp_path: Path
) -> None:
    rows, stats = stream(market, recorded(name), tmp_path)
    assert top_of(rows) == top
    assert (stats.chain_breaks, stats.stale_snapshots, stats.bad_messages, stats.reconnects) == (0, 0, 0, 0)
    assert stats.messages > frames
    assert not np.any(rows["kind"] == InputKind.GAP)
    # Recorded time, not ours.
    assert (rows["time_ns"].max() - rows["time_ns"].min()) / 1e9 == pytest.approx(650.6 if market == "spot" else 344.8, abs=1.0)


@pytest.mark.parametrize(("market", "name"), [("spot", "binance_spot_raw_ws_2024"), ("usdm", "binance_usdm_raw_ws_2024")])
def test_two_replays_bring_the_same_rows_to_the_last_bit(market: Market, name: str, tmp_path: Path) -> None:
    runs = [stream(market, recorded(name), tmp_path, "--duration", "20")[0] for _ in range(3)]
    assert len({hashlib.sha256(rows.tobytes()).hexdigest() for rows in runs}) == 1
    assert len(runs[0]) > 5_000


def test_instruments_and_history_come_from_the_exchange(tmp_path: Path) -> None:
    async def ask(port: int) -> None:
        feed = feed_of("usdm", port, ["btcusdt", "ETHUSDT"], [], FeedStats())
        instruments = await feed.instruments()
        assert [instrument.symbol for instrument in instruments] == ["BTCUSDT", "ETHUSDT"]
        assert all(instrument.perpetual and instrument.tick_size > 0.0 for instrument in instruments)
        candles = await feed.history("BTCUSDT", 1_600)
        assert candles.shape[1] == 6
        assert 0 < len(candles) <= 1_600
        assert (np.diff(candles[:, 0]) == 60_000).all()
        assert (candles[:, 2] >= candles[:, 3]).all()
        with pytest.raises(UsageError, match="'BTCUSD', expected one the venue lists, such as BTCUSDT"):
            await feed_of("usdm", port, ["BTCUSD"], [], FeedStats()).instruments()

    with simulator(tmp_path, "--market", "usdm", "--symbols", "BTCUSDT,ETHUSDT") as port:
        asyncio.run(ask(port))


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_an_announced_shutdown_of_the_simulator_costs_nothing(market: Market, tmp_path: Path) -> None:
    """Two lives of each connection: no gap, no broken chain, no trade twice."""
    batches: list[npt.NDArray[np.void]] = []
    stats = FeedStats()

    async def run(port: int) -> None:
        feed = BinanceFeed(
            loopback(market, port, "100ms"), ["BTCUSDT", "SOLUSDT"],
            clock=SystemClock(), rng=np.random.default_rng(1), stats=stats, sink=batches.append,
        )  # fmt: skip
        running = asyncio.create_task(feed.run())
        await asyncio.to_thread(eventually, lambda: stats.planned_changes >= 2, 20.0)
        rows = np.concatenate(batches)  # before the end: that is a disconnect
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not (rows["kind"] == InputKind.GAP).any()
        for symbol in (0, 1):
            trades = rows[(rows["kind"] == InputKind.TRADE) & (rows["symbol"] == symbol)]["ref"].tolist()
            assert trades == list(range(trades[0], trades[0] + len(trades)))
        assert (rows["kind"] == InputKind.MARK).any() == (market == "usdm")
        assert (stats.chain_breaks, stats.reconnects, stats.bad_messages) == (0, 0, 0)

    with simulator(tmp_path, "--market", market, "--symbols", "BTCUSDT,SOLUSDT", "--speed", "1", "--lifetime", "1") as port:
        asyncio.run(run(port))
