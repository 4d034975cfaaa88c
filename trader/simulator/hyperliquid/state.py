"""What the venue knows at the present moment: books, quotes, the last trades, candles. Fed by the flow, asked by everybody."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from trader.simulator.hyperliquid.facts import (
    CANDLE_MS,
    FULL_LEVELS,
    FUNDING_BEGAN_MS,
    FUNDING_RATE,
    HOUR_MS,
    MOST_CANDLES,
    MOST_FUNDINGS,
    PREMIUM,
    REPLAYED_TRADES,
)
from trader.simulator.hyperliquid.wire import Book, Candle, Level, Quote, Trade, number
from trader.simulator.klines import MINUTE_MS, Bar, MinuteBars

if TYPE_CHECKING:
    from collections.abc import Iterable

_REMEMBERED = 2_000
_ORACLE_SHARE = Decimal("1.0001")  # the oracle stands a basis point above the mid: two numbers that must not be mixed up


class CoinState:
    """One coin.

    Parameters
    ----------
    name
        As the venue spells it.
    history
        Minutes before the start, oldest first.
    """

    def __init__(self, name: str, history: Iterable[Bar] = ()) -> None:
        self.name = name
        self.book = Book(name, 0, ([], []))
        self.quote: Quote | None = None
        self.trades: deque[Trade] = deque(maxlen=REPLAYED_TRADES)
        self.bars = MinuteBars(history)
        self._seen: dict[tuple[int, int], None] = {}
        self.traded_usd = Decimal(0)
        self.traded = Decimal(0)

    def see_trades(self, trades: Iterable[Trade]) -> None:
        """Take trades; one that is told again counts once."""
        for trade in trades:
            key = (trade.time, trade.tid)
            if key in self._seen:
                continue
            self._seen[key] = None
            self.trades.append(trade)
            price, qty = Decimal(trade.px), Decimal(trade.sz)
            self.bars.add(trade.time, trade.tid, price, qty, buyer_is_maker=trade.side == "A")
            self.traded += qty
            self.traded_usd += price * qty
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def top(self) -> tuple[Level | None, Level | None]:
        """Return the best bid and ask: of the newest of quote and book."""
        if self.quote is not None and self.quote.time >= self.book.time:
            return self.quote.bbo
        bids, asks = self.book.levels
        return bids[0] if bids else None, asks[0] if asks else None

    def mid(self) -> Decimal | None:
        """Return the middle of the touch; None without one."""
        bid, ask = self.top()
        if bid is None or ask is None:
            return None
        return (Decimal(bid.px) + Decimal(ask.px)) / 2

    def context(self) -> dict[str, object]:
        """Return the figures of ``activeAssetCtx``; derived from the mid, since no recording has them."""
        mid = self.mid()
        bid, ask = self.top()
        last = self.bars.bars[-1].close if self.bars.bars else mid
        oracle = None if mid is None else round(mid * _ORACLE_SHARE, 6)
        return {
            "funding": FUNDING_RATE,
            "openInterest": number(f"{self.traded:f}"),
            "prevDayPx": number(f"{self.bars.bars[0].open if self.bars.bars else (mid or Decimal(0)):f}"),
            "dayNtlVlm": number(f"{self.traded_usd:f}"),
            "premium": None if mid is None else PREMIUM,
            "oraclePx": number(f"{oracle or last or Decimal(0):f}"),
            "markPx": number(f"{mid or last or Decimal(0):f}"),
            "midPx": None if mid is None else number(f"{mid:f}"),
            "impactPxs": None if bid is None or ask is None else [bid.px, ask.px],
            "dayBaseVlm": number(f"{self.traded:f}"),
        }

    def candles(self, interval: str, start_ms: int, end_ms: int) -> list[Candle]:
        """Return the candles that open between the two times (ms, both included), oldest first."""
        span_ms = CANDLE_MS[interval]
        joined: list[tuple[int, Bar]] = []
        # From the last backwards, and no further than wanted: a stream asks for the newest one every second.
        for bar in reversed(self.bars.bars):
            open_ms = bar.open_ms - bar.open_ms % span_ms
            if open_ms < start_ms:
                break
            if open_ms > end_ms:
                continue
            if joined and joined[-1][0] == open_ms:
                into = joined[-1][1]
                into.open, into.high, into.low = bar.open, max(into.high, bar.high), min(into.low, bar.low)
                into.volume, into.trades = into.volume + bar.volume, into.trades + bar.trades
            else:
                if len(joined) == MOST_CANDLES:
                    break
                joined.append((open_ms, replace(bar)))
        return [self._candle(interval, open_ms, bar) for open_ms, bar in reversed(joined)]

    def candle(self, interval: str) -> Candle | None:
        """Return the newest candle; None before the first trade."""
        bars = self.bars.bars
        if not bars:
            return None
        span_ms = CANDLE_MS[interval]
        open_ms = bars[-1].open_ms - bars[-1].open_ms % span_ms
        return self.candles(interval, open_ms, bars[-1].open_ms + MINUTE_MS)[-1]

    def _candle(self, interval: str, open_ms: int, bar: Bar) -> Candle:
        o, c, h, low, v = (number(f"{value:f}") for value in (bar.open, bar.close, bar.high, bar.low, bar.volume))
        return Candle(open_ms, open_ms + CANDLE_MS[interval] - 1, self.name, interval, o, c, h, low, v, bar.trades)


class VenueState:
    """All coins, and the venue's time.

    Parameters
    ----------
    coins
        In the order of the universe.
    """

    def __init__(self, coins: Iterable[CoinState]) -> None:
        self.coins = {coin.name: coin for coin in coins}
        self.now_ms = 0

    def advance(self, now_ms: int) -> None:
        """Let the venue's time (ms since the epoch) pass; it never steps back."""
        self.now_ms = max(self.now_ms, now_ms)

    def mids(self) -> dict[str, str]:
        """Return the middle of every coin that has one."""
        found = {name: coin.mid() for name, coin in self.coins.items()}
        return {name: number(f"{mid:f}") for name, mid in found.items() if mid is not None}

    def full_book(self, coin: str) -> Book:
        """Return the book of a coin at the present moment, stamped with it: an unchanged book is sent with a new time."""
        return Book(coin, self.now_ms, self.coins[coin].book.cut(FULL_LEVELS).levels)

    def funding_history(self, coin: str, start_ms: int, end_ms: int) -> list[dict[str, object]]:
        """Return what was settled at the full hours between the two times, the oldest 500."""
        first_ms = -(-max(start_ms, FUNDING_BEGAN_MS) // HOUR_MS) * HOUR_MS
        hours = range(first_ms, min(end_ms, self.now_ms) + 1, HOUR_MS)[:MOST_FUNDINGS]
        return [{"coin": coin, "fundingRate": FUNDING_RATE, "premium": PREMIUM, "time": hour} for hour in hours]
