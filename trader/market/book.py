"""The order book of one symbol: two sorted arrays whose best level stands last, so that changes near the touch move little.

Row 0 holds bids keyed by price, row 1 asks keyed by minus the price: one code serves both sides.
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled, move_elements
from shared.layout import BOOK_LEVELS_SHOWN

BIDS = 0
ASKS = 1

_FEW = 16  # so many levels are counted through: the processor does that at once, halving further it would guess


@compiled
def clear_book(symbol: Any) -> None:
    """Forget every level."""
    symbol.book_count[BIDS] = 0
    symbol.book_count[ASKS] = 0


@compiled
def _lower_bound(keys: Any, count: int, key: float) -> int:
    """Return how many keys are below ``key``. Without a branch on the data: where an update falls cannot be foreseen."""
    low = 0
    left = count
    while left > _FEW:
        half = left >> 1
        low += half if keys[low + half - 1] < key else 0
        left -= half
    below = 0
    for i in range(low, low + left):
        below += 1 if keys[i] < key else 0
    return low + below


@compiled
def set_level(symbol: Any, side: int, price_usd: float, qty: float) -> None:
    """Set one level; quantity 0 removes it. A full side drops its worst level for a better one."""
    key = price_usd if side == BIDS else -price_usd
    keys = symbol.book_key[side]
    qtys = symbol.book_qty[side]
    count = symbol.book_count[side]
    at = _lower_bound(keys, count, key)
    known = at < count and keys[at] == key
    if qty <= 0.0:
        if known:
            move_elements(keys, at, at + 1, count - 1 - at)
            move_elements(qtys, at, at + 1, count - 1 - at)
            symbol.book_count[side] = count - 1
        return
    if known:
        qtys[at] = qty
    elif count < len(keys):
        move_elements(keys, at + 1, at, count - at)
        move_elements(qtys, at + 1, at, count - at)
        keys[at] = key
        qtys[at] = qty
        symbol.book_count[side] = count + 1
    elif at > 0:  # full: everything below moves down over the worst
        move_elements(keys, 0, 1, at - 1)
        move_elements(qtys, 0, 1, at - 1)
        keys[at - 1] = key
        qtys[at - 1] = qty


@compiled
def best_price(symbol: Any, side: int) -> float:
    """Return the best price of a side, or 0.0 if it is empty."""
    count = symbol.book_count[side]
    return 0.0 if count == 0 else abs(symbol.book_key[side, count - 1])


@compiled
def is_crossed(symbol: Any) -> bool:
    """Say whether the best bid is at or above the best ask (or a side is empty): nothing to trade on."""
    bid = best_price(symbol, BIDS)
    ask = best_price(symbol, ASKS)
    return bid <= 0.0 or ask <= 0.0 or bid >= ask


@compiled
def level_qty(symbol: Any, side: int, price_usd: float) -> float:
    """Return the quantity shown at a price, 0.0 if there is none."""
    key = price_usd if side == BIDS else -price_usd
    count = symbol.book_count[side]
    at = _lower_bound(symbol.book_key[side], count, key)
    return float(symbol.book_qty[side, at]) if at < count and symbol.book_key[side, at] == key else 0.0


@compiled
def photograph(symbol: Any, time_ns: int) -> None:
    """Keep the top levels as the newest of three snapshots."""
    symbol.books[0] = symbol.books[1]
    symbol.books[1] = symbol.books[2]
    shot = symbol.books[2]
    shot.time_ns = time_ns
    for i in range(BOOK_LEVELS_SHOWN):
        bid = symbol.book_count[BIDS] - 1 - i
        ask = symbol.book_count[ASKS] - 1 - i
        shot.bid_price_usd[i] = symbol.book_key[BIDS, bid] if bid >= 0 else 0.0
        shot.bid_qty[i] = symbol.book_qty[BIDS, bid] if bid >= 0 else 0.0
        shot.ask_price_usd[i] = -symbol.book_key[ASKS, ask] if ask >= 0 else 0.0
        shot.ask_qty[i] = symbol.book_qty[ASKS, ask] if ask >= 0 else 0.0
