"""The engine against slow, plain and independent implementations: a book of dictionaries, an account of fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.test_engine_speed import as_inputs
from tests.engine_support import CAPITAL_USD
from trader.engine.engine import Engine
from trader.engine.inputs import ASK, FIRST, LAST, InputKind
from trader.engine.state import new_state
from trader.feeds.binance.venue import Market
from trader.market.book import ASKS, BIDS, best_price
from trader.market.tape import on_quote
from trader.portfolio.accounting import apply_fill, equity_usd

FRAMES = 20_000
SYMBOLS = 2


@pytest.mark.recorded
@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_every_top_of_the_recorded_book_is_that_of_a_dictionary(market: Market) -> None:
    inputs = as_inputs(FRAMES, market)
    engine, sides = Engine(new_state(1, CAPITAL_USD)), ({}, {})  # type: ignore[var-annotated]
    symbol, begin, compared = engine.state[0]["symbols"][0], 0, 0
    levels = (inputs["kind"] == InputKind.DEPTH) | (inputs["kind"] == InputKind.SNAPSHOT)
    for end in (np.flatnonzero(levels & (inputs["flags"] & LAST > 0)) + 1).tolist():
        for level in inputs[begin:end][levels[begin:end]]:
            _into(sides, level)
        engine.replay(inputs[begin:end])
        expected = (max(sides[BIDS], default=0.0), min(sides[ASKS], default=0.0))
        assert (best_price(symbol, BIDS), best_price(symbol, ASKS)) == expected, f"after input {end}"
        begin, compared = end, compared + 1
    assert compared > 1000


def _into(sides: tuple[dict[float, float], dict[float, float]], level: Any) -> None:
    if level["flags"] & FIRST:
        sides[BIDS].clear()
        sides[ASKS].clear()
    side = sides[ASKS if level["flags"] & ASK else BIDS]
    if level["b"] > 0:
        side[float(level["a"])] = float(level["b"])
    else:
        side.pop(float(level["a"]), None)


class SlowAccount:
    """Keeps what the open quantity cost, signed; what is closed leaves in proportion."""

    def __init__(self) -> None:
        self.cash = Fraction(int(CAPITAL_USD))
        self.qty = [Fraction(0)] * SYMBOLS
        self.cost = [Fraction(0)] * SYMBOLS  # signed: what the open quantity was paid with
        self.realised = [Fraction(0)] * SYMBOLS
        self.fees = [Fraction(0)] * SYMBOLS

    def fill(self, index: int, qty: Fraction, price: Fraction, fee: Fraction) -> None:
        self.cash -= qty * price + fee
        self.fees[index] += fee
        have = self.qty[index]
        closing = Fraction(0)
        if have * qty < 0:
            closing = -have if abs(qty) >= abs(have) else qty
            paid = self.cost[index] * -closing / have
            self.realised[index] += -closing * price - paid
            self.cost[index] -= paid
        self.qty[index] += qty
        self.cost[index] += (qty - closing) * price

    def equity(self, marks: list[Fraction]) -> Fraction:
        return self.cash + sum((qty * mark for qty, mark in zip(self.qty, marks, strict=True)), Fraction(0))


fills = st.tuples(
    st.integers(0, SYMBOLS - 1),
    st.integers(-400_000, 400_000).filter(bool),  # thousandths
    st.integers(1, 7_000_000),  # cents
    st.integers(0, 500_000),  # hundredths of a cent
    st.booleans(),  # whether it closes what is open instead
)


@given(st.lists(fills, min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_the_account_is_that_of_fractions(story: list[tuple[int, int, int, int, bool]]) -> None:
    state, slow = new_state(SYMBOLS, CAPITAL_USD), SlowAccount()
    account, marks, turnover = state[0], [Fraction(0)] * SYMBOLS, CAPITAL_USD
    for index, thousandths, cents, fee, closes in story:
        symbol = account["symbols"][index]
        qty = -slow.qty[index] if closes and slow.qty[index] else Fraction(thousandths, 1000)
        price = Fraction(cents, 100)
        slow.fill(index, qty, price, Fraction(fee, 10_000))
        apply_fill(account, symbol, float(qty), float(price), fee / 10_000)
        marks[index] = price
        on_quote(symbol, float(price) * (1 - 1e-9), 1.0, float(price) * (1 + 1e-9), 1.0)
        turnover += float(abs(qty) * price)
        near = 1e-9 * turnover
        assert float(account["cash_usd"]) == pytest.approx(float(slow.cash), abs=near)
        assert float(equity_usd(account)) == pytest.approx(float(slow.equity(marks)), abs=near)
        assert float(symbol["realised_usd"]) == pytest.approx(float(slow.realised[index]), abs=near)
        assert float(symbol["fees_usd"]) == pytest.approx(float(slow.fees[index]), rel=1e-9)
        assert float(symbol["position_qty"]) == pytest.approx(float(slow.qty[index]), rel=1e-9, abs=1e-9)
        if slow.qty[index]:
            entry = float(slow.cost[index] / slow.qty[index])
            assert float(symbol["entry_price_usd"]) == pytest.approx(entry, rel=1e-9)
