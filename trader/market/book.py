"""The order book of one symbol: a side of bids keyed by price, one of asks keyed by minus the price. One code serves both."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.layout import BOOK_LEVELS_SHOWN
from trader.market.levels import best_place, clear, holds, place_of, set_key, worse_place

BIDS = 0
ASKS = 1


@compiled
def clear_book(symbol: Any) -> None:
    """Forget every level."""
    clear(symbol.sides[BIDS])
    clear(symbol.sides[ASKS])


@compiled
def set_level(symbol: Any, side: int, price_usd: float, qty: float) -> None:
    """Set one level; quantity 0 removes it. A full side drops its worst level for a better one."""
    set_key(symbol.sides[side], price_usd if side == BIDS else -price_usd, qty)


@compiled
def best_price(symbol: Any, side: int) -> float:
    """Return the best price of a side, or 0.0 if it is empty."""
    levels = symbol.sides[side]
    return 0.0 if levels.pages == 0 else abs(levels.last[levels.pages - 1])


@compiled
def is_crossed(symbol: Any) -> bool:
    """Say whether the best bid is at or above the best ask (or a side is empty): nothing to trade on."""
    bid = best_price(symbol, BIDS)
    ask = best_price(symbol, ASKS)
    return bid <= 0.0 or ask <= 0.0 or bid >= ask


@compiled
def level_qty(symbol: Any, side: int, price_usd: float) -> float:
    """Return the quantity shown at a price, 0.0 if there is none."""
    levels = symbol.sides[side]
    key = price_usd if side == BIDS else -price_usd
    page, at = place_of(levels, key)
    return float(levels.qty[page, at]) if holds(levels, page, at, key) else 0.0


@compiled
def best_qty(symbol: Any, side: int, most: int) -> float:
    """Return the quantity on the best levels of a side, ``most`` of them."""
    levels = symbol.sides[side]
    total = 0.0
    page, at = best_place(levels)
    for _ in range(min(most, levels.count)):
        total += levels.qty[page, at]
        page, at = worse_place(levels, page, at)
    return total


@compiled
def photograph(symbol: Any, time_ns: int) -> None:
    """Keep the top levels as the newest of three snapshots."""
    symbol.books[0] = symbol.books[1]
    symbol.books[1] = symbol.books[2]
    shot = symbol.books[2]
    shot.time_ns = time_ns
    _photograph_side(symbol.sides[BIDS], shot.bid_price_usd, shot.bid_qty)
    _photograph_side(symbol.sides[ASKS], shot.ask_price_usd, shot.ask_qty)


@compiled
def _photograph_side(levels: Any, prices_usd: Any, qtys: Any) -> None:
    page, at = best_place(levels)
    for i in range(BOOK_LEVELS_SHOWN):
        prices_usd[i] = abs(levels.key[page, at]) if page >= 0 else 0.0
        qtys[i] = levels.qty[page, at] if page >= 0 else 0.0
        page, at = worse_place(levels, page, at)
