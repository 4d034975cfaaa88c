"""Mutated Binance frames through the handler and the real engine, and what came of them as a table.

``python -m tests.chaos.fuzz_binance --frames 1000000``. The frames are recorded ones in their order (generated ones where
there is no recording); every second one is damaged. The rest keeps the books alive, so that damage meets books in step. Snapshots
come from a book that was never damaged, and are damaged themselves now and then. What is allowed: :mod:`tests.chaos.fuzzing`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_MS, SystemClock
from shared.errors import FeedError
from shared.paths import project_root
from tests.chaos.damage import ByteDamage
from tests.chaos.fuzzing import Fuzz, Outcome, print_outcomes
from trader.engine.inputs import InputKind
from trader.engine.warmup import warm_up
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.binance.messages import read_envelope
from trader.feeds.binance.venue import Market
from trader.simulator.generated import GeneratedSource
from trader.simulator.recorded_book import DepthSnapshot, DepthUpdate, RecordedBook
from trader.simulator.source import Frame
from trader.simulator.source import Market as SimulatedMarket

SYMBOL = "BTCUSDT"
RECORDED = {"spot": "binance_spot_raw_ws_2024", "usdm": "binance_usdm_raw_ws_2024"}
SINGLE = "binance_wire_frames_2026"
SOURCE_FRAMES = 20_000  # of a recording, played again and again; ids then step back, as after a restart of the venue
SNAPSHOT_EVERY = 40  # frames between two answers to a wish for a snapshot
WEIRD: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, "nan", "inf", "-1", "", "1e400", "0x10", 2**63, -(2**63), 2**64, 10**30, [], {}, [[]], [["1"]],
    [["1", "2", "3"]], [[None, None]], "\ud7ff", "0.00000000", "BTCUSDT", "ETHUSDT", "depthUpdate", "serverShutdown",
)  # fmt: skip


class Mutator(ByteDamage):
    """Damages frames; everything comes from one seeded generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng)
        self._earlier: list[bytes] = [b"{}"]
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._flip, self._digit, self._digit, self._cut, self._insert, self._repeat, self._field, self._field,
            self._drop, self._earlier_one, self._level,
        )  # fmt: skip

    def damage(self, frame: bytes) -> bytes:
        """Return the frame damaged in one of the ways."""
        damaged = self._ways[self._below(len(self._ways))](frame)
        if self._below(64) == 0:
            self._earlier = [*self._earlier[-31:], frame]
        return damaged

    def _field(self, frame: bytes) -> bytes:
        """Another value, or none, for one field."""
        whole = msgspec.json.decode(frame)
        data = whole.get("data", whole)
        keys = list(data)
        key = keys[self._below(len(keys))]
        inner = data[key] if isinstance(data[key], dict) and data[key] else data
        name = key if inner is data else list(inner)[self._below(len(inner))]
        if self._below(4) == 0:
            del inner[name]
        else:
            inner[name] = WEIRD[self._below(len(WEIRD))]
        return json.dumps(whole).encode()

    def _level(self, frame: bytes) -> bytes:
        """Another price or quantity, absurd or just on the other side of the book, for one level."""
        whole = msgspec.json.decode(frame)
        data = whole.get("data", whole)
        side = data.get("ab"[self._below(2)])
        if not isinstance(side, list) or not side:
            return self._digit(frame)
        level = side[self._below(len(side))]
        moved = f"{float(level[0]) * (0.98 + 0.04 * self._rng.random())}"
        other: tuple[Any, ...] = ("nan", "-5", "1e309", "0", None, "60000", "63000", [], "1" * 400, moved)
        level[self._below(2)] = other[self._below(len(other))]
        return json.dumps(whole).encode()

    def _drop(self, _frame: bytes) -> bytes:
        return b""

    def _earlier_one(self, frame: bytes) -> bytes:
        return self._earlier[self._below(len(self._earlier))] if self._below(2) else frame + b"\n" + frame


def source_frames(market: Market) -> tuple[list[bytes], bool]:
    """Return real frames in their order, and whether they were recorded."""
    folder = project_root().parent / "shared" / "data"
    if (folder / RECORDED[market]).is_dir():
        frames = list(islice(_recorded(folder / RECORDED[market]), SOURCE_FRAMES))
        single = [line for path in sorted((folder / SINGLE).glob("*.jsonl")) for line in path.read_bytes().splitlines()]
        every = max(1, len(frames) // (4 * len(single))) if market == "usdm" and single else len(frames) + 1
        for place, line in zip(range(every, len(frames), every), cycle(single), strict=False):
            frames[place] = line if b"depth" not in line else frames[place]
        return frames, True
    source = GeneratedSource(SimulatedMarket(market), [SYMBOL], 1, 1_700_000_000 * 10**9, 600.0)
    made = (b'{"stream":"%s","data":%s}' % (i.stream.encode(), i.payload) for i in source.items() if isinstance(i, Frame))
    return list(islice(made, SOURCE_FRAMES)), False


def _recorded(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*.gz")):
        with gzip.open(path) as lines:
            for line in lines:
                frame = line.rstrip(b"\r\n").partition(b" ")[2]
                yield frame


class BinanceFuzz(Fuzz):
    """One market under fire."""

    def __init__(self, market: Market, seed: int) -> None:
        super().__init__(market, 1, seed)
        self._market = market
        self._mutator = Mutator(self._rng)
        self._handler = BinanceHandler(market, [SYMBOL], "trade", self._clock, self._stats)
        self._true = RecordedBook()

    def _bombard(self, damaged: int) -> None:
        source, _ = source_frames(self._market)
        for number, frame in enumerate(chain.from_iterable(cycle([source]))):
            if self.outcome.damaged >= damaged:
                break
            self._clock.advance(NS_PER_MS)
            if b'"lastUpdateId"' in frame[:40]:
                self._true.load(msgspec.json.decode(frame, type=DepthSnapshot))
                continue
            self._follow(frame)
            sent = frame
            if self._rng.random() < 0.5:
                sent = self._mutator.damage(frame)
                self.outcome.damaged += 1
            if sent:
                self._send(sent)
            if number % SNAPSHOT_EVERY == 0 and self._handler.snapshots_wanted():
                self._snapshot()

    def _impossible(self, rows: npt.NDArray[np.void]) -> bool:
        return bool((rows["a"][rows["kind"] <= InputKind.SNAPSHOT] < 0.0).any())

    def _follow(self, frame: bytes) -> None:
        """Keep the true book, which snapshots are taken from."""
        if b"@depth@" in frame[:40]:
            self._true.apply(msgspec.json.decode(bytes(read_envelope(frame).data), type=DepthUpdate))

    def _snapshot(self) -> None:
        bids, asks = self._true.levels(1000)
        body = msgspec.json.encode({"lastUpdateId": self._true.update_id, "bids": bids, "asks": asks})
        if self._rng.random() < 0.25:
            body = self._mutator.damage(body)
        try:
            self._handler.on_snapshot(SYMBOL, body)
        except FeedError as error:
            self._check_words(str(error))
        rows = self._handler.take()
        if rows.size:
            self._believe(rows, body)


def fuzz(market: Market, frames: int, seed: int = 1) -> Outcome:
    """Send ``frames`` damaged frames of a market, and as many whole ones."""
    return BinanceFuzz(market, seed).run(frames)


@click.command()
@click.option("--frames", default=1_000_000, show_default=True, help="Damaged frames of each market.")
@click.option("--seed", default=1, show_default=True)
def main(*, frames: int, seed: int) -> None:
    """Fuzz the handlers of both markets and print what came of it."""
    warm_up(SystemClock(), click.echo)
    print_outcomes(fuzz("spot", frames, seed), fuzz("usdm", frames, seed))


if __name__ == "__main__":
    main()
