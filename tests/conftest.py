from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import System


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A system of real processes with a home of its own; everything is ended and removed afterwards."""
    (tmp_path / "logs").mkdir()
    made = System(tmp_path)
    yield made
    made.stop()
    assert not made.segments()
