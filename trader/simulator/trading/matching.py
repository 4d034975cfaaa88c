"""Price-time matching of our orders against the flow of one symbol: takers walk the visible book, makers wait in the queue.

The flow never reacts: an order of ours neither moves the book nor stops anybody else's order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from trader.simulator.trading.orders import ZERO, Order, Reason, Rejected, Side, TimeInForce

if TYPE_CHECKING:
    from decimal import Decimal

    from trader.simulator.trading.market_view import Level, MarketView


class Desk(Protocol):
    """Who books what matching decides."""

    def fill(self, order: Order, price: Decimal, qty: Decimal, *, is_maker: bool) -> None:
        """Book one execution."""
        ...

    def expire(self, order: Order) -> None:
        """End an order that may not rest, or whose reason is gone."""
        ...

    def wake(self, order: Order) -> None:
        """Turn a triggered order into a working one."""
        ...

    def fillable(self, order: Order) -> Decimal:
        """Return how much of ``order`` may fill now: reduce-only orders never more than the position."""
        ...


class SymbolMatching:
    """The working and waiting orders of one symbol.

    Parameters
    ----------
    view
        The visible market.
    desk
        Books the results.
    refuses_kills
        Whether a fill-or-kill order that cannot be filled is refused; else it is taken and expires.
    """

    def __init__(self, view: MarketView, desk: Desk, *, refuses_kills: bool) -> None:
        self._refuses_kills = refuses_kills
        self.view = view
        self._desk = desk
        self._resting: list[Order] = []  # in time order
        self._waiting: list[Order] = []

    @property
    def open(self) -> list[Order]:
        """Every open order, oldest first."""
        return sorted([*self._resting, *self._waiting], key=_age)

    def plan(self, order: Order) -> list[Level]:
        """Return (price, qty) of what ``order`` would take at once."""
        left, prints = self._desk.fillable(order), []
        for price, size in self.view.takeable(order.side, order.price):
            part = min(left, size)
            if part <= 0:
                break
            prints.append((price, part))
            left -= part
        return prints

    def check(self, order: Order) -> None:
        """Raise Rejected if the order may not even enter: post-only that takes, fill-or-kill that cannot, no market."""
        prints, tif = self.plan(order), order.request.tif
        if tif is TimeInForce.POST and prints:
            raise Rejected(Reason.WOULD_TAKE)
        if tif is TimeInForce.FOK and self._refuses_kills and not _covers(prints, order):
            raise Rejected(Reason.NO_FILL)
        if order.price is None and not prints:
            raise Rejected(Reason.NO_BOOK)

    def enter(self, order: Order) -> None:
        """Take what may be taken, rest the remainder or end it."""
        prints = self.plan(order)
        if order.request.tif is TimeInForce.FOK and not _covers(prints, order):
            prints = []
        for price, qty in prints:
            self.view.eat(order.side, price, qty)
            self._desk.fill(order, price, qty, is_maker=False)
        if not order.is_open:
            return
        limit = order.price
        if limit is None or order.request.tif in {TimeInForce.IOC, TimeInForce.FOK}:
            self._desk.expire(order)
            return
        order.queue_ahead = self.view.shown(order.side, limit)
        self._resting.append(order)

    def wait(self, order: Order) -> None:
        """Keep an order until its trigger fires."""
        order.is_waiting = True
        self._waiting.append(order)

    def triggers_now(self, order: Order) -> bool:
        """Whether the trigger of ``order`` has been reached already."""
        trigger = order.request.trigger
        price = None if trigger is None else self.view.mark if trigger.by_mark else self.view.last or self.view.mid
        if trigger is None or price is None:
            return False
        return price >= trigger.price if trigger.rises else price <= trigger.price

    def remove(self, order: Order) -> None:
        """Take an order out, wherever it is."""
        for orders in (self._resting, self._waiting):
            if order in orders:
                orders.remove(order)

    def on_print(self, price: Decimal, qty: Decimal, *, buyer_is_maker: bool) -> None:
        """Let a public trade fill resting orders: behind the queue at its price, all of those it went through."""
        self.view.last = price
        side = Side.BUY if buyer_is_maker else Side.SELL  # the side that was hit
        left = qty
        for order in self._in_priority(side):
            limit = order.price
            if limit is None or (limit - price) * side.sign < 0:
                break
            if limit != price:
                self._make(order, order.left)
                continue
            ahead = min(order.queue_ahead, left)
            order.queue_ahead -= ahead
            # Orders of ours at one price stand behind the same queue: it is worked off once for all of them.
            part = min(left - ahead, self._desk.fillable(order))
            if part > 0:
                left -= part
                self._make(order, part)
        self._fire()

    def on_touch(self) -> None:
        """Let a new touch fill what it crosses and shorten queues that it shows to be shorter."""
        for side in (Side.BUY, Side.SELL):
            if self._resting:
                self._cross(side)
                self._shorten(side)
        self._fire()

    def on_mark(self, price: Decimal) -> None:
        """Take a mark price; it may fire triggers."""
        self.view.set_mark(price)
        self._fire()

    def _cross(self, side: Side) -> None:
        for order in self._in_priority(side):
            limit, touch = order.price, self.view.opposite(side)
            if limit is None or touch is None or (limit - touch[0]) * side.sign < 0:
                return
            for price, size in list(self.view.takeable(side, limit)):
                part = min(size, self._desk.fillable(order))
                if part <= 0:
                    break
                self.view.eat(side, price, part)
                self._make(order, part)

    def _shorten(self, side: Side) -> None:
        touch = self.view.bid if side is Side.BUY else self.view.ask
        if touch is None:
            return
        for order in self._resting:
            if order.side is not side or order.price is None:
                continue
            behind = (touch[0] - order.price) * side.sign
            if behind < 0:  # the shown touch is worse than our price: nobody stands before us
                order.queue_ahead = ZERO
            elif behind == 0:
                order.queue_ahead = min(order.queue_ahead, touch[1])

    def _make(self, order: Order, qty: Decimal) -> None:
        limit = order.price
        part = min(qty, self._desk.fillable(order))
        if limit is not None and part > 0:
            self._desk.fill(order, limit, part, is_maker=True)
        if order.is_open and self._desk.fillable(order) <= 0:
            self._desk.expire(order)
        if not order.is_open:
            self.remove(order)

    def _in_priority(self, side: Side) -> list[Order]:
        ours = [order for order in self._resting if order.side is side and order.price is not None]
        return sorted(ours, key=lambda order: (-(order.price or ZERO) * side.sign, order.order_id))

    def _fire(self) -> None:
        for order in [order for order in self._waiting if self.triggers_now(order)]:
            if order.is_open:
                self._waiting.remove(order)
                order.is_waiting = False
                self._desk.wake(order)


def _covers(prints: list[Level], order: Order) -> bool:
    return sum((qty for _, qty in prints), ZERO) >= order.left


def _age(order: Order) -> int:
    return order.order_id
