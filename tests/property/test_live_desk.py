"""The desk of live orders: whatever comes, in whatever order, each fill is booked once and no order twice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import NS_PER_S, ManualClock
from trader.engine.inputs import Report as Said
from trader.execution.live.desk import Desk
from trader.execution.live.journal import OrderJournal, Report
from trader.execution.live.venue import Answer, OrderRequest, Outcome, VenueFill, VenueOrder, whole_steps

QTY = 10.0
MEMORY = "/dev/shm"  # noqa: S108 - every commit waits for its disk, and this one is quick
AMBIGUOUS, NOT_FOUND = Answer(Outcome.AMBIGUOUS), Answer(Outcome.NOT_FOUND)


def desk(journal: OrderJournal, clock: ManualClock, seed: int = 1) -> Desk:
    rng = np.random.default_rng(seed)
    return Desk(journal, clock, steps=[0.001], settling_ns=2 * NS_PER_S, rng=rng)


def fill(number: int, qty: float, client_id: str, *, named: bool, fee_qty: float = 0.0) -> VenueFill:
    return VenueFill(
        symbol=0,
        trade_id=str(number),
        venue_id="v1",
        client_id=client_id if named else "",
        qty=qty,
        price_usd=100.0,
        fee_usd=0.1,
        fee_qty=fee_qty,
        time_ms=number,
    )


def told(client_id: str, filled: float, *, is_open: bool) -> Answer:
    order = VenueOrder(client_id=client_id, symbol=0, venue_id="v1", is_open=is_open, filled_qty=filled)
    return Answer(Outcome.KNOWN, order)


PARTS = st.lists(st.sampled_from([1.0, 2.0, 2.5, 3.0]), min_size=1, max_size=4).filter(lambda parts: sum(parts) <= QTY)


@settings(max_examples=30, deadline=None)
@given(parts=PARTS, data=st.data())
def test_any_order_of_answers_fills_doubles_and_restarts_comes_to_the_same(parts: list[float], data: Any) -> None:
    """The venue fills ``parts`` and cancels the rest; what it says of it is shuffled, repeated and cut by restarts."""
    clock = ManualClock()
    with TemporaryDirectory(dir=MEMORY) as folder:
        journal = OrderJournal(Path(folder) / "orders.sqlite")
        own = desk(journal, clock)
        name = own.client_id()
        own.plan(OrderRequest(client_id=name, symbol=0, side=1, qty=QTY), 7, 0)
        fills = [("fill", number) for number in range(len(parts))]
        words = [
            *fills,
            *data.draw(st.lists(st.sampled_from([*fills, ("ambiguous", 0), ("open", 0), ("restart", 0)]), max_size=8)),
        ]
        taken: list[Report] = []
        final = told(name, sum(parts), is_open=False)
        for what, number in [*data.draw(st.permutations(words)), ("final", 0), *fills, ("final", 0)]:
            order = own.orders.get(name)
            if what == "fill":
                own.fill(fill(number, parts[number], name, named=data.draw(st.booleans())))
            elif what == "restart":
                own = desk(journal, clock, seed=2)
                own.take_up(len(taken), 7)
            elif order is not None:
                own.answered(order, {"ambiguous": AMBIGUOUS, "open": told(name, 0.0, is_open=True), "final": final}[what])
            if data.draw(st.booleans()):
                taken += own.outbox()
        taken += own.outbox()
        journal.close()
    assert [report.seq for report in taken] == list(range(1, len(taken) + 1))
    booked = [report for report in taken if report.kind == Said.FILLED]
    assert sum(report.qty for report in booked) == sum(parts)
    assert len(booked) == len(parts)
    ended = [report for report in taken if report.kind == Said.ENDED]
    assert len(ended) == (0 if sum(parts) == QTY else 1)
    assert not ended or taken[-1] is ended[-1], "nothing comes after the end"


@settings(max_examples=15, deadline=None)
@given(after_s=st.lists(st.floats(0.0, 1.5), min_size=1, max_size=12))
def test_an_order_the_venue_does_not_know_ends_only_when_it_can_no_longer_arrive(after_s: list[float]) -> None:
    clock = ManualClock()
    with TemporaryDirectory(dir=MEMORY) as folder:
        journal = OrderJournal(Path(folder) / "orders.sqlite")
        own = desk(journal, clock)
        order = own.plan(OrderRequest(client_id=own.client_id(), symbol=0, side=1, qty=QTY), 7, 0)
        own.answered(order, AMBIGUOUS)
        passed, settled = 0.0, 0
        for wait_s in after_s:
            clock.advance(int(wait_s * NS_PER_S))
            passed += int(wait_s * NS_PER_S)
            own.answered(order, NOT_FOUND)
            settled += passed >= 2 * NS_PER_S
            assert (order.request.client_id in own.orders) == (settled < 2)
        journal.close()


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.integers(1, 5_000), min_size=1, max_size=12), places=st.integers(0, 5))
def test_a_position_that_is_a_sum_is_sent_as_it_is_written(parts: list[int], places: int) -> None:
    step = float(Decimal(1).scaleb(-places))
    total = sum(float(Decimal(part).scaleb(-places)) for part in parts)
    assert str(Decimal(repr(whole_steps(total, step))) - Decimal(sum(parts)).scaleb(-places)).strip("0.-E+") == ""


def test_an_order_that_was_there_does_not_end_by_being_forgotten(tmp_path: Path) -> None:
    clock = ManualClock()
    journal = OrderJournal(tmp_path / "orders.sqlite")
    own = desk(journal, clock)
    order = own.plan(OrderRequest(client_id=own.client_id(), symbol=0, side=1, qty=QTY), 7, 0)
    own.answered(order, told(order.request.client_id, 0.0, is_open=True))
    for _ in range(10):
        clock.advance(10 * NS_PER_S)
        own.answered(order, NOT_FOUND)
    assert order.request.client_id in own.orders
    journal.close()


def test_fees_kept_in_the_asset_itself_leave_whole_steps_and_the_right_cash(tmp_path: Path) -> None:
    """Bought in three parts, a thousandth kept of each: what no order could sell is a cost, cash is what was paid."""
    journal = OrderJournal(tmp_path / "orders.sqlite")
    own = desk(journal, ManualClock())
    order = own.plan(OrderRequest(client_id=own.client_id(), symbol=0, side=1, qty=QTY), 7, 0)
    for number, qty in enumerate((0.0009, 1.2336, 0.5)):  # the first is less than a step
        own.fill(fill(number, qty, order.request.client_id, named=True, fee_qty=qty / 1000))
    reports = [report for report in own.outbox() if report.kind == Said.FILLED]
    assert len(reports) == 2
    assert abs(sum(report.qty for report in reports) - np.floor((1.7345 * 0.999) / 0.001) * 0.001) < 1e-12
    paid = sum(report.qty * report.price_usd + report.fee_usd for report in reports)
    assert abs(paid - (1.7345 * 100.0 + 0.3)) < 1e-9
    assert abs(journal.crumbs(0) + sum(report.qty for report in reports) - 1.7345 * 0.999) < 1e-12
    journal.close()
