"""One asset on several venues, or in several dollars: how far each price is from the others', once a second."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.compiled import compiled
from shared.events import EventKind
from trader.engine.outbox import new_event
from trader.engine.state import MAX_DRIFT
from trader.market.tape import mark_price

_EV_DRIFT = int(EventKind.VENUE_DRIFT)
_BACK = 0.5  # share of the limit below which a venue counts as back: without it the flag would flicker
_NEVER_ABOVE = 1e5


@compiled
def drift_bps(state: Any, index: int) -> float:
    """Return the distance of a price from the median of the same asset on the other venues, bps; 0 if there is none."""
    symbol = state.symbols[index]
    price = mark_price(symbol)
    if symbol.asset == 0 or price <= 0.0 or symbol.stale:
        return 0.0
    others = np.empty(state.n_symbols)
    count = 0
    for i in range(state.n_symbols):
        other = state.symbols[i]
        if i != index and other.asset == symbol.asset and not other.stale and mark_price(other) > 0.0:
            others[count] = mark_price(other)
            count += 1
    if count == 0:
        return 0.0
    middle = float(np.median(others[:count]))
    return min(1e4 * (price / middle - 1.0), _NEVER_ABOVE)


@compiled
def watch_drift(state: Any, box: Any) -> None:
    """Measure every instrument that trades elsewhere too, and tell when one leaves the others or comes back."""
    limit = state.controls.values[MAX_DRIFT]
    for index in range(state.n_symbols):
        symbol = state.symbols[index]
        if symbol.asset == 0:
            continue
        symbol.drift_bps = drift_bps(state, index)
        away = abs(symbol.drift_bps)
        now = 1 if away > limit or (symbol.drifting and away > _BACK * limit) else 0
        if now != symbol.drifting:
            symbol.drifting = now
            event = new_event(state, box, _EV_DRIFT, index)
            event.new = symbol.drift_bps
            event.old = limit
