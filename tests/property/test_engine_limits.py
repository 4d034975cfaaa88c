"""Risk never lets an entry pass a limit, and every mode has a way back to NORMAL by time alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import NS_PER_S
from shared.events import Mode
from shared.params import CONTROLS, PARAMS, index_of
from tests.engine_support import Story, control, instrument, market, quote, ramp
from trader.engine.entry import decide_entry
from trader.engine.state import ENABLED_FIELD, copy_state, new_state
from trader.execution.paper import commission_usd, market_price, slipped
from trader.portfolio.accounting import apply_fill, equity_usd, gross_usd
from trader.risk.checks import same_side_usd
from trader.risk.modes import enter_mode, mode_step, note_result

PRICE = 100.0
LIMITS = (
    "max_gross_pct",
    "max_symbol_pct",
    "max_correlated_pct",
    "max_trade_loss_pct",
    "leverage",
    "slippage_bps",
    "commission_bps",
)
SIZES = ("base_position_pct", "max_position_pct", "stop_pct")


@cache
def waiting() -> Any:
    """Return the state of three symbols of which the first would enter."""
    story = Story(3, enabled=0.0).tell([instrument(i, step=0.001) for i in range(3)])
    story.tell([control("max_drawdown_pct", 50.0), *market(ramp(PRICE, 2.0, 64), symbols=(0, 1, 2))])
    story.account["symbols"]["settings"]["values"][:, ENABLED_FIELD] = 1.0
    story.account["symbols"]["expected_bps"] = 1e9
    return story.engine.state


def uniform(draw: Any, fields: Any, name: str) -> float:
    field = fields[index_of(fields, name)]
    return float(draw(st.floats(field.minimum, field.maximum)))


@st.composite
def accounts(draw: Any) -> Any:
    """Draw an account that holds something, its limits, and a spread."""
    state = copy_state(waiting())
    account = state[0]
    for name in LIMITS:
        account["controls"]["values"][index_of(CONTROLS, name)] = uniform(draw, CONTROLS, name)
    for name in SIZES:
        account["symbols"]["settings"]["values"][:, index_of(PARAMS, name)] = uniform(draw, PARAMS, name)
    account["size_factor"] = draw(st.sampled_from([0.4, 0.7, 1.0, 1.25]))
    perpetual = draw(st.booleans())
    account["symbols"]["perpetual"] = perpetual
    account["symbols"]["score"][0] = draw(st.sampled_from([1.0, -1.0] if perpetual else [1.0]))
    account["symbols"]["strength"][0] = draw(st.integers(2, 3))
    for symbol in account["symbols"][1:3]:
        apply_fill(account, symbol, draw(st.floats(-800.0 if perpetual else 1.0, 450.0)) + 1e-3, PRICE, 0.0)
    half_spread = draw(st.floats(0.001, 0.5))
    touch = quote(64, PRICE, 0, half_spread)
    for field, at in (("bid_price_usd", 6), ("ask_price_usd", 8)):
        account["symbols"][field][0] = touch[at]
    account["symbols"]["book_valid"] = 0
    return state


@given(accounts())
@settings(max_examples=300, deadline=None)
def test_no_entry_passes_a_limit(state: Any) -> None:
    account = state[0]
    symbol, controls = account["symbols"][0], account["controls"]["values"]
    values = symbol["settings"]["values"]
    before_usd = equity_usd(account)
    qty = float(decide_entry(account, 0))
    if qty == 0.0:
        return
    side = 1 if qty > 0.0 else -1
    fill_usd = slipped(account, market_price(symbol, side, abs(qty)), side)
    apply_fill(account, symbol, qty, fill_usd, commission_usd(account, qty * fill_usd))
    equity, held_usd = equity_usd(account), abs(qty) * PRICE
    hair = 1.0 + 1e-9

    def limit(name: str) -> float:
        return float(controls[index_of(CONTROLS, name)])

    assert gross_usd(account) <= limit("max_gross_pct") / 100.0 * equity * hair
    assert held_usd <= limit("max_symbol_pct") / 100.0 * equity * hair
    assert same_side_usd(account, float(side)) <= limit("max_correlated_pct") / 100.0 * equity * hair
    assert held_usd <= values[index_of(PARAMS, "max_position_pct")] / 100.0 * before_usd * hair
    assert held_usd * values[index_of(PARAMS, "stop_pct")] / 100.0 <= limit("max_trade_loss_pct") / 100.0 * before_usd * hair
    if symbol["perpetual"]:
        assert gross_usd(account) <= limit("leverage") * equity * hair
    else:
        assert account["cash_usd"] >= -1e-9 * equity


def test_the_random_accounts_really_enter() -> None:
    entered = []

    @given(accounts())
    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    def play(state: Any) -> None:
        entered.append(float(decide_entry(state[0], 0)))

    play()
    assert sum(qty > 0.0 for qty in entered) > 3
    assert sum(qty < 0.0 for qty in entered) > 3
    assert sum(qty == 0.0 for qty in entered) > 3


@given(
    st.sampled_from(Mode),
    st.lists(st.floats(-500.0, 500.0), max_size=40),
    st.floats(0.3, 1.2),
    st.integers(1, 10_000),
)
@settings(max_examples=100, deadline=None)
def test_every_mode_has_a_way_back_by_time_alone(start: Mode, history: list[float], equity_share: float, seconds: int) -> None:
    state = new_state(1, 100_000.0)
    account = state[0]
    account["time_ns"] = seconds * NS_PER_S
    enter_mode(account, int(start), 0.0)
    for net in history:
        note_result(account, 0, net)
    modes = []
    for _ in range(180):  # minutes
        mode_step(account, 100_000.0 * equity_share)
        modes.append(int(account["mode"]))
        account["time_ns"] += 60 * NS_PER_S
    assert modes[-90:] == [Mode.NORMAL] * 90
    assert np.count_nonzero(np.diff(modes)) <= 6
