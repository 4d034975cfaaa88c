"""What a venue says about an instrument, in the terms the engine needs."""

from __future__ import annotations

import msgspec


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable instrument. Prices are multiples of ``tick_size``, quantities of ``step_size``; 0 is no such rule.

    Attributes
    ----------
    min_qty, max_qty
        Bounds of an order's quantity; a ``max_qty`` of 0 is none.
    size_decimals
        Hyperliquid: decimals of a quantity. A price then has at most five significant figures and at most
        ``most_price_decimals`` less these decimals; ``tick_size`` holds only around the price it was asked at. None: elsewhere.
    most_price_decimals
        6 for perpetuals, 8 for spot.
    """

    symbol: str
    tick_size: float
    step_size: float
    min_qty: float
    min_notional_usd: float
    perpetual: bool
    max_qty: float = 0.0
    size_decimals: int | None = None
    most_price_decimals: int = 6
