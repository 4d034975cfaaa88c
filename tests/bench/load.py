"""A busy day through the real thing: exchange process, socket, trader process, shared memory. ``python -m tests.bench.load``.

1,100 messages a second of BTC and ETH, ten times that for five seconds of every minute. The frames are made before the run
(``tests/bench/load_flow.py``), the exchange writes them when they are due however far the trader is behind, and the trader is
``trader --paper`` with stamps (``tests/bench/load_probe.py``).

received → published: from the handler's getting a frame to the view in shared memory that knows it.
sent → published: the same from the moment the exchange wrote it, so with the sockets and all waiting between.
sent → seen: until another process, which looks every half millisecond, has seen it there.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from shared import layout
from shared.clock import NS_PER_S, SystemClock
from shared.events import EventKind, Status
from shared.segment import Segment
from tests.bench.load_flow import Day, Flow, make_flow
from tests.bench.memory_slope import resident_kib
from tests.processes import System, Watcher

START_S = 5.0  # left out: snapshots, first bars, what is compiled at the first use
AFTER_S = 5.0  # what "after a burst" means
LOOK_S = 0.0005
PERCENTILES = (50.0, 95.0, 99.0, 99.9, 100.0)
Ns = npt.NDArray[np.int64]


class Sample(NamedTuple):
    """The trader's process at one moment."""

    moment_ns: int
    processor_s: float
    resident_kib: int
    own_kib: int  # without shared memory, whose rings fill once, and files


class Watched(NamedTuple):
    """What was seen from outside."""

    samples: list[Sample]
    seen_ns: Ns  # when another number of messages was seen
    messages: Ns
    stale: int
    books_lost: int
    reconnects: int


def processor_s(pid: int) -> float:
    """Return the processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(system: System, pid: int, over: Callable[[], bool]) -> Watched:
    """Look at the published view every half millisecond, and at process and events every second, until all has come."""
    segment = Segment.attach("portfolio", layout.PORTFOLIO, system.instance)
    version, copies = segment.body["version"], segment.body["copies"][0]
    watcher = Watcher(workspace_of(system))
    samples: list[Sample] = []
    seen: list[tuple[int, int]] = [(0, 0)]
    while not over():
        second_ns = time.monotonic_ns() + NS_PER_S
        samples.append(Sample(time.monotonic_ns(), processor_s(pid), resident_kib(pid), resident_kib(pid, "RssAnon")))
        while (now_ns := time.monotonic_ns()) < second_ns:
            messages = int(copies[int(version[0]) & 1]["messages"])  # 8 bytes: never torn
            if messages > seen[-1][1]:
                seen.append((now_ns, messages))
            time.sleep(LOOK_S)
    events, table = watcher.all(), np.array(seen, np.int64)
    lost = int(((events["kind"] == EventKind.STATUS) & (events["reason"] == Status.BOOK_LOST)).sum())
    view = copies[int(version[0]) & 1]
    stale = int((events["kind"] == EventKind.FEED_STALE).sum())
    return Watched(samples, table[:, 0], table[:, 1], stale, lost, int(view["reconnects"]))


def workspace_of(system: System) -> Any:
    from shared.workspace import Workspace

    return Workspace(system.instance, SystemClock())


class Stamps(NamedTuple):
    """Nanoseconds of each frame, in the order of sending; shape (frames,), or fewer if some never came."""

    due: Ns
    sent: Ns
    received: Ns
    published: Ns
    seen: Ns
    burst: npt.NDArray[np.bool_]


def stamps(folder: Path, flow: Flow, watched: Watched, control_messages: int) -> Stamps:
    """Join what exchange, trader and onlooker noted. Frames come in order and none is repeated, so a number names a frame."""
    counts = flow.ticks["frames"]
    begin_ns, *left_ns = np.load(folder / "sent.npy")
    sent = np.repeat(np.array(left_ns), counts)
    published = np.load(folder / "published.npy")
    came = int((published > 0).sum())
    first_look = np.searchsorted(watched.messages - control_messages, np.arange(1, came + 1))
    seen = np.append(watched.seen_ns, 0)[np.minimum(first_look, len(watched.seen_ns))]
    due = np.repeat(flow.ticks["due_ns"], counts)[:came] + begin_ns
    burst = np.repeat(flow.ticks["burst"], counts)[:came] > 0
    return Stamps(due, sent[:came], np.load(folder / "received.npy")[:came], published[:came], seen, burst)


def phases(times: Stamps, offered: Day) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which frames belong to which phase; those of the first seconds to none."""
    second = (times.due - times.due[0]) / NS_PER_S
    running = second >= START_S
    ends = [(offered.every_s + offered.burst_s) / 2.0 + minute * offered.every_s for minute in range(int(offered.seconds) + 1)]
    after = np.zeros(len(second), np.bool_)
    if times.burst.any():
        for end_s in ends:
            after |= (second >= end_s) & (second < end_s + AFTER_S)
    return {
        "steady": running & ~times.burst & ~after,
        "burst": running & times.burst,
        f"{AFTER_S:g} s after": running & after & ~times.burst,
        "all": running,
    }


def latency_table(times: Stamps, offered: Day) -> Table:
    table = Table(title="latency, ms (the first seconds are left out)")
    for name in ("phase", "from → to", "frames", "p50", "p95", "p99", "p99.9", "max"):
        table.add_column(name, justify="left" if name in ("phase", "from → to") else "right")
    measures = {
        "received → published": times.published - times.received,
        "sent → published": times.published - times.sent,
        "sent → seen": times.seen - times.sent,
        "due → sent (the exchange)": times.sent - times.due,
    }
    for phase, chosen in phases(times, offered).items():
        for name, took_ns in measures.items():
            if chosen.any():
                figures = np.percentile(took_ns[chosen], PERCENTILES) / 1e6
                table.add_row(phase, name, f"{int(chosen.sum()):,}", *(f"{value:,.3f}" for value in figures))
        table.add_section()
    return table


def rate(ns: Ns, chosen: npt.NDArray[np.bool_]) -> str:
    """Return the busiest and the median whole second of some frames."""
    per_second = np.bincount((ns[chosen] - ns[chosen][0]) // NS_PER_S)
    busy = per_second[per_second > 0]
    return f"{np.median(busy):,.0f} (most {busy.max():,})"


def backlog(times: Stamps) -> str:
    """Return how long the last frame of a burst waited: by then all of the burst is published."""
    ends = np.flatnonzero(times.burst[:-1] & ~times.burst[1:])
    if not len(ends):
        return "no burst"
    waited = [(times.published[end] - times.sent[end]) / 1e6 for end in ends]
    open_frames = [end + 1 - int(np.searchsorted(times.published, times.sent[end])) for end in ends]
    return f"{max(open_frames):,} frames behind at most, gone {max(waited):,.1f} ms after the last was sent ({len(ends)} bursts)"


def share(watched: Watched, times: Stamps, *, burst: bool) -> str:
    """Return the mean processor share of the seconds that lie wholly in a phase."""
    spans = [(a, b) for a, b in zip(watched.samples, watched.samples[1:], strict=False) if a.moment_ns > times.sent[0]]
    at = np.searchsorted(times.sent, [(a.moment_ns, b.moment_ns) for a, b in spans])
    inside = [times.burst[low:high] for low, high in at]
    shares = [
        (b.processor_s - a.processor_s) / (b.moment_ns - a.moment_ns) * NS_PER_S
        for (a, b), flags in zip(spans, inside, strict=True)
        if len(flags) and flags.all() == burst and flags.any() == burst
    ]
    return f"{100 * float(np.mean(shares)):.0f} %" if shares else "-"


def memory_rows(watched: Watched) -> list[tuple[str, str]]:
    begin_ns = watched.samples[0].moment_ns
    minute = np.array([(sample.moment_ns - begin_ns) / NS_PER_S / 60.0 for sample in watched.samples])
    at = [int(np.searchsorted(minute, whole)) for whole in range(int(minute[-1]) + 1)]
    later = minute >= 1.0
    rows: list[tuple[str, str]] = []
    for name, taken in (("resident memory", 2), ("of it without shared memory and files", 3)):
        resident = np.array([sample[taken] for sample in watched.samples], float)
        rows.append((f"{name}, each minute, MiB", " ".join(f"{resident[i] / 1024:.1f}" for i in at)))
        slope = float(np.polyfit(minute[later], resident[later], 1)[0]) if later.sum() > 30 else 0.0
        rows.append(("slope, least squares, first minute left out", f"{slope:+.1f} KiB a minute" if slope else "too short a run"))
    return rows


def facts_table(times: Stamps, flow: Flow, watched: Watched, summary: dict[str, Any], offered: Day) -> Table:
    table = Table("what", "measured", title="the run")
    frames, came = int(flow.ticks["frames"].sum()), len(times.sent)
    mix = ", ".join(f"{kind} {100 * count / frames:.1f} %" for kind, count in flow.mix.items())
    parts = phases(times, offered)
    rows = [("frames", f"{frames:,}: {mix}")]
    for phase in ("steady", "burst"):
        if parts[phase].any():
            rows.append((f"sent a second, {phase}", rate(times.sent, parts[phase])))
            rows.append((f"published a second, {phase}", rate(times.published, parts[phase])))
    rows += [
        ("frames that never came", f"{frames - came:,}"),
        (
            "bad messages, broken chains, resyncs",
            " ".join(f"{summary[n]:,}" for n in ("bad_messages", "chain_breaks", "resyncs")),
        ),
        ("feed stale, books lost, reconnects", f"{watched.stale:,} {watched.books_lost:,} {watched.reconnects:,}"),
        ("after a burst", backlog(times)),
        (
            "trader's share of a core, steady / burst",
            f"{share(watched, times, burst=False)} / {share(watched, times, burst=True)}",
        ),
        *memory_rows(watched),
        ("fills, trades", f"{summary['fills']:,} {summary['trades']:,}"),
        ("load of the machine, 1 and 15 minutes, at the end", f"{os.getloadavg()[0]:.1f} {os.getloadavg()[2]:.1f}"),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def play(system: System, folder: Path, flow: Flow, core: int | None) -> tuple[Watched, dict[str, Any]]:
    """Run exchange and trader until all frames were sent and published."""
    exchange = system.start("tests.bench.load_exchange", str(folder))
    system.until(lambda: system.said(exchange).strip().isdecimal(), exchange)
    frames = str(int(flow.ticks["frames"].sum()))
    where = f"binance-usdm={system.said(exchange).strip()}"
    trade = ("--paper", "--venue", "binance", "--local", where, "--symbols", "BTCUSDT,ETHUSDT", "--fresh", "--json")
    trader = system.start("tests.bench.load_probe", str(folder), frames, *trade)
    if core is not None:
        os.sched_setaffinity(trader.pid, {core})
    system.until(lambda: workspace_stands(system), trader)
    published = np.load(folder / "published.npy", mmap_mode="r")
    sent = np.load(folder / "sent.npy", mmap_mode="r")
    ended_ns = [0]

    def over() -> bool:
        assert trader.poll() is None, system.said(trader)[-2000:]
        assert exchange.poll() is None, system.said(exchange)[-2000:]
        if sent[-1] and not ended_ns[0]:
            ended_ns[0] = time.monotonic_ns()
        return bool(published[-1]) or bool(ended_ns[0] and time.monotonic_ns() - ended_ns[0] > 30 * NS_PER_S)

    watched = watch(system, trader.pid, over)
    trader.terminate()
    trader.wait(60)
    return watched, msgspec.json.decode(next(line for line in system.said(trader).splitlines() if '"event": "summary"' in line))


def workspace_stands(system: System) -> bool:
    from shared.errors import NotRunning

    try:
        workspace_of(system).close()
    except NotRunning:
        return False
    return True


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--rate", "a_second", default=1100.0, show_default=True, help="Messages a second.")
@click.option("--burst", default=10.0, show_default=True, help="A burst is so many times as much; 1: none.")
@click.option("--burst-s", default=5.0, show_default=True, help="How long a burst lasts, seconds of every minute.")
@click.option("--core", type=int, help="Keep the trader on this core.")
def main(minutes: float, a_second: float, burst: float, burst_s: float, core: int | None) -> None:
    """Print latencies, rates, what went wrong (nothing should) and memory."""
    offered = Day(seconds=minutes * 60.0, rate=a_second, burst=burst, burst_s=burst_s)
    console = Console(width=130)
    console.print(f"{offered}\nload of the machine before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        flow = make_flow(offered, folder, SystemClock().now_ns())
        system = System(folder)
        (folder / "logs").mkdir()
        try:
            system.run("trader.engine.warmup", within_s=600.0)  # compiling is another matter, and takes memory
            watched, summary = play(system, folder, flow, core)
        finally:
            system.stop()
        times = stamps(folder, flow, watched, summary["messages"] - int((np.load(folder / "published.npy") > 0).sum()))
        console.print(latency_table(times, offered))
        console.print(facts_table(times, flow, watched, summary, offered))


if __name__ == "__main__":
    main()
