"""The small full books: ``depth5``, ``depth10`` and ``depth20``, made of the book whenever its diff is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from shared.clock import NS_PER_MS
from trader.simulator.source import Frame, Market
from trader.simulator.streams import PARTIAL_LEVELS, kind_of, symbol_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trader.simulator.source import Source


class _Book(msgspec.Struct):
    lastUpdateId: int  # noqa: N815 - the venue's own name
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class PartialDepth:
    """Makes the small books that somebody follows.

    Parameters
    ----------
    source
        The market.
    followed
        Whether somebody follows a stream.
    """

    def __init__(self, source: Source, followed: Callable[[str], bool]) -> None:
        self._source = source
        self._followed = followed
        self._last: dict[str, int] = {}

    def frames(self, diff: Frame) -> Iterator[Frame]:
        """Yield the small books that belong to a diff; nothing for any other frame."""
        if kind_of(diff.stream) != "depth":
            return
        symbol = symbol_of(diff.stream)
        for levels in PARTIAL_LEVELS:
            stream = f"{symbol.lower()}@depth{levels}"
            if self._followed(stream):
                book = msgspec.json.decode(self._source.depth(symbol, levels), type=_Book)
                yield Frame(diff.ns, stream, msgspec.json.encode(self._body(symbol, book, diff.ns // NS_PER_MS)))

    def _body(self, symbol: str, book: _Book, ms: int) -> dict[str, object]:
        if self._source.market is Market.SPOT:
            return {"lastUpdateId": book.lastUpdateId, "bids": book.bids, "asks": book.asks}
        # The futures market calls the small book a diff as well: only the stream's name tells them apart.
        previous = self._last.get(symbol, book.lastUpdateId)
        self._last[symbol] = book.lastUpdateId
        ids = {"U": previous, "u": book.lastUpdateId, "pu": previous}
        return {"e": "depthUpdate", "E": ms, "T": ms, "s": symbol, "ps": symbol, **ids, "b": book.bids, "a": book.asks, "st": 1}
