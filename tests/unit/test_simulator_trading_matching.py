"""Matching by hand: queue, price-time, post-only, immediate orders, stops, reduce-only, liquidation, funding."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading_support import SYMBOL, HandMarket, dec
from trader.simulator.trading.events import Execution, OrderEvent
from trader.simulator.trading.ledger import MarginLedger, SpotLedger
from trader.simulator.trading.orders import Order, Reason, Rejected, Status, TimeInForce, Trigger


def market(*, margin: bool = True, bid: float = 100.0, ask: float = 101.0, size: float = 1.0, **options: object) -> HandMarket:
    made = HandMarket(margin=margin, **options)  # type: ignore[arg-type]
    made.quote(bid, ask, size)
    return made


def prints(order: Order) -> list[tuple[float, float]]:
    return [(float(fill.price), float(fill.qty)) for fill in order.fills]


def reason(act: object) -> Reason:
    with pytest.raises(Rejected) as refused:
        act()  # type: ignore[operator]
    return refused.value.reason


def test_a_taker_walks_the_visible_levels_and_cannot_eat_them_twice() -> None:
    hand = market()
    order = hand.place("BUY", 2.5)
    assert prints(order) == [(101, 1), (102, 1), (103, 0.5)]
    assert prints(hand.place("BUY", 1)) == [(103, 0.5), (104, 0.5)]
    hand.quote(100, 101, size=2.0)  # the level shows another size: it is fresh
    assert prints(hand.place("BUY", 1)) == [(101, 1)]


def test_a_resting_order_waits_behind_what_was_shown_before_it() -> None:
    hand = market()
    order = hand.place("BUY", 1, 100)
    hand.print_trade(100, 0.6, buyer_is_maker=True)
    assert (order.filled, order.queue_ahead) == (dec(0), dec(0.4))
    hand.print_trade(100, 0.9, buyer_is_maker=True)
    assert (order.filled, order.status) == (dec(0.5), Status.PARTIALLY_FILLED)
    hand.print_trade(99, 0.001, buyer_is_maker=True)  # went through our price: we were there first
    assert order.status is Status.FILLED
    assert {fill.price for fill in order.fills} == {Decimal(100)}
    assert all(fill.is_maker for fill in order.fills)


def test_a_print_of_the_other_side_fills_nothing() -> None:
    hand = market()
    order = hand.place("BUY", 1, 100.5)
    hand.print_trade(101, 5, buyer_is_maker=False)
    assert order.filled == 0


def test_cancels_ahead_shorten_the_queue_and_a_crossing_quote_fills() -> None:
    hand = market()
    order = hand.place("BUY", 1, 100)
    hand.quote(100, 101, size=0.3)
    assert order.queue_ahead == dec(0.3)
    hand.quote(98, 99, size=0.4)
    assert (order.filled, order.mean_price) == (dec(0.8), dec(100))  # 0.4 at 99 and 0.4 at 100 crossed it
    assert all(fill.is_maker for fill in order.fills)


def test_price_comes_before_time() -> None:
    hand = market()
    first, better = hand.place("SELL", 1, 100.9), hand.place("SELL", 1, 100.8)
    hand.print_trade(100.8, 0.5, buyer_is_maker=False)
    assert (first.filled, better.filled) == (dec(0), dec(0.5))
    same = hand.place("SELL", 1, 100.8)
    hand.print_trade(100.8, 0.7, buyer_is_maker=False)
    assert (better.filled, same.filled) == (dec(1), dec(0.2))


def test_post_only_is_refused_and_immediate_orders_never_rest() -> None:
    hand = market()
    assert reason(lambda: hand.place("BUY", 1, 101, TimeInForce.POST)) is Reason.WOULD_TAKE
    assert hand.place("BUY", 1, 100.9, TimeInForce.POST).is_open
    partly = hand.place("BUY", 3, 102, TimeInForce.IOC)
    assert (partly.filled, partly.status) == (dec(2), Status.EXPIRED)
    assert reason(lambda: hand.place("BUY", 9, 105, TimeInForce.FOK)) is Reason.NO_FILL
    spot = market(margin=False)
    killed = spot.place("BUY", 9, 105, TimeInForce.FOK)
    assert (killed.filled, killed.status) == (dec(0), Status.EXPIRED)


def test_a_stop_waits_wakes_and_ends_as_a_market_order() -> None:
    hand = market()
    hand.place("BUY", 1)
    stop = hand.place("SELL", 1, stop=Trigger(dec(99), rises=False), reduce_only=True)
    assert stop.is_waiting
    hand.print_trade(99.5, 1, buyer_is_maker=True)
    assert stop.is_waiting
    hand.quote(98, 99)
    hand.print_trade(99, 0.1, buyer_is_maker=True)
    assert (stop.status, stop.mean_price) == (Status.FILLED, dec(98))
    told = [event.execution for event in hand.events if isinstance(event, OrderEvent) and event.order.order_id == stop.order_id]
    assert told == [Execution.NEW, Execution.TRIGGERED, Execution.TRADE]
    assert reason(lambda: hand.place("SELL", 1, stop=Trigger(dec(99), rises=False))) is Reason.WOULD_TRIGGER


def test_reduce_only_never_opens_and_leaves_when_the_position_is_gone() -> None:
    hand = market()
    assert reason(lambda: hand.place("SELL", 1, reduce_only=True)) is Reason.REDUCE_ONLY
    hand.place("BUY", 1)
    resting = hand.place("SELL", 5, 110, reduce_only=True)
    hand.place("SELL", 1)
    assert resting.status is Status.EXPIRED
    assert isinstance(hand.ledger, MarginLedger)
    assert hand.ledger.position(SYMBOL).qty == 0


def test_a_client_id_is_taken_only_while_its_order_is_open() -> None:
    hand = market()
    order = hand.place("BUY", 1, 99, client_id="x")
    assert reason(lambda: hand.place("BUY", 1, 98, client_id="x")) is Reason.DUPLICATE_ID
    hand.venue.cancel(hand.account, order)
    assert reason(lambda: hand.venue.cancel(hand.account, order)) is Reason.UNKNOWN_ORDER
    assert hand.place("BUY", 1, 98, client_id="x").is_open


def test_spot_locks_what_an_order_needs_and_gives_the_rest_back() -> None:
    hand = market(margin=False, deposit=Decimal(1000))
    ledger = hand.ledger
    assert isinstance(ledger, SpotLedger)
    order = hand.place("BUY", 5, 100.5)
    assert (ledger.balances["USDT"].locked, ledger.balances["USDT"].free) == (dec(502.5), dec(497.5))
    assert reason(lambda: hand.place("BUY", 5, 100)) is Reason.BALANCE
    hand.venue.cancel(hand.account, order)
    assert (ledger.balances["USDT"].free, ledger.balances["USDT"].locked) == (dec(1000), dec(0))
    hand.place("BUY", 1, 105)
    assert ledger.balances["USDT"].free == 899
    assert ledger.balances["BTC"].free == 2 + 1 - dec("0.0005")


def test_margin_bounds_what_may_be_opened_but_not_what_closes() -> None:
    hand = market(deposit=Decimal(10))
    hand.quote(100, 101, size=50)
    assert reason(lambda: hand.place("BUY", 3)) is Reason.MARGIN  # 303 / 20 > 10
    hand.place("BUY", 1.5)
    assert reason(lambda: hand.place("BUY", 1.5)) is Reason.MARGIN
    hand.place("SELL", 1.5)
    assert isinstance(hand.ledger, MarginLedger)
    assert hand.ledger.position(SYMBOL).qty == 0


def test_a_loss_that_eats_the_margin_is_liquidated() -> None:
    hand = market(deposit=Decimal(10))
    hand.quote(100, 101, size=50)
    hand.place("BUY", 1.5)
    resting = hand.place("BUY", 0.1, 90)
    hand.quote(93.9, 94, size=50)
    hand.pass_time(1)
    assert isinstance(hand.ledger, MarginLedger)
    assert hand.ledger.position(SYMBOL).qty == 0
    assert resting.status is Status.CANCELED


def test_funding_is_paid_by_longs_at_the_full_hour() -> None:
    hand = market(funding_s=3600)
    hand.pass_time(1)
    hand.place("BUY", 1)
    assert isinstance(hand.ledger, MarginLedger)
    before = hand.ledger.wallet
    hand.pass_time(3600)
    assert hand.ledger.wallet - before == -hand.venue.mark(SYMBOL) * dec("0.0001")


def test_a_countdown_cancels_in_venue_time() -> None:
    hand = market()
    order = hand.place("BUY", 1, 99)
    hand.account.countdowns[SYMBOL] = hand.now_ns + 5 * 10**9
    hand.pass_time(4)
    assert order.is_open
    hand.pass_time(1)
    assert order.status is Status.CANCELED
