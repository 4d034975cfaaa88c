"""Each of the ten parameters changes a trade, in the way its description says, and only in its own symbol."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from shared.clock import NS_PER_S
from shared.events import EventKind, Reason
from shared.params import PARAMS
from tests.engine_support import CLOSES, START_NS, STEP_SIZE, Story, market, param, ramp, zigzag

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGED, WITNESS = 1, 0  # the witness comes first in every second: what the other does cannot reach it in the same one


class Case(NamedTuple):
    parameter: str
    value: float  # instead of the default
    prices: list[float]
    changes: str  # in words, what the check asserts
    check: Callable[[Story, Story], None]
    strength: float = 2.0  # signal_strength in both runs


def first_entry_s(story: Story) -> float:
    """Return when the changed symbol entered, seconds since the beginning; infinity if it never did."""
    opened = story.of(EventKind.POSITION_OPEN, symbol=CHANGED)
    return float(opened["time_ns"][0] - START_NS) / NS_PER_S if len(opened) else math.inf


def closed(story: Story) -> Any:
    return story.of(*CLOSES, symbol=CHANGED)


def first_qty(story: Story) -> float:
    return float(story.of(EventKind.FILL, symbol=CHANGED)["qty"][0])


def share_qty(story: Story, share_pct: float) -> float:
    """Return the quantity of that share of the equity at the first signal's price."""
    signal, fill = story.of(EventKind.SIGNAL, symbol=CHANGED)[0], story.of(EventKind.FILL, symbol=WITNESS)[0]
    return math.floor(float(fill["equity_usd"]) * share_pct / 100.0 / float(signal["price_usd"]) / STEP_SIZE) * STEP_SIZE


def entry_comes_later(base: Story, changed: Story) -> None:
    assert first_entry_s(base) < first_entry_s(changed) < math.inf


def entry_comes_at_all(base: Story, changed: Story) -> None:
    assert first_entry_s(base) == math.inf
    assert first_entry_s(changed) < math.inf


def base_size_halves(base: Story, changed: Story) -> None:
    assert (first_qty(base), first_qty(changed)) == (share_qty(base, 2.0 * 2.0), share_qty(changed, 1.0 * 2.0))
    assert first_entry_s(base) == first_entry_s(changed)


def size_is_capped(base: Story, changed: Story) -> None:
    assert (first_qty(base), first_qty(changed)) == (share_qty(base, 4.0), share_qty(changed, 3.0))
    assert first_entry_s(base) == first_entry_s(changed)


def pause_between_trades(base: Story, changed: Story) -> None:
    for story, pause_s in ((base, 2.0), (changed, 10.0)):
        closing = int(closed(story)["time_ns"][0])
        second = int(story.of(EventKind.POSITION_OPEN, symbol=CHANGED)["time_ns"][1])
        assert (second - closing) / NS_PER_S == pause_s


def agreement_of_three_comes_later(base: Story, changed: Story) -> None:
    entry_comes_later(base, changed)
    assert base.of(EventKind.SIGNAL, symbol=CHANGED)["new"][0] == 2
    assert changed.of(EventKind.SIGNAL, symbol=CHANGED)["new"][0] == 3


def target_is_farther(base: Story, changed: Story) -> None:
    assert [closed(story)["reason"][0] for story in (base, changed)] == [Reason.TARGET, Reason.TARGET]
    gains = [100.0 * (closed(story)["new"][0] / closed(story)["old"][0] - 1.0) for story in (base, changed)]
    assert 1.4 < gains[0] < 1.6  # of the fill, 0.05 % slippage below the price that triggered it
    assert 2.4 < gains[1] < 2.6


def stop_holds_on(base: Story, changed: Story) -> None:
    assert closed(base)["reason"].tolist() == [Reason.STOP]
    assert not len(closed(changed))


def pullback_holds_on(base: Story, changed: Story) -> None:
    assert closed(base)["reason"].tolist() == [Reason.PULLBACK]
    assert not len(closed(changed))


RISE = ramp(100.0, 2.0, 200)  # enters after 61 s, meets the target at 138 s
RANGE_THEN_RISE = [*zigzag(100.0, 4.0, 120), *ramp(100.0, 4.0, 60)]
BURST_THEN_RISE = [*zigzag(100.0, 1.0, 130), *zigzag(100.0, 8.0, 20), *ramp(100.0, 5.0, 12)]
SLOWING_RISE = [*ramp(100.0, 3.0, 70), *ramp(102.1, 0.5, 60)]
UP = ramp(100.0, 2.0, 62)
FALL_AFTER_ENTRY = [*UP, *ramp(UP[-1], -20.0, 8), *ramp(UP[-1] * 0.984, 0.1, 5)]
GIVE_BACK = [*UP, *ramp(UP[-1], 4.0, 25), *ramp(UP[-1] * 1.01, -8.0, 8)]

CASES = [
    Case("ema_dev_trending_pct", 0.5, SLOWING_RISE, "a later entry: when the EMA has caught up", entry_comes_later),
    Case("ema_dev_ranging_pct", 0.1, RANGE_THEN_RISE, "a later entry: not before the regime is a trend", entry_comes_later),
    Case("ema_dev_highvol_pct", 0.5, BURST_THEN_RISE, "an entry where there was none", entry_comes_at_all, strength=3.0),
    Case("base_position_pct", 1.0, RISE, "half the size, at the same time", base_size_halves),
    Case("max_position_pct", 3.0, RISE, "3 % of equity instead of conviction's 4 %", size_is_capped),
    Case("cooldown_ms", 10000.0, RISE, "10 s instead of 2 s between exit and next entry", pause_between_trades),
    Case("signal_strength", 3.0, RANGE_THEN_RISE, "a later entry: when all three agree", agreement_of_three_comes_later),
    Case("target_pct", 2.5, RISE, "a target exit at 2.5 % instead of 1.5 %", target_is_farther),
    Case("stop_pct", 3.0, FALL_AFTER_ENTRY, "no stop where there was one", stop_holds_on),
    Case("pullback_pct", 2.0, GIVE_BACK, "no pullback exit where there was one", pullback_holds_on),
]


def play(case: Case, *, changed: bool) -> Story:
    story = Story(2).tell([param("signal_strength", case.strength, symbol=i, ref=3) for i in (WITNESS, CHANGED)])
    if changed:
        story.tell([param(case.parameter, case.value, symbol=CHANGED, ref=4)])
    return story.tell(market(case.prices, symbols=(WITNESS, CHANGED)))


def test_the_table_has_every_parameter() -> None:
    assert [case.parameter for case in CASES] == [p.name for p in PARAMS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parameter}: {case.changes}")
def test_a_parameter_changes_the_trades_of_its_symbol_only(case: Case) -> None:
    base, changed = play(case, changed=False), play(case, changed=True)
    case.check(base, changed)
    assert base.facts(CHANGED) != changed.facts(CHANGED)
    assert base.facts(WITNESS) == changed.facts(WITNESS)
    assert base.facts(WITNESS) == base.facts(CHANGED)  # the two were told the same market


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parameter)
def test_the_default_value_said_aloud_changes_nothing(case: Case) -> None:
    default = next(p.default for p in PARAMS if p.name == case.parameter)
    same = case._replace(value=case.strength if case.parameter == "signal_strength" else default)
    assert play(case, changed=False).facts(CHANGED) == play(same, changed=True).facts(CHANGED)
