"""``trader_control kill``: the halt that needs nothing but a file."""

from __future__ import annotations

import time
from typing import Any

from shared.clock import SystemClock
from shared.errors import NotRunning, Timeout
from shared.events import RiskState
from shared.paths import kill_file
from shared.workspace import Workspace

ANSWER_S = 5.0
_POLL_S = 0.02


def set_kill(instance: str) -> str:
    """Make the kill file, wait until the trader shows HALTED, and say so; without a trader the file waits for the next one.

    Errors
    ------
    Timeout
        If the trader does not halt in time; the file stays.
    """
    file = kill_file(instance)
    file.touch(mode=0o600)
    try:
        workspace = Workspace(instance, SystemClock())
    except NotRunning:
        return f"kill file made: {file}; no trader is running, one that starts will stay halted"
    try:
        _wait_until_halted(workspace)
    finally:
        workspace.close()
    return f"HALTED: positions are closed, nothing is opened while {file} exists"


def _wait_until_halted(workspace: Workspace) -> None:
    clock = SystemClock()
    deadline_ns = clock.monotonic_ns() + int(ANSWER_S * 1e9)
    while not _halted_and_flat(workspace.portfolio()):
        if clock.monotonic_ns() > deadline_ns:
            raise Timeout(f"kill: was not halted and flat within {ANSWER_S:.0f} s; the file stays, see trader_control status")
        time.sleep(_POLL_S)


def _halted_and_flat(view: Any) -> bool:
    """Say whether the trader halts and holds nothing: a halt for another reason alone keeps its positions."""
    return int(view["risk"]) == RiskState.HALTED and not view["rows"]["position_qty"].any()


def clear_kill(instance: str) -> str:
    """Remove the kill file and say how trading resumes."""
    file = kill_file(instance)
    was_there = file.exists()
    file.unlink(missing_ok=True)
    found = "kill file removed" if was_there else "there was no kill file"
    return f"{found}; trading resumes with: trader_control set trading_enabled 1"
