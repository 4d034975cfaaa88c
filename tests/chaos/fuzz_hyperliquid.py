"""Damaged Hyperliquid frames through the handler and the real engine, and what came of them as a table.

``python -m tests.chaos.fuzz_hyperliquid --frames 1000000``. The frames are recorded ones (generated ones where there is no
recording), half of them damaged: bits flipped, cut, joined, fields swapped, dropped, null or absurd, sides exchanged. What is
allowed: :mod:`tests.chaos.fuzzing`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import click
import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_MS, SystemClock
from shared.paths import project_root
from tests.chaos.damage import ByteDamage
from tests.chaos.fuzzing import Fuzz, Outcome, print_outcomes
from trader.engine.inputs import InputKind
from trader.engine.warmup import warm_up
from trader.feeds.hyperliquid.handler import HyperliquidHandler
from trader.feeds.hyperliquid.venue import endpoints
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.generated import GeneratedOrigin
from trader.simulator.hyperliquid.recorder import RecordedOrigin
from trader.simulator.hyperliquid.wire import Told, message

DATA = project_root().parent / "shared" / "data"
COINS = ("BTC", "ETH", "SOL")
TABLES, RAW, SINGLE = "hyperliquid_recorder_20250904", "hyperliquid_raw_ws_2025", "hyperliquid_wire_frames_2026"
SOURCE_FRAMES = 20_000
CONTROL = ("", "Websocket connection established.", "<html>", '{"channel":"pong"}', '{"channel":"error","data":"no"}')
WEIRD: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, "nan", "-inf", "-1", "", "1e400", "0x10", 2**63, -(2**63), 2**64, 10**30, [], {}, [[]], [[], []],
    [None, None], [{}], "\ud7ff", "0.0", "BTC", "ETH", "btc", "A", "X", "l2Book", "trades", "1" * 400,
)  # fmt: skip


class Mutator(ByteDamage):
    """Damages frames; everything comes from one seeded generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng)
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._flip, self._flip, self._digit, self._digit, self._cut, self._insert, self._repeat, self._join,
            self._field, self._field, self._swap, self._level, self._level, self._sides,
        )  # fmt: skip
        self._before = b"{}"

    def damage(self, frame: bytes) -> bytes:
        """Return the frame, damaged in one of the ways."""
        damaged = self._ways[self._below(len(self._ways))](frame)
        self._before = frame
        return damaged

    def _join(self, frame: bytes) -> bytes:
        """Begin with one frame and end with another."""
        return self._before[: self._below(len(self._before))] + frame[self._below(len(frame)) :]

    def _field(self, frame: bytes) -> bytes:
        """Another value, or none, for one field anywhere."""
        whole, keyed = _places(frame)
        if not keyed:
            return self._flip(frame)
        place, key = keyed[self._below(len(keyed))]
        if isinstance(place, dict) and self._below(5) == 0:
            del place[key]
        else:
            place[key] = WEIRD[self._below(len(WEIRD))]
        return json.dumps(whole).encode()

    def _swap(self, frame: bytes) -> bytes:
        """Two fields exchange their values."""
        whole, keyed = _places(frame)
        if len(keyed) < 2:
            return self._cut(frame)
        (one, a), (other, b) = keyed[self._below(len(keyed))], keyed[self._below(len(keyed))]
        one[a], other[b] = other[b], one[a]
        try:
            return json.dumps(whole).encode()
        except (ValueError, RecursionError):  # a thing put into itself
            return frame

    def _level(self, frame: bytes) -> bytes:
        """Another price for one level or trade: absurd, or just on the other side of the book."""
        whole, keyed = _places(frame)
        prices = [(place, key) for place, key in keyed if key == "px"]
        if not prices:
            return self._digit(frame)
        place, key = prices[self._below(len(prices))]
        levels = whole["data"].get("levels") if isinstance(whole["data"], dict) else None
        if levels and levels[0] and levels[1] and self._below(2):  # the touch, where a wrong price crosses
            place = levels[self._below(2)][0]
        moved = f"{float(place[key]) * (0.99 + 0.02 * self._rng.random()):.5g}"
        other: tuple[Any, ...] = ("nan", "-5", "1e309", "0", None, [], moved, moved, moved, moved)
        place[key] = other[self._below(len(other))]
        return json.dumps(whole).encode()

    def _sides(self, frame: bytes) -> bytes:
        """Bids where asks belong, a side lost, or a side twice."""
        whole = msgspec.json.decode(frame)
        data = whole.get("data")
        name = next((name for name in ("levels", "bbo") if isinstance(data, dict) and name in data), None)
        if name is None:
            return self._insert(frame)
        bids, asks = data[name]
        empty: Any = [] if name == "levels" else None
        changed = ([asks, bids], [bids, bids], [bids, empty], [empty, asks], [bids], [bids, asks, asks], [empty, empty])
        data[name] = changed[self._below(len(changed))]
        return json.dumps(whole).encode()


def _places(frame: bytes) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return the decoded frame, and every place in it where a value stands."""
    whole = msgspec.json.decode(frame)
    keyed: list[tuple[Any, Any]] = []
    open_ones = [whole]
    while open_ones:
        place = open_ones.pop()
        for key in place if isinstance(place, dict) else range(len(place)):
            keyed.append((place, key))
            if isinstance(place[key], dict | list):
                open_ones.append(place[key])
    return whole, keyed


def source_frames(count: int) -> tuple[list[bytes], bool]:
    """Return ``count`` real frames in their order, and whether they were recorded."""
    if not (DATA / TABLES).is_dir():
        return _said(Flow(GeneratedOrigin(COINS, 1, 1_700_000_000 * 10**9, 600.0)), count), False
    frames = _said(Flow(RecordedOrigin(DATA / TABLES)), count)
    with gzip.open(next((DATA / RAW).glob("*.gz"))) as lines:
        raw = [line.rstrip(b"\r\n").partition(b" ")[2] for line in lines]
    single = (DATA / SINGLE / "frames.jsonl").read_bytes().splitlines()
    for place, frame in zip(range(50, len(frames), 50), cycle([*raw, *single]), strict=False):
        frames[place] = frame
    return frames, True


def _said(flow: Flow, count: int) -> list[bytes]:
    def frame(item: Told) -> bytes:
        data = item.data
        if item.channel == "candle":
            data = msgspec.json.encode(flow.state.coins[item.coin].candle("1m"))
        return message(item.channel, data)

    return [frame(item) for item in islice(flow.items(), count) if item.channel]


class HyperliquidFuzz(Fuzz):
    """The handler under fire."""

    def __init__(self, seed: int) -> None:
        super().__init__("hyperliquid", len(COINS), seed)
        self._mutator = Mutator(self._rng)
        self._handler = HyperliquidHandler(COINS, endpoints(), self._clock, self._stats)

    def _bombard(self, damaged: int) -> None:
        source, _ = source_frames(min(SOURCE_FRAMES, damaged))
        number = 0
        while self.outcome.damaged < damaged:
            frame = source[number % len(source)]
            number += 1
            self._clock.advance(NS_PER_MS)
            if number % 997 == 0:
                self._handler.on_disconnected()
                self._handler.on_connected([f"l2Book:{coin}" for coin in COINS])
                frame = CONTROL[number % len(CONTROL)].encode()
            elif self._rng.random() < 0.5:
                frame = self._mutator.damage(frame)
                self.outcome.damaged += 1
            self._send(frame)

    def _believe(self, rows: npt.NDArray[np.void], frame: bytes) -> None:
        quotes = rows[rows["kind"] == InputKind.QUOTE]
        self.outcome.silently_crossed += int((quotes["a"] >= quotes["c"]).sum())
        super()._believe(rows, frame)

    def _impossible(self, rows: npt.NDArray[np.void]) -> bool:
        prices = rows["a"][rows["kind"] <= InputKind.SNAPSHOT]
        return bool((prices <= 0.0).any() or (rows["symbol"] >= len(COINS)).any() > (len(rows) == 1))


def fuzz(damaged: int, seed: int = 1) -> Outcome:
    """Send ``damaged`` damaged frames, and about as many whole ones."""
    return HyperliquidFuzz(seed).run(damaged)


@click.command()
@click.option("--frames", default=1_000_000, show_default=True, help="Damaged frames.")
@click.option("--seed", default=1, show_default=True)
def main(*, frames: int, seed: int) -> None:
    """Fuzz the handler and print what came of it."""
    warm_up(SystemClock(), click.echo)
    print_outcomes(fuzz(frames, seed))


if __name__ == "__main__":
    main()
