"""Raw frames kept as they came: rotated, compressed, indexed, and played back by the simulator to the same market."""

from __future__ import annotations

import asyncio
import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from shared.clock import ManualClock, SystemClock
from tests.processes import simulator
from tests.support import eventually
from trader.engine.inputs import FIRST, InputKind
from trader.feeds.binance.feed import BinanceFeed
from trader.feeds.binance.venue import Market, loopback
from trader.feeds.raw import INDEX, RawRecorder, read_index
from trader.feeds.stats import FeedStats

SYMBOLS = ["BTCUSDT", "SOLUSDT"]


def lines(folder: Path) -> list[bytes]:
    return [line for path in sorted(folder.glob("*.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_a_recording_is_rotated_indexed_and_continued(tmp_path: Path) -> None:
    clock = ManualClock()
    frames = [b'{"stream":"x@trade","data":{"t":%d}}' % number for number in range(40)]
    for part in (frames[:25], frames[25:]):  # two lives of a trader
        recorder = RawRecorder(tmp_path, clock, FeedStats(), rotate_bytes=300)
        for frame in part:
            recorder.keep(frame)
            clock.advance(1_000)
            if len(lines(tmp_path)) % 5 == 0:
                eventually(recorder._queue.empty)
        recorder.close()
    kept = lines(tmp_path)
    assert [line.partition(b" ")[2] for line in kept] == frames
    index = read_index(tmp_path)
    assert sum(part.frames for part in index) == len(frames)
    assert [part.file for part in index] == sorted(path.name for path in tmp_path.glob("*.gz"))
    assert len(index) >= 2
    assert all(part.first_ns <= part.last_ns < after.first_ns for part, after in pairwise(index))
    assert sum(part.file_bytes for part in index) == sum(path.stat().st_size for path in tmp_path.glob("*.gz"))
    (tmp_path / INDEX).unlink()  # killed before it was written: the files still say everything
    assert [part.file for part in read_index(tmp_path)] == [part.file for part in index]


def test_a_disk_that_takes_nothing_is_told_and_stops_nothing(tmp_path: Path) -> None:
    stats = FeedStats()
    recorder = RawRecorder(tmp_path, ManualClock(), stats)
    (tmp_path / "frames-00001.gz").mkdir()  # in the way
    recorder.keep(b"{}")
    recorder.close()
    assert stats.last_error.startswith("raw recording: could not be written")
    recorder.keep(b"{}")


def record(port: int, market: Market, folder: Path) -> npt.NDArray[np.void]:
    """Stream a while, keeping the frames; return the rows it brought."""
    batches: list[npt.NDArray[np.void]] = []
    stats = FeedStats()
    recorder = RawRecorder(folder, SystemClock(), stats)

    async def run() -> None:
        where = loopback(market, port, "100ms")
        rng = np.random.default_rng(1)
        feed = BinanceFeed(where, SYMBOLS, clock=SystemClock(), rng=rng, stats=stats, sink=batches.append, raw=recorder)
        running = asyncio.create_task(feed.run())
        await asyncio.to_thread(eventually, lambda: stats.messages > 400 and all(map(feed.handler.in_step, SYMBOLS)), 30.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
    recorder.close()
    rows = np.concatenate(batches)
    kept: npt.NDArray[np.void] = rows[rows["kind"] != InputKind.GAP]
    return kept


def play(port: int, market: Market) -> npt.NDArray[np.void]:
    batches: list[npt.NDArray[np.void]] = []

    async def run() -> None:
        where = loopback(market, port, "100ms")
        rng = np.random.default_rng(1)
        feed = BinanceFeed(
            where, SYMBOLS, clock=SystemClock(), rng=rng, stats=FeedStats(), sink=batches.append, hold=True, sim=True
        )  # fmt: skip
        async with asyncio.timeout(60):
            await feed.run()

    asyncio.run(run())
    return np.concatenate(batches)


def final_book(rows: npt.NDArray[np.void], symbol: int) -> dict[tuple[int, float], float]:
    levels: dict[tuple[int, float], float] = {}
    book = np.isin(rows["kind"], (InputKind.DEPTH, InputKind.SNAPSHOT)) & (rows["symbol"] == symbol)
    for row in rows[book]:
        if row["flags"] & FIRST:
            levels.clear()
        levels[int(row["flags"]) & 1, float(row["a"])] = float(row["b"])
    return {key: qty for key, qty in levels.items() if qty > 0.0}


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_what_was_recorded_is_played_back_as_the_same_market(market: Market, tmp_path: Path) -> None:
    generated = ("--market", market, "--symbols", ",".join(SYMBOLS), "--speed", "4", "--seed", "9")
    with simulator(tmp_path / "live", *generated) as port:
        lived = record(port, market, tmp_path / "raw")
    assert len(lines(tmp_path / "raw")) > 300
    with simulator(tmp_path / "replay", "--replay", str(tmp_path / "raw")) as port:
        played = play(port, market)
    for symbol in range(len(SYMBOLS)):
        assert final_book(played, symbol) == final_book(lived, symbol)
        for kind in (InputKind.TRADE, InputKind.QUOTE, InputKind.MARK):
            fields = ["a", "b", "c", "d", "ref"]
            then, now = (rows[(rows["kind"] == kind) & (rows["symbol"] == symbol)][fields].tolist() for rows in (lived, played))
            assert now == then
