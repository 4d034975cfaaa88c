"""What a tick costs, from the compiled loop to the published state, on the recorded frames."""

from __future__ import annotations

import gzip
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from shared.clock import SystemClock
from shared.compiled import compiled
from shared.layout import INPUT
from tests.bench.conftest import Figures
from tests.support import recorded
from trader.app import Trader
from trader.backtest.regime_shares import read_closes, regimes_of
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind, batch, row
from trader.engine.state import new_state
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.binance.venue import Market
from trader.feeds.stats import FeedStats
from trader.settings import Settings

INSTRUMENT = row(InputKind.INSTRUMENT, 0, 0, flags=1, a=0.1, b=0.001, c=100.0)


def frames(limit: int, market: Market = "usdm") -> tuple[list[bytes], bytes]:
    """Return the first recorded frames of a market and the snapshot among them."""
    path = next(iter(sorted(recorded(f"binance_{market}_raw_ws_2024").glob("*.gz"))))
    found: list[bytes] = []
    snapshot = b""
    with gzip.open(path) as file:
        for line in file:
            payload = line.partition(b" ")[2].strip()
            if payload.startswith(b'{"stream"'):
                found.append(payload)
            else:
                snapshot = payload
            if len(found) >= limit:
                break
    return found, snapshot


def handler(market: Market = "usdm") -> BinanceHandler:
    return BinanceHandler(market, ["BTCUSDT"], "trade", SystemClock(), FeedStats(), hold=False)


def as_inputs(limit: int, market: Market = "usdm") -> npt.NDArray[np.void]:
    """Return the recorded frames as inputs a millisecond apart."""
    feed, (payloads, snapshot) = handler(market), frames(limit, market)
    parts = [batch([INSTRUMENT])]
    for number, payload in enumerate(payloads):
        feed.on_frame(payload)
        if number == 500:
            feed.on_snapshot("BTCUSDT", snapshot)
        parts.append(feed.take())
    inputs: npt.NDArray[np.void] = np.concatenate([part for part in parts if len(part)]).astype(INPUT)
    return numbered(inputs)


def numbered(inputs: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Number inputs and set them a millisecond apart."""
    inputs["time_ns"] = 1_700_000_000_000_000_000 + np.arange(len(inputs)) * 1_000_000
    inputs["seq"] = np.arange(1, len(inputs) + 1)
    return inputs


def only_trades(inputs: npt.NDArray[np.void], count: int) -> npt.NDArray[np.void]:
    """Return ``count`` trades after the instrument, those of the tape again and again."""
    trades = inputs[inputs["kind"] == InputKind.TRADE]
    return numbered(np.concatenate([inputs[:1], np.resize(trades, count)]))


@compiled
def only_read(records: Any) -> float:
    """Touch every record and do nothing with it: the least any loop over the log can cost."""
    total = 0.0
    for i in range(len(records)):
        total += records[i].a
    return total


def best_of(times: int, work: Any) -> float:
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return min(durations)


TAPES: dict[str, Callable[[], npt.NDArray[np.void]]] = {
    "trades only": lambda: only_trades(as_inputs(60_000), 1_000_000),
    "mixed usdm": lambda: as_inputs(60_000),
    "mixed spot": lambda: as_inputs(60_000, "spot"),
}


@pytest.mark.parametrize("tape", TAPES)
def test_engine_loop(tape: str, benchmark: Any, figures: Figures) -> None:
    inputs = TAPES[tape]()
    only_read(inputs)

    def replay() -> None:
        Engine(new_state(1, 100_000.0)).replay(inputs)

    benchmark.pedantic(replay, rounds=5, warmup_rounds=1)
    engine_ns = best_of(5, replay) / len(inputs) * 1e9
    limit_ns = best_of(5, lambda: only_read(inputs)) / len(inputs) * 1e9
    figures.add(
        f"engine loop, {tape} ({len(inputs):,})",
        f"{1e3 / engine_ns:.1f} M records/s, {engine_ns:.1f} ns",
        f"{engine_ns / limit_ns:.0f} x reading the log ({limit_ns:.2f} ns)",
    )


def test_frame_to_published(benchmark: Any, figures: Figures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    payloads, snapshot = frames(30_000)
    settings = Settings(instance=f"b{uuid.uuid4().hex[:8]}", venue="sim")
    trader = Trader(settings, ["BTCUSDT"], SystemClock(), simulated=False, on_event=lambda _: None, on_trouble=lambda _: None)
    trader.take([INSTRUMENT])
    feed = handler()
    durations_ns: list[int] = []

    def session() -> None:
        for number, payload in enumerate(payloads):
            start = time.perf_counter_ns()
            feed.on_frame(payload)
            trader.ingest(feed.take())
            durations_ns.append(time.perf_counter_ns() - start)
            if number == 500:
                feed.on_snapshot("BTCUSDT", snapshot)

    benchmark.pedantic(session, rounds=1)
    trader.close()
    p50, p99 = np.percentile(durations_ns[1000:], [50, 99]) / 1000
    decode_us = best_of(3, lambda: [msgspec.json.decode(payload) for payload in payloads]) / len(payloads) * 1e6
    figures.add(
        "frame received → state published",
        f"p50 {p50:.1f} µs, p99 {p99:.1f} µs",
        f"p50 is {p50 / decode_us:.1f} x decoding the JSON alone ({decode_us:.1f} µs)",
    )


def test_regime_step(benchmark: Any, figures: Figures) -> None:
    paths = sorted(recorded("binance_vision_usdm_klines_1m").glob("*.csv.gz"))
    closes = np.concatenate([read_closes(path) for path in paths])
    regimes_of(closes)
    benchmark.pedantic(lambda: regimes_of(closes), rounds=3)
    took_ns = best_of(3, lambda: regimes_of(closes)) / len(closes) * 1e9
    figures.add(
        f"regime ({len(closes):,} recorded bars)", f"{took_ns:.0f} ns a bar", f"{took_ns / 1000:.2f} of the 1 µs it may take"
    )
    assert took_ns < 1000
