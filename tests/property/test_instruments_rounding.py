"""What leaves for a venue is on its grid, never more than was meant and never on the aggressive side; Decimal is the oracle."""

from __future__ import annotations

import gzip
import math
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.errors import OutOfRange
from tests.support import recorded
from trader.feeds.binance.rest import listed
from trader.feeds.instruments import Instrument
from trader.feeds.rounding import price_step, problem, round_price, round_quantity, wire_text

FILE = "usdm_exchangeInfo_20260331_705symbols.json.gz"
PRICES = st.floats(1e-7, 1e7)
QUANTITIES = st.floats(0.0, 1e9)
SIZE_DECIMALS = st.integers(0, 5)


@cache
def instruments() -> tuple[Instrument, ...]:
    return tuple(listed(gzip.decompress((recorded("binance_exchange_info") / FILE).read_bytes())).values())


def hyperliquid(size_decimals: int) -> Instrument:
    step = 10.0**-size_decimals
    return Instrument(
        symbol="X", tick_size=10.0 ** (size_decimals - 6), step_size=step, min_qty=step, min_notional_usd=10.0, perpetual=True,
        size_decimals=size_decimals,
    )  # fmt: skip


def noise(value: float) -> Decimal:
    return Decimal(5.0 * math.ulp(value))  # four of the float, and the half of one that its text may be off


@pytest.mark.recorded
def test_all_listed_symbols_are_there() -> None:
    assert len(instruments()) == 705
    assert {known.tick_size for known in instruments()} >= {0.1, 1e-7, 0.0}


@pytest.mark.recorded
@given(st.data(), QUANTITIES)
def test_a_quantity_is_on_the_grid_and_never_more_than_was_meant(data: st.DataObject, qty: float) -> None:
    known = data.draw(st.sampled_from(instruments()))
    result = round_quantity(known, qty)
    step, exact = Decimal(repr(known.step_size)), Decimal(repr(qty))
    assert result % step == 0
    assert result <= exact + noise(qty)
    if Decimal(repr(known.min_qty)) <= exact <= Decimal(repr(known.max_qty)):
        assert exact - result < step
    assert result == 0 or Decimal(repr(known.min_qty)) <= result <= Decimal(repr(known.max_qty))
    assert round_quantity(known, float(result)) == result


@pytest.mark.recorded
@given(st.data(), PRICES, st.booleans())
def test_a_price_goes_to_the_passive_side(data: st.DataObject, price: float, buy: bool) -> None:
    known = data.draw(st.sampled_from(instruments()))
    tick, exact = Decimal(repr(known.tick_size)), Decimal(repr(price))
    assume(not buy or exact >= tick)
    result = round_price(known, price, buy=buy)
    assert result > 0
    assert tick == 0 or result % tick == 0
    away = exact - result if buy else result - exact
    assert -noise(price) <= away < (tick or Decimal(1))
    assert round_price(known, float(result), buy=buy) == result


@pytest.mark.recorded
@given(st.data(), st.integers(1, 10**7))
def test_float_arithmetic_on_the_grid_stays_where_it_was(data: st.DataObject, steps: int) -> None:
    """A multiple that went through floats is that multiple, on both sides: 3 × 0.1 is 0.3."""
    known = data.draw(st.sampled_from(instruments()))
    assume(known.tick_size > 0.0)
    for value in (
        steps * known.tick_size,
        steps / round(1 / known.tick_size) if known.tick_size < 1 else steps * known.tick_size,
    ):
        for buy in (True, False):
            assert round_price(known, value, buy=buy) == steps * Decimal(repr(known.tick_size))


@pytest.mark.recorded
@given(st.data(), PRICES, QUANTITIES, st.booleans())
def test_what_was_rounded_breaks_at_most_the_notional_rule(data: st.DataObject, price: float, qty: float, buy: bool) -> None:
    known = data.draw(st.sampled_from(instruments()))
    assume(not buy or price >= known.tick_size)
    rounded, size = round_price(known, price, buy=buy), round_quantity(known, qty)
    assume(size > 0)
    assert problem(known, rounded, size, reduce_only=True) == ""
    small = rounded * size < Decimal(repr(known.min_notional_usd))
    assert problem(known, rounded, size).startswith("notional: was") == small


def valid_by_its_text(text: str, size_decimals: int) -> bool:
    """The venue's rule, said another way: whole numbers always, else five figures and few enough decimals."""
    whole, _, decimals = text.partition(".")
    figures = (whole + decimals).lstrip("0")
    return not decimals or (len(figures) <= 5 and len(decimals) <= 6 - size_decimals)


@given(SIZE_DECIMALS, PRICES, st.booleans())
@example(1, 1234.56, True)
@example(5, 99999.96, False)
@example(0, 9.99996, False)
@example(1, 0.012349, False)
@example(2, 123456.7, True)
def test_a_price_on_hyperliquid_has_five_figures_or_none_after_the_point(size_decimals: int, price: float, buy: bool) -> None:
    known = hyperliquid(size_decimals)
    step = price_step(known, price)
    assume(not buy or Decimal(repr(price)) >= step)
    result = round_price(known, price, buy=buy)
    assert valid_by_its_text(wire_text(result), size_decimals)
    away = Decimal(repr(price)) - result if buy else result - Decimal(repr(price))
    assert -noise(price) <= away < step
    assert round_price(known, float(result), buy=buy) == result
    if away > noise(price):  # and nothing nearer would have been taken
        nearer = result + step if buy else result - step / 10
        assert (nearer > Decimal(repr(price))) if buy else not valid_by_its_text(wire_text(nearer), size_decimals)


@pytest.mark.parametrize(
    ("price", "size_decimals", "taken"),
    [("1234.5", 1, True), ("1234.56", 1, False), ("0.001234", 1, False), ("0.01234", 1, True), ("123456", 5, True)],
)
def test_the_examples_of_the_venue(price: str, size_decimals: int, *, taken: bool) -> None:
    assert (problem(hyperliquid(size_decimals), Decimal(price), Decimal(10_000)) == "") == taken


@given(SIZE_DECIMALS, QUANTITIES)
def test_a_quantity_on_hyperliquid_has_few_enough_decimals(size_decimals: int, qty: float) -> None:
    text = wire_text(round_quantity(hyperliquid(size_decimals), qty))
    assert len(text.partition(".")[2]) <= size_decimals
    assert "E" not in text
    assert text == "0" or not text.startswith("00")


@pytest.mark.parametrize("qty", [-1.0, math.nan, math.inf])
def test_no_quantity_at_all_is_refused(qty: float) -> None:
    with pytest.raises(OutOfRange, match="quantity: was"):
        round_quantity(hyperliquid(2), qty)


@pytest.mark.parametrize(("price", "buy"), [(0.0, True), (-1.0, False), (math.nan, True), (math.inf, False), (1e-9, True)])
def test_a_price_the_venue_cannot_take_is_refused(price: float, *, buy: bool) -> None:
    with pytest.raises(OutOfRange, match="price: was"):
        round_price(hyperliquid(0), price, buy=buy)
