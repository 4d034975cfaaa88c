"""The demo: everything comes up together, and Ctrl-C leaves no process and no segment."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.processes import System
from tests.support import eventually


def processes_of(system: System) -> list[str]:
    """Return the command lines of every process that carries this system's name in its environment."""
    mark, found = f"TRADER_INSTANCE={system.instance}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return [line for line in found if line.strip()]


def test_ctrl_c_stops_everything_and_leaves_nothing(system: System) -> None:
    demo = system.start("trader.tools.demo_cli", "--speed", "5", "--interval", "2", "--advisor", "rules")
    system.until(lambda: "first event" in system.said(demo), demo)
    system.until(lambda: "AI" in system.said(demo), demo)
    programs = " ".join(processes_of(system))
    for module in ("trader.simulator.cli", "trader.cli", "tuner.cli", "dashboard.cli"):
        assert module in programs
    demo.send_signal(signal.SIGINT)
    assert demo.wait(40) == 130
    assert "nothing left behind" in system.said(demo)
    assert not system.segments()
    eventually(lambda: not processes_of(system))


def test_it_stops_by_itself_and_reports(system: System) -> None:
    done = system.run("trader.tools.demo_cli", "--seconds", "8", "--interval", "2", "--advisor", "rules", within_s=100)
    assert done.returncode == 0, done.stderr
    assert "AI changes applied" in done.stdout
    assert not system.segments()
