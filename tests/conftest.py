from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.processes import System

# No test is a matter of speed: a busy machine must not fail one. With CI set, hypothesis tries the same examples every time.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A system of real processes with a home of its own; everything is ended and removed afterwards."""
    (tmp_path / "logs").mkdir()
    made = System(tmp_path)
    yield made
    made.stop()
    assert not made.segments()
