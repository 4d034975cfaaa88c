"""A few seconds of ``python -m tests.bench.load``: nothing that was sent is lost, and the day is as busy as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shared.clock import ManualClock
from tests.bench.load import play, stamps
from tests.bench.load_flow import Day, Flow, make_flow
from tests.processes import System
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.stats import FeedStats

DAY = Day(seconds=3.0, rate=500.0, burst=4.0, burst_s=1.0, every_s=3.0)


def payloads(flow: Flow) -> list[bytes]:
    """Return the messages of a prepared flow."""
    data, at, found = flow.frames.read_bytes(), 0, []
    while at < len(data):
        size, head = data[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2 : at + 4]), 4
        found.append(data[at + head : at + head + size])
        at += head + size
    return found


def test_a_day_is_as_busy_as_it_says_and_its_books_hold_together(tmp_path: Path) -> None:
    flow = make_flow(DAY, tmp_path, 1_760_000_000_000_000_000)
    second = flow.ticks["due_ns"] // 1_000_000_000
    per_second = np.bincount(second, weights=flow.ticks["frames"])[:3]
    assert np.abs(per_second - (500, 2000, 500)).max() < 20
    stats = FeedStats()
    handler = BinanceHandler("usdm", ["BTCUSDT", "ETHUSDT"], "trade", ManualClock(), stats)
    messages = payloads(flow)
    for message in messages:
        assert handler.on_frame(message)
    assert stats.messages == len(messages) == flow.ticks["frames"].sum() == sum(flow.mix.values())
    assert (stats.bad_messages, stats.chain_breaks, stats.duplicate_trades) == (0, 0, 0)


def test_nothing_is_lost_between_exchange_and_published_state(system: System, tmp_path: Path) -> None:
    flow = make_flow(DAY, tmp_path, 1_760_000_000_000_000_000)
    watched, summary = play(system, tmp_path, flow, None)
    times = stamps(tmp_path, flow, watched, summary["messages"] - len(payloads(flow)))
    assert len(times.published) == flow.ticks["frames"].sum()
    assert (summary["bad_messages"], summary["chain_breaks"], watched.books_lost, watched.reconnects) == (0, 0, 0, 0)
    assert (times.due <= times.sent).all()
    assert (times.sent <= times.received).all()
    assert (times.received <= times.published).all()
    assert set(summary["tops"]) == {"BTCUSDT", "ETHUSDT"}
