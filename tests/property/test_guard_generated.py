"""The guard over generated cases: a short version of ``python -m tests.chaos.guard_cases``."""

from __future__ import annotations

from tests.chaos.guard_cases import count


def test_every_property_holds_of_generated_cases_and_each_of_them_decides_some() -> None:
    counts, actions, broken = count(4_000, seed=7)
    assert not broken, broken[0]
    assert min(one.applied for one in counts.values()) > 0, counts
    assert min(actions.values()) > 0, actions
