"""What a window remembers from one start to the next: its place and size, the columns, the chosen symbol, the filter."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from dashboard.desktop.grid import LEFT, RIGHT
from shared.paths import home_dir

FILE = "dashboard.json"


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """One window's habits. Sizes are px before --scale; None: never set."""

    symbol: str = ""
    width: int | None = None
    height: int | None = None
    x: int = 0
    y: int = 0
    left: int = LEFT
    right: int = RIGHT
    kind: str = ""  # type of event that is shown, "" for all


def remembered_file(instance: str) -> Path | None:
    """Return the file of an instance; None where its folder cannot be made, and nothing is remembered then."""
    try:
        return home_dir(instance) / FILE
    except OSError:
        return None


def load(path: Path | None) -> Remembered:
    """Return what was remembered; defaults where there is nothing, or nothing that can be read."""
    if path is None:
        return Remembered()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Remembered)
    except (OSError, msgspec.MsgspecError):
        return Remembered()


def save(path: Path | None, remembered: Remembered) -> None:
    """Write it in one step; a full disk costs the habits, not the window."""
    if path is None:
        return
    with contextlib.suppress(OSError):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(remembered))
        fresh.replace(path)
