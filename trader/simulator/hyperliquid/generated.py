"""The generated market in the words of Hyperliquid: the same order flow, told in blocks and whole books."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from shared.clock import NS_PER_MS
from trader.simulator.generated import GeneratedSource
from trader.simulator.hyperliquid.facts import ASSETS, BOOK_EVERY_NS, FULL_LEVELS, OTHER_ASSET
from trader.simulator.hyperliquid.flow import Rhythm
from trader.simulator.hyperliquid.wire import Book, Level, Quote, Side, Told, Trade, digest, made_up_users, number, told
from trader.simulator.source import Frame, Market
from trader.simulator.streams import kind_of, symbol_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trader.simulator.klines import Bar

_TRADE_ID_BITS = 50
_MOST_ORDERS = 12  # of one level


class _Trade(msgspec.Struct):
    t: int
    p: str
    q: str
    m: bool


class _Ticker(msgspec.Struct):
    b: str
    B: str
    a: str
    A: str


class _Depth(msgspec.Struct):
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class GeneratedOrigin:
    """A seeded market; see :class:`trader.simulator.hyperliquid.flow.Origin`.

    Parameters
    ----------
    coins
        Names as the venue spells them.
    seed, start_ns, duration_s
        As of :class:`trader.simulator.generated.GeneratedSource`.
    """

    mode = "generated"

    def __init__(self, coins: Sequence[str], seed: int, start_ns: int, duration_s: float | None = None) -> None:
        self._source = GeneratedSource(Market.HYPERLIQUID, coins, seed, start_ns, duration_s)
        self.sz_decimals = {coin: ASSETS.get(coin, OTHER_ASSET)[0] for coin in coins}
        self.native = {f"{channel}:{coin}" for coin in coins for channel in ("l2Book", "bbo", "trades")}
        self._coins = {coin.upper(): coin for coin in coins}
        self._trades: dict[str, list[Trade]] = {coin: [] for coin in coins}
        self._tops: dict[str, _Ticker] = {}
        self._books = Rhythm(BOOK_EVERY_NS)
        self.first = [told(start_ns, "l2Book", coin, self._book(coin, start_ns // NS_PER_MS)) for coin in coins]

    def history(self, coin: str) -> Sequence[Bar]:
        """Return the four hours before the start."""
        return [replace(bar) for bar in self._source.bars(coin)]

    def items(self) -> Iterator[Told]:
        """Yield blocks of 100 ms: trades, then the quotes that changed; and all books in their rhythm."""
        for frame in self._source.items():
            if not isinstance(frame, Frame):
                continue
            coin, kind = self._coins[symbol_of(frame.stream)], kind_of(frame.stream)
            if kind == "trade":
                self._trades[coin].append(_trade(coin, frame))
            elif kind == "bookTicker":
                self._tops[coin] = msgspec.json.decode(frame.payload, type=_Ticker)
            elif kind == "depth":  # at the end of a step: now the books are what the tickers say
                yield from self._block(frame.ns)

    def _block(self, ns: int) -> Iterator[Told]:
        ms = ns // NS_PER_MS
        for coin, trades in self._trades.items():
            if trades:
                for trade in trades:
                    trade.time = ms  # the trades of a block share its time
                yield told(ns, "trades", coin, list(trades))
                trades.clear()
        for coin, top in self._tops.items():
            levels = _level(coin, top.b, top.B), _level(coin, top.a, top.A)
            yield told(ns, "bbo", coin, Quote(coin, ms, levels))
        self._tops.clear()
        if self._books.due(ns):
            for coin in self.sz_decimals:
                yield told(ns, "l2Book", coin, self._book(coin, ms))

    def _book(self, coin: str, ms: int) -> Book:
        depth = msgspec.json.decode(self._source.depth(coin, FULL_LEVELS), type=_Depth)
        bids: Side = [_level(coin, price, qty) for price, qty in depth.bids]
        asks: Side = [_level(coin, price, qty) for price, qty in depth.asks]
        return Book(coin, ms, (bids, asks))


def _trade(coin: str, frame: Frame) -> Trade:
    seen = msgspec.json.decode(frame.payload, type=_Trade)
    made_up = digest(coin, seen.t, "trade")
    trade_id = int.from_bytes(made_up[:8], "big") >> (64 - _TRADE_ID_BITS)
    side = "A" if seen.m else "B"
    return Trade(coin, side, number(seen.p), number(seen.q), 0, trade_id, "0x" + made_up.hex(), made_up_users(coin, seen.t))


def _level(coin: str, price: str, qty: str) -> Level:
    orders = 1 + digest(coin, price, qty)[0] % _MOST_ORDERS  # nobody counts orders here; a field that is always 1 hides mistakes
    return Level(number(price), number(qty), orders)
