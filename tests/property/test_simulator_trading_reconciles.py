"""Whatever is ordered and whatever the market does: money, positions and orders add up to the last digit."""

from __future__ import annotations

import contextlib
from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading_support import SYMBOL, HandMarket
from trader.simulator.trading.events import Execution, OrderEvent
from trader.simulator.trading.ledger import MarginLedger, SpotLedger
from trader.simulator.trading.orders import Rejected, Status, TimeInForce, Trigger

PRICES = st.integers(950, 1050).map(lambda ticks: ticks / 10)
SIZES = st.integers(1, 3000).map(lambda lots: lots / 1000)
PLACE = st.tuples(
    st.just("place"), st.sampled_from(["BUY", "SELL"]), SIZES, st.none() | PRICES, st.sampled_from(list(TimeInForce)),
    st.none() | st.tuples(PRICES, st.booleans()), st.booleans(),
)  # fmt: skip
QUOTE = st.tuples(st.just("quote"), PRICES, st.integers(1, 20), SIZES)
PRINT = st.tuples(st.just("print"), PRICES, SIZES, st.booleans())
CANCEL = st.tuples(st.just("cancel"), st.integers(0, 30))
TIME = st.tuples(st.just("time"), st.integers(1, 4000))
ACTS = st.lists(st.one_of(PLACE, PLACE, QUOTE, PRINT, CANCEL, TIME), min_size=1, max_size=60)


def play(hand: HandMarket, acts: list[tuple[object, ...]]) -> None:
    for name, *rest in acts:
        with contextlib.suppress(Rejected):
            perform(hand, name, rest)


def perform(hand: HandMarket, name: object, rest: list[object]) -> None:
    values: list[object] = list(rest)
    if name == "place":
        side, qty, price, tif, stop, reduces = values
        trigger = Trigger(Decimal(str(stop[0])), rises=bool(stop[1])) if isinstance(stop, tuple) else None
        tif = tif if price is not None else TimeInForce.GTC
        hand.place(str(side), qty, price, tif, stop=trigger, reduce_only=bool(reduces and hand.margin))  # type: ignore[arg-type]
    elif name == "quote":
        bid, spread, size = values
        hand.quote(bid, round(bid + spread / 10, 1), size)  # type: ignore[operator, arg-type]
    elif name == "print":
        price, qty, maker = values
        hand.print_trade(price, qty, buyer_is_maker=bool(maker))  # type: ignore[arg-type]
    elif name == "cancel":
        orders = list(hand.account.orders.values())
        if orders:
            hand.venue.cancel(hand.account, orders[int(str(values[0])) % len(orders)])
    else:
        hand.pass_time(int(str(values[0])))


def check_orders(hand: HandMarket) -> None:
    """No order lost or doubled: each has one beginning, at most one end, and its fills are its own."""
    told = [event for event in hand.events if isinstance(event, OrderEvent)]
    begun = Counter(event.order.order_id for event in told if event.execution is Execution.NEW)
    ended = Counter(event.order.order_id for event in told if not event.order.is_open)
    assert begun == dict.fromkeys(hand.account.orders, 1)
    assert set(ended.values()) <= {1}
    fills = [fill for order in hand.account.orders.values() for fill in order.fills]
    assert sorted(fill.trade_id for fill in fills) == sorted(fill.trade_id for fill in hand.account.fills)
    assert len({fill.trade_id for fill in fills}) == len(fills)
    for order in hand.account.orders.values():
        assert order.filled == sum((fill.qty for fill in order.fills), Decimal(0)) <= order.qty
        assert (order.status is Status.FILLED) == (order.left == 0 and order.qty > 0)
        if order.price is not None:
            assert all((order.price - fill.price) * order.side.sign >= 0 for fill in order.fills)
    assert {order.order_id for order in hand.account.open_orders()} == set(hand.account.orders) - set(ended)


@settings(max_examples=120, deadline=None)
@given(ACTS)
def test_a_margin_account_adds_up(acts: list[tuple[object, ...]]) -> None:
    hand = HandMarket(margin=True, deposit=Decimal(200), funding_s=3600)
    hand.quote(99.9, 100.0, 1.0)
    play(hand, acts)
    ledger = hand.ledger
    assert isinstance(ledger, MarginLedger)
    held = ledger.position(SYMBOL)
    traded = sum((fill.side.sign * fill.qty for fill in hand.account.fills), Decimal(0))
    cash = sum((-fill.side.sign * fill.value - fill.fee for fill in hand.account.fills), Decimal(0))
    funding = sum((paid.amount for paid in hand.venue.fundings), Decimal(0))
    assert held.qty == traded
    assert ledger.wallet == Decimal(200) + cash + held.cost + funding
    assert (held.cost == 0) if held.qty == 0 else (held.cost * held.qty > 0)
    check_orders(hand)


@settings(max_examples=120, deadline=None)
@given(ACTS)
def test_a_spot_wallet_adds_up_and_locks_exactly_what_is_open(acts: list[tuple[object, ...]]) -> None:
    hand = HandMarket(margin=False, deposit=Decimal(300))
    hand.quote(99.9, 100.0, 1.0)
    play(hand, acts)
    ledger = hand.ledger
    assert isinstance(ledger, SpotLedger)
    expected = {"USDT": Decimal(300), "BTC": Decimal(2)}
    for fill in hand.account.fills:
        expected["BTC"] += fill.side.sign * fill.qty
        expected["USDT"] -= fill.side.sign * fill.value
        expected[fill.fee_asset] -= fill.fee
    assert {asset: held.total for asset, held in ledger.balances.items()} == expected
    assert all(held.free >= 0 and held.locked >= 0 for held in ledger.balances.values())
    locked = Counter[str]()
    for order in hand.account.open_orders():
        at = order.price or (order.request.trigger.price if order.request.trigger else Decimal(0))
        locked["USDT" if order.side == "BUY" else "BTC"] += order.left * at if order.side == "BUY" else order.left  # type: ignore[assignment]
    for asset in ("USDT", "BTC"):
        assert ledger.balances[asset].locked == locked[asset]
    check_orders(hand)
