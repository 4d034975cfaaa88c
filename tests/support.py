"""What several tests need: polling instead of sleeping, and the recorded market data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from shared.paths import project_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def eventually(check: Callable[[], object], within_s: float = 5.0) -> None:
    """Return as soon as ``check()`` is true; fail if that does not happen within ``within_s``."""
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, f"still not true after {within_s} s: {check}"
        time.sleep(0.01)


def recorded(name: str) -> Path:
    """Return a folder of the recorded market data beside the project; skip the test where it is absent."""
    folder = project_root().parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"recorded data {name} is not at {folder}")
    return folder
