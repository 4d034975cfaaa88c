"""A short version of ``tests.chaos.live_kills``: live orders, faults, one kill, and the exchange agrees with the ledger."""

from __future__ import annotations

from tests.chaos.live_kills import Chaos
from tests.processes import System


def test_a_killed_live_trader_and_the_exchange_agree(system: System) -> None:
    outcome = Chaos(system, minutes=0.15, kills=1, seed=3).run()
    assert outcome.kills == 1
    assert outcome.orders > 0
    assert outcome.agrees, str(outcome)
