"""One identity everywhere: equity change = realised + unrealised - fees; and a trade's result is that of its own fills."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import EventKind
from tests.engine_support import CAPITAL_USD, CLOSES, Story, control, eventful_market
from trader.engine.state import new_state
from trader.market.tape import on_quote
from trader.portfolio.accounting import apply_fill, equity_usd, unrealised_usd

SYMBOLS = 3
fills = st.tuples(
    st.integers(0, SYMBOLS - 1),
    st.floats(-500.0, 500.0).filter(lambda qty: abs(qty) > 1e-3),
    st.floats(0.01, 70_000.0),
    st.floats(0.0, 50.0),  # fee, bps
    st.floats(0.5, 2.0),  # mark after the fill, times its price
)


def identity_gap_usd(state: Any) -> float:
    account = state[0]
    symbols = account["symbols"][:SYMBOLS]
    parts = sum(float(s["realised_usd"]) + unrealised_usd(s) - float(s["fees_usd"]) for s in symbols)
    return float(equity_usd(account) - account["start_equity_usd"] - parts)


@given(st.lists(fills, min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_the_identity_holds_after_every_fill_long_short_and_flipping(story: list[tuple[int, float, float, float, float]]) -> None:
    state = new_state(SYMBOLS, CAPITAL_USD)
    account, turnover_usd = state[0], CAPITAL_USD
    for index, qty, price, fee_bps, mark in story:
        symbol = account["symbols"][index]
        before = float(symbol["position_qty"])
        apply_fill(account, symbol, qty, price, abs(qty) * price * fee_bps * 1e-4)
        on_quote(symbol, price * mark * 0.9999, 1.0, price * mark * 1.0001, 1.0)
        turnover_usd += abs(qty) * price * max(mark, 1.0)
        assert abs(identity_gap_usd(state)) <= 1e-9 * turnover_usd
        assert symbol["position_qty"] == pytest.approx(before + qty, rel=1e-12, abs=1e-9 * abs(qty))


@given(st.floats(0.001, 500.0), st.floats(0.01, 7e4), st.floats(0.01, 7e4), st.sampled_from([1.0, -1.0]), st.floats(0.1, 5.0))
def test_a_flip_realises_the_old_side_and_opens_the_new_at_its_price(
    qty: float, entry: float, leave: float, side: float, more: float
) -> None:
    state = new_state(1, CAPITAL_USD)
    symbol = state[0]["symbols"][0]
    apply_fill(state[0], symbol, side * qty, entry, 0.0)
    realised = apply_fill(state[0], symbol, -side * qty * (1.0 + more), leave, 0.0)
    assert realised == pytest.approx(side * qty * (leave - entry), rel=1e-9, abs=1e-12 * qty * entry)
    assert symbol["realised_usd"] == realised
    assert symbol["entry_price_usd"] == leave
    assert symbol["position_qty"] == pytest.approx(-side * qty * more, rel=1e-9)


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=8), st.floats(1.0, 1e5))
def test_leaving_in_parts_ends_exactly_flat(parts: list[float], price: float) -> None:
    state = new_state(1, CAPITAL_USD)
    symbol = state[0]["symbols"][0]
    for qty in parts:
        apply_fill(state[0], symbol, qty, price, 0.0)
    apply_fill(state[0], symbol, -float(symbol["position_qty"]), price * 1.1, 0.0)
    assert (float(symbol["position_qty"]), float(symbol["entry_price_usd"])) == (0.0, 0.0)


def played(seed: int) -> Story:
    return Story(2, ema_dev_trending_pct=2.0).tell([control("stale_ms", 60_000.0)]).tell(eventful_market(seed, 400))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_identity_holds_in_what_is_published(seed: int) -> None:
    view = played(seed).view()
    booked = float(view["realised_usd"] + view["unrealised_usd"] - view["fees_usd"])
    assert float(view["equity_usd"] - view["start_equity_usd"]) == pytest.approx(booked, rel=1e-9, abs=1e-9 * CAPITAL_USD)
    rows = view["rows"][:2]
    marks = sum(float(row["position_qty"] * row["mark_price_usd"]) for row in rows)
    assert float(view["equity_usd"]) == pytest.approx(float(view["cash_usd"]) + marks, rel=1e-12)
    assert int(view["trades"]) == int(view["wins"] + view["losses"])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_closed_trade_is_worth_what_its_fills_and_fees_say(seed: int) -> None:
    story = played(seed)
    all_fills = story.of(EventKind.FILL)
    recent = {int(row["trade_id"]): row for row in story.account["recent"] if row["trade_id"]}
    for close in story.of(*CLOSES):
        own = all_fills[all_fills["trade_id"] == close["trade_id"]]
        assert sorted(own["side"].tolist()) == [-1, 1]
        cash = float(-(own["side"] * own["qty"] * own["price_usd"]).sum() - own["fee_usd"].sum())
        assert float(close["pnl_usd"]) == pytest.approx(cash, rel=1e-9, abs=1e-6)
        assert float(close["fee_usd"]) == pytest.approx(float(own["fee_usd"].sum()), rel=1e-12)
        assert float(recent[int(close["trade_id"])]["pnl_usd"]) == float(close["pnl_usd"])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_cash_and_position_of_a_fill_are_the_sums_of_the_fills_before_it(seed: int) -> None:
    story = played(seed)
    all_fills = story.of(EventKind.FILL)
    spent = np.cumsum(all_fills["side"] * all_fills["qty"] * all_fills["price_usd"] + all_fills["fee_usd"])
    assert all_fills["cash_usd"] == pytest.approx(CAPITAL_USD - spent, rel=1e-9)
    for symbol in (0, 1):
        own = all_fills[all_fills["symbol"] == symbol]
        assert own["position_qty"] == pytest.approx(np.cumsum(own["side"] * own["qty"]), abs=1e-9)


def test_the_random_market_really_trades() -> None:
    stories = [played(seed) for seed in range(20)]
    closes = np.concatenate([story.of(*CLOSES) for story in stories])
    assert len(closes) > 40
    assert set(closes["side"].tolist()) == {-1, 1}
    assert len(set(closes["reason"].tolist())) >= 4
