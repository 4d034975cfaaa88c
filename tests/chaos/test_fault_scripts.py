"""A short version of ``python -m tests.chaos.fault_scripts``, and that its invariants can fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.chaos.fault_scripts import Storm
from trader.engine.inputs import LAST, InputKind


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_venue_does_orders_books_and_money_agree(seed: int) -> None:
    assert Storm(seed).run().broken == []


def test_levels_that_get_lost_on_the_way_to_the_engine_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Storm._give

    def lossy(storm: Storm, rows: Any) -> None:
        level = (rows["kind"] == InputKind.DEPTH) & (rows["flags"] & LAST == 0)
        whole(storm, rows[~(level & (np.arange(len(rows)) % 7 == 6))])

    monkeypatch.setattr(Storm, "_give", lossy)
    assert "another book than the venue's at the same update" in Storm(1).run().broken
