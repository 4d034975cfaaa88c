"""Protection that works without us: stops that rest at the venue, and a switch that cancels the rest when we fall silent.

Every position has a reduce-only stop at the venue at the engine's own stop price, so that a dead trader or network leaves it
protected. It is replaced when the position or the setting changes, the new one first where the venue allows both, and cancelled
when the position is gone. What trails (break-even, profit lock, pullback) stays the engine's: moving it would be an order a tick.

The dead man's switch cancels quotes that nobody watches any more. The venues' switches may take stops as well (Hyperliquid's
does, of Binance's it is not documented), and a stop matters more than a quote: so it is armed only while something rests and no
stop does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trader.engine.state import MARKET_SLOT, STOP
from trader.execution.live.desk import Desk, LiveOrder
from trader.execution.live.journal import OrderState
from trader.execution.live.venue import whole_steps

SAME_PRICE_TICKS = 1.5


class WantedStop(msgspec.Struct, frozen=True):
    """The stop a position should have."""

    side: int
    qty: float
    trigger_usd: float


class StopPlan(msgspec.Struct, frozen=True):
    """What to do about the stops of a symbol now."""

    place: WantedStop | None
    cancel: list[LiveOrder]


def wanted_stop(symbol: Any, tick: float, step: float, *, perpetual: bool) -> WantedStop | None:
    """Return the stop that a symbol of the engine's state should have at the venue, None without a position.

    On spot a resting stop holds the asset that an exit has to sell: it makes way while the engine is closing.
    """
    qty, entry_usd = whole_steps(float(symbol["position_qty"]), step), float(symbol["entry_price_usd"])
    closing = bool(symbol["orders"][MARKET_SLOT]["status"]) and not perpetual
    if qty == 0.0 or entry_usd <= 0.0 or closing:
        return None
    side = 1 if qty > 0.0 else -1
    trigger = entry_usd * (1.0 - side * float(symbol["settings"]["values"][STOP]) / 100.0)
    return WantedStop(-side, abs(qty), round(trigger / tick) * tick if tick > 0.0 else trigger)


def plan_stops(desk: Desk, index: int, want: WantedStop | None, tick: float, step: float, *, perpetual: bool) -> StopPlan:
    """Return which stop to place and which to cancel."""
    stops = desk.stops(index)
    fitting = [stop for stop in stops if want is not None and not stop.cancel_wanted and _fits(stop, want, tick, step)]
    others = [stop for stop in stops if stop not in fitting[:1] and not stop.cancel_wanted]
    replaced = bool(fitting) and fitting[0].state is OrderState.ACCEPTED
    may_cancel = want is None or replaced or not perpetual
    free = perpetual or not stops
    return StopPlan(want if not fitting and free else None, others if may_cancel else [])


def _fits(stop: LiveOrder, want: WantedStop, tick: float, step: float) -> bool:
    request = stop.request
    return (
        request.side == want.side
        and abs(request.qty - want.qty) < 0.5 * step + 1e-12
        and abs(request.trigger_usd - want.trigger_usd) <= SAME_PRICE_TICKS * tick
    )


def switch_wanted(desk: Desk, indices: list[int]) -> bool:
    """Say whether the dead man's switch over these symbols should be armed."""
    orders = [order for order in desk.orders.values() if order.request.symbol in indices]
    rests = any(order.request.limit_usd > 0.0 for order in orders)
    return rests and not any(order.is_stop for order in orders)
