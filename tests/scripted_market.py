"""A recording written by a test: the price goes where the test says, through the real simulator, sockets and feed.

The form is that of the recorded USD-M frames: ``<local ns> <raw JSON>``, combined envelopes, a REST snapshot for each symbol.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

START_MS = 1_723_161_600_000
STEP_MS = 250
LEVELS = 10
TICK = 0.01

Path_ = Callable[[float], float]
"""Price as a function of seconds since the start."""


def legs(start_usd: float, *parts: tuple[float, float]) -> Path_:
    """Return a price that moves through parts of (seconds, change in %) one after another, then stands still."""

    def price(second: float) -> float:
        value, left = start_usd, second
        for length_s, change_pct in parts:
            share = min(left / length_s, 1.0)
            value *= 1.0 + change_pct / 100.0 * share
            left -= length_s
            if left <= 0:
                break
        return value

    return price


def write_recording(path: Path, prices: Mapping[str, Path_], seconds: float) -> Path:
    """Write a USD-M recording of several symbols and return its path."""
    writer = _Writer(prices)
    with gzip.open(path, "wt", compresslevel=1) as file:
        for at_ms in range(0, int(seconds * 1000), STEP_MS):
            for line in writer.lines(at_ms):
                file.write(line + "\n")
    return path


def busy_market(path: Path, turns: int = 5) -> Path:
    """Write a recording of one symbol that trades: calm, then a climb and a fall, again and again."""
    parts = ((70.0, 0.0), *((15.0, 0.15), (25.0, 0.0), (8.0, -1.3), (40.0, 0.0)) * turns)
    return write_recording(path, {"BTCUSDT": legs(60_000.0, *parts)}, sum(length for length, _ in parts) + 5)


class _Writer:
    def __init__(self, prices: Mapping[str, Path_]) -> None:
        self._prices = prices
        self._ids = {symbol: (i + 1) * 10_000_000 for i, symbol in enumerate(prices)}
        self._levels: dict[str, dict[str, set[str]]] = {symbol: {"b": set(), "a": set()} for symbol in prices}

    def lines(self, at_ms: int) -> list[str]:
        lines: list[str] = []
        for number, (symbol, price) in enumerate(self._prices.items()):
            ns = (START_MS + at_ms) * 1_000_000 + number * 1000
            middle = price(at_ms / 1000)
            lines += [f"{ns} {frame}" for frame in self._frames(symbol, middle, at_ms)]
        return lines

    def _frames(self, symbol: str, middle: float, at_ms: int) -> list[str]:
        last_u = self._ids[symbol]
        self._ids[symbol] += 10
        bid, ask = round(middle - TICK, 2), round(middle + TICK, 2)
        moment = {"E": START_MS + at_ms, "T": START_MS + at_ms, "s": symbol}
        book = self._changes(symbol, bid, ask)
        diff = {"e": "depthUpdate", **moment, "U": last_u + 1, "u": last_u + 10, "pu": last_u, **book}
        quote = {"e": "bookTicker", "u": last_u + 10, **moment, "b": f"{bid:.2f}", "B": "5.037", "a": f"{ask:.2f}", "A": "5.037"}
        trade = {"e": "trade", **moment, "t": last_u, "p": f"{middle:.2f}", "q": "0.123", "X": "MARKET", "m": False}
        frames = [_enveloped(symbol, "depth@0ms", diff)]
        if at_ms == 0:  # the snapshot stands at the state after the first update
            frames.append(json.dumps({"lastUpdateId": last_u + 10, "E": moment["E"], "T": moment["T"], **_snapshot(book)}))
        return [*frames, _enveloped(symbol, "bookTicker", quote), _enveloped(symbol, "trade", trade)]

    def _changes(self, symbol: str, bid: float, ask: float) -> dict[str, list[list[str]]]:
        """Return the levels that go and those that stand now."""
        sides = {"b": [f"{bid - i * TICK:.2f}" for i in range(LEVELS)], "a": [f"{ask + i * TICK:.2f}" for i in range(LEVELS)]}
        changes: dict[str, list[list[str]]] = {}
        for side, now in sides.items():
            before = self._levels[symbol][side]
            gone = sorted(before - set(now))
            self._levels[symbol][side] = set(now)
            changes[side] = [[price, "0"] for price in gone] + [[price, "5.037"] for price in now]
        return changes


def _snapshot(book: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, Any]:
    return {"bids": [level for level in book["b"] if level[1] != "0"], "asks": [level for level in book["a"] if level[1] != "0"]}


def _enveloped(symbol: str, kind: str, data: Mapping[str, Any]) -> str:
    return json.dumps({"stream": f"{symbol.lower()}@{kind}", "data": data}, separators=(",", ":"))
