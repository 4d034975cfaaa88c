"""Live mode of the engine: nothing is filled but by a report, nothing is entered before venue and ledger agree."""

from __future__ import annotations

from typing import Any

import pytest

from shared.events import CommandKind, EventKind, Reason, Source
from tests.engine_support import CAPITAL_USD, CLOSES, Story, book, emergency_exit, quote, second_ns, timer, trade
from trader.engine.inputs import InputKind, InputRow, Report, row
from trader.engine.state import MARKET_SLOT


def report(
    kind: Report, order_id: int, at_s: float, qty: float = 0.0, price: float = 0.0, fee: float = 0.0, reason: int = 0
) -> InputRow:
    return row(InputKind.REPORT, second_ns(at_s), 0, flags=kind, ref=order_id, a=qty, b=price, c=fee, aux=reason)


def reconciled(at_s: float, *, agree: bool) -> InputRow:
    return row(InputKind.RECONCILED, second_ns(at_s), a=float(agree), b=0.0 if agree else 2.0)


def buy(at_s: float) -> InputRow:
    return row(InputKind.COMMAND, second_ns(at_s), 0, flags=Source.OPERATOR, aux=CommandKind.MANUAL_BUY, a=1_000.0, ref=1)


def market(at_s: float, price: float = 100.0) -> list[InputRow]:
    return [*book(at_s, [(price - 0.01, 1e5)], [(price + 0.01, 1e5)]), quote(at_s, price, 0, 0.01), trade(at_s, price)]


def live() -> Story:
    """Return a live, reconciled story with a market around 100."""
    story = Story()
    story.account["live"], story.account["reconciled"] = 1, 0
    return story.tell([*market(0), reconciled(0.1, agree=True)])


def bought() -> tuple[Story, int]:
    story = live().tell([buy(0.2)])
    return story, int(story.of(EventKind.ORDER)[0]["order_id"])


def slot(story: Story) -> Any:
    return story.symbol()["orders"][MARKET_SLOT]


def test_an_order_waits_for_its_report_however_the_market_moves() -> None:
    story, order_id = bought()
    for at_s in range(1, 20):
        story.tell(market(at_s))
    assert len(story.of(EventKind.FILL)) == 0
    story.tell([report(Report.FILLED, order_id, 20, 4.0, 100.02, 0.2), report(Report.FILLED, order_id, 20.1, 6.0, 100.03, 0.3)])
    assert [(float(f["qty"]), float(f["price_usd"]), float(f["fee_usd"])) for f in story.of(EventKind.FILL)] == [
        (4.0, 100.02, 0.2),
        (6.0, 100.03, 0.3),
    ]
    assert float(story.account["cash_usd"]) == pytest.approx(CAPITAL_USD - 400.08 - 600.18 - 0.5)
    assert int(slot(story)["status"]) == 0


def test_what_the_venue_refuses_is_over_and_costs_nothing() -> None:
    story, order_id = bought()
    story.tell([report(Report.ENDED, order_id, 1, reason=Reason.REFUSED_BY_VENUE)])
    assert [Reason(int(e["reason"])) for e in story.of(EventKind.CANCEL)] == [Reason.REFUSED_BY_VENUE]
    assert (int(slot(story)["status"]), float(story.account["cash_usd"])) == (0, CAPITAL_USD)


def test_an_unconfirmed_order_blocks_until_the_venue_has_been_asked() -> None:
    story, order_id = bought()
    story.tell([report(Report.UNCONFIRMED, order_id, 1), *market(2), *market(3)])
    checks = story.view()["rows"][0]
    failing = {Reason(int(c["reason"])) for c in checks["checks"][: int(checks["n_checks"])] if not c["passed"]}
    assert Reason.UNCONFIRMED_ORDER in failing
    assert int(checks["unconfirmed"]) == 1
    story.tell([report(Report.FILLED, order_id, 4, 10.0, 100.0), *market(5)])
    assert int(story.view()["rows"][0]["unconfirmed"]) == 0


def test_nothing_is_entered_while_venue_and_ledger_disagree() -> None:
    story = live().tell([reconciled(0.15, agree=False), buy(0.2)])
    assert Reason(int(story.of(EventKind.CONFIG_REFUSED)[-1]["reason"])) is Reason.NOT_RECONCILED
    assert (len(story.of(EventKind.DISCREPANCY)), int(story.view()["reconciled"])) == (1, 0)
    story.tell([reconciled(0.3, agree=True), buy(0.4)])
    assert len(story.of(EventKind.ORDER)) == 1


def test_a_stop_that_rested_at_the_venue_closes_the_position() -> None:
    story, order_id = bought()
    story.tell([report(Report.FILLED, order_id, 1, 10.0, 100.0, 0.1)])
    story.tell([report(Report.FILLED, 0, 2, -10.0, 98.9, 0.1, Reason.STOP)])
    closed = story.of(*CLOSES)[0]
    assert EventKind(int(closed["kind"])) is EventKind.STOP_LOSS
    assert float(closed["pnl_usd"]) == pytest.approx(-11.2)
    assert float(story.symbol()["position_qty"]) == 0.0


def test_an_exit_the_venue_refuses_is_asked_again_but_not_on_every_tick() -> None:
    story, order_id = bought()
    story.tell([report(Report.FILLED, order_id, 1, 10.0, 100.0)])
    story.tell(market(2, 95.0))
    exit_id = int(story.of(EventKind.ORDER)[-1]["order_id"])
    story.tell([report(Report.ENDED, exit_id, 2.1, reason=Reason.REFUSED_BY_VENUE)])
    for tick in range(8):
        story.tell(market(2.2 + tick / 10, 95.0))
    assert len(story.of(EventKind.ORDER)) == 2
    story.tell(market(3.5, 95.0))
    assert len(story.of(EventKind.ORDER)) == 3
    assert float(story.of(EventKind.ORDER)[-1]["old"]) == 1.0


def test_an_emergency_reaches_an_order_that_fills_later() -> None:
    story, order_id = bought()
    story.tell([emergency_exit(0.5), report(Report.FILLED, order_id, 1, 10.0, 100.0), timer(3)])
    exits = story.of(EventKind.ORDER)
    assert [int(e["side"]) for e in exits] == [1, -1]
    story.tell([report(Report.FILLED, int(exits[-1]["order_id"]), 4, -10.0, 99.9)])
    assert float(story.symbol()["position_qty"]) == 0.0


def test_on_paper_a_report_changes_nothing() -> None:
    story = Story().tell(market(0))
    before = story.engine.state["cash_usd"].copy()
    story.tell([report(Report.FILLED, 0, 1, 10.0, 100.0)])
    assert story.engine.state["cash_usd"] == before
    assert len(story.of(EventKind.FILL)) == 0
