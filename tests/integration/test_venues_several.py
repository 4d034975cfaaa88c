"""Several venues as one feed, against real sockets: the real feed of each and a simulator process of each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from shared.clock import SystemClock
from shared.errors import UsageError
from tests.processes import simulator
from tests.support import eventually
from trader.engine.inputs import ALL, Gap, InputKind
from trader.feeds.binance.feed import BinanceFeed
from trader.feeds.binance.venue import Market, loopback
from trader.feeds.connection import SocketLimits
from trader.feeds.several import Maker, SeveralFeed
from trader.feeds.stats import FeedStats
from trader.feeds.streaming import Sink

SYMBOLS = ("BTCUSDT@binance-usdm", "BTCUSDT@binance-spot", "SOLUSDT@binance-usdm", "SOLUSDT@binance-spot")
QUICK = SocketLimits(first_message_s=2.0, stale_s=2.0, close_s=0.2, backoff_s=0.05, backoff_cap_s=0.2)


def maker(market: Market, port: int) -> Maker:
    def make(symbols: Sequence[str], stats: FeedStats, sink: Sink) -> Any:
        rng = np.random.default_rng(3)
        where = loopback(market, port, "100ms")
        return BinanceFeed(where, symbols, clock=SystemClock(), rng=rng, stats=stats, sink=sink, limits=QUICK)

    return make


@contextlib.asynccontextmanager
async def running(
    ports: dict[Market, int], symbols: Sequence[str] = SYMBOLS
) -> AsyncIterator[tuple[SeveralFeed, list[npt.NDArray[np.void]]]]:
    batches: list[npt.NDArray[np.void]] = []
    makers = {f"binance-{market}": maker(market, port) for market, port in ports.items()}
    feed = SeveralFeed(symbols, makers, clock=SystemClock(), stats=FeedStats(), sink=batches.append, fresh=True)
    task = asyncio.create_task(feed.run())
    try:
        yield feed, batches
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def kinds_of(batches: list[npt.NDArray[np.void]], symbol: int) -> set[int]:
    return {kind for rows in list(batches) for kind in rows["kind"][rows["symbol"] == symbol].tolist()}


PATIENCE_S = 30.0  # the first feed of a process may have to compile
WANTED = {InputKind.INSTRUMENT, InputKind.BAR, InputKind.TRADE, InputKind.QUOTE, InputKind.SNAPSHOT, InputKind.DEPTH}


def test_two_venues_arrive_under_the_engines_numbers_and_one_that_dies_stops_nothing(tmp_path: Path) -> None:
    options = ("--symbols", "BTCUSDT,SOLUSDT", "--speed", "1")

    async def scenario(usdm: int, spot: contextlib.ExitStack, spot_port: int) -> None:
        async with running({"usdm": usdm, "spot": spot_port}) as (feed, batches):
            await asyncio.to_thread(
                eventually, lambda: all(kinds_of(batches, symbol) >= WANTED for symbol in range(4)), PATIENCE_S
            )
            await asyncio.to_thread(eventually, lambda: feed.stats.connected)
            prices = np.concatenate(batches)
            for symbol, price in enumerate((60_000.0, 60_000.0, 150.0, 150.0)):
                mine = prices[(prices["kind"] == InputKind.TRADE) & (prices["symbol"] == symbol)]["a"]
                assert (abs(mine / price - 1.0) < 0.2).all()
            facts = prices[prices["kind"] == InputKind.INSTRUMENT]
            assert {int(one["symbol"]): int(one["d"]) for one in facts} == {0: 1, 1: 1, 2: 2, 3: 2}
            before = len(batches)
            spot.close()  # the spot venue dies
            await asyncio.to_thread(eventually, lambda: feed.stats.venues["binance-spot"].reconnects >= 1)
            await asyncio.to_thread(eventually, lambda: not feed.stats.connected)
            seen = len(batches)
            await asyncio.to_thread(eventually, lambda: len(batches) > seen + 20)  # the other goes on
            rows = np.concatenate(batches[before:])
            gaps = rows[rows["kind"] == InputKind.GAP]
            assert set(gaps["symbol"].tolist()) == {1, 3}
            assert set(gaps["aux"].tolist()) == {Gap.DISCONNECTED}
            assert not (rows["symbol"] == ALL).any()
            await asyncio.to_thread(eventually, lambda: feed.stats.last_error.startswith("binance-spot: "))

    with simulator(tmp_path / "u", "--market", "usdm", *options) as usdm, contextlib.ExitStack() as spot:
        spot_port = spot.enter_context(simulator(tmp_path / "s", "--market", "spot", *options))
        asyncio.run(scenario(usdm, spot, spot_port))


def test_a_venue_that_does_not_answer_at_the_start_does_not_keep_the_other_waiting(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        async with running({"usdm": port, "spot": 9}, SYMBOLS[:2]) as (feed, batches):
            await asyncio.to_thread(eventually, lambda: batches and kinds_of(batches, 0) >= WANTED, PATIENCE_S)
            assert kinds_of(batches, 1) == set()
            assert not feed.stats.connected
            assert feed.stats.venues["binance-usdm"].connected

    with simulator(tmp_path, "--market", "usdm", "--symbols", "BTCUSDT", "--speed", "1") as port:
        asyncio.run(scenario(port))


def test_a_wrong_symbol_ends_it_with_its_name(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        feed = SeveralFeed(
            ["BTCUSDT@binance-usdm", "NOPEUSDT@binance-usdm"], {"binance-usdm": maker("usdm", port)},
            clock=SystemClock(), stats=FeedStats(), sink=lambda _rows: None, fresh=True,
        )  # fmt: skip
        with pytest.raises(UsageError, match="symbol: was 'NOPEUSDT'"):
            await feed.run()

    with simulator(tmp_path, "--market", "usdm", "--symbols", "BTCUSDT", "--speed", "1") as port:
        asyncio.run(scenario(port))
