"""``trader_control doctor``: what could keep this system from working, checked."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from shared import layout
from shared.clock import SystemClock
from shared.compiled import compiled_cache_dir
from shared.errors import NotRunning, TradingError
from shared.layout import HEADER, MAGIC
from shared.paths import home_dir, project_root
from shared.segment import is_alive
from shared.workspace import Workspace, find_tuner
from trader.engine.journal import CHECKPOINT, JOURNAL

BEST, MIDDLE, WORST = "PASS", "WARN", "FAIL"
_COLOURS = {BEST: "green", MIDDLE: "yellow", WORST: "red"}
_HEARTBEAT_WARN_MS = 2_000.0


class Check(msgspec.Struct, frozen=True):
    """One finding."""

    name: str
    verdict: str
    words: str

    @property
    def colour(self) -> str:
        """Terminal colour of the verdict."""
        return _COLOURS[self.verdict]


def check_all(instance: str) -> list[Check]:
    """Run every check."""
    checks: list[Callable[[], Check]] = [
        _python,
        _shared_memory,
        _stale_segments,
        _compiled,
        lambda: _home(instance),
        _knowledge,
        _display,
        _advisor_keys,
        lambda: _trader(instance),
        lambda: _tuner(instance),
    ]
    return [check() for check in checks]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", BEST if sys.version_info >= (3, 11) else WORST, f"{version}, expected 3.11 or newer")


def _shared_memory() -> Check:
    folder = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is seen on Linux
    if not folder.is_dir():
        return Check("shared memory", MIDDLE, "no /dev/shm here: space cannot be checked")
    needed = sum(part.itemsize for part in (layout.EVENTS, layout.PORTFOLIO, layout.TUNER, JOURNAL, CHECKPOINT))
    free = shutil.disk_usage(folder).free
    return Check("shared memory", BEST if free > needed else WORST, f"{free >> 20} MiB free, a trader needs {needed >> 20} MiB")


def _stale_segments() -> Check:
    stale = [path.name for path in Path("/dev/shm").glob("trader_*") if not _owned(path)]  # noqa: S108
    if stale:
        return Check("stale segments", MIDDLE, f"{len(stale)} of dead owners ({stale[0]} …); the next start reclaims them")
    return Check("stale segments", BEST, "none")


def _owned(path: Path) -> bool:
    head = path.read_bytes()[: HEADER.itemsize].ljust(HEADER.itemsize, b"\0")
    header = np.frombuffer(head, HEADER)[0]
    return bool(header["magic"] == MAGIC and is_alive(int(header["owner_pid"]), int(header["owner_start"])))


def _compiled() -> Check:
    ready = compiled_cache_dir().exists()
    words = "in the cache" if ready else "not yet: the first start takes about 20 s; make demo or make test does it"
    return Check("compiled engine", BEST if ready else MIDDLE, words)


def _home(instance: str) -> Check:
    free = shutil.disk_usage(home_dir(instance)).free
    verdict = WORST if free < 100 << 20 else MIDDLE if free < 1 << 30 else BEST
    return Check("disk", verdict, f"{free >> 20} MiB free for ledger and sessions, 1024 advised")


def _knowledge() -> Check:
    count = len(list((project_root() / "knowledge").rglob("*.md")))
    return Check("knowledge", BEST if count else WORST, f"{count} files")


def _display() -> Check:
    if importlib.util.find_spec("dearpygui") is None:
        return Check("desktop dashboard", MIDDLE, "dearpygui is not installed")
    if not (os.environ.get("DISPLAY") or sys.platform == "darwin"):
        return Check("desktop dashboard", MIDDLE, "DISPLAY is not set: use trader_dashboard --text")
    return Check("desktop dashboard", BEST, "a display is set")


def _advisor_keys() -> Check:
    named = [name for name in ("CLAUDE_API_KEY", "ANTHROPIC_API_KEY", "OLLAMA_HOST") if os.environ.get(name)]
    return Check(
        "advisor", BEST, f"{', '.join(named)} set" if named else "no key set: --advisor auto tries Ollama, then uses the rules"
    )


def _trader(instance: str) -> Check:
    try:
        workspace = Workspace(instance, SystemClock())
    except NotRunning:
        return Check("trader", MIDDLE, "not running")
    except TradingError as error:
        return Check("trader", WORST, str(error))
    age_ms = workspace.heartbeat_age_ms
    workspace.close()
    return Check("trader", BEST if age_ms < _HEARTBEAT_WARN_MS else WORST, f"running, heartbeat {age_ms:.0f} ms ago")


def _tuner(instance: str) -> Check:
    try:
        tuner = find_tuner(instance)
    except TradingError as error:
        return Check("tuner", WORST, str(error))
    if tuner is None or not tuner.alive:
        return Check("tuner", MIDDLE, "not running")
    return Check("tuner", BEST, "running")
