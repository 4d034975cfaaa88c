"""Prices and quantities as a venue takes them: the one place where floats become decimals, just before an order leaves.

A quantity is never rounded up, a price always to the passive side: a buy lower, a sell higher. A float that *is* a multiple but
for the last bits of its arithmetic (3 × 0.1) is that multiple.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext

from shared.errors import OutOfRange
from trader.feeds.instruments import Instrument

SIGNIFICANT_FIGURES = 5  # Hyperliquid: of a price; whole numbers are always allowed
_NOISE_ULPS = 4.0
_DIGITS = 60  # of intermediate results: more than any price and step can need


def round_quantity(instrument: Instrument, qty: float) -> Decimal:
    """Return the largest quantity the venue takes that is not above ``qty``; 0 if even its least is.

    Errors
    ------
    OutOfRange
        If it is no number, or negative.
    """
    if not 0.0 <= qty < math.inf:
        raise OutOfRange("quantity", qty, "0 or more")
    step = _decimal(instrument.step_size)
    result = _on_grid(qty, step, ROUND_FLOOR)
    if instrument.max_qty > 0.0 and result > _decimal(instrument.max_qty):
        result = _on_grid(instrument.max_qty, step, ROUND_FLOOR)
    return result if result >= _decimal(instrument.min_qty) else Decimal(0)


def round_price(instrument: Instrument, price: float, *, buy: bool) -> Decimal:
    """Return the nearest price the venue takes on the passive side of ``price``.

    Errors
    ------
    OutOfRange
        If there is none: not a price above 0, or a buy below the least one.
    """
    if not 0.0 < price < math.inf:
        raise OutOfRange("price", price, "a price above 0")
    result = _on_grid(price, price_step(instrument, price), ROUND_FLOOR if buy else ROUND_CEILING)
    if result <= 0:
        raise OutOfRange("price", price, f"at least {instrument.tick_size:g}, the least price of {instrument.symbol}")
    return result


def price_step(instrument: Instrument, price: float) -> Decimal:
    """Return the distance between the prices that the venue takes around ``price``; 0: any price is taken."""
    if instrument.size_decimals is None:
        return _decimal(instrument.tick_size)
    magnitude = Decimal(1).scaleb(_decimal(price).adjusted() - (SIGNIFICANT_FIGURES - 1))
    finest = Decimal(1).scaleb(instrument.size_decimals - instrument.most_price_decimals)
    return min(max(magnitude, finest), Decimal(1)) if finest < 1 else Decimal(1)


def problem(instrument: Instrument, price: Decimal, qty: Decimal, *, reduce_only: bool = False) -> str:
    """Return why the venue would not take an order, in words that name the rule; "" if it would."""
    step = price_step(instrument, float(price)) if price > 0 else Decimal(0)
    if price <= 0 or (step and _remainder(price, step)):
        return f"price: was {price}, expected a multiple of {step}"
    if qty <= 0 or (instrument.step_size and _remainder(qty, _decimal(instrument.step_size))):
        return f"quantity: was {qty}, expected a multiple of {instrument.step_size:g} above 0"
    if qty < _decimal(instrument.min_qty):
        return f"quantity: was {qty}, expected at least {instrument.min_qty:g}"
    if instrument.max_qty > 0.0 and qty > _decimal(instrument.max_qty):
        return f"quantity: was {qty}, expected at most {instrument.max_qty:g}"
    if not reduce_only and price * qty < _decimal(instrument.min_notional_usd):
        return f"notional: was {price * qty} USD, expected at least {instrument.min_notional_usd:g}"
    return ""


def wire_text(value: Decimal) -> str:
    """Return a number as an order carries it: no exponent, no trailing zeros (Hyperliquid signs the text itself)."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: float) -> Decimal:
    """Return the decimal a person would read: 0.1 and not its binary neighbour."""
    return Decimal(repr(float(value)))


def _on_grid(value: float, step: Decimal, rounding: str) -> Decimal:
    with localcontext(prec=_DIGITS):
        exact = _decimal(value)
        if not step:
            return exact
        nearest = (exact / step).to_integral_value(ROUND_HALF_EVEN) * step
        if abs(float(nearest) - value) <= _NOISE_ULPS * math.ulp(value):
            return nearest
        return (exact / step).to_integral_value(rounding) * step


def _remainder(value: Decimal, step: Decimal) -> Decimal:
    with localcontext(prec=_DIGITS):
        return value % step
