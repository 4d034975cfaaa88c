"""What a consistent copy of the portfolio costs another process, while the trader publishes."""

from __future__ import annotations

import multiprocessing
import time
import uuid
from multiprocessing.synchronize import Event
from typing import Any

import numpy as np

from shared import layout
from shared.clock import SystemClock
from shared.segment import Segment
from shared.seqlock import begin_write, commit_write, read_copy
from tests.bench.conftest import Figures


def publish_until(instance: str, ready: Event, stop: Event) -> None:
    """Commit a new state a thousand times a second, as a busy trader does."""
    segment = Segment.create("portfolio", layout.PORTFOLIO, instance, SystemClock())
    segment.activate()
    body = segment.body
    ready.set()
    while not stop.is_set():
        body["copies"][0][begin_write(body["version"])]["input_seq"] += 1
        commit_write(body["version"])
        time.sleep(0.001)
    segment.unlink()


def test_consistent_portfolio_read(benchmark: Any, figures: Figures) -> None:
    instance = f"b{uuid.uuid4().hex[:8]}"
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    writer = context.Process(target=publish_until, args=(instance, ready, stop))
    writer.start()
    assert ready.wait(60)
    segment = Segment.attach("portfolio", layout.PORTFOLIO, instance)
    body = segment.body

    def read() -> None:
        read_copy(body["version"], body["copies"][0])

    benchmark(read)
    read_us = _median_us(read)
    words = body["copies"][0].view(np.uint64).reshape(2, -1)
    plain = np.empty_like(words[0])
    copy_us = _median_us(lambda: np.copyto(plain, words[0]))
    stop.set()
    writer.join(10)
    figures.add(
        f"consistent portfolio read ({layout.PORTFOLIO_VIEW.itemsize / 1024:.0f} KiB)",
        f"{read_us:.1f} µs",
        f"{read_us / copy_us:.1f} x an unguarded copy ({copy_us:.1f} µs)",
    )


def _median_us(work: Any) -> float:
    durations = []
    for _ in range(5000):
        start = time.perf_counter_ns()
        work()
        durations.append(time.perf_counter_ns() - start)
    return float(np.median(durations)) / 1000
