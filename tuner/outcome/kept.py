"""Finds what the trader keeps on disk. The tuner only reads there."""

from __future__ import annotations

from pathlib import Path

from shared.paths import home_dir


def kept_session(instance: str) -> Path | None:
    """Return the folder the running trader of an instance writes its inputs to; None if there is none.

    It is the one written last: one trader runs at a time, and a session put aside is never written again.
    """
    home = home_dir(instance)
    logs = [path for kind in ("sessions", "replays") for path in home.glob(f"{kind}/*/inputs-*.bin")]
    return max(logs, key=_written_ns).parent if logs else None


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # too old meanwhile
        return 0
