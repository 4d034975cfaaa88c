"""A kill during a call and one while a change is on its way; ``python -m tests.chaos.tuner_kills`` does fifty in every phase."""

from __future__ import annotations

from tests.chaos.tuner_kills import kill_many
from tests.processes import System


def test_a_tuner_that_is_killed_leaves_a_whole_audit_and_no_half_of_a_change(system: System) -> None:
    report = kill_many(system, 2, seed=3, phases=("apply", "call"))
    assert report.clean, report
    assert report.applied
