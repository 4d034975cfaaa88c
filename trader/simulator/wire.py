"""Generated events in the venue's words: payload bytes per market, key order and number style as on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from trader.simulator.source import Market

if TYPE_CHECKING:
    from trader.simulator.klines import Bar
    from trader.simulator.spec import SymbolSpec

Levels = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Print:
    """One trade print: ids, price in ticks, size in steps, and whether the taker sold."""

    trade_id: int
    tick: int
    lots: int
    buyer_is_maker: bool


class Wire:
    """Payloads of one symbol.

    Parameters
    ----------
    market
        Decides which fields there are; futures frames carry ``st`` and ``ps`` as since 2026-06-30.
    spec
        Names and number formats.
    """

    def __init__(self, market: Market, spec: SymbolSpec) -> None:
        self._spot = market is Market.SPOT
        self._spec = spec

    def trade(self, ms: int, hit: Print) -> bytes:
        """Build a ``trade`` payload; ``ms`` is both event and trade time."""
        price, qty, maker = self._spec.price_text(hit.tick), self._spec.qty_text(hit.lots), _bool(hit.buyer_is_maker)
        s = self._spec.symbol
        if self._spot:
            text = (
                f'{{"e":"trade","E":{ms},"s":"{s}","t":{hit.trade_id},"p":"{price}","q":"{qty}","T":{ms},"m":{maker},"M":true}}'
            )
        else:
            text = (
                f'{{"e":"trade","E":{ms},"T":{ms},"s":"{s}","t":{hit.trade_id},"p":"{price}","q":"{qty}",'
                f'"X":"MARKET","m":{maker},"st":1}}'
            )
        return text.encode()

    def agg_trade(self, ms: int, agg_id: int, first_id: int, total: Print) -> bytes:
        """Build an ``aggTrade`` payload over trades ``first_id`` to ``total.trade_id``."""
        price, qty, maker = self._spec.price_text(total.tick), self._spec.qty_text(total.lots), _bool(total.buyer_is_maker)
        head = f'{{"e":"aggTrade","E":{ms},"a":{agg_id},"s":"{self._spec.symbol}","p":"{price}","q":"{qty}",'
        if self._spot:
            head = f'{{"e":"aggTrade","E":{ms},"s":"{self._spec.symbol}","a":{agg_id},"p":"{price}","q":"{qty}",'
        extra = "" if self._spot else f'"nq":"{qty}",'
        tail = '"M":true}' if self._spot else '"st":1}'
        return f'{head}{extra}"f":{first_id},"l":{total.trade_id},"T":{ms},"m":{maker},{tail}'.encode()

    def book_ticker(self, ms: int, update_id: int, top: tuple[int, int, int, int]) -> bytes:
        """Build a ``bookTicker`` payload of ``top`` = (bid tick, bid lots, ask tick, ask lots)."""
        spec = self._spec
        sides = (
            f'"b":"{spec.price_text(top[0])}","B":"{spec.qty_text(top[1])}",'
            f'"a":"{spec.price_text(top[2])}","A":"{spec.qty_text(top[3])}"'
        )
        if self._spot:
            return f'{{"u":{update_id},"s":"{spec.symbol}",{sides}}}'.encode()
        head = f'{{"e":"bookTicker","u":{update_id},"s":"{spec.symbol}","ps":"{spec.symbol}",'
        return f'{head}{sides},"T":{ms},"E":{ms},"st":1}}'.encode()

    def depth_update(self, ms: int, ids: tuple[int, int, int], bids: Levels, asks: Levels) -> bytes:
        """Build a ``depthUpdate`` payload; ``ids`` = (first, final, previous final)."""
        first, final, previous = ids
        s, sides = self._spec.symbol, f'"b":{self._levels(bids)},"a":{self._levels(asks)}'
        if self._spot:
            return f'{{"e":"depthUpdate","E":{ms},"s":"{s}","U":{first},"u":{final},{sides}}}'.encode()
        head = f'{{"e":"depthUpdate","E":{ms},"T":{ms},"s":"{s}","ps":"{s}","U":{first},"u":{final},"pu":{previous},'
        return f'{head}{sides},"st":1}}'.encode()

    def snapshot(self, ms: int, update_id: int, bids: Levels, asks: Levels) -> bytes:
        """Build the REST depth body."""
        stamps = "" if self._spot else f'"E":{ms},"T":{ms},'
        sides = f'"bids":{self._levels(bids)},"asks":{self._levels(asks)}'
        return f'{{"lastUpdateId":{update_id},{stamps}{sides}}}'.encode()

    def mark_price(self, ms: int, mark: str, index: str, next_funding_ms: int) -> bytes:
        """Build a ``markPriceUpdate`` payload; the funding rate is the venue's default 0.01 %."""
        prices = f'"p":"{mark}","ap":"{mark}","P":"{mark}","i":"{index}","r":"0.00010000"'
        head = f'{{"e":"markPriceUpdate","E":{ms},"s":"{self._spec.symbol}",'
        return f'{head}{prices},"T":{next_funding_ms},"st":1}}'.encode()

    def kline(self, ms: int, bar: Bar, *, closed: bool) -> bytes:
        """Build a ``kline`` payload of the 1m interval; blanks after commas inside ``k``, as the venue has them."""
        body = {
            "t": bar.open_ms, "T": bar.close_ms, "s": self._spec.symbol, "i": "1m", "f": bar.first_id, "L": bar.last_id,
            "o": f"{bar.open:f}", "c": f"{bar.close:f}", "h": f"{bar.high:f}", "l": f"{bar.low:f}",
            "v": f"{bar.volume:f}", "n": bar.trades, "x": closed, "q": f"{bar.quote_volume:f}",
            "V": f"{bar.taker_base:f}", "Q": f"{bar.taker_quote:f}", "B": "0",
        }  # fmt: skip
        inner = ", ".join(f'"{key}":{msgspec.json.encode(value).decode()}' for key, value in body.items())
        return f'{{"e":"kline","E":{ms},"s":"{self._spec.symbol}","k":{{{inner}}}}}'.encode()

    def _levels(self, levels: Levels) -> str:
        spec = self._spec
        return "[" + ",".join(f'["{spec.price_text(t)}","{spec.qty_text(q)}"]' for t, q in levels) + "]"


def _bool(value: bool) -> str:
    return "true" if value else "false"
