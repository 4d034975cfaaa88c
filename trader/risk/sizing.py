"""How large an entry is: a share of equity, scaled by conviction, capped, and rounded down to what the venue takes."""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from trader.engine.state import BASE_POSITION, MAX_GROSS, MAX_POSITION

CONVICTION = (1.0, 1.0, 1.5, 2.0)  # by strength 0 to 3


@compiled
def entry_qty(symbol: Any, price_usd: float, equity_usd: float) -> float:
    """Return the quantity of an entry in base units, 0.0 if it would be below the venue's minimum."""
    values = symbol.settings.values
    share_pct = min(values[BASE_POSITION] * CONVICTION[int(symbol.strength)], values[MAX_POSITION])
    steps = equity_usd * share_pct / 100.0 / price_usd / symbol.step_size
    qty = math.floor(steps + 1e-9) * symbol.step_size  # the hair makes 0.3 / 0.1 count as 3 steps, not 2
    return qty if qty * price_usd >= symbol.min_notional_usd else 0.0


@compiled
def gross_allows(state: Any, gross_usd: float, notional_usd: float, equity_usd: float) -> bool:
    """Say whether all positions together, with the new one, stay under the cap."""
    return bool(gross_usd + notional_usd <= equity_usd * state.controls.values[MAX_GROSS] / 100.0)
