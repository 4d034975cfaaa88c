"""Any process may be killed at any instant: protection goes on, and nothing that happened is lost."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

import numpy as np
import pytest

from shared.events import EventKind, Reason, Status
from shared.workspace import Workspace
from tests.processes import System, Watcher
from tests.scripted_market import legs, write_recording
from tests.support import eventually

ENTRY = ((70.0, 0.0), (15.0, 0.15))


def recording(system: System, *after: tuple[float, float]) -> str:
    parts = (*ENTRY, *after)
    seconds = sum(length for length, _ in parts) + 5
    prices = {"BTCUSDT": legs(60_000.0, *parts), "ETHUSDT": legs(3_000.0, *parts)}
    return str(write_recording(system.home / "market.gz", prices, seconds))


def in_position(workspace: Workspace) -> bool:
    return bool(workspace.portfolio()["rows"][0]["position_qty"] != 0)


def test_stops_fire_after_the_tuner_was_killed(system: System) -> None:
    tuner = system.start("tuner.cli", "--advisor", "rules", "--interval", "1")
    path = recording(system, (25.0, 0.0), (8.0, -1.3), (30.0, 0.0))
    _, workspace = system.trader("--replay", path, "--speed", "8", "--symbols", "BTCUSDT,ETHUSDT")
    seen = Watcher(workspace)
    eventually(lambda: in_position(workspace), 40)
    system.kill(tuner)
    eventually(lambda: len(seen.of(EventKind.STOP_LOSS, "BTCUSDT")), 40)
    assert float(workspace.portfolio()["rows"][0]["position_qty"]) == 0.0


def test_a_killed_trader_comes_back_with_the_same_position_equity_and_fills(system: System) -> None:
    path = recording(system, (400.0, 0.02))
    simulator = system.simulator("--replay", path, "--speed", "10")
    trader, workspace = system.trader("--symbols", "BTCUSDT,ETHUSDT")
    eventually(lambda: in_position(workspace), 40)
    system.kill(trader)
    system.kill(simulator)  # the market stands still, so that equity can be compared to the cent and beyond
    before = workspace.portfolio().copy()
    fills_before = fill_rows(Watcher(workspace).of(EventKind.FILL))
    workspace.close()

    _, workspace = system.trader("--replay", path, "--speed", "1", "--symbols", "BTCUSDT,ETHUSDT")
    seen = Watcher(workspace)
    recovered = [e for e in seen.of(EventKind.STATUS) if int(e["status"]) == Status.RECOVERED]
    assert len(recovered) == 1
    assert float(recovered[0]["equity_usd"]) == pytest.approx(float(before["equity_usd"]), rel=1e-12)
    assert float(recovered[0]["cash_usd"]) == float(before["cash_usd"])
    after = workspace.portfolio()
    for name in ("position_qty", "entry_price_usd", "entry_ns", "fees_usd", "realised_usd"):
        assert np.array_equal(after["rows"][name], before["rows"][name]), name
    assert fill_rows(seen.of(EventKind.FILL))[: len(fills_before)] == fills_before
    eventually(lambda: ledger_fills(system) == len(fills_before))


def fill_rows(fills: Any) -> list[tuple[int, float, float]]:
    return [(int(f["seq"]), float(f["price_usd"]), float(f["cash_usd"])) for f in fills]


def ledger_fills(system: System) -> int:
    path = system.home / system.instance / "sessions" / "current" / "ledger.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return int(database.execute("SELECT count(*) FROM fills").fetchone()[0])


def test_killing_the_trader_again_and_again_loses_no_fill(system: System) -> None:
    """Kills at arbitrary moments of a busy market; the ledger's cash must follow from its fills every time."""
    system.simulator("--speed", "30", "--seed", "3", "--symbols", "BTCUSDT,ETHUSDT")
    for _ in range(4):
        trader, workspace = system.trader()
        start = int(workspace.portfolio()["messages"])
        count = int(workspace.portfolio()["event_seq"])
        eventually(partial(has_moved_on, workspace, start, count), 60)
        system.kill(trader)
        workspace.close()
    trader, workspace = system.trader()
    trader.terminate()
    trader.wait(20)
    path = system.home / system.instance / "sessions" / "current" / "ledger.sqlite"
    with sqlite3.connect(path) as database:
        seqs = [seq for (seq,) in database.execute("SELECT seq FROM events ORDER BY seq")]
        fills = database.execute("SELECT side, qty, price_usd, fee_usd, cash_usd FROM fills ORDER BY seq").fetchall()
    assert seqs == list(range(1, len(seqs) + 1)), "no event is missing and none is there twice"
    assert fills
    cash = 100_000.0
    for side, qty, price, fee, cash_after in fills:
        cash -= side * qty * price + fee
        assert cash == pytest.approx(cash_after, rel=1e-12)


def test_fills_the_ledger_had_not_stored_yet_are_stored_after_the_restart(system: System) -> None:
    path = recording(system, (400.0, 0.02))
    simulator = system.simulator("--replay", path, "--speed", "10")
    trader, workspace = system.trader("--symbols", "BTCUSDT,ETHUSDT")
    ledger = system.home / system.instance / "sessions" / "current" / "ledger.sqlite"
    blocker = sqlite3.connect(ledger, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")  # the ledger's thread waits here while the market goes on
    eventually(lambda: in_position(workspace), 40)
    system.kill(trader)
    system.kill(simulator)
    blocker.execute("ROLLBACK")
    blocker.close()
    fills = len(Watcher(workspace).of(EventKind.FILL))
    assert fills > ledger_fills(system) == 0
    workspace.close()
    system.trader("--replay", path, "--speed", "1", "--symbols", "BTCUSDT,ETHUSDT")
    eventually(lambda: ledger_fills(system) == fills, 20)


def has_moved_on(workspace: Workspace, messages: int, events: int) -> bool:
    view = workspace.portfolio()
    return bool(view["messages"] > messages and view["event_seq"] > events + 5)


def test_a_killed_dashboard_or_tool_leaves_the_trader_alone(system: System) -> None:
    _, workspace = system.trader("--speed", "5", "--symbols", "BTCUSDT")
    viewer = system.start("dashboard.cli", "--text")
    system.until(lambda: "BTCUSDT" in system.said(viewer), viewer)
    system.kill(viewer)
    before = int(workspace.portfolio()["messages"])
    eventually(lambda: workspace.portfolio()["messages"] > before)
    assert workspace.trader_alive


def failing(workspace: Workspace) -> list[Reason]:
    """Return every reason that forbids an entry in the first symbol now."""
    row = workspace.portfolio()["rows"][0]
    return [Reason(int(check["reason"])) for check in row["checks"][: int(row["n_checks"])] if not check["passed"]]


def test_a_dead_simulator_is_a_stale_feed_that_blocks_entries_and_keeps_the_position(system: System) -> None:
    path = recording(system, (400.0, 0.02))
    simulator = system.simulator("--replay", path, "--speed", "10")
    _, workspace = system.trader("--symbols", "BTCUSDT,ETHUSDT")
    seen = Watcher(workspace)
    eventually(lambda: in_position(workspace), 40)
    system.kill(simulator)
    eventually(lambda: len(seen.of(EventKind.FEED_STALE)), 20)
    eventually(lambda: workspace.portfolio()["rows"][0]["stale"])
    assert in_position(workspace), "a disconnect closes nothing by itself"
    eventually(lambda: not workspace.portfolio()["connected"], 20)
    eventually(lambda: Reason.STALE_FEED in failing(workspace), 20)


def test_a_second_trader_of_the_instance_is_refused(system: System) -> None:
    system.trader("--speed", "1", "--symbols", "BTCUSDT")
    second = system.run("trader.cli", "--paper", "--venue", "sim")
    assert second.returncode == 1
    assert "already running" in second.stderr


def test_ctrl_c_ends_clean(system: System) -> None:
    import signal

    trader, _ = system.trader("--speed", "1", "--symbols", "BTCUSDT")
    trader.send_signal(signal.SIGINT)
    assert trader.wait(20) == 130
    assert not system.segments()
