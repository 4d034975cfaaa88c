"""The paper exchange: a market order walks the visible book, never beats the touch, then pays slippage and commission."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from trader.engine.state import COMMISSION, SLIPPAGE
from trader.market.book import ASKS, BIDS, is_crossed, walk
from trader.market.tape import mark_price

BPS = 1e-4


@compiled
def touch_price(symbol: Any, side: int) -> float:
    """Return the price a taker of ``side`` (+1 buys) meets first; the last trade where there is no quote."""
    if 0.0 < symbol.bid_price_usd < symbol.ask_price_usd:
        return float(symbol.ask_price_usd if side > 0 else symbol.bid_price_usd)
    return mark_price(symbol)


@compiled
def market_price(symbol: Any, side: int, qty: float) -> float:
    """Return the average price of a market order before slippage.

    The book may lag the quote by a depth interval: the worse of both is taken, so paper never beats the market.
    """
    touch = touch_price(symbol, side)
    if not symbol.book_valid or is_crossed(symbol):
        return touch
    walked = walk(symbol, ASKS if side > 0 else BIDS, qty)
    return max(walked, touch) if side > 0 else min(walked, touch)


@compiled
def slipped(state: Any, price_usd: float, side: int) -> float:
    """Return the price after slippage: higher for a buyer, lower for a seller."""
    return float(price_usd * (1.0 + side * state.controls.values[SLIPPAGE] * BPS))


@compiled
def commission_usd(state: Any, notional_usd: float) -> float:
    """Return the fee of one side."""
    return float(abs(notional_usd) * state.controls.values[COMMISSION] * BPS)
