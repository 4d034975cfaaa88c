"""A short version of ``tests.chaos.live_kills``: live orders, faults, one kill, and the exchange agrees with the ledger."""

from __future__ import annotations

import pytest

from tests.chaos.live_kills import Chaos
from tests.processes import System


@pytest.mark.parametrize(("venue", "minutes"), [("binance", 0.15), ("hyperliquid", 0.05)])
def test_a_killed_live_trader_and_the_exchange_agree(system: System, venue: str, minutes: float) -> None:
    outcome = Chaos(system, minutes=minutes, kills=1, seed=3, venue=venue).run()
    assert outcome.kills == 1
    assert outcome.orders > 0
    assert outcome.agrees, str(outcome)
