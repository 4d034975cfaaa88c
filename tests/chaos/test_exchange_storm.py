"""One storm in the suite; many are lived through by ``python -m tests.chaos.exchange_storms``."""

from __future__ import annotations

import asyncio

from tests.chaos.exchange_storms import SPAN_S, live_through
from trader.simulator.faults.script import Fault, Kind, Script
from trader.simulator.source import Market


def test_no_order_is_lost_or_doubled_and_the_money_agrees() -> None:
    faults = [
        Fault(at_s=0, for_s=SPAN_S, kind=Kind.LOST_ANSWER, share=0.2),
        Fault(at_s=0, for_s=SPAN_S, kind=Kind.LOST_ANSWER, share=0.2, code=504),
        Fault(at_s=0, for_s=SPAN_S, kind=Kind.HTTP, code=503, share=0.2, path="POST"),
        Fault(at_s=1, for_s=20, kind=Kind.UNKNOWN_ORDER, share=0.5),
        Fault(at_s=20, kind=Kind.CLOSE, code=1006),
    ]
    storm, wrong = asyncio.run(live_through(3, Market.USDM, Script(faults, 3)))
    assert wrong == []
    assert storm.accepted
    assert storm.reconnects >= 1
