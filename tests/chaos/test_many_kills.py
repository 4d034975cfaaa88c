"""A few random kills in every run of the suite; ``python -m tests.chaos.many_kills`` does hundreds."""

from __future__ import annotations

from tests.chaos.many_kills import kill_many
from tests.processes import System


def test_kills_at_random_instants_change_nothing(system: System) -> None:
    result = kill_many(system, 10, speed="100", within_s=2.5, seed=7)
    assert result.fills >= 4
    assert result.while_replaying
    assert result.differences == 0
