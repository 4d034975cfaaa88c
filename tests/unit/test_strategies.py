"""Each strategy enters on the market it is made for, and SMART, the flip cooldown and the leader filter hold it back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from shared.clock import NS_PER_S
from shared.events import EventKind, Reason, Regime, Strategy
from shared.params import STRATEGY_NAMES
from tests.engine_support import (
    CLOSES,
    START_NS,
    Rows,
    Story,
    acting,
    book,
    control,
    disconnected,
    instrument,
    market,
    quote,
    ramp,
    second_ns,
    zigzag,
)
from trader.engine.inputs import SELL_TAKER, InputKind, row
from trader.engine.state import FAIR_WINDOW_BARS, STRATEGY_BY_REGIME, new_state
from trader.strategies.market_maker import MINIMUM_GAIN_BPS, half_spread_bps, market_maker, micro_price
from trader.strategies.opinion import entry_objection
from trader.strategies.smart import (
    FLIP_COOLDOWN_S,
    MINIMUM_HOLD_S,
    UNSETTLED_S,
    choose,
    flip_waits,
    remember_position,
    remember_signal,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

RISE = ramp(100.0, 2.0, 80)
FALL = ramp(100.0, -2.0, 80)
NOISE = zigzag(100.0, 2.0, 200)
DIP = [*NOISE, *ramp(100.0, -5.0, 8), *ramp(99.6, 1.5, 12)]
BUMP = [*NOISE, *ramp(100.0, 5.0, 8), *ramp(100.4, -1.5, 12)]
WIDE = {"ema_dev_ranging_pct": 1.0, "ema_dev_highvol_pct": 0.5}


def aggressive(side: int, seconds: int, half_spread_usd: float = 0.005) -> Rows:
    """Return a market that does not move while one side trades, in size, and the other side of the book is thin."""
    rows: Rows = []
    flags = SELL_TAKER if side < 0 else 0
    for at_s in range(seconds):
        thick, thin = [(100.0 - half_spread_usd, 90.0)], [(100.0 + half_spread_usd, 10.0)]
        if side < 0:
            thick, thin = [(thick[0][0], 10.0)], [(thin[0][0], 90.0)]
        price = 100.0 + 0.01 * (at_s % 2)
        rows += [*book(at_s, thick, thin), quote(at_s, 100.0, half_spread_usd=half_spread_usd)]
        rows += [row(InputKind.TRADE, second_ns(at_s), 0, flags=flags, a=price, b=qty) for qty in (1.0, 1.0, 20.0)]
    return rows


class Tale(NamedTuple):
    strategy: Strategy
    rows: Rows
    side: int


TALES = [
    Tale(Strategy.TECHNICAL, market(RISE), 1),
    Tale(Strategy.TECHNICAL, market(FALL), -1),
    Tale(Strategy.MOMENTUM, market(RISE), 1),
    Tale(Strategy.MOMENTUM, market(FALL), -1),
    Tale(Strategy.FAIR_VALUE, market(DIP), 1),
    Tale(Strategy.FAIR_VALUE, market(BUMP), -1),
    Tale(Strategy.ORDER_FLOW, aggressive(1, 80), 1),
    Tale(Strategy.ORDER_FLOW, aggressive(-1, 80), -1),
    Tale(Strategy.BLEND, market(RISE), 1),
    Tale(Strategy.BLEND, market(FALL), -1),
]


def told(strategy: Strategy, rows: Rows, **values: float) -> Story:
    return Story(**WIDE, **values).tell([control("min_edge_factor", 0.0)]).tell(acting(strategy)).tell(rows)


def opinion(story: Story, strategy: Strategy, index: int = 0) -> Any:
    return story.symbol(index)["opinions"][strategy]


@pytest.mark.parametrize("tale", TALES, ids=lambda tale: f"{tale.strategy.name} {tale.side:+d}")
def test_a_strategy_enters_on_its_market(tale: Tale) -> None:
    story = told(tale.strategy, tale.rows)
    opened = story.of(EventKind.POSITION_OPEN)
    assert opened["side"][:1].tolist() == [tale.side], story.why()
    assert story.symbol()["strategy"] == tale.strategy


def test_strategies_and_codes_have_the_same_names() -> None:
    assert tuple(strategy.name.lower() for strategy in Strategy)[1:] == STRATEGY_NAMES[: len(Strategy) - 1]


def test_momentum_does_not_follow_a_move_that_has_stopped_or_is_old() -> None:
    story = told(Strategy.MOMENTUM, market([*ramp(100.0, 2.0, 58), *[101.16] * 12]))
    assert not len(story.of(EventKind.POSITION_OPEN))
    assert opinion(story, Strategy.TECHNICAL)["strength"] > 0  # the technical one still would


def test_fair_value_does_not_catch_a_price_that_still_falls() -> None:
    story = told(Strategy.FAIR_VALUE, market(DIP[:208]))
    assert opinion(story, Strategy.FAIR_VALUE)["score"] == 0.0
    story.tell(market(DIP[208:], 208))
    assert story.symbol()["position_qty"] > 0.0


@pytest.mark.parametrize("drift_usd", [-0.02, 0.0, 0.02])
def test_the_fair_value_is_the_median_of_the_window(drift_usd: float) -> None:
    random = np.random.default_rng(5)
    prices = np.round(100.0 + np.cumsum(random.normal(drift_usd, 0.01, 400)), 2)
    story = told(Strategy.FAIR_VALUE, market(list(prices)))
    symbol = story.symbol()
    closes = np.array([symbol["closes_usd"][(int(symbol["bars"]) - 1 - back) % 300] for back in range(FAIR_WINDOW_BARS)])
    assert symbol["fair"]["sorted_usd"].tolist() == sorted(closes.tolist())
    assert symbol["fair"]["value_usd"] == pytest.approx(np.median(closes), rel=1e-12)


def test_order_flow_is_silent_while_the_spread_is_wide() -> None:
    story = told(Strategy.ORDER_FLOW, aggressive(1, 80, half_spread_usd=0.03))
    assert not len(story.of(EventKind.POSITION_OPEN))
    assert story.why() is Reason.WEAK_SIGNAL


def test_the_mode_asks_for_more_strength_but_never_for_more_than_there_is() -> None:
    story = Story().tell(market([100.0] * 70))
    objections = {}
    for extra in (0, 1, 2):
        story.account["strength_extra"] = extra
        objections[extra] = [entry_objection(story.account, story.symbol(), strength) for strength in (1, 2, 3)]
    weak, none = Reason.WEAK_SIGNAL, Reason.NONE
    assert objections == {0: [weak, none, none], 1: [weak, weak, none], 2: [weak, weak, none]}


def quoting(**fields: float) -> Any:
    """Return a state in which the market maker could quote, with some fields of the symbol changed."""
    story = Story().tell(market([100.0] * 70))
    symbol = story.symbol()
    for name, value in fields.items():
        symbol[name] = value
    market_maker(story.account, 0)
    return story


def test_the_market_maker_quotes_around_the_micro_price_and_enters_by_no_market_order() -> None:
    story = told(Strategy.MARKET_MAKER, market([100.0] * 70))
    symbol = story.symbol()
    half_usd = 100.0 * 2.5e-4  # the fee of 2 bps and half a bp of gain
    assert symbol["quote_bid_usd"] == pytest.approx(math.floor((100.0 - half_usd) * 100) / 100)
    assert symbol["quote_ask_usd"] == pytest.approx(math.ceil((100.0 + half_usd) * 100) / 100)
    assert story.why() is Reason.NO_STRATEGY
    assert half_spread_bps(story.account, symbol) == 2.0 + MINIMUM_GAIN_BPS


def test_a_quote_never_crosses_the_touch_even_with_a_rebate() -> None:
    story = Story().tell([control("maker_bps", -10.0), *market([100.0] * 70)])
    symbol = story.symbol()
    symbol["bid_qty"], symbol["ask_qty"] = 1.0, 1e9  # micro-price on the bid
    market_maker(story.account, 0)
    quotes = opinion(story, Strategy.MARKET_MAKER)
    assert quotes["quote_bid_usd"] < symbol["ask_price_usd"]
    assert quotes["quote_ask_usd"] > symbol["bid_price_usd"]


def test_inventory_lowers_both_quotes_and_a_full_one_stops_buying() -> None:
    flat, long, full = (opinion(quoting(position_qty=qty), Strategy.MARKET_MAKER) for qty in (0.0, 40.0, 60.0))
    assert long["quote_bid_usd"] < flat["quote_bid_usd"]
    assert long["quote_ask_usd"] < flat["quote_ask_usd"]
    assert full["quote_bid_usd"] == 0.0 < full["quote_ask_usd"]


@pytest.mark.parametrize(
    "field",
    [{"book_valid": 0}, {"stale": 1}, {"regime": Regime.SPIKE}, {"regime": Regime.HIGH_VOLATILITY}, {"tick_size": 0.0}],
    ids=str,
)
def test_no_quotes_in_a_storm_or_in_the_dark(field: dict[str, float]) -> None:
    quotes = opinion(quoting(**field), Strategy.MARKET_MAKER)
    assert (quotes["quote_bid_usd"], quotes["quote_ask_usd"]) == (0.0, 0.0)


def test_spot_quotes_no_sale_of_what_it_has_not() -> None:
    quotes = opinion(quoting(perpetual=0), Strategy.MARKET_MAKER)
    assert quotes["quote_ask_usd"] == 0.0 < quotes["quote_bid_usd"]


def test_the_micro_price_leans_to_the_thin_side() -> None:
    assert micro_price(99.0, 3.0, 101.0, 1.0) == 100.5
    assert micro_price(99.0, 0.0, 101.0, 0.0) == 100.0


def flat_state(up: Strategy = Strategy.MOMENTUM, ranging: Strategy = Strategy.FAIR_VALUE) -> Any:
    whole = new_state(1, 1e5)[0]
    values = whole["controls"]["values"]
    values[STRATEGY_BY_REGIME[Regime.TRENDING_UP]], values[STRATEGY_BY_REGIME[Regime.RANGING]] = up, ranging
    return whole


def at(state: Any, second: int, regime: Regime, position: float = 0.0) -> Strategy:
    """Let SMART choose at a second; return what acts then."""
    symbol = state["symbols"][0]
    state["next_second_ns"] = START_NS + second * NS_PER_S
    symbol["regime"], symbol["position_qty"] = regime, position
    choose(state, symbol)
    return Strategy(int(symbol["strategy"]))


def test_smart_follows_the_regime_after_a_minimum_hold() -> None:
    state = flat_state()
    assert at(state, 0, Regime.TRENDING_UP) is Strategy.MOMENTUM
    for second in (1, 30, MINIMUM_HOLD_S - 1):
        assert at(state, second, Regime.RANGING) is Strategy.MOMENTUM
    assert at(state, MINIMUM_HOLD_S, Regime.RANGING) is Strategy.FAIR_VALUE
    assert at(state, MINIMUM_HOLD_S + 1, Regime.TRENDING_UP) is Strategy.FAIR_VALUE


def test_smart_keeps_the_strategy_of_an_open_position() -> None:
    state = flat_state()
    at(state, 0, Regime.TRENDING_UP)
    assert at(state, 500, Regime.RANGING, position=1.0) is Strategy.MOMENTUM
    assert at(state, 501, Regime.SPIKE, position=1.0) is Strategy.MOMENTUM
    assert at(state, 502, Regime.RANGING) is Strategy.FAIR_VALUE


def test_nothing_acts_at_once_and_then_holds_too() -> None:
    state = flat_state()
    at(state, 0, Regime.TRENDING_UP)
    assert at(state, 5, Regime.SPIKE) is Strategy.NONE
    assert at(state, 6, Regime.TRENDING_UP) is Strategy.NONE
    assert at(state, 5 + MINIMUM_HOLD_S, Regime.TRENDING_UP) is Strategy.MOMENTUM


def test_a_changed_map_counts_at_once_and_a_code_nobody_has_means_nothing() -> None:
    state = flat_state()
    at(state, 0, Regime.TRENDING_UP)
    state["controls"]["values"][STRATEGY_BY_REGIME[Regime.TRENDING_UP]] = Strategy.BLEND
    assert at(state, 3, Regime.TRENDING_UP) is Strategy.BLEND
    state["controls"]["values"][STRATEGY_BY_REGIME[Regime.TRENDING_UP]] = 99.0
    assert at(state, 4, Regime.TRENDING_UP) is Strategy.NONE


def test_a_signal_that_turns_is_not_trusted_for_some_seconds() -> None:
    state = flat_state()
    symbol = state["symbols"][0]
    waits = []
    for second, score in enumerate([0.5, 0.5, -0.5, *[-0.6] * UNSETTLED_S]):
        state["next_second_ns"], symbol["score"] = START_NS + second * NS_PER_S, score
        remember_signal(state, symbol)
        waits.append(bool(flip_waits(state, symbol)))
    assert waits == [False, False, *[True] * UNSETTLED_S, False]


def test_an_exit_delays_the_opposite_side_only() -> None:
    state = flat_state()
    symbol = state["symbols"][0]
    waits = {}
    for second, qty in enumerate([0.0, 1.0, 0.0, *[0.0] * FLIP_COOLDOWN_S]):
        state["next_second_ns"], symbol["position_qty"] = START_NS + second * NS_PER_S, qty
        remember_position(state, symbol)
        for symbol["score"] in (0.5, -0.5):
            waits[second, float(symbol["score"])] = bool(flip_waits(state, symbol))
    assert not any(waits[second, 0.5] for second in range(FLIP_COOLDOWN_S + 3))
    assert [waits[second, -0.5] for second in (1, 2, FLIP_COOLDOWN_S + 1, FLIP_COOLDOWN_S + 2)] == [False, True, True, False]


def test_a_told_reversal_enters_the_other_way_a_minute_after_the_exit() -> None:
    up = ramp(100.0, 2.0, 115)
    story = Story(target_pct=1.0).tell(market([*up, *ramp(up[-1], -2.0, 170)]))
    opened, closed = story.of(EventKind.POSITION_OPEN), story.of(*CLOSES)
    short_ns = int(opened["time_ns"][opened["side"] < 0][0])
    last_long = closed[closed["time_ns"] < short_ns][-1]
    assert last_long["side"] == 1
    assert FLIP_COOLDOWN_S <= (short_ns - int(last_long["time_ns"])) / NS_PER_S <= FLIP_COOLDOWN_S + 1


def test_no_strategy_means_no_entry() -> None:
    assert told(Strategy.NONE, market(RISE)).why() is Reason.NO_STRATEGY


def two(leader_prices: Sequence[float], prices: Sequence[float], leader: float = 1.0) -> Story:
    story = Story(2).tell([control("leader", leader), instrument(0, step=1e9)])  # the leader itself is too small to trade
    for second, (first, other) in enumerate(zip(leader_prices, prices, strict=True)):
        story.tell([*market([first], second, (0,)), *market([other], second, (1,))])
    return story


def test_the_leader_must_agree() -> None:
    assert two(RISE, RISE).symbol(1)["position_qty"] > 0.0
    against = two(FALL, RISE)
    assert (against.why(1), float(against.symbol(1)["position_qty"])) == (Reason.LEADER_DISAGREES, 0.0)
    assert two(FALL, RISE, leader=0.0).symbol(1)["position_qty"] > 0.0
    assert two(FALL, RISE, leader=2.0).symbol(1)["position_qty"] > 0.0  # the leader needs nobody


def test_a_leader_that_is_not_there_or_stale_agrees_with_nothing() -> None:
    assert two(FALL, RISE, leader=3.0).why(1) is Reason.LEADER_DISAGREES
    story = Story(2).tell(
        [control("leader", 1.0), instrument(0, step=1e9), *market(RISE[:60], symbols=(0, 1)), disconnected(59.5, 0)]
    )
    story.tell(market(RISE[60:66], 60, (1,)))
    assert story.why(1) is Reason.LEADER_DISAGREES


def test_an_entry_must_not_lag_its_leader() -> None:
    story = two(ramp(100.0, 4.0, 80), RISE)
    assert (story.why(1), float(story.symbol(1)["position_qty"])) == (Reason.LEADER_DISAGREES, 0.0)
