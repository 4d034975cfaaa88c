"""A second book beside the engine's, only to see that no update crosses it before the engine is told to believe it.

The chain of ids proves that nothing is missing, not that what came is right: one wrong digit in a price keeps every id.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.compiled import compiled
from shared.layout import INPUT, record
from trader.engine.inputs import ASK, FIRST
from trader.engine.state import BOOK_SIDE
from trader.market.book import ASKS, BIDS, best_price, clear_book, set_level

_BOOK = record(("sides", BOOK_SIDE, (2,)))


@compiled
def _fold(books: Any, rows: Any) -> bool:
    """Apply DEPTH and SNAPSHOT rows as the engine does; say whether the best bid is then at or above the best ask."""
    book = books[0]
    for i in range(len(rows)):
        r = rows[i]
        if r.flags & FIRST:
            clear_book(book)
        if r.a > 0.0:
            set_level(book, 1 if r.flags & ASK else 0, r.a, r.b)
    bid = best_price(book, BIDS)
    ask = best_price(book, ASKS)
    return bool(bid > 0.0 and ask > 0.0 and bid >= ask)


class ShadowBook:
    """One symbol's book, as the engine will have it."""

    def __init__(self) -> None:
        self._book = np.zeros(1, _BOOK)

    def crosses(self, rows: bytearray) -> bool:
        """Apply the packed rows of one update; say whether they leave bids at or above asks. Then only a snapshot helps."""
        return bool(_fold(self._book, np.frombuffer(rows, INPUT))) if rows else False
