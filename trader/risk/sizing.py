"""How large an entry is: a share of equity, scaled by conviction and mode, capped, and rounded down to what the venue takes."""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from trader.engine.state import BASE_POSITION, COMMISSION, MAX_POSITION, SLIPPAGE

BPS = 1e-4

CONVICTION = (1.0, 1.0, 1.5, 2.0)  # by strength 0 to 3


@compiled
def wanted_usd(state: Any, symbol: Any, equity_usd: float) -> float:
    """Return the value of an entry before limits; the boldest mode does not lift it over max_position_pct."""
    values = symbol.settings.values
    share_pct = values[BASE_POSITION] * CONVICTION[int(symbol.strength)] * state.size_factor
    return float(max(equity_usd, 0.0) * min(share_pct, values[MAX_POSITION]) / 100.0)


@compiled
def whole_steps(symbol: Any, notional_usd: float, price_usd: float) -> float:
    """Return a quantity in base units rounded down to the venue's steps, 0.0 if it would be below its minimum."""
    steps = notional_usd / price_usd / symbol.step_size
    qty = math.floor(steps + 1e-9) * symbol.step_size  # the hair makes 0.3 / 0.1 count as 3 steps, not 2
    return qty if qty > 0.0 and qty * price_usd >= symbol.min_notional_usd else 0.0


@compiled
def spread_bps(symbol: Any) -> float:
    """Return the spread of the touch, bps of its middle; 0 where there is no quote."""
    bid, ask = symbol.bid_price_usd, symbol.ask_price_usd
    return 1e4 * (ask - bid) / (0.5 * (ask + bid)) if 0.0 < bid < ask else 0.0


@compiled
def round_trip_bps(state: Any, symbol: Any) -> float:
    """Return what it costs to get in and out at the market: slippage and commission twice, and the spread."""
    return float(2.0 * (state.controls.values[SLIPPAGE] + state.controls.values[COMMISSION]) + spread_bps(symbol))


@compiled
def entry_cost(state: Any, symbol: Any) -> float:
    """Return the share of an entry's value at the mark that is lost by entering: half the spread, slippage, commission."""
    controls = state.controls.values
    paid = (1.0 + 0.5 * spread_bps(symbol) * BPS) * (1.0 + controls[SLIPPAGE] * BPS) * (1.0 + controls[COMMISSION] * BPS)
    return float(paid - 1.0)
