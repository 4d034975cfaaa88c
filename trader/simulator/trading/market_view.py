"""What an order sees of one symbol: the touch as last shown, the levels behind it, the last trade and the mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.simulator.trading.orders import ZERO, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

Level = tuple["Decimal", "Decimal"]
Levels = tuple[list[Level], list[Level]]


class MarketView:
    """The visible market of one symbol.

    Parameters
    ----------
    levels
        Returns (bids, asks), best first, as (price, size).
    """

    def __init__(self, levels: Callable[[], Levels]) -> None:
        self._levels = levels
        self.bid: Level | None = None
        self.ask: Level | None = None
        self.last: Decimal | None = None
        self._mark: Decimal | None = None
        # What our takers ate of a level that still shows the same size: it cannot be eaten twice.
        self._eaten: dict[tuple[Side, Decimal], tuple[Decimal, Decimal]] = {}

    @property
    def mark(self) -> Decimal | None:
        """The venue's mark price, or the mid while there is none."""
        return self._mark if self._mark is not None else self.mid

    @property
    def mid(self) -> Decimal | None:
        """Middle of the touch, None without one."""
        self.look()
        return (self.bid[0] + self.ask[0]) / 2 if self.bid and self.ask else self.last

    def set_mark(self, price: Decimal) -> None:
        """Take the venue's mark price."""
        self._mark = price

    def set_touch(self, bid: Level | None, ask: Level | None) -> None:
        """Take a new touch; None for an empty side."""
        self.bid, self.ask = bid, ask
        if len(self._eaten) > 64:
            self._eaten.clear()

    def look(self) -> None:
        """Read the touch from the levels if no quote has been seen yet."""
        if self.bid is None and self.ask is None:
            bids, asks = self._levels()
            self.bid, self.ask = next(iter(bids), None), next(iter(asks), None)

    def shown(self, side: Side, price: Decimal) -> Decimal:
        """Return the size shown at ``price`` on ``side``: what a new order there queues behind."""
        self.look()
        touch = self.bid if side is Side.BUY else self.ask
        if touch is None or (price - touch[0]) * side.sign > 0:
            return ZERO
        if price == touch[0]:
            return touch[1]
        levels = self._levels()[0 if side is Side.BUY else 1]
        return next((size for at, size in levels if at == price), ZERO)

    def opposite(self, side: Side) -> Level | None:
        """Return the touch an order of ``side`` would take."""
        self.look()
        return self.ask if side is Side.BUY else self.bid

    def takeable(self, side: Side, limit: Decimal | None) -> Iterator[Level]:
        """Yield the levels an order of ``side`` may take down to ``limit``, best first, less what was eaten already."""
        touch = self.opposite(side)
        if touch is None:
            return
        behind = [at for at in self._levels()[1 if side is Side.BUY else 0] if (at[0] - touch[0]) * side.sign > 0]
        for price, size in [touch, *behind]:
            if limit is not None and (price - limit) * side.sign > 0:
                return
            shown, eaten = self._eaten.get((side, price), (size, ZERO))
            left = size - eaten if shown == size else size
            if left > 0:
                yield price, left

    def eat(self, side: Side, price: Decimal, qty: Decimal) -> None:
        """Note that an order of ``side`` took ``qty`` at ``price``."""
        touch = self.opposite(side)
        levels = self._levels()[1 if side is Side.BUY else 0]
        size = touch[1] if touch and touch[0] == price else next((s for at, s in levels if at == price), ZERO)
        shown, eaten = self._eaten.get((side, price), (size, ZERO))
        self._eaten[side, price] = (size, (eaten if shown == size else ZERO) + qty)
