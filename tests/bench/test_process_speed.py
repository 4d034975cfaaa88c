"""What the real trader process costs: a socket's messages, a restart after a kill, the bytes of its state."""

from __future__ import annotations

import time
from typing import Any

from shared.clock import SystemClock
from shared.errors import NotRunning
from shared.params import MAX_SYMBOLS
from shared.workspace import Workspace
from tests.bench.conftest import Figures
from tests.processes import System
from tests.scripted_market import busy_market
from tests.support import eventually, recorded
from trader.engine.state import STATE, SYMBOL

STATE_LIMIT = 4_000_000  # of 32 symbols


def test_state_bytes(benchmark: Any, figures: Figures) -> None:
    benchmark.pedantic(lambda: None, rounds=1)
    of_32 = STATE.itemsize - (MAX_SYMBOLS - 32) * SYMBOL.itemsize
    figures.add("state of 32 symbols", f"{of_32 / 1e6:.2f} MB", f"limit {STATE_LIMIT / 1e6:.0f} MB")
    figures.add(f"state of {MAX_SYMBOLS} symbols", f"{STATE.itemsize / 1e6:.2f} MB", "as many as there may be")
    assert of_32 <= STATE_LIMIT


def messages_of(system: System, epoch: int = -1) -> int:
    """Return how many messages a trader of another epoch has taken; 0 while there is none."""
    try:
        workspace = Workspace(system.instance, SystemClock())
    except NotRunning:
        return 0
    try:
        return 0 if workspace.epoch == epoch else int(workspace.portfolio()["messages"])
    finally:
        workspace.close()


def test_messages_through_a_socket(benchmark: Any, figures: Figures, system: System) -> None:
    folder = str(recorded("binance_usdm_raw_ws_2024"))
    trader = system.start("trader.cli", "--paper", "--venue", "sim", "--replay", folder, "--speed", "max", "--fresh")
    seen: list[tuple[float, int]] = []

    def watch() -> None:
        eventually(lambda: messages_of(system) > 0, 60)
        workspace = Workspace(system.instance, SystemClock(), require_alive=False)
        while trader.poll() is None:
            seen.append((time.perf_counter(), int(workspace.portfolio()["messages"])))
            time.sleep(0.02)
        workspace.close()

    benchmark.pedantic(watch, rounds=1)
    moving = [moment for moment in seen if 0 < moment[1] < seen[-1][1]]
    (begin_s, first), (end_s, last) = moving[0], moving[-1]
    figures.add(
        "messages through a real socket",
        f"{(last - first) / (end_s - begin_s):,.0f} a second",
        f"{last - first:,} frames; the simulator takes the other core",
    )


def test_restart_after_kill(benchmark: Any, figures: Figures, system: System) -> None:
    path = str(busy_market(system.home / "market.gz"))
    kept = system.run("trader.cli", "--paper", "--venue", "sim", "--replay", path, "--speed", "max", "--session", "day")
    assert kept.returncode == 0, kept.stderr
    durations: list[float] = []

    def once() -> None:
        process = system.start("trader.cli", "--paper", "--venue", "replay", "--session", "day", "--speed", "5", "--fresh")
        eventually(lambda: messages_of(system) > 0, 60)
        workspace = Workspace(system.instance, SystemClock())
        epoch = workspace.epoch
        workspace.close()
        system.kill(process)
        start = time.perf_counter()
        again = system.start("trader.cli", "--paper", "--venue", "replay", "--session", "day", "--speed", "5")
        eventually(lambda: messages_of(system, epoch) > 0, 60)
        durations.append(time.perf_counter() - start)
        again.terminate()
        again.wait(20)

    benchmark.pedantic(once, rounds=3)
    figures.add("restart after kill -9 to first message", f"{min(durations):.2f} s, worst {max(durations):.2f} s", "limit 2 s")
