"""A book in fewer significant figures: bids rounded down, asks up, sizes and orders added."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from trader.simulator.hyperliquid.facts import FULL_LEVELS
from trader.simulator.hyperliquid.wire import Book, Level, Side, number


def aggregated(book: Book, figures: int | None, mantissa: int | None) -> Book:
    """Return ``book`` with prices of ``figures`` significant figures (None: as it is), the last a multiple of ``mantissa``."""
    if figures is None:
        return book
    bids, asks = (
        _side(side, figures, mantissa or 1, rounding)
        for side, rounding in zip(book.levels, (ROUND_FLOOR, ROUND_CEILING), strict=True)
    )
    return Book(book.coin, book.time, (bids, asks))


def _side(levels: Side, figures: int, mantissa: int, rounding: str) -> Side:
    joined: dict[Decimal, tuple[Decimal, int]] = {}
    for level in levels:
        price = Decimal(level.px)
        step = Decimal(mantissa).scaleb(price.adjusted() - figures + 1)
        coarse = (price / step).to_integral_value(rounding) * step
        size, orders = joined.get(coarse, (Decimal(0), 0))
        joined[coarse] = (size + Decimal(level.sz), orders + level.n)
    return [Level(number(f"{price:f}"), number(f"{size:f}"), n) for price, (size, n) in list(joined.items())[:FULL_LEVELS]]
