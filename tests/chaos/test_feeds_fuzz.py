"""Some damaged frames in every run of the suite; ``python -m tests.chaos.fuzz_binance`` sends a million of each market."""

from __future__ import annotations

import pytest

from tests.chaos.fuzz_binance import fuzz
from trader.feeds.binance.venue import Market


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_damaged_frames_bring_documented_errors_and_no_crossed_book(market: Market) -> None:
    found = fuzz(market, 4_000, seed=3)
    assert found.undocumented == []
    assert found.silently_crossed == 0
    # the damage met books in step, and all three ways of noticing it were needed
    assert min(found.refused, found.breaks, found.resyncs, found.crossed_refused) > 0
