"""The order book against the plainest model there is: a dict of price to quantity for each side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.layout import BOOK_SNAPSHOT, record
from tests.engine_support import Story, book, book_levels
from trader.engine.state import BOOK_DEPTH, BOOK_SIDE, TAKEN
from trader.execution.paper import walk
from trader.market.book import ASKS, BIDS, best_price, clear_book, is_crossed, photograph, set_level

BOOK = record(("sides", BOOK_SIDE, (2,)), ("books", BOOK_SNAPSHOT, (3,)), ("taken", TAKEN))
Model = dict[float, float]

prices = st.integers(1, 6000).map(lambda ticks: ticks * 0.5)
few_prices = st.integers(1, 14).map(lambda ticks: ticks * 0.5)
quantities = st.floats(0.001, 1e6)
sides = st.sampled_from([BIDS, ASKS])


def ordered(model: Model, side: int) -> list[tuple[float, float]]:
    return sorted(model.items(), reverse=side == BIDS)


class BookAgainstDict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.symbol = np.zeros(1, BOOK)[0]
        self.model: tuple[Model, Model] = ({}, {})

    @rule(side=sides, price=prices, qty=quantities)
    def put(self, side: int, price: float, qty: float) -> None:
        set_level(self.symbol, side, price, qty)
        self.model[side][price] = qty
        if len(self.model[side]) > BOOK_DEPTH:
            worst = ordered(self.model[side], side)[-1][0]
            del self.model[side][worst]  # perhaps the new one itself

    @rule(side=sides, seed=st.integers(0, 2**32), middle=prices, count=st.integers(1, 700), width=st.integers(1, 3000))
    def put_many(self, side: int, seed: int, middle: float, count: int, width: int) -> None:
        """Fill pages until they split, and until there are no more of them."""
        chance = np.random.default_rng(seed)
        for price in middle + 0.5 * chance.integers(0, width, count):
            self.put(side, float(price), float(chance.uniform(0.1, 10.0)))

    @rule(side=sides, seed=st.integers(0, 2**32), share=st.floats(0.0, 1.0))
    def remove_many(self, side: int, seed: int, share: float) -> None:
        """Empty pages here and there."""
        chance = np.random.default_rng(seed)
        for price in [price for price in self.model[side] if chance.random() < share]:
            self.remove(side, price)

    @rule(side=sides, back=st.integers(0, 999))
    def remove_one_there(self, side: int, back: int) -> None:
        there = ordered(self.model[side], side)
        if there:
            self.remove(side, there[back % len(there)][0])

    @rule(side=sides, price=prices)
    def remove(self, side: int, price: float) -> None:
        set_level(self.symbol, side, price, 0.0)
        self.model[side].pop(price, None)

    @rule()
    def clear(self) -> None:
        clear_book(self.symbol)
        self.model = ({}, {})

    @precondition(lambda self: self.model[ASKS])
    @rule(qty=st.floats(0.01, 1e5))
    def buy(self, qty: float) -> None:
        assert average_paid(self.symbol, qty) == pytest.approx(average_price(ordered(self.model[ASKS], ASKS), qty), rel=1e-12)

    @invariant()
    def sides_are_the_model(self) -> None:
        for side in (BIDS, ASKS):
            assert book_levels(self.symbol, side) == ordered(self.model[side], side)

    @invariant()
    def touch_is_the_model(self) -> None:
        bid, ask = max(self.model[BIDS], default=0.0), min(self.model[ASKS], default=0.0)
        assert (best_price(self.symbol, BIDS), best_price(self.symbol, ASKS)) == (bid, ask)
        assert is_crossed(self.symbol) == (not bid or not ask or bid >= ask)


def average_paid(symbol: Any, qty: float) -> float:
    """Return what a buyer of ``qty`` pays who comes first after the venue has shown everything."""
    symbol["taken"]["count"] = 0
    bought, cost_usd = walk(symbol, 1, qty, 0.0)
    assert bought == qty
    return float(cost_usd / qty)


def average_price(book_side: list[tuple[float, float]], qty: float) -> float:
    left, paid, price = qty, 0.0, 0.0
    for price, there in book_side:
        taken = min(left, there)
        paid, left = paid + taken * price, left - taken
        if left <= 0.0:
            break
    return (paid + left * price) / qty


BookAgainstDict.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBookAgainstDict = BookAgainstDict.TestCase


@given(
    st.lists(st.tuples(few_prices, quantities), min_size=1, max_size=6, unique_by=lambda level: level[0]), st.floats(0.01, 1e5)
)
@settings(max_examples=60, deadline=None)
def test_taking_more_never_gets_cheaper_and_never_beats_the_touch(asks: list[tuple[float, float]], qty: float) -> None:
    symbol = np.zeros(1, BOOK)[0]
    for price, there in asks:
        set_level(symbol, ASKS, price, there)
    paid, paid_for_more = average_paid(symbol, qty), average_paid(symbol, 2.0 * qty)
    assert min(asks)[0] <= paid * (1 + 1e-12)
    assert paid <= paid_for_more * (1 + 1e-12)
    assert paid_for_more <= max(asks)[0] * (1 + 1e-12)


def test_the_real_book_keeps_the_best_thousand_of_a_side() -> None:
    bids = [(1000.0 - i, 1.0) for i in range(1200)]
    story = Story().tell(book(0, bids[300:] + bids[:300], [(2000.0, 1.0)]))
    assert book_levels(story.symbol(), BIDS) == bids[:1000]


def test_a_snapshot_replaces_the_book_whole() -> None:
    story = Story().tell(book(0, [(10.0, 1.0), (9.0, 2.0)], [(11.0, 3.0)]))
    story.tell(book(1, [(8.0, 4.0)], [(12.0, 5.0), (13.0, 6.0)]))
    assert book_levels(story.symbol(), BIDS) == [(8.0, 4.0)]
    assert book_levels(story.symbol(), ASKS) == [(12.0, 5.0), (13.0, 6.0)]


def test_photographs_keep_the_last_three_tops() -> None:
    symbol = np.zeros(1, BOOK)[0]
    for at in range(1, 5):
        clear_book(symbol)
        set_level(symbol, BIDS, float(at), 10.0 * at)
        set_level(symbol, ASKS, at + 0.5, 5.0)
        photograph(symbol, at)
    assert symbol["books"]["time_ns"].tolist() == [2, 3, 4]
    assert symbol["books"]["bid_price_usd"][:, 0].tolist() == [2.0, 3.0, 4.0]
    assert symbol["books"]["bid_qty"][:, 0].tolist() == [20.0, 30.0, 40.0]
    assert symbol["books"]["ask_price_usd"][:, 0].tolist() == [2.5, 3.5, 4.5]
    assert not symbol["books"]["ask_price_usd"][:, 1:].any()
