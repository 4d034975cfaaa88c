"""The generated limit order book: two sorted sides on the tick grid that quote around a moving price and are traded into."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

LEVELS = 200
_MOST_LEVELS = 220
_NEAR = 25  # levels below the touch that are kept dense
_SPAN = 0.004  # of the price: how far the levels reach
_LEVEL_SIGMA = 1.0
_TAKER_REACH = 5  # a taker never eats more levels than this at once


class BookSide:
    """One side. Levels are keyed by distance order: ``sign * tick``, so the best is always first.

    Parameters
    ----------
    sign
        +1 for asks, -1 for bids.
    rng
        Draws sizes and gaps.
    median_lots
        Median size of a level.
    """

    def __init__(self, sign: int, rng: Generator, median_lots: float) -> None:
        self._sign = sign
        self._rng = rng
        self._median_lots = median_lots
        self._keys: list[int] = []
        self._lots: dict[int, int] = {}
        self._changed: set[int] = set()
        self._gap_slope = 1.0

    @property
    def best_tick(self) -> int:
        """Price of the touch, in ticks."""
        return self._sign * self._keys[0]

    @property
    def best_lots(self) -> int:
        """Size at the touch, in steps."""
        return self._lots[self._keys[0]]

    def levels(self, limit: int) -> list[tuple[int, int]]:
        """Return the best ``limit`` levels as (tick, lots), best first."""
        return [(self._sign * key, self._lots[key]) for key in self._keys[:limit]]

    def drain_changes(self) -> list[tuple[int, int]]:
        """Return (tick, lots) of every level touched since the last call, 0 lots for the gone, and forget them."""
        changed = sorted(self._changed)
        self._changed.clear()
        return [(self._sign * key, self._lots.get(key, 0)) for key in changed]

    def available(self) -> int:
        """Lots a single taker may take."""
        return sum(self._lots[key] for key in self._keys[:_TAKER_REACH])

    def take(self, lots: int) -> list[tuple[int, int]]:
        """Consume ``lots`` (at most :meth:`available`) from the touch on; return the prints (tick, lots)."""
        prints: list[tuple[int, int]] = []
        while lots > 0:
            key = self._keys[0]
            part = min(lots, self._lots[key])
            prints.append((self._sign * key, part))
            self._put(key, self._lots[key] - part)
            lots -= part
        return prints

    def quote(self, tick: int) -> None:
        """Move the touch to ``tick``: better levels are cancelled, the gap is filled, depth is kept."""
        target = self._sign * tick
        self._gap_slope = 2.0 * _SPAN * tick / LEVELS**2
        while self._keys and self._keys[0] < target:
            self._put(self._keys[0], 0)
        if target not in self._lots:
            self._put(target, self._draw_lots(2.0))
        self._fill_near()
        self._keep_depth()

    def churn(self) -> None:
        """Change one random level: an order arrives or leaves."""
        rank = min(int(self._rng.exponential(6.0)), len(self._keys) - 1)
        self._put(self._keys[rank], self._draw_lots(2.0 if rank == 0 else 1.0))

    def _fill_near(self) -> None:
        for rank in range(_NEAR):
            if rank + 1 >= len(self._keys):
                return
            wide = 4.0 * self._gap_slope * (rank + 1) + 3.0
            if self._keys[rank + 1] - self._keys[rank] > wide:
                self._put(self._keys[rank] + self._draw_gap(rank + 1), self._draw_lots(1.0))

    def _keep_depth(self) -> None:
        reach = max(int(_SPAN * abs(self._keys[0])), 2 * LEVELS)
        while self._keys[-1] - self._keys[0] > 2 * reach or (self._sign < 0 and self._keys[-1] >= 0):
            self._put(self._keys[-1], 0)  # too far to matter, or no price at all
        while len(self._keys) > _MOST_LEVELS:
            self._put(self._keys[int(self._rng.integers(_NEAR, len(self._keys)))], 0)
        while len(self._keys) < LEVELS:
            key = self._keys[-1] + self._draw_gap(len(self._keys))
            if key - self._keys[0] > reach:
                key = self._keys[0] + int(self._rng.integers(1, reach))
            if key not in self._lots:
                self._put(key, self._draw_lots(1.0))

    def _put(self, key: int, lots: int) -> None:
        if lots <= 0:
            if self._lots.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
        else:
            if key not in self._lots:
                insort(self._keys, key)
            self._lots[key] = lots
        self._changed.add(key)

    def _draw_gap(self, rank: int) -> int:
        return 1 + int(self._rng.exponential(self._gap_slope * rank))

    def _draw_lots(self, scale: float) -> int:
        return max(1, int(scale * self._median_lots * self._rng.lognormal(0.0, _LEVEL_SIGMA)))


class GeneratedBook:
    """Both sides and the venue's update ids.

    Parameters
    ----------
    rng
        The only source of chance.
    median_lots
        Median size of a level.
    first_id
        Update id of the opening book.
    gapless
        Whether ids count up by one (spot) or jump (futures).
    """

    def __init__(self, rng: Generator, median_lots: float, first_id: int, *, gapless: bool) -> None:
        self._rng = rng
        self._gapless = gapless
        self.bids = BookSide(-1, rng, median_lots)
        self.asks = BookSide(+1, rng, median_lots)
        self.update_id = first_id

    def next_id(self) -> int:
        """Count one change; every change of the book has its own id."""
        self.update_id += 1 if self._gapless else int(self._rng.integers(1, 400))
        return self.update_id

    def quote(self, bid_tick: int, ask_tick: int) -> None:
        """Quote both sides as one change; in between nobody looks, so the order of the sides is free."""
        self.bids.quote(bid_tick)
        self.asks.quote(ask_tick)

    def top(self) -> tuple[int, int, int, int]:
        """Return (bid tick, bid lots, ask tick, ask lots)."""
        return self.bids.best_tick, self.bids.best_lots, self.asks.best_tick, self.asks.best_lots
