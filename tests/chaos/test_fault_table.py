"""``python -m tests.chaos.fault_table`` takes minutes; here: that it leaves no fault out, and that a row can fail."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.chaos.fault_table import Books, Row, Sight
from tests.chaos.fault_trials import TRIALS, apart
from trader.simulator.faults.script import Kind

GAP = next(trial for trial in TRIALS if trial.name == "gap")
SEEN = Sight(happened=["book lost", "in step", "resync"], states=["book lost"])


def test_every_kind_of_fault_has_a_row_and_every_row_is_lived_through_once() -> None:
    assert {fault.kind for trial in TRIALS for fault in trial.faults} == set(Kind)
    assert len({trial.name for trial in TRIALS}) == len(TRIALS)
    assert sorted(trial.name for trial in apart(TRIALS)) == sorted(trial.name for trial in TRIALS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, []),
        ({"recovered": False}, ["not recovered"]),
        ({"struck": 0}, ["never struck"]),
        ({"live": Sight(["book lost"])}, ["no 'resync'"]),
        ({"books": Books(lost=["a"])}, ["order lost"]),
        ({"books": Books(doubled=["a"])}, ["order doubled"]),
        ({"books": Books(bare=["BTCUSDT"])}, ["no stop for BTCUSDT"]),
        ({"paper": Sight(other_books=["ETHUSDT"])}, ["another book of ETHUSDT"]),
        ({"differs": ["cash USD +1.0000"]}, ["money"]),
    ],
)
def test_a_row_says_what_did_not_hold(given: dict[str, Any], said: list[str]) -> None:
    row = msgspec.structs.replace(Row(GAP, struck=1, live=SEEN), **given)
    assert row.broken == said
    assert row.cells()[-1] == ("; ".join(said) or "ok")
