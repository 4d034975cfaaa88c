"""What trading costs at a venue."""

from __future__ import annotations

import msgspec


class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """Costs of one side of a trade, basis points of its value; slippage is what a small market order of a liquid pair loses."""

    maker_bps: float
    taker_bps: float
    slippage_bps: float
