"""The queue of a resting order: who stands before us, and when we are filled.

Pessimistic: we join behind all that is displayed. Only trades at our price by takers of the other side, and a level that shows
less than stood before us, bring us forward. We are filled by trades that reach us, or when price goes *through* our level; a
quote that merely touches it fills nothing.
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from trader.engine.state import ASK_SLOT, BID_SLOT
from trader.market.book import ASKS, BIDS, level_qty

RESTING = 2


@compiled
def displayed_qty(symbol: Any, side: int, price_usd: float) -> float:
    """Return the quantity shown at a price on the side of a resting order; the touch's where there is no book."""
    if symbol.book_valid:
        return level_qty(symbol, BIDS if side > 0 else ASKS, price_usd)
    touch = symbol.bid_price_usd if side > 0 else symbol.ask_price_usd
    shown = symbol.bid_qty if side > 0 else symbol.ask_qty
    return float(shown) if (touch - price_usd) * side >= 0.0 else 0.0


@compiled
def on_level_shown(symbol: Any, side: int, price_usd: float, qty: float) -> None:
    """Note what a level shows now: never more can stand before us than that."""
    order = symbol.orders[BID_SLOT if side == BIDS else ASK_SLOT]
    if order.status == RESTING and order.limit_usd == price_usd:
        order.queue_qty = min(order.queue_qty, qty)


@compiled
def filled_by_trade(order: Any, price_usd: float, qty: float, seller_took: int) -> float:
    """Return how much of a resting order a public trade fills, and advance its queue."""
    side = int(order.side)
    if order.status != RESTING or (side > 0) != (seller_took != 0):
        return 0.0
    through = (order.limit_usd - price_usd) * side
    if through > 0.0:
        return float(min(order.qty, qty))
    if through < 0.0:
        return 0.0
    reached = qty - order.queue_qty
    order.queue_qty = max(order.queue_qty - qty, 0.0)
    return float(min(order.qty, reached)) if reached > 0.0 else 0.0


@compiled
def gone_through(order: Any, bid_usd: float, ask_usd: float) -> bool:
    """Say whether the quote has left our price behind: we were filled, at our price, at the worst moment."""
    if order.status != RESTING:
        return False
    return bool(0.0 < ask_usd < order.limit_usd) if order.side > 0 else bool(bid_usd > order.limit_usd)
