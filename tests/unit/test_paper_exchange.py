"""What the paper exchange assumes, one test for each line of the table in docs/paper_exchange.md."""

from __future__ import annotations

from typing import Any

import pytest

from shared.events import EventKind, Reason, Source
from tests.engine_support import CAPITAL_USD, CLOSES, Rows, Story, book, control, emergency_exit, quote, second_ns, timer, trade
from trader.engine.inputs import ASK, LAST, SELL_TAKER, InputKind, row
from trader.engine.state import ASK_SLOT, BID_SLOT, MARKET_SLOT, new_state
from trader.engine.trading import enter, leave
from trader.engine.trading import quote as rest
from trader.execution.latency import latency_ns
from trader.portfolio.accounting import liquidation_usd

BIDS = [(99.99, 10.0), (99.98, 20.0)]
ASKS = [(100.01, 10.0), (100.02, 20.0), (101.0, 500.0)]


def touching(at_s: float, bid: float = 99.99, ask: float = 100.01) -> Rows:
    return [row(InputKind.QUOTE, second_ns(at_s), 0, a=bid, b=10.0, c=ask, d=10.0, ref=1)]


def opened(latency_ms: float = 0.0) -> Story:
    """Return a story of one symbol with a book around 100, inside its first second."""
    story = Story()
    story.set_control("latency_ms", latency_ms)
    story.set_control("slippage_bps", 0.0)
    return story.tell([*book(0, BIDS, ASKS), *touching(0), trade(0, 100.0)])


def resting(story: Story, side: int, qty: float, price: float) -> Any:
    """Let the story's engine send a post-only order and return its slot."""
    rest(story.engine.state[0], story.engine._box[0], 0, side, qty, price, int(Reason.QUOTE))
    story.tell([timer(0.01)])
    return story.symbol()["orders"][BID_SLOT if side > 0 else ASK_SLOT]


def sold(at_s: float, price: float, qty: float) -> Rows:
    """Return a public trade in which the taker sold."""
    return [row(InputKind.TRADE, second_ns(at_s), 0, a=price, b=qty, flags=SELL_TAKER)]


def bought(at_s: float, price: float, qty: float) -> Rows:
    return [row(InputKind.TRADE, second_ns(at_s), 0, a=price, b=qty)]


def shown(at_s: float, side: int, price: float, qty: float) -> Rows:
    """Return a depth update of one level."""
    return [row(InputKind.DEPTH, second_ns(at_s), 0, a=price, b=qty, flags=side + LAST, ref=9)]


def buy(story: Story, qty: float) -> None:
    enter(story.engine.state[0], story.engine._box[0], 0, qty, 100.0)


def fills(story: Story) -> list[tuple[int, float, float]]:
    return [(int(f["side"]), float(f["qty"]), float(f["price_usd"])) for f in story.of(EventKind.FILL)]


def test_an_order_queues_behind_all_that_is_displayed() -> None:
    order = resting(opened(), 1, 5.0, 99.99)
    assert float(order["queue_qty"]) == 10.0


def test_a_better_price_than_the_best_has_nobody_ahead() -> None:
    assert float(resting(opened(), 1, 5.0, 100.0)["queue_qty"]) == 0.0


def test_trades_at_our_price_fill_those_ahead_first_then_us_in_parts() -> None:
    story = opened()
    order = resting(story, 1, 5.0, 99.99)
    story.tell(sold(0.1, 99.99, 8.0))
    assert (float(order["queue_qty"]), fills(story)) == (2.0, [])
    story.tell(sold(0.2, 99.99, 5.0))
    assert fills(story) == [(1, 3.0, 99.99)]
    story.tell(sold(0.3, 99.99, 50.0))
    assert fills(story) == [(1, 3.0, 99.99), (1, 2.0, 99.99)]
    assert len(story.of(EventKind.POSITION_OPEN)) == 1
    assert float(story.symbol()["position_qty"]) == 5.0


def test_trades_of_the_other_side_do_not_advance_the_queue() -> None:
    story = opened()
    order = resting(story, 1, 5.0, 99.99)
    story.tell(bought(0.1, 99.99, 50.0))
    assert (float(order["queue_qty"]), fills(story)) == (10.0, [])


def test_a_level_that_shows_less_than_stood_ahead_brings_us_forward_and_one_that_grows_does_not_push_us_back() -> None:
    story = opened()
    order = resting(story, -1, 5.0, 100.01)
    story.tell(shown(0.1, ASK, 100.01, 4.0))
    assert float(order["queue_qty"]) == 4.0
    story.tell(shown(0.2, ASK, 100.01, 400.0))
    assert float(order["queue_qty"]) == 4.0


def test_a_touch_fills_nothing_and_a_quote_that_goes_through_fills_all_at_our_price() -> None:
    story = opened()
    resting(story, 1, 5.0, 99.99)
    story.tell(touching(0.1, 99.97, 99.99))
    assert fills(story) == []
    story.tell(touching(0.2, 99.90, 99.95))
    assert fills(story) == [(1, 5.0, 99.99)]


def test_a_trade_through_our_price_fills_no_more_than_was_traded() -> None:
    story = opened()
    resting(story, 1, 5.0, 99.99)
    story.tell(sold(0.1, 99.98, 2.0))
    assert fills(story) == [(1, 2.0, 99.99)]


def test_a_post_only_order_that_would_take_is_refused() -> None:
    story = opened()
    order = resting(story, 1, 5.0, 100.01)
    (cancelled,) = story.of(EventKind.CANCEL)
    assert cancelled["reason"] == Reason.POST_ONLY
    assert (int(order["status"]), fills(story)) == (0, [])


def test_a_maker_pays_the_makers_fee_and_no_slippage_and_a_rebate_is_paid_out() -> None:
    for maker_bps in (2.0, -1.0):
        story = opened()
        story.set_control("slippage_bps", 50.0)
        story.set_control("maker_bps", maker_bps)
        resting(story, 1, 5.0, 99.99)
        story.tell(touching(0.2, 99.90, 99.95))
        (fill,) = story.of(EventKind.FILL)
        assert float(fill["fee_usd"]) == pytest.approx(5.0 * 99.99 * maker_bps * 1e-4)
        assert float(fill["slippage_usd"]) == 0.0


def test_a_taker_pays_the_takers_fee_and_slippage_on_top_of_the_walk() -> None:
    story = opened()
    story.set_control("slippage_bps", 5.0)
    buy(story, 20.0)
    story.tell([timer(0.1)])
    average = (10.0 * 100.01 + 10.0 * 100.02) / 20.0
    ((_, qty, price),) = fills(story)
    assert qty == 20.0
    assert price == pytest.approx(average * 1.0005)
    assert float(story.of(EventKind.FILL)[0]["fee_usd"]) == pytest.approx(20.0 * price * 1e-3)


def test_the_same_displayed_size_is_not_filled_twice_until_it_is_shown_anew() -> None:
    def pays(again: Rows) -> float:
        story = opened()
        buy(story, 10.0)
        story.tell([timer(0.1), *again])
        buy(story, 10.0)
        story.tell([timer(0.3)])
        return fills(story)[1][2]

    assert pays([]) == pytest.approx(100.02)
    assert pays(shown(0.2, ASK, 100.01, 10.0)) == pytest.approx(100.01)


def test_an_order_takes_its_latency_and_meets_the_market_of_its_arrival() -> None:
    story = opened(latency_ms=200.0)
    buy(story, 5.0)
    story.tell(touching(0.1, 100.09, 100.11))
    assert fills(story) == []
    story.tell(book(0.15, [(100.09, 10.0)], [(100.11, 10.0)]))
    story.tell(touching(0.25, 100.99, 101.01))  # the order was there before this quote
    assert fills(story) == [(1, 5.0, 100.11)]


def test_a_cancel_takes_its_latency_too_and_may_come_too_late() -> None:
    story = opened(latency_ms=100.0)
    resting(story, 1, 5.0, 99.99)
    story.tell([timer(0.15)])
    rest(story.engine.state[0], story.engine._box[0], 0, 1, 0.0, 0.0, int(Reason.QUOTE))
    story.tell(touching(0.2, 99.90, 99.95))
    assert fills(story) == [(1, 5.0, 99.99)]
    late = opened(latency_ms=100.0)
    resting(late, 1, 5.0, 99.99)
    late.tell([timer(0.15)])
    rest(late.engine.state[0], late.engine._box[0], 0, 1, 0.0, 0.0, int(Reason.QUOTE))
    late.tell(touching(0.3, 99.90, 99.95))
    assert fills(late) == []
    assert late.of(EventKind.CANCEL)["reason"].tolist() == [Reason.CANCELLED]


def test_a_drawn_latency_repeats_with_the_seed_and_has_the_mean_it_was_given() -> None:
    def draws(seed: int) -> list[int]:
        state = new_state(1, CAPITAL_USD, seed=seed)
        values = state[0]["controls"]["values"]
        values[10], values[11] = 20.0, 30.0
        return [latency_ns(state[0]) for _ in range(4000)]

    first = draws(1)
    assert first == draws(1)
    assert first != draws(2)
    assert min(first) >= 20_000_000
    assert sum(first) / len(first) == pytest.approx(50e6, rel=0.06)


def test_one_market_order_is_on_its_way_at_a_time() -> None:
    story = opened()
    buy(story, 5.0)
    story.tell([timer(0.05)])
    story.set_control("latency_ms", 300.0)
    for _ in range(3):
        leave(story.engine.state[0], story.engine._box[0], 0, int(Reason.OPERATOR), int(Source.OPERATOR))
    story.tell([timer(0.5)])
    assert [side for side, _, _ in fills(story)] == [1, -1]
    assert float(story.symbol()["position_qty"]) == 0.0
    assert int(story.symbol()["orders"][MARKET_SLOT]["status"]) == 0


def test_an_emergency_exit_reaches_an_entry_that_is_still_on_its_way() -> None:
    story = opened(latency_ms=300.0)
    buy(story, 5.0)
    story.tell([emergency_exit(0.1)])
    story.tell([timer(i + 0.5) for i in range(4)])
    assert [side for side, _, _ in fills(story)] == [1, -1]
    (close,) = story.of(*CLOSES)
    assert close["reason"] == Reason.EMERGENCY


def test_funding_is_paid_once_at_its_time_by_longs_when_positive() -> None:
    story = opened()
    buy(story, 10.0)
    story.tell([row(InputKind.FUNDING, second_ns(0.1), 0, a=0.0005, ref=second_ns(3))])
    story.tell([*touching(2.9), timer(2.95)])
    assert not len(story.of(EventKind.FUNDING))
    story.tell([timer(4), row(InputKind.FUNDING, second_ns(4), 0, a=0.0005, ref=second_ns(3)), timer(5), timer(6)])
    (event,) = story.of(EventKind.FUNDING)
    assert float(event["pnl_usd"]) == pytest.approx(-10.0 * 100.0 * 0.0005)
    view = story.view()
    assert float(view["funding_usd"]) == pytest.approx(0.5)
    assert abs(float(view["reconciliation_usd"])) < 1e-9 * CAPITAL_USD


def test_a_trade_carries_its_own_funding() -> None:
    story = opened()
    buy(story, 10.0)
    story.tell([row(InputKind.FUNDING, second_ns(0.1), 0, a=0.0005, ref=second_ns(1)), timer(3)])
    story.tell([emergency_exit(3.1), timer(3.2)])
    (close,) = story.of(*CLOSES)
    own = story.of(EventKind.FILL)
    cash = float(-(own["side"] * own["qty"] * own["price_usd"]).sum() - own["fee_usd"].sum()) - 0.5
    assert float(close["pnl_usd"]) == pytest.approx(cash, rel=1e-9)


def test_a_leveraged_position_is_liquidated_before_it_loses_its_margin() -> None:
    story = opened()
    story.tell([control("leverage", 20.0, 0.05)])
    story.symbol()["settings"]["values"][8] = 50.0  # no stop in the way
    buy(story, 10.0)
    story.tell([timer(0.1)])
    limit = float(liquidation_usd(story.symbol(), 20.0))
    assert limit == pytest.approx(float(story.symbol()["entry_price_usd"]) * (1 - 1 / 20 + 0.005))
    story.tell([quote(0.2, limit + 0.05)])
    assert not len(story.of(*CLOSES))
    story.tell([quote(0.3, limit - 0.05)])
    (close,) = story.of(*CLOSES)
    assert close["reason"] == Reason.LIQUIDATION
    assert float(story.of(EventKind.FILL)[-1]["fee_usd"]) > 10.0 * limit * 0.0109  # the venue's share on top of the commission


def test_a_fill_that_turns_the_position_over_ends_one_trade_and_begins_another() -> None:
    story = opened()
    buy(story, 4.0)
    story.tell([timer(0.1)])
    resting(story, -1, 6.0, 100.01)
    story.tell(touching(0.3, 100.05, 100.07))
    assert fills(story)[1:] == [(-1, 4.0, 100.01), (-1, pytest.approx(2.0), 100.01)]
    assert len(story.of(*CLOSES)) == 1
    assert story.of(EventKind.POSITION_OPEN)["side"].tolist() == [1, -1]
    assert float(story.symbol()["position_qty"]) == pytest.approx(-2.0)
