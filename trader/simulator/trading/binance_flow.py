"""Binance market frames as the exchange core takes them: touches, prints and marks, in the order they are sent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from trader.simulator.recorded_book import DepthSnapshot
from trader.simulator.streams import kind_of, symbol_of

if TYPE_CHECKING:
    from trader.simulator.source import Frame, Source
    from trader.simulator.trading.market_view import Levels
    from trader.simulator.trading.venue import TradingVenue

_DEPTH_LIMIT = 500  # levels a taker may walk


class _Ticker(msgspec.Struct):
    b: Decimal
    B: Decimal
    a: Decimal
    A: Decimal


class _Trade(msgspec.Struct):
    p: Decimal
    q: Decimal
    m: bool


class _Mark(msgspec.Struct):
    p: Decimal


def source_levels(source: Source, symbol: str) -> Levels:
    """Return the source's book of ``symbol`` as (price, size) decimals, best first."""
    book = msgspec.json.decode(source.depth(symbol, _DEPTH_LIMIT), type=DepthSnapshot)
    bids = [(Decimal(price), Decimal(size)) for price, size in book.bids]
    return bids, [(Decimal(price), Decimal(size)) for price, size in book.asks]


class BinanceFlow:
    """Feeds a :class:`TradingVenue` with the frames of a source.

    Parameters
    ----------
    source
        Where the frames come from; decides which kinds are read.
    venue
        Takes what the frames say.
    """

    def __init__(self, source: Source, venue: TradingVenue) -> None:
        self._source = source
        self._venue = venue
        kinds = {kind_of(name) for name in source.streams}
        # Where both kinds exist only one may count, or every trade would fill twice.
        self._print_kind = "trade" if "trade" in kinds else "aggTrade"
        self._touch_kind = "bookTicker" if "bookTicker" in kinds else "depth"
        self._ticker = msgspec.json.Decoder(_Ticker).decode
        self._trade = msgspec.json.Decoder(_Trade).decode
        self._mark = msgspec.json.Decoder(_Mark).decode

    def take(self, frame: Frame) -> None:
        """Let one frame work on the venue's orders."""
        symbol, kind = symbol_of(frame.stream), kind_of(frame.stream)
        if not symbol:
            return
        if kind == self._touch_kind:
            self._touch(symbol, frame)
        elif kind == self._print_kind:
            trade = self._trade(frame.payload)
            self._venue.on_print(symbol, trade.p, trade.q, buyer_is_maker=trade.m)
        elif kind == "markPrice":
            self._venue.on_mark(symbol, self._mark(frame.payload).p)
        self._venue.on_time()

    def _touch(self, symbol: str, frame: Frame) -> None:
        if self._touch_kind == "bookTicker":
            ticker = self._ticker(frame.payload)
            self._venue.on_touch(symbol, (ticker.b, ticker.B), (ticker.a, ticker.A))
            return
        bids, asks = source_levels(self._source, symbol)
        self._venue.on_touch(symbol, next(iter(bids), None), next(iter(asks), None))
