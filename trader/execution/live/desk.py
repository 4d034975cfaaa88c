"""The desk: what is known of every order of ours, whatever order the venue's answers and fills come in.

No sockets and no waiting: answers and fills go in, journal rows and reports to the engine come out. The same fill may come any
number of times, before or after the answer to its order; it is booked once.
"""

from __future__ import annotations

import math

import numpy as np

from shared.clock import NS_PER_S, Clock
from shared.events import Reason
from trader.engine.inputs import Report as Said
from trader.execution.live.journal import OrderJournal, OrderState, Report, StoredOrder
from trader.execution.live.venue import OUR_MARK, QTY_TOLERANCE, Answer, OrderRequest, Outcome, VenueFill, VenueOrder

FIRST_ASK_NS = NS_PER_S // 4
SLOWEST_ASK_NS = 4 * NS_PER_S
WORKING_ASK_NS = NS_PER_S  # a market order is done in milliseconds, unless we missed it
RESTING_ASK_NS = 10 * NS_PER_S
NOT_FOUND_TWICE = 2
FORGOTTEN_FOR_GOOD = 5  # times in a row, ten seconds apart


class LiveOrder:
    """An order of ours that is not finished.

    Attributes
    ----------
    order_id
        The engine's number; 0 if the engine does not know the order: a protective stop, or one from before it lost its memory.
    filled_qty
        What its fills sum up to; ``booked_qty`` what the engine was told of it, in whole steps on spot.
    """

    def __init__(self, request: OrderRequest, order_id: int, reason: int, now_ns: int, monotonic_ns: int) -> None:
        self.request = request
        self.order_id = order_id
        self.reason = reason
        self.created_ns = now_ns
        self.sent_ns = monotonic_ns
        self.state = OrderState.PLANNED
        self.venue_id = ""
        self.filled_qty = self.booked_qty = self.net_qty = 0.0
        self.venue_filled_qty = 0.0
        self.carried_usd = 0.0  # paid for what has not come to a whole step yet
        self.done_at_venue = False
        self.cancel_wanted = False
        self.cancel_sent = False
        self.words = ""
        self.post_only = False
        self.not_found = self.forgotten = 0
        self.asked = 0
        self.ask_ns = monotonic_ns + WORKING_ASK_NS

    @property
    def rests(self) -> bool:
        """Whether it may stay at the venue for long."""
        return self.request.limit_usd > 0.0 or self.request.trigger_usd > 0.0

    @property
    def is_stop(self) -> bool:
        """Whether it is a protective stop."""
        return self.request.trigger_usd > 0.0

    @property
    def fills_missing(self) -> bool:
        """Whether the venue has told of more than its fills say."""
        return self.venue_filled_qty > self.filled_qty * (1.0 + QTY_TOLERANCE) + QTY_TOLERANCE * self.request.qty

    def ask_again(self, monotonic_ns: int) -> None:
        """Set when the venue is asked next: soon while something is unknown, bounded, and rarely while it merely rests."""
        self.asked += 1
        if self.state in (OrderState.PLANNED, OrderState.AMBIGUOUS) or self.done_at_venue or self.cancel_sent:
            wait_ns = min(FIRST_ASK_NS << min(self.asked - 1, 8), SLOWEST_ASK_NS)
        else:
            wait_ns = RESTING_ASK_NS if self.rests else WORKING_ASK_NS
        self.ask_ns = monotonic_ns + wait_ns


class Desk:
    """All unfinished orders, and the way their news reaches journal and engine.

    Parameters
    ----------
    steps
        Smallest step of a quantity, by symbol.
    settling_ns
        After this long a request without an answer can no longer be taken by the venue.
    rng
        Draws the part of the client ids that tells two lives of this program apart.
    """

    def __init__(
        self, journal: OrderJournal, clock: Clock, *, steps: list[float], settling_ns: int, rng: np.random.Generator
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._steps = steps
        self._settling_ns = settling_ns
        self._rng = rng
        self.orders: dict[str, LiveOrder] = {}
        self._outbox: list[Report] = []

    def take_up(self, reports_taken: int, last_order_id: int) -> None:
        """Go on after a restart: every unfinished order is to be asked for, and what the engine was not told is told.

        Parameters
        ----------
        reports_taken
            How many reports the recovered engine has taken.
        last_order_id
            The number of its last order: the engine does not know later ones, it lost them with a part of its memory.
        """
        now_ns = self._clock.monotonic_ns()
        for stored in self._journal.unfinished():
            order = _restored(stored, now_ns)
            if order.order_id > last_order_id:
                order.order_id = 0
            self.orders[order.request.client_id] = order
        for report in self._journal.reports_after(reports_taken):
            known = report.order_id <= last_order_id
            self._outbox.append(report if known else _without_order(report))

    def client_id(self) -> str:
        """Return a new client id: 128 bits as hexadecimal digits, which every venue takes in its own clothes."""
        number = self._journal.last_order() + 1
        return f"{OUR_MARK}{number & 0xFFFFFFFF:08x}{self._rng.integers(0, 2**40):010x}{self._rng.integers(0, 2**40):010x}"

    def plan(self, request: OrderRequest, order_id: int, reason: int) -> LiveOrder:
        """Journal an order before it is sent. When this returns it is on disk."""
        now_ns = self._clock.now_ns()
        with self._journal.together():
            self._journal.add_order(request, order_id, reason, now_ns)
        order = LiveOrder(request, order_id, reason, now_ns, self._clock.monotonic_ns())
        self.orders[request.client_id] = order
        return order

    def answered(self, order: LiveOrder, answer: Answer) -> None:
        """Take the answer to a request about an order."""
        order.ask_again(self._clock.monotonic_ns())
        if order.state is OrderState.ENDED:
            return
        order.post_only = order.post_only or answer.post_only
        if answer.outcome is Outcome.KNOWN and answer.order is not None:
            self._known(order, answer.order)
        elif answer.outcome is Outcome.REFUSED:
            self._end(order, answer.words)
        elif answer.outcome is Outcome.NOT_FOUND:
            self._not_found(order, answer.words)
        else:
            self._doubt(order, answer.words)

    def heard(self, told: VenueOrder) -> None:
        """Take news of an order from the user stream."""
        order = self.orders.get(told.client_id)
        if order is not None and order.is_stop:
            order.ask_ns = 0  # a triggered stop becomes another order: what is told of it is not yet an end
        elif order is not None:
            self._known(order, told)

    def _known(self, order: LiveOrder, told: VenueOrder) -> None:
        order.not_found = order.forgotten = 0
        order.venue_filled_qty = max(order.venue_filled_qty, told.filled_qty)
        order.words = told.words or order.words
        order.done_at_venue = order.done_at_venue or not told.is_open
        if order.state is not OrderState.ACCEPTED or (told.venue_id and told.venue_id != order.venue_id):
            self._accept(order, told.venue_id or order.venue_id)
        self._settle(order)

    def _accept(self, order: LiveOrder, venue_id: str) -> None:
        fresh = order.state is not OrderState.ACCEPTED
        order.state = OrderState.ACCEPTED
        order.venue_id = venue_id
        with self._journal.together():
            self._journal.add_transition(order.request.client_id, self._clock.now_ns(), order.state, venue_id)
            if fresh and order.order_id:
                self._report(Said.ACCEPTED, order)

    def _doubt(self, order: LiveOrder, words: str) -> None:
        """Note that nothing is known: no conclusion until the venue has been asked, and never a second sending."""
        if order.state in (OrderState.AMBIGUOUS, OrderState.ACCEPTED):
            return
        order.state = OrderState.AMBIGUOUS
        order.ask_ns = self._clock.monotonic_ns() + FIRST_ASK_NS
        with self._journal.together():
            self._journal.add_transition(order.request.client_id, self._clock.now_ns(), order.state, words=words)
            if order.order_id:
                self._report(Said.UNCONFIRMED, order)

    def _not_found(self, order: LiveOrder, words: str) -> None:
        """End an order that the venue does not know, once it can no longer arrive there, and on its second word only."""
        if order.filled_qty > 0.0 or order.fills_missing:
            return  # it was there: an answer that forgets it says nothing
        if order.state is OrderState.ACCEPTED:
            order.forgotten += 1  # a venue forgets what was cancelled days ago; a stop that is not there protects nothing
            if order.rests and order.forgotten >= FORGOTTEN_FOR_GOOD:
                self._end(order, words)
            return
        settled = self._clock.monotonic_ns() - order.sent_ns >= self._settling_ns
        order.not_found += settled
        if order.not_found >= NOT_FOUND_TWICE:
            self._end(order, words or "the venue does not know it")
        else:
            self._doubt(order, words)

    def fill(self, fill: VenueFill) -> bool:
        """Book a fill once; return whether it is of an order of ours."""
        if self._journal.has_fill(fill.symbol, fill.trade_id):
            return True
        client_id = self._journal.owner_of(fill)
        if not client_id:
            return False
        order = self.orders.get(client_id)
        late = order is None
        if order is None:
            order = _restored(self._journal.order(client_id), 0)
        self._book(order, fill, late=late)
        if not late:
            self._settle(order)
        return True

    def _book(self, order: LiveOrder, fill: VenueFill, *, late: bool) -> None:
        side = 1.0 if fill.qty > 0.0 else -1.0
        order.filled_qty += abs(fill.qty)
        order.net_qty += abs(fill.qty) - fill.fee_qty
        booked = abs(fill.qty)
        if fill.fee_qty > 0.0:
            booked = round(self._whole(fill.symbol, order.net_qty) - order.booked_qty, 12)
        order.booked_qty += booked
        # what the venue kept of the asset, and what no order could ever sell, is a cost of the trade
        fee_usd = order.carried_usd + fill.fee_usd + (abs(fill.qty) - booked) * fill.price_usd
        with self._journal.together():
            self._journal.add_fill(fill, order.request.client_id, side * booked)
            if booked <= 0.0:  # less than a step so far: it is told with the next fill
                order.carried_usd = fee_usd
                return
            order.carried_usd = 0.0
            self._outbox.append(
                self._journal.add_report(
                    Said.FILLED, fill.symbol, 0 if late else order.order_id, qty=side * booked, price_usd=fill.price_usd,
                    fee_usd=fee_usd, reason=order.reason,
                )
            )  # fmt: skip

    def _whole(self, symbol: int, qty: float) -> float:
        step = self._steps[symbol]
        return math.floor(qty / step * (1.0 + QTY_TOLERANCE)) * step if step > 0.0 else qty

    def _settle(self, order: LiveOrder) -> None:
        """End an order once the venue has and every fill of it is here."""
        complete = order.filled_qty >= order.request.qty * (1.0 - QTY_TOLERANCE)
        if complete or (order.done_at_venue and not order.fills_missing):
            self._end(order, order.words)

    def _end(self, order: LiveOrder, words: str) -> None:
        order.state = OrderState.ENDED
        with self._journal.together():
            self._journal.add_transition(order.request.client_id, self._clock.now_ns(), order.state, order.venue_id, words)
            unfilled = order.booked_qty < order.request.qty * (1.0 - QTY_TOLERANCE)
            if order.order_id and unfilled:
                self._report(Said.ENDED, order, self._end_reason(order))
        del self.orders[order.request.client_id]

    def _end_reason(self, order: LiveOrder) -> int:
        if order.cancel_sent or order.filled_qty > 0.0:
            return Reason.CANCELLED
        if order.post_only:
            return Reason.POST_ONLY
        return Reason.CANCELLED if order.venue_id else Reason.REFUSED_BY_VENUE

    def never_sent(self, symbol: int, order_id: int) -> None:
        """Tell the engine that an order it believes to be under way never left: the journal does not have it."""
        with self._journal.together():
            self._outbox.append(self._journal.add_report(Said.ENDED, symbol, order_id, reason=Reason.CANCELLED))

    def _report(self, kind: Said, order: LiveOrder, reason: int = 0) -> None:
        report = self._journal.add_report(kind, order.request.symbol, order.order_id, reason=reason or order.reason)
        self._outbox.append(report)

    def outbox(self) -> list[Report]:
        """Return what the engine is to be told now, and forget it here: the journal has it."""
        out, self._outbox = self._outbox, []
        return out

    @property
    def unconfirmed(self) -> int:
        """How many orders are in doubt."""
        return sum(order.state in (OrderState.AMBIGUOUS, OrderState.PLANNED) for order in self.orders.values())

    def in_flight(self, symbol: int) -> bool:
        """Say whether something is under way that makes position and ledger differ for a moment."""
        return any(
            order.request.symbol == symbol and (not order.rests or order.done_at_venue or order.state is not OrderState.ACCEPTED)
            for order in self.orders.values()
        )

    def stops(self, symbol: int) -> list[LiveOrder]:
        """Return the protective stops of a symbol, oldest first."""
        return [order for order in self.orders.values() if order.is_stop and order.request.symbol == symbol]

    def by_order_id(self, order_id: int) -> LiveOrder | None:
        """Return the unfinished order the engine calls by this number."""
        return next((order for order in self.orders.values() if order.order_id == order_id), None)


def _restored(stored: StoredOrder, monotonic_ns: int) -> LiveOrder:
    order = LiveOrder(stored.request, stored.order_id, stored.reason, stored.created_ns, monotonic_ns)
    order.state, order.venue_id = stored.state, stored.venue_id
    order.filled_qty, order.booked_qty, order.net_qty = stored.filled_qty, stored.booked_qty, stored.net_qty
    order.ask_ns = monotonic_ns
    return order


def _without_order(report: Report) -> Report:
    return Report(report.seq, report.kind, report.symbol, 0, report.qty, report.price_usd, report.fee_usd, report.reason)
