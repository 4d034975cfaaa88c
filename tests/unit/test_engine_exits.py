"""How a position ends: one row, one price story; and that protection works whatever anybody has switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from shared.clock import NS_PER_S
from shared.events import EventKind, Reason
from tests.engine_support import (
    CLOSES,
    Rows,
    Story,
    book,
    control,
    disconnected,
    emergency_exit,
    instrument,
    market,
    param,
    quote,
    ramp,
    second_ns,
    spot,
    timer,
)
from trader.engine.inputs import Gap, InputKind, row
from trader.engine.state import PULLBACK
from trader.risk.exits import MINIMUM_HOLD_NS, TIME_EXIT_S

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTERED_S = 62  # the first second after the entry
LONG, SHORT = 1, -1
BOTH = pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])


class Tale(NamedTuple):
    words: str
    gains_pct: list[float]  # of the executable price against the entry, one a second
    reason: Reason  # of the exit, at the last gain; NONE: the position is held


TALES = [
    Tale("reaches the target", [0.5, 1.0, 1.501], Reason.TARGET),
    Tale("stays a hair below the target", [0.5, 1.0, 1.499], Reason.NONE),
    Tale("jumps over the target", [4.0], Reason.TARGET),
    Tale("falls to the stop", [-0.5, -1.001], Reason.STOP),
    Tale("stays a hair above the stop", [-0.5, -0.999], Reason.NONE),
    Tale("rises, then falls through pullback and stop at once: the worse is told", [0.9, -1.2], Reason.STOP),
    Tale("gives back after the gain armed the pullback", [0.6, 0.05], Reason.PULLBACK),
    Tale("gives back in small steps", [0.9, 0.7, 0.5, 0.3], Reason.PULLBACK),
    Tale("gives back as much before the gain armed the pullback", [0.4, -0.2], Reason.NONE),
    Tale("gives back too little", [0.9, 0.5], Reason.NONE),
    Tale("recovers before the give-back is complete", [0.9, 0.5, 1.2, 0.8], Reason.NONE),
]


def entered(side: int = LONG, **values: float) -> Story:
    """Return a story that stands in a position since a second."""
    story = Story(**values).tell(market(ramp(100.0, 2.0 * side, ENTERED_S)))
    assert story.symbol()["position_qty"] * side > 0
    return story


def price_at(story: Story, gain_pct: float) -> float:
    """Return the middle price at which closing now would gain so much."""
    symbol = story.symbol()
    side = 1.0 if symbol["position_qty"] > 0 else -1.0
    return float(symbol["entry_price_usd"]) * (1.0 + side * gain_pct / 100.0) + side * 0.005


def live_through(story: Story, gains_pct: Sequence[float], start_s: int = ENTERED_S) -> Story:
    return story.tell(market([price_at(story, gain) for gain in gains_pct], start_s))


def only_close(story: Story) -> Any:
    (close,) = story.of(*CLOSES)
    return close


@BOTH
@pytest.mark.parametrize("tale", TALES, ids=lambda tale: tale.words)
def test_how_a_price_story_ends(tale: Tale, side: int) -> None:
    story = entered(side)
    live_through(story, tale.gains_pct[:-1])
    assert not len(story.of(*CLOSES))
    prices = [price_at(story, gain) for gain in tale.gains_pct]
    story.tell(market(prices[-1:], ENTERED_S + len(prices) - 1))
    if tale.reason is Reason.NONE:
        assert not len(story.of(*CLOSES))
        return
    close = only_close(story)
    kinds = {Reason.TARGET: EventKind.TARGET_HIT, Reason.STOP: EventKind.STOP_LOSS, Reason.PULLBACK: EventKind.TRAILING_EXIT}
    assert (close["reason"], close["kind"], close["side"]) == (tale.reason, kinds[tale.reason], side)
    assert story.symbol()["position_qty"] == 0.0


@BOTH
def test_a_stop_that_is_jumped_over_fills_at_the_worse_price(side: int) -> None:
    story = entered(side)
    entry = float(story.symbol()["entry_price_usd"])
    live_through(story, [-8.0])
    fill = story.of(EventKind.FILL)[-1]
    assert 100.0 * side * (float(fill["price_usd"]) / entry - 1.0) == pytest.approx(-8.05, abs=0.01)  # 5 bps slippage on top
    assert fill["slippage_usd"] > 0.0


@BOTH
def test_an_exit_walks_the_book_when_the_touch_is_thin(side: int) -> None:
    story = entered(side)
    qty, price = abs(float(story.symbol()["position_qty"])), price_at(story, -1.5)
    touch, behind = price - side * 0.005, price - side * 1.005
    taken, other = [(touch, 1.0), (behind, 1e4)], [(price + side * 0.005, 1e4)]
    bids, asks = (taken, other) if side == LONG else (other, taken)
    story.tell([*book(ENTERED_S, bids, asks), quote(ENTERED_S, price)])
    order, fill = story.of(EventKind.ORDER)[-1], story.of(EventKind.FILL)[-1]
    average = (touch + (qty - 1.0) * behind) / qty
    assert float(order["price_usd"]) == pytest.approx(touch, rel=1e-9)  # what was seen when it was sent
    assert float(fill["price_usd"]) == pytest.approx(average * (1.0 - side * 5e-4), rel=1e-9)


@BOTH
def test_a_book_that_lags_behind_never_beats_the_quote(side: int) -> None:
    story = entered(side)
    price = price_at(story, -1.5)
    story.tell([quote(ENTERED_S, price)])  # the book still stands where the position was gaining
    assert float(story.of(EventKind.ORDER)[-1]["price_usd"]) == pytest.approx(price - side * 0.005, rel=1e-12)


WIDE = {"stop_pct": 5.0, "pullback_pct": 2.0, "target_pct": 10.0}


@BOTH
def test_a_reversal_waits_for_the_minimum_hold(side: int) -> None:
    story = entered(side, **WIDE)
    opened_ns = int(story.symbol()["entry_ns"])
    turned = ramp(price_at(story, 0.0), -1.5 * side, 70)
    story.tell(market(turned[:58], ENTERED_S))
    assert story.symbol()["score"] * side < 0.0
    assert story.symbol()["strength"] >= 2
    assert not len(story.of(*CLOSES))
    story.tell(market(turned[58:], ENTERED_S + 58))
    close = story.of(*CLOSES)[0]
    assert (close["reason"], close["kind"]) == (Reason.REVERSAL, EventKind.POSITION_CLOSE)
    assert int(close["time_ns"]) - opened_ns == MINIMUM_HOLD_NS


def test_a_late_turn_reverses_as_soon_as_the_signal_is_strong_enough() -> None:
    story = entered(LONG, **WIDE)
    story.tell(market(ramp(price_at(story, 0.0), 0.5, 80), ENTERED_S))
    assert not len(story.of(*CLOSES))
    last = float(story.symbol()["last_price_usd"])
    story.tell(market(ramp(last, -1.5, 60), ENTERED_S + 80))
    assert story.of(*CLOSES)[0]["reason"] == Reason.REVERSAL


def test_spot_is_long_only_and_a_reversal_does_not_open_a_short() -> None:
    falling = spot().tell(market(ramp(100.0, -2.0, 80)))
    assert not len(falling.of(EventKind.FILL))
    assert falling.why() is Reason.LONG_ONLY
    story = spot(**WIDE).tell(market(ramp(100.0, 2.0, ENTERED_S)))
    story.tell(market(ramp(100.0, -1.5, 110), ENTERED_S))
    assert only_close(story)["reason"] == Reason.REVERSAL
    assert story.of(EventKind.POSITION_OPEN)["side"].tolist() == [LONG]


SWITCHED_OFF: dict[str, Rows] = {
    "symbol paused": [param("enabled", 0.0, ENTERED_S)],
    "trading disabled": [control("trading_enabled", 0.0, ENTERED_S)],
    "manual override": [control("manual_override", 1.0, ENTERED_S)],
    "tuner off": [control("tuner_mode", 0.0, ENTERED_S)],
    "feed lost and back": [disconnected(ENTERED_S), timer(ENTERED_S + 0.5)],
    "book lost": [row(InputKind.GAP, second_ns(ENTERED_S), 0, aux=Gap.BOOK)],
    "cooldown": [param("cooldown_ms", 10_000.0, ENTERED_S)],
    "instrument not tradable": [instrument(step=0.0)],
    "gross limit": [control("max_gross_pct", 1.0, ENTERED_S)],
}
ENDS = {Reason.STOP: [-1.5], Reason.TARGET: [1.6], Reason.PULLBACK: [0.7, 0.0]}


@pytest.mark.parametrize("reason", ENDS, ids=lambda reason: reason.name)
@pytest.mark.parametrize("switch", SWITCHED_OFF)
def test_protection_works_whatever_is_switched_off(switch: str, reason: Reason) -> None:
    story = entered().tell(SWITCHED_OFF[switch])
    live_through(story, ENDS[reason], ENTERED_S + 1)
    assert only_close(story)["reason"] == reason
    assert story.symbol()["position_qty"] == 0.0


def test_protection_works_in_a_drawdown_halt() -> None:
    story = entered(base_position_pct=5.0, max_position_pct=10.0, stop_pct=5.0).tell([control("max_drawdown_pct", 1.0)])
    story.account["peak_equity_usd"] = 110_000.0  # as if it had been higher before
    live_through(story, [-4.0, -4.1])
    assert story.account["halted"]
    live_through(story, [-5.5], ENTERED_S + 2)
    assert only_close(story)["reason"] == Reason.STOP


def test_no_exit_without_a_price_but_an_emergency_exit_takes_the_last_one() -> None:
    story = entered().tell([disconnected(ENTERED_S), *(timer(ENTERED_S + i) for i in range(1, 90))])
    assert story.symbol()["stale"]
    assert not len(story.of(*CLOSES))
    story.tell([emergency_exit(ENTERED_S + 90)])
    assert only_close(story)["reason"] == Reason.EMERGENCY


def test_the_time_of_an_exit_is_that_of_the_price_that_caused_it() -> None:
    story = entered()
    live_through(story, [-1.5], ENTERED_S + 3)
    assert int(only_close(story)["time_ns"]) == second_ns(ENTERED_S + 3)
    assert int(story.account["recent"]["exit_ns"].max()) == second_ns(ENTERED_S + 3)
    assert second_ns(1) - second_ns(0) == NS_PER_S


GAINS_KEPT = [
    Tale("gives the whole of a gain back that reached half of the target", [5.1, 2.0, 0.24], Reason.BREAK_EVEN),
    Tale("stays a hair above its costs", [5.1, 2.0, 0.26], Reason.NONE),
    Tale("gives the whole of a gain back that did not reach half of the target", [4.9, 2.0, 0.1], Reason.NONE),
    Tale("gives half of a gain back that reached three quarters of the target", [8.0, 4.1, 3.99], Reason.PROFIT_LOCK),
    Tale("keeps more than half of it", [8.0, 4.1, 4.01], Reason.NONE),
    Tale("gives half of a gain back that did not reach three quarters of the target", [7.4, 3.6], Reason.NONE),
    Tale("falls through profit lock and break-even at once: the worse is told", [8.0, 0.1], Reason.BREAK_EVEN),
    Tale("falls through break-even and stop at once: the worse is told", [5.1, -6.0], Reason.STOP),
]


@BOTH
@pytest.mark.parametrize("tale", GAINS_KEPT, ids=lambda tale: tale.words)
def test_how_a_gain_is_kept(tale: Tale, side: int) -> None:
    story = entered(side, **WIDE)
    story.account["symbols"]["settings"]["values"][:, PULLBACK] = 50.0  # out of the way, wider than anybody may set it
    story.tell(market([price_at(story, gain) for gain in tale.gains_pct[:-1]], ENTERED_S))
    assert not len(story.of(*CLOSES))
    story.tell([quote(ENTERED_S + 10, price_at(story, tale.gains_pct[-1]))])
    if tale.reason is Reason.NONE:
        assert not len(story.of(*CLOSES))
        return
    assert only_close(story)["reason"] == tale.reason


@BOTH
def test_break_even_pays_the_costs_and_no_more(side: int) -> None:
    story = entered(side, **WIDE)
    story.account["symbols"]["settings"]["values"][:, PULLBACK] = 50.0
    live_through(story, [5.1, 0.2501])
    assert not len(story.of(*CLOSES))
    live_through(story, [0.2499], ENTERED_S + 2)
    close = only_close(story)
    assert abs(float(close["pnl_usd"])) < 2e-5 * float(close["qty"] * close["price_usd"])


@BOTH
def test_costs_higher_than_the_arm_do_not_close_a_gain_at_once(side: int) -> None:
    story = entered(side, **WIDE).tell([control("commission_bps", 100.0, ENTERED_S), param("target_pct", 2.0, ENTERED_S)])
    live_through(story, [1.1, 1.2], ENTERED_S + 1)
    assert not len(story.of(*CLOSES))


@BOTH
def test_an_old_position_goes_when_the_score_no_longer_points_its_way(side: int) -> None:
    story = entered(side, **WIDE, signal_strength=3.0)  # so that two detectors against it are no reversal yet
    story.symbol()["entry_ns"] -= (TIME_EXIT_S - 10) * NS_PER_S
    story.tell(market(ramp(price_at(story, 0.2), -1.5 * side, 50), ENTERED_S))
    close = only_close(story)
    assert close["reason"] == Reason.TIME_EXIT
    assert int(close["time_ns"]) - int(story.account["recent"]["entry_ns"].max()) >= TIME_EXIT_S * NS_PER_S


@BOTH
def test_an_old_position_stays_while_the_score_points_its_way(side: int) -> None:
    story = entered(side, **WIDE)
    story.symbol()["entry_ns"] -= TIME_EXIT_S * NS_PER_S
    story.tell(market(ramp(price_at(story, 0.2), 1.0 * side, 60), ENTERED_S))
    assert not len(story.of(*CLOSES))
