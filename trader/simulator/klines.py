"""One-minute bars folded from trades, and their REST and stream forms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE_MS = 60_000
_ZERO = Decimal(0)
_EIGHT_PLACES = Decimal("1E-8")

#: Intervals the server can build out of minutes; weeks and months do not start on a multiple of their length.
INTERVAL_MINUTES = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30,
    "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480, "12h": 720, "1d": 1440,
}  # fmt: skip


@dataclass(slots=True)
class Bar:
    """One candle. Prices and volumes are decimals with the venue's own number of places."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = _ZERO
    quote_volume: Decimal = _ZERO
    trades: int = 0
    taker_base: Decimal = _ZERO
    taker_quote: Decimal = _ZERO
    first_id: int = -1
    last_id: int = -1
    minutes: int = 1

    @property
    def close_ms(self) -> int:
        """Last millisecond of the bar."""
        return self.open_ms + self.minutes * MINUTE_MS - 1

    def row(self) -> list[object]:
        """Return the twelve REST fields."""
        prices = (self.open, self.high, self.low, self.close, self.volume)
        tail = (self.taker_base, self.taker_quote)
        head: list[object] = [self.open_ms, *(f"{value:f}" for value in prices), self.close_ms]
        return [*head, f"{self.quote_volume:f}", self.trades, *(f"{value:f}" for value in tail), "0"]


def quote_value(price: Decimal, qty: Decimal) -> Decimal:
    """Multiply, with no more places than the venue prints."""
    value = price * qty
    return value.quantize(_EIGHT_PLACES) if int(value.as_tuple().exponent) < -8 else value


class MinuteBars:
    """Bars of one symbol, grown by its trades; minutes without a trade become flat bars."""

    def __init__(self, history: Iterable[Bar] = ()) -> None:
        self.bars = list(history)

    def add(self, time_ms: int, trade_id: int, price: Decimal, qty: Decimal, *, buyer_is_maker: bool) -> Bar | None:
        """Fold one trade in; return the bar that it closed, if any. ``price`` in quote, ``qty`` in base units."""
        open_ms = time_ms - time_ms % MINUTE_MS
        closed = self._roll(open_ms, price)
        bar = self.bars[-1]
        bar.high, bar.low, bar.close = max(bar.high, price), min(bar.low, price), price
        value = quote_value(price, qty)
        bar.volume, bar.quote_volume, bar.trades = bar.volume + qty, bar.quote_volume + value, bar.trades + 1
        if not buyer_is_maker:
            bar.taker_base, bar.taker_quote = bar.taker_base + qty, bar.taker_quote + value
        bar.first_id = trade_id if bar.first_id < 0 else bar.first_id
        bar.last_id = trade_id
        return closed

    def _roll(self, open_ms: int, price: Decimal) -> Bar | None:
        if not self.bars:
            self.bars.append(Bar(open_ms, price, price, price, price))
            return None
        last = self.bars[-1]
        if open_ms <= last.open_ms:  # a late trade stays in the open bar
            return None
        for flat_ms in range(last.open_ms + MINUTE_MS, open_ms, MINUTE_MS):
            self.bars.append(Bar(flat_ms, last.close, last.close, last.close, last.close))
        self.bars.append(Bar(open_ms, price, price, price, price))
        return last


def aggregate(bars: Iterable[Bar], minutes: int) -> list[Bar]:
    """Join one-minute bars into bars of ``minutes``, aligned to UTC."""
    out: list[Bar] = []
    span_ms = minutes * MINUTE_MS
    for bar in bars:
        open_ms = bar.open_ms - bar.open_ms % span_ms
        if not out or out[-1].open_ms != open_ms:
            out.append(replace(bar, open_ms=open_ms, minutes=minutes))
            continue
        into = out[-1]
        into.high, into.low, into.close = max(into.high, bar.high), min(into.low, bar.low), bar.close
        into.volume += bar.volume
        into.quote_volume += bar.quote_volume
        into.trades += bar.trades
        into.taker_base += bar.taker_base
        into.taker_quote += bar.taker_quote
        into.first_id = bar.first_id if into.first_id < 0 else into.first_id
        into.last_id = max(into.last_id, bar.last_id)
    return out
