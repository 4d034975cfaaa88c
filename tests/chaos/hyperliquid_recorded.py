"""Recorded Hyperliquid sessions through the real socket: what the feed makes of them against what stands in the files.

``python -m tests.chaos.hyperliquid_recorded`` prints one table a recording. The expected figures are counted from the recording
itself by the plainest reading of it, not taken from names: any recording of the same formats can be named on the command line.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_S, SystemClock
from shared.paths import project_root
from trader.engine.inputs import ASK, FIRST, LAST, InputKind
from trader.feeds.hyperliquid.feed import HyperliquidFeed
from trader.feeds.hyperliquid.venue import loopback
from trader.feeds.stats import FeedStats
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.recorder import RecordedOrigin
from trader.simulator.hyperliquid.server import HyperliquidOptions, HyperliquidServer

DATA = project_root().parent / "shared" / "data"
DEFAULT = ("hyperliquid_recorder_20250904", "hyperliquid_recorder_gappy_202509", "hyperliquid_raw_ws_2025")
STALL_S = 5.0  # the engine's own limit by default: longer silence of all data of a symbol is a FEED STALE


class Truth(msgspec.Struct):
    """One coin as its recording says: counted without any code of the project.

    Attributes
    ----------
    halves
        Quotes of which only one side was kept: a recorder was stopped between two rows.
    arrivals
        When anything new came, seconds.
    """

    books: int = 0
    book_ms: list[int] = msgspec.field(default_factory=list)
    quotes: int = 0
    halves: int = 0
    trades: int = 0
    replayed: int = 0
    repeated: int = 0
    last_top: tuple[float, float] = (0.0, 0.0)
    arrivals: list[float] = msgspec.field(default_factory=list)


class Check(msgspec.Struct, frozen=True):
    """One line of the table."""

    what: str
    recorded: Any
    got: Any

    @property
    def holds(self) -> bool:
        """Whether both are the same."""
        return bool(self.recorded == self.got)


def truth(folder: Path) -> dict[str, Truth]:
    """Count a recording: files whose first line names columns are tables, others hold raw frames."""
    found: dict[str, Truth] = {}
    for path in sorted(folder.glob("*.gz")):
        with gzip.open(path, "rt") as file:
            if file.readline().startswith("timestamp,"):
                file.seek(0)
                coin = path.name.partition(".")[0].rpartition("_")[2]
                _count_table(list(csv.DictReader(file)), found.setdefault(coin, Truth()))
            else:
                file.seek(0)
                _count_frames(file, found)
    for one in found.values():
        one.arrivals.sort()
    return found


def _count_table(rows: list[dict[str, str]], one: Truth) -> None:
    if "bid_price_0" in rows[0]:
        one.books = len(rows)
        one.book_ms = [int(row["exchange_timestamp"]) for row in rows]
        one.arrivals += [float(row["timestamp"]) for row in rows]
        one.last_top = float(rows[-1]["bid_price_0"]), float(rows[-1]["ask_price_0"])
    elif "trade_id" in rows[0]:
        _count_trades([(row["timestamp"], row["exchange_timestamp"], row["trade_id"]) for row in rows], one)
    else:
        sides = Counter((row["timestamp"], row["exchange_timestamp"]) for row in rows)
        whole = [float(arrival) for (arrival, _), count in sides.items() if count == 2]
        one.quotes, one.halves = len(whole), len(sides) - len(whole)
        one.arrivals += whole


def _count_trades(trades: list[tuple[str, str, str]], one: Truth) -> None:
    """Count (arrival, time, id): what came with the first of them is the repetition that follows a subscription."""
    seen: set[tuple[str, str]] = set()
    for arrival, *key in trades:
        known = (key[0], key[1]) in seen
        seen.add((key[0], key[1]))
        one.repeated += known
        one.replayed += not known and arrival == trades[0][0]
        if not known and arrival != trades[0][0]:
            one.trades += 1
            one.arrivals.append(float(arrival))


def _count_frames(lines: Any, found: dict[str, Truth]) -> None:
    trades: dict[str, list[tuple[str, str, str]]] = {}
    for line in lines:
        stamp, _, text = line.partition(" ")
        frame = json.loads(text)
        data = frame["data"]
        if frame["channel"] == "trades" and data:
            trades.setdefault(data[0]["coin"], []).extend(
                (str(int(stamp) / 1e9), str(one["time"]), str(one["tid"])) for one in data
            )
        elif frame["channel"] in ("l2Book", "bbo"):
            one = found.setdefault(data["coin"], Truth())
            one.arrivals.append(int(stamp) / 1e9)
            if frame["channel"] == "l2Book":
                one.books += 1
                one.book_ms.append(data["time"])
                one.last_top = float(data["levels"][0][0]["px"]), float(data["levels"][1][0]["px"])
            else:
                one.quotes += 1
    for coin, theirs in trades.items():
        _count_trades(theirs, found.setdefault(coin, Truth()))


async def replay(folder: Path, duration_s: float | None = None) -> tuple[list[str], npt.NDArray[np.void], FeedStats]:
    """Play a recording over a socket as fast as the feed reads; return the coins, the inputs and the counters."""
    clock, rows, stats = SystemClock(), [np.empty(0, "u1")][:0], FeedStats()
    flow = Flow(RecordedOrigin(folder, duration_s))
    async with HyperliquidServer(flow, HyperliquidOptions(speed=None), clock) as server:
        rng, coins = np.random.default_rng(1), list(flow.specs)
        feed = HyperliquidFeed(loopback(server.port), coins, clock=clock, rng=rng, stats=stats, sink=rows.append, sim=True)
        await feed.run()
    return coins, np.concatenate(rows), stats


def checks(folder: Path) -> list[Check]:
    """Replay a recording and compare everything that can be."""
    expected = truth(folder)
    coins, rows, stats = asyncio.run(replay(folder))
    lines = [Check("coins", sorted(expected), sorted(coins))]
    for index, coin in enumerate(coins):
        lines += _coin_checks(coin, expected[coin], rows[rows["symbol"] == index])
        lines.append(Check(f"{coin} stalls over {STALL_S:g} s", *_stalls(expected[coin], rows, index)))
    lines += [
        Check(
            "trades told again at subscription, left out", sum(one.replayed for one in expected.values()), stats.replayed_trades
        ),
        Check("duplicate trades left out", sum(one.repeated for one in expected.values()), stats.duplicate_trades),
        Check("unusable frames", 0, stats.bad_messages),
        Check("numbers that are none", 0, int(sum((~np.isfinite(rows[field])).sum() for field in "abcd"))),
        Check("times that step back", 0, int((np.diff(rows["time_ns"]) < 0).sum())),
    ]
    return lines


def _coin_checks(coin: str, one: Truth, rows: npt.NDArray[np.void]) -> Iterator[Check]:
    kinds = rows["kind"]
    trades = rows[kinds == InputKind.TRADE]
    yield Check(f"{coin} books", one.books, int(((kinds == InputKind.SNAPSHOT) & (rows["flags"] & LAST > 0)).sum()))
    yield Check(f"{coin} trades", one.trades, len(trades))
    yield Check(f"{coin} trades counted twice", 0, len(trades) - len(np.unique(trades[["c", "ref"]])))
    if one.quotes:
        yield Check(f"{coin} quotes ({one.halves} half ones left out)", one.quotes, int((kinds == InputKind.QUOTE).sum()))
    if one.books:
        ends = rows["ref"][(kinds == InputKind.SNAPSHOT) & (rows["flags"] & LAST > 0)]
        yield Check(f"{coin} books apart, median ms", float(np.median(np.diff(one.book_ms))), float(np.median(np.diff(ends))))
        yield Check(f"{coin} books apart, most ms", max(np.diff(one.book_ms)), max(np.diff(ends)))
        tops = book_tops(rows)
        yield Check(f"{coin} last top", one.last_top, tops[-1])
        yield Check(f"{coin} crossed or empty books", 0, sum(not 0.0 < bid < ask < np.inf for bid, ask in tops))


def book_tops(rows: npt.NDArray[np.void]) -> list[tuple[float, float]]:
    """Return best bid and ask of every snapshot of one coin, rebuilt in the plainest way."""
    tops: list[tuple[float, float]] = []
    bids: list[float] = []
    asks: list[float] = []
    levels = rows[rows["kind"] == InputKind.SNAPSHOT]
    for price, flags in zip(levels["a"].tolist(), levels["flags"].tolist(), strict=True):
        if flags & FIRST:
            bids, asks = [], []
        (asks if flags & ASK else bids).append(price)
        if flags & LAST:
            tops.append((max(bids, default=0.0), min(asks, default=np.inf)))
    return tops


def _stalls(one: Truth, rows: npt.NDArray[np.void], index: int) -> tuple[list[float], list[float]]:
    """Return the silences in the recording and those in the inputs, seconds; and that time passed in between by timers."""
    recorded = [round(after - before, 1) for before, after in pairwise(one.arrivals) if after - before > STALL_S]
    market = rows[np.isin(rows["kind"], (InputKind.TRADE, InputKind.QUOTE, InputKind.SNAPSHOT)) & (rows["symbol"] == index)]
    times = market["time_ns"]
    gaps = np.flatnonzero(np.diff(times) > STALL_S * NS_PER_S)
    timers = rows["time_ns"][rows["kind"] == InputKind.TIMER]
    told = [int(((timers > times[at]) & (timers < times[at + 1])).sum()) for at in gaps]
    lengths = [round(float(times[at + 1] - times[at]) / NS_PER_S, 1) for at in gaps]
    return recorded, [length for length, ticks in zip(lengths, told, strict=True) if ticks >= min(int(length), 60) - 1]


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
def main(folders: tuple[Path, ...]) -> None:
    """Replay recordings and print what was recorded beside what the feed made of it."""
    failed = 0
    for folder in folders or tuple(DATA / name for name in DEFAULT):
        click.echo(f"\n{folder.name}")
        for line in checks(folder):
            failed += not line.holds
            mark = "ok " if line.holds else "BAD"
            recorded, got = (_short(value) for value in (line.recorded, line.got))
            click.echo(f"  {mark} {line.what:44} {recorded:>34} {got:>34}")
    if failed:
        raise SystemExit(1)


def _short(value: object) -> str:
    text = str(value)
    return f"{len(value)} of them, {max(value)} longest" if isinstance(value, list) and len(text) > 34 else text


if __name__ == "__main__":
    main()
