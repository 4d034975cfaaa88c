"""Prices and fees of the paper exchange. A market order walks the visible book, never beats the touch, then pays slippage.

What it takes is remembered until the venue shows the level anew, so that the same displayed size is not filled twice.
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from trader.engine.state import COMMISSION, MAKER, SLIPPAGE, TAKEN_LEVELS
from trader.market.book import ASKS, BIDS, is_crossed
from trader.market.levels import best_place, worse_place
from trader.market.tape import mark_price

BPS = 1e-4
LIQUIDATION_FEE_BPS = 100.0  # what a venue keeps of a position it has to close


@compiled
def touch_price(symbol: Any, side: int) -> float:
    """Return the price a taker of ``side`` (+1 buys) meets first; the last trade where there is no quote."""
    if 0.0 < symbol.bid_price_usd < symbol.ask_price_usd:
        return float(symbol.ask_price_usd if side > 0 else symbol.bid_price_usd)
    return mark_price(symbol)


@compiled
def _taken_qty(symbol: Any, key: float) -> float:
    """Return how much of a level we have taken already."""
    for i in range(symbol.taken.count):
        if symbol.taken.key[i] == key:
            return float(symbol.taken.qty[i])
    return 0.0


@compiled
def _take(symbol: Any, key: float, qty: float) -> None:
    taken = symbol.taken
    for i in range(taken.count):
        if taken.key[i] == key:
            taken.qty[i] += qty
            return
    if taken.count < TAKEN_LEVELS:
        taken.key[taken.count] = key
        taken.qty[taken.count] = qty
        taken.count += 1


@compiled
def show_anew(symbol: Any, side: int, price_usd: float) -> None:
    """Forget what was taken of a level: the venue has said what stands there now."""
    taken = symbol.taken
    key = -price_usd if side == BIDS else price_usd
    for i in range(taken.count):
        if taken.key[i] == key:
            taken.count -= 1
            taken.key[i] = taken.key[taken.count]
            taken.qty[i] = taken.qty[taken.count]
            return


@compiled
def walk(symbol: Any, side: int, qty: float, limit_usd: float) -> tuple[float, float]:
    """Take up to ``qty`` from the book as a taker of ``side``; return (quantity, cost in USD).

    ``limit_usd`` 0 is a market order: what the visible levels do not hold then costs the worst level seen.
    """
    levels = symbol.sides[ASKS if side > 0 else BIDS]
    left = qty
    paid_usd = 0.0
    price = 0.0
    page, at = best_place(levels)
    while page >= 0 and left > 0.0:
        level = abs(levels.key[page, at])
        if limit_usd > 0.0 and (level - limit_usd) * side > 0.0:
            break
        price = level
        key = price * side
        taken = min(left, max(levels.qty[page, at] - _taken_qty(symbol, key), 0.0))
        if taken > 0.0:
            _take(symbol, key, taken)
        paid_usd += taken * price
        left -= taken
        page, at = worse_place(levels, page, at)
    if limit_usd > 0.0:
        return qty - left, paid_usd
    return qty, paid_usd + left * price


@compiled
def market_price(symbol: Any, side: int, qty: float) -> float:
    """Return the average price of a market order before slippage, and remember what it took.

    The book may lag the quote by a depth interval: the worse of both is taken, so paper never beats the market.
    """
    touch = touch_price(symbol, side)
    if not symbol.book_valid or is_crossed(symbol):
        return touch
    _, cost_usd = walk(symbol, side, qty, 0.0)
    walked = cost_usd / qty
    return max(walked, touch) if side > 0 else min(walked, touch)


@compiled
def slipped(state: Any, price_usd: float, side: int) -> float:
    """Return the price after slippage: higher for a buyer, lower for a seller."""
    return float(price_usd * (1.0 + side * state.controls.values[SLIPPAGE] * BPS))


@compiled
def commission_usd(state: Any, notional_usd: float) -> float:
    """Return the fee of a taker."""
    return float(abs(notional_usd) * state.controls.values[COMMISSION] * BPS)


@compiled
def maker_usd(state: Any, notional_usd: float) -> float:
    """Return the fee of a maker; negative is a rebate."""
    return float(abs(notional_usd) * state.controls.values[MAKER] * BPS)
