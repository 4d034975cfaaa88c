"""What the window costs, and how long an event takes to the screen: ``python -m tests.gui.measure latency`` (cpu, memory).

The whole program under Xvfb with software drawing, which is nearly all of the cost; a publisher of real segments is the trader.
Latency is from the push into shared memory to the first change of the pixels of the event list.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from Xlib import X, display

from shared.events import EventKind
from tests.gui.driver import App
from tests.gui.pictures import xvfb
from tests.gui.scene import ai_at_work, lively
from tests.support_segments import Publisher, publishing

EVENTS = 120
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Live:
    """A publisher whose prices move twenty times a second, with a few events."""

    def __init__(self, publisher: Publisher, *, moving: bool, events_per_s: float = 0.0) -> None:
        self._publisher, self._moving = publisher, moving
        self._event_every = int(20 / events_per_s) if events_per_s else 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        rng, publisher, turn = np.random.default_rng(1), self._publisher, 0
        rows = publisher.view["rows"][: len(publisher.symbols)]
        while not self._stop.wait(0.05 if self._moving else 0.1):
            turn += 1
            if self._moving:
                rows["last_price_usd"] *= 1 + rng.normal(0, 2e-5, len(rows))
                rows["closes_usd"][:, -1] = rows["last_price_usd"]
            if self._event_every and turn % self._event_every == 0:
                publisher.push(EventKind.SIGNAL, symbol=turn % len(rows), side=1, new=2, score=turn % 100 / 100)
            publisher._feed()
            publisher.publish(moved=self._moving)

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()


@contextmanager
def window(symbols: int, options: tuple[str, ...] = ()) -> Iterator[tuple[App, Publisher, str]]:
    """Give the program in front of a lively publisher."""
    names = [f"SYM{i}USDT" for i in range(symbols)]
    with xvfb() as screen, publishing("measure", names) as publisher, tempfile.TemporaryDirectory() as home:
        lively(publisher)
        ai_at_work(publisher)
        app = App(screen, Path(home) / "hook.jsonl")
        app.environment |= {"TRADER_HOME": home}
        try:
            app.start(publisher.instance, *options)
            yield app, publisher, screen
        finally:
            app.close()


def latency() -> None:
    """Print the time from push to pixels."""
    with window(20) as (app, publisher, screen):
        live = Live(publisher, moving=True)
        app.wait_until(lambda: app.rect("events_filter"))
        rect = app.rect("events_filter")
        assert rect is not None
        root = display.Display(screen).screen().root
        took = [_push_and_see(publisher, root, rect, i) for i in range(EVENTS)]
        live.stop()
    p50, p95, worst = np.percentile(took, [50, 95, 100])
    click.echo(
        f"event published → pixels, 20 symbols live, {EVENTS} events: p50 {p50:.0f} ms  p95 {p95:.0f} ms  worst {worst:.0f} ms"
    )


def _push_and_see(publisher: Publisher, root: Any, rect: tuple[int, int, int, int], number: int) -> float:
    time.sleep(0.35 + 0.013 * (number % 17))  # any phase of the frame
    before = _pixels(root, rect)
    start = time.perf_counter()
    publisher.push(EventKind.SIGNAL, symbol=number % 20, side=1, new=2, score=number / EVENTS)
    while _pixels(root, rect) == before:
        if time.perf_counter() - start > 5:
            raise TimeoutError(f"event {number} was not seen within 5 s")
        time.sleep(0.001)
    return 1000 * (time.perf_counter() - start)


def _pixels(root: Any, rect: tuple[int, int, int, int]) -> bytes:
    left, top, _, height = rect  # of the filter: the list begins below it
    return bytes(root.get_image(left, top + height + 4, 320, 40, X.ZPixmap, 0xFFFFFFFF).data)


def cpu(seconds: float = 15.0) -> None:
    """Print the share of one core: idle, with 20 symbols live, and with 64."""
    for words, symbols, moving, events in (
        ("idle, 6 symbols", 6, False, 0.0),
        ("20 symbols live", 20, True, 2.0),
        ("64 symbols live", 64, True, 5.0),
    ):
        with window(symbols) as (app, publisher, _):
            live = Live(publisher, moving=moving, events_per_s=events)
            time.sleep(3)
            process = _process(app)
            before, frames, start = _cpu_s(process), app.last()["frame"], time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - start
            used, drawn = _cpu_s(process) - before, app.last()["frame"] - frames
            live.stop()
        click.echo(f"{words:18}  {100 * used / took:5.1f} % of a core  {drawn / took:4.1f} frames/s")


def memory(minutes: float = 10.0) -> None:
    """Print the memory each minute, and its slope after the first."""
    with window(20) as (app, publisher, _):
        live = Live(publisher, moving=True, events_per_s=5.0)
        process, points = _process(app), []
        for minute in range(int(minutes) + 1):
            time.sleep(10 if minute == 0 else 60)
            points.append(_rss_mb(process))
            click.echo(f"after {minute} min: {points[-1]:.1f} MB")
        live.stop()
    later = points[1:]
    slope = float(np.polyfit(range(len(later)), later, 1)[0]) if len(later) > 1 else 0.0
    click.echo(f"slope after the first minute: {slope:+.3f} MB/min over {len(later) - 1} min, 20 symbols live, 5 events/s")


def _process(app: App) -> subprocess.Popen[str]:
    assert app._process is not None
    return app._process


def _cpu_s(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _rss_mb(process: subprocess.Popen[str]) -> float:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * PAGE / 2**20


if __name__ == "__main__":
    {"latency": latency, "cpu": cpu, "memory": memory}[sys.argv[1]]()
