"""One generated symbol: takers, quotes and cancels of a 50 ms step turned into frames that agree with its book."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from shared.clock import NS_PER_MS
from trader.simulator.book import GeneratedBook
from trader.simulator.klines import Bar, MinuteBars
from trader.simulator.source import Frame, Market
from trader.simulator.wire import Print, Wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator

    from trader.simulator.spec import SymbolSpec

_LEVEL_USD = 6_000.0  # median value of a level
_TAKER_USD = 700.0  # median value of a taker order
_TAKER_SIGMA = 1.3
_BASE_TAKERS_PER_S = 3.0
_OFFSPRING = 0.55  # taker orders that each order sets off on average
_EXCITEMENT_S = 1.5
_MOST_TAKERS = 30  # in one step
_CHURN_PER_S = 25.0
_SPLIT = 0.3  # share of prints that meet two makers
_TICKER, _TRADE, _AGG, _DEPTH, _KLINE, _MARK = (
    "bookTicker", "trade", "aggTrade", "depth@100ms", "kline_1m", "markPrice@1s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One slice of time and the mood in it: bounds in ns, factor volatility over the step, relative activity."""

    start_ns: int
    end_ns: int
    deviation: float
    activity: float


class SymbolMarket:
    """Order flow, book and frames of one symbol.

    Parameters
    ----------
    rng
        The only source of chance.
    market, spec
        Venue and trading rules.
    price
        Opening price.
    history
        Minutes before the start, oldest first.
    """

    def __init__(self, rng: Generator, market: Market, spec: SymbolSpec, price: float, history: Iterable[Bar]) -> None:
        self._rng = rng
        self._spec = spec
        self._market = market
        self._wire = Wire(market, spec)
        self._price = price
        self._excitement = 0.0
        self._last_side = 0.5
        lot_usd = price * float(spec.step)
        self._median_taker_lots = _TAKER_USD / lot_usd
        gapless = market is Market.SPOT
        first_id = 50_000_000_000 if gapless else 5_000_000_000_000
        self.book = GeneratedBook(rng, _LEVEL_USD / lot_usd, first_id + int(rng.integers(1, 10**6)), gapless=gapless)
        self._trade_id = 3_000_000_000
        self._agg_id = 2_000_000_000
        self.bars = MinuteBars(history)
        mid_tick = int(price / float(spec.tick))
        self.book.quote(mid_tick, mid_tick + 1)
        self._top = self.book.top()
        self._forget_changes()
        self._prefix = spec.symbol.lower() + "@"

    @staticmethod
    def stream_names(symbol: str, market: Market) -> list[str]:
        """Return the streams a symbol emits."""
        kinds = [_TICKER, _TRADE, _AGG, _DEPTH, _KLINE]
        return [f"{symbol.lower()}@{kind}" for kind in ([*kinds, _MARK] if market is Market.USDM else kinds)]

    def advance(self, step: Step, log_return: float) -> list[Frame]:
        """Let the efficient price move by ``log_return`` and the flow react; return the frames in time order."""
        self._price *= math.exp(log_return)
        takers = self._draw_takers(step)
        churns = int(self._rng.poisson(_CHURN_PER_S * step.activity * (step.end_ns - step.start_ns) / 1e9))
        count = takers + churns
        # The last twentieth of a step belongs to the quotes, so that its end always shows a tight book.
        times = step.start_ns + (self._rng.random(count) * 0.95 * (step.end_ns - step.start_ns)).astype("int64")
        times.sort()
        is_taker = self._rng.permutation(count) < takers
        frames: list[Frame] = []
        for ns, takes in zip(times.tolist(), is_taker.tolist(), strict=True):
            frames += self._taker(ns, step) if takes else self._churn(ns)
        return frames + self._requote(step)

    def depth_frame(self, ns: int) -> list[Frame]:
        """Return the diff since the last one, or nothing if the book stood still."""
        if self._first_id is None:
            return []
        ids = (self._first_id, self.book.update_id, self._previous_final)
        payload = self._wire.depth_update(ns // NS_PER_MS, ids, self.book.bids.drain_changes(), self.book.asks.drain_changes())
        self._forget_changes()
        return [Frame(ns, self._prefix + _DEPTH, payload)]

    def kline_frame(self, ns: int) -> list[Frame]:
        """Return the open bar."""
        if not self.bars.bars:
            return []
        return [Frame(ns, self._prefix + _KLINE, self._wire.kline(ns // NS_PER_MS, self.bars.bars[-1], closed=False))]

    def mark_frame(self, ns: int) -> list[Frame]:
        """Return the mark price: the mid, with the efficient price as index."""
        ms, eight_hours_ms = ns // NS_PER_MS, 8 * 3_600_000
        bid, _, ask, _ = self._top
        mark = (bid + ask) / 2.0 * float(self._spec.tick)
        payload = self._wire.mark_price(ms, f"{mark:.8f}", f"{self._price:.8f}", -(-ms // eight_hours_ms) * eight_hours_ms)
        return [Frame(ns, self._prefix + _MARK, payload)]

    def snapshot(self, ns: int, limit: int) -> bytes:
        """Return the REST depth body."""
        return self._wire.snapshot(
            ns // NS_PER_MS, self.book.update_id, self.book.bids.levels(limit), self.book.asks.levels(limit)
        )

    def _forget_changes(self) -> None:
        self.book.bids.drain_changes()
        self.book.asks.drain_changes()
        self._previous_final = self.book.update_id
        self._first_id: int | None = None

    def _draw_takers(self, step: Step) -> int:
        dt_s = (step.end_ns - step.start_ns) / 1e9
        self._excitement *= math.exp(-dt_s / _EXCITEMENT_S)
        rate = _BASE_TAKERS_PER_S * step.activity + self._excitement
        count = min(int(self._rng.poisson(rate * dt_s)), _MOST_TAKERS)
        self._excitement += count * _OFFSPRING / _EXCITEMENT_S
        return count

    def _taker(self, ns: int, step: Step) -> list[Frame]:
        bid, _, ask, _ = self._top
        tick = float(self._spec.tick)
        mispricing = (self._price - (bid + ask) / 2.0 * tick) / (self._price * step.deviation + tick)
        # Takers lean towards the efficient price, and large orders come in pieces on the same side.
        lean = 0.7 / (1.0 + math.exp(-max(-8.0, min(8.0, 2.0 * mispricing)))) + 0.3 * self._last_side
        buys = bool(self._rng.random() < min(0.95, max(0.05, lean)))
        self._last_side = 1.0 if buys else 0.0
        side = self.book.asks if buys else self.book.bids
        lots = max(1, int(self._median_taker_lots * self._rng.lognormal(0.0, _TAKER_SIGMA)))
        prints = side.take(min(lots, side.available()))
        update_id = self._count_change()
        frames: list[Frame] = []
        for at_tick, part in prints:
            frames += self._print(ns, at_tick, part, buyer_is_maker=not buys)
        return frames + self._ticker(ns, update_id)

    def _print(self, ns: int, tick: int, lots: int, *, buyer_is_maker: bool) -> list[Frame]:
        ms = ns // NS_PER_MS
        parts = [lots]
        if lots > 1 and self._rng.random() < _SPLIT:
            cut = int(self._rng.integers(1, lots))
            parts = [cut, lots - cut]
        first_id, frames = self._trade_id + 1, []
        for part in parts:
            self._trade_id += 1
            hit = Print(self._trade_id, tick, part, buyer_is_maker)
            frames.append(Frame(ns, self._prefix + _TRADE, self._wire.trade(ms, hit)))
            frames += self._fold(ns, hit)
        self._agg_id += 1
        total = Print(self._trade_id, tick, lots, buyer_is_maker)
        frames.append(Frame(ns, self._prefix + _AGG, self._wire.agg_trade(ms, self._agg_id, first_id, total)))
        return frames

    def _fold(self, ns: int, hit: Print) -> list[Frame]:
        price, qty = Decimal(self._spec.price_text(hit.tick)), Decimal(self._spec.qty_text(hit.lots))
        closed = self.bars.add(ns // NS_PER_MS, hit.trade_id, price, qty, buyer_is_maker=hit.buyer_is_maker)
        if closed is None:
            return []
        return [Frame(ns, self._prefix + _KLINE, self._wire.kline(ns // NS_PER_MS, closed, closed=True))]

    def _churn(self, ns: int) -> list[Frame]:
        side = self.book.asks if self._rng.random() < 0.5 else self.book.bids
        side.churn()
        return self._ticker(ns, self._count_change())

    def _requote(self, step: Step) -> list[Frame]:
        tick = float(self._spec.tick)
        fair = self._price / tick
        bid, _, ask, _ = self._top
        if bid < fair < ask and ask - bid <= 5:
            return []
        spread = 1 + min(4, int(self._rng.poisson(0.4 * step.activity)))
        new_bid = max(1, math.floor(fair - spread / 2.0))
        self.book.quote(new_bid, new_bid + spread)
        ns = step.end_ns - int((step.end_ns - step.start_ns) * 0.05 * self._rng.random()) - 1
        return self._ticker(ns, self._count_change())

    def _count_change(self) -> int:
        update_id = self.book.next_id()
        if self._first_id is None:
            self._first_id = update_id
        return update_id

    def _ticker(self, ns: int, update_id: int) -> list[Frame]:
        top = self.book.top()
        if top == self._top:
            return []
        self._top = top
        return [Frame(ns, self._prefix + _TICKER, self._wire.book_ticker(ns // NS_PER_MS, update_id, top))]
