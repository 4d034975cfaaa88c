"""The frames of a busy BTC and ETH day, made before the run: generated books and orders as WebSocket frames on disk.

At eleven thousand messages a second there is no time left to generate or to encode: the exchange of the load test only writes
what is due. ``frames`` holds the frames ready for the socket, ``ticks`` says which part of it is due when.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from shared.clock import NS_PER_MS, NS_PER_S
from trader.simulator.flow import LatentMarket
from trader.simulator.source import Frame, Market
from trader.simulator.spec import published_spec
from trader.simulator.symbol_market import Step, SymbolMarket

OPENING = {"BTCUSDT": (60_000.0, 1.0), "ETHUSDT": (3_000.0, 1.15)}  # price, and how much of the market's move it makes
KINDS = {"bookTicker": "bookTicker", "trade": "trade", "depth@100ms": "depth@0ms", "markPrice@1s": "markPrice@1s"}  # ours: theirs
TICK = np.dtype([("due_ns", "i8"), ("at", "i8"), ("bytes", "i8"), ("frames", "i8"), ("burst", "u1")])
_STEP_NS = 10 * NS_PER_MS
_DEPTH_STEPS = 10  # depth@100ms
_MARK_STEPS = 100
_TAKERS_AT = 30.0  # activity that makes a quarter of the frames trades, at 550 frames a second and symbol
_ORDINARY = 550.0


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """How busy it is: frames a second of all symbols, and bursts of ``burst`` times that at the end of every ``every_s``."""

    seconds: float
    rate: float = 1100.0
    burst: float = 10.0
    burst_s: float = 5.0
    every_s: float = 60.0
    seed: int = 7

    def bursts(self, second: float) -> bool:
        """Say whether a moment lies in a burst; the middle of each minute, so that quiet comes before and after."""
        begin_s = (self.every_s - self.burst_s) / 2.0
        return self.burst > 1.0 and begin_s <= second % self.every_s < begin_s + self.burst_s


class Flow(NamedTuple):
    """A day on disk."""

    frames: Path
    ticks: npt.NDArray[np.void]
    mix: dict[str, int]
    depths: list[tuple[int, str, int, int]]  # tick, symbol, place and length of the payload: for the exchange's own book


class _Busy(SymbolMarket):
    """A symbol whose quotes flicker as often as asked for."""

    def flicker(self, begin_ns: int, end_ns: int, count: int) -> list[Frame]:
        """Return ``count`` changes of the best price or its quantity."""
        frames: list[Frame] = []
        while len(frames) < count:
            side = self.book.asks if self._rng.random() < 0.5 else self.book.bids
            side._put(side._keys[0], side._draw_lots(2.0))
            frames += self._churn(begin_ns + (end_ns - begin_ns) * len(frames) // count)
        return frames


def _steps(day: Day, start_ns: int) -> Iterator[tuple[bool, list[Frame]]]:
    """Yield whether each 10 ms are of a burst, and their frames: as many as the rate says, whatever the market does."""
    rng = np.random.default_rng(day.seed)
    latent = LatentMarket(rng, [beta for _, beta in OPENING.values()])
    markets = [_Busy(rng, Market.USDM, published_spec(name, Market.USDM), price, []) for name, (price, _) in OPENING.items()]
    owed = 0.0
    for number in range(int(day.seconds * NS_PER_S) // _STEP_NS):
        begin_ns = start_ns + number * _STEP_NS
        burst = day.bursts(number * _STEP_NS / NS_PER_S)
        rate = day.rate * (day.burst if burst else 1.0)
        owed += rate * _STEP_NS / NS_PER_S
        activity = _TAKERS_AT * rate / len(markets) / _ORDINARY
        deviation = latent.vol_bps_per_sqrt_s * 1e-4 * (_STEP_NS / NS_PER_S) ** 0.5
        middle_ns, end_ns = begin_ns + _STEP_NS // 2, begin_ns + _STEP_NS
        frames: list[Frame] = []
        for market, move in zip(markets, latent.step(_STEP_NS / NS_PER_S).tolist(), strict=True):
            own = _wanted(market.advance(Step(begin_ns, middle_ns, deviation, activity), move))
            own += market.depth_frame(end_ns) if number % _DEPTH_STEPS == 0 else []
            own += market.mark_frame(end_ns) if number % _MARK_STEPS == 0 else []
            own += market.flicker(middle_ns, end_ns, max(0, int(owed / len(markets)) - len(own)))
            frames += own
        owed -= len(frames)
        frames.sort(key=lambda frame: frame.ns)
        yield burst, frames


def _wanted(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.stream.partition("@")[2] in KINDS]


def make_flow(day: Day, folder: Path, start_ns: int) -> Flow:
    """Write a day into ``folder``; what is due within the same millisecond leaves together."""
    path, mix = folder / "frames", dict.fromkeys(KINDS, 0)
    ticks: list[tuple[int, int, int, int, bool]] = []
    depths: list[tuple[int, str, int, int]] = []
    at = 0
    with path.open("wb") as out:
        for burst, frames in _steps(day, start_ns):
            for frame in frames:
                symbol, _, kind = frame.stream.partition("@")
                mix[kind] += 1
                encoded = encode(f"{symbol}@{KINDS[kind]}", frame.payload)
                due_ns = (frame.ns - start_ns) // NS_PER_MS * NS_PER_MS
                if not ticks or ticks[-1][0] < due_ns:
                    ticks.append((due_ns, at, 0, 0, burst))
                if kind.startswith("depth"):
                    depths.append(
                        (len(ticks) - 1, symbol.upper(), at + len(encoded) - len(frame.payload) - 1, len(frame.payload))
                    )
                since, place, size, count, _ = ticks[-1]
                ticks[-1] = (since, place, size + len(encoded), count + 1, burst)
                at += len(encoded)
                out.write(encoded)
    table = np.array(ticks, TICK)
    np.save(folder / "ticks.npy", table)
    (folder / "depths.json").write_bytes(msgspec.json.encode(depths))
    return Flow(path, table, mix, depths)


def open_flow(folder: Path) -> Flow:
    """Return a day that was written before, without its mix."""
    depths: Any = msgspec.json.decode((folder / "depths.json").read_bytes(), type=list[tuple[int, str, int, int]])
    return Flow(folder / "frames", np.load(folder / "ticks.npy"), {}, depths)


def encode(stream: str, payload: bytes) -> bytes:
    """Return a combined frame as it goes over the socket."""
    text = b'{"stream":"%s","data":%s}' % (stream.encode(), payload)
    return WebSocketFrame(Opcode.TEXT, text).serialize(mask=False)
