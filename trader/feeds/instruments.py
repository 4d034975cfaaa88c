"""What a venue says about an instrument, in the terms the engine needs."""

from __future__ import annotations

import msgspec


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable instrument. Prices are multiples of ``tick_size``, quantities of ``step_size``."""

    symbol: str
    tick_size: float
    step_size: float
    min_qty: float
    min_notional_usd: float
    perpetual: bool
