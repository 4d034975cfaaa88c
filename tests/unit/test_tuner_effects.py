"""The interval of a symbol's mean effect, and what the next prompt is told of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.clock import NS_PER_S
from shared.events import Action
from tests.support_tuner import NOW_NS
from tuner.calibration import calibration_of, calibration_table
from tuner.outcome.effects import Effect, Effects, Followed
from tuner.outcome.interval import FEWEST, mean_interval, overlap

HORIZON_S = 900.0


def _effect(number: int, gain_usd: float, cost_usd: float = 0.0, apart_s: float = 300.0) -> Effect:
    at_ns = NOW_NS + int(number * apart_s * NS_PER_S)
    followed = Followed(
        decision_id=number, symbol="BTCUSDT", index=0, action=Action.UPDATE_CONFIG, changes="stop_pct 1.00 → 0.80", from_ns=at_ns,
        time_ns=at_ns, cost_usd=cost_usd, confidence_pct=80.0, trigger="scheduled",
    )  # fmt: skip
    return Effect(
        followed=followed, horizon_s=HORIZON_S, pnl_old_usd=10.0, pnl_new_usd=10.0 + gain_usd, trades_old=1, trades_new=2
    )


def test_few_effects_say_nothing_of_their_mean() -> None:
    found = mean_interval([1.0] * (FEWEST - 1))
    assert (found.samples, found.mean_usd, found.low_usd, found.high_usd) == (FEWEST - 1, 1.0, -math.inf, math.inf)
    assert not found.decided
    assert mean_interval([]).samples == 0


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(60):
        found = mean_interval(list(random.normal(2.0, 5.0, 40)))
        covered += found.low_usd <= 2.0 <= found.high_usd
    assert 52 <= covered <= 60  # 95 % of 60, a percentile interval of 40 being a little short


def test_the_same_effects_give_the_same_interval_and_a_clear_effect_is_decided() -> None:
    effects = [1.0, 2.0, 3.0, 2.5, 1.5, 2.2]
    assert mean_interval(effects, seed=4) == mean_interval(effects, seed=4)
    assert mean_interval(effects).decided
    assert mean_interval([-value for value in effects]).high_usd < 0


def test_decisions_that_share_minutes_are_resampled_together_and_leave_a_wider_interval() -> None:
    times = [NOW_NS + i * 300 * NS_PER_S for i in range(20)]
    assert overlap(times, 900 * NS_PER_S) == 3
    assert overlap(times, 200 * NS_PER_S) == 1
    assert overlap([NOW_NS], 900 * NS_PER_S) == 1
    runs = [float(value) for value in np.repeat(np.random.default_rng(5).normal(0, 10, 12), 3)]
    alone, together = mean_interval(runs, block=1), mean_interval(runs, block=3)
    assert together.high_usd - together.low_usd > 1.2 * (alone.high_usd - alone.low_usd)


def test_an_effect_pays_for_its_call_and_the_newest_are_told_first() -> None:
    effects = Effects(HORIZON_S)
    for number in range(1, 8):
        effects.add(_effect(number, gain_usd=number * 1.0, cost_usd=0.5))
    (told,) = effects.told(NOW_NS + 10_000 * NS_PER_S)
    assert (told.symbol, told.samples) == ("BTCUSDT", 7)
    assert told.mean_usd == 3.5
    assert told.low_usd < 3.5 < told.high_usd
    assert [effect.decision_id for effect in told.recent] == [7, 6, 5, 4, 3]
    assert (told.recent[0].effect_usd, told.recent[0].age_s) == (6.5, 10_000 - 7 * 300)


def test_calibration_tells_how_often_each_confidence_did_good() -> None:
    found = calibration_of([(65.0, 1.0), (65.0, -1.0), (95.0, 2.0), (100.0, 1.0), (80.0, 0.0)])
    by_low = {one.low_pct: one for one in found.bins}
    assert (by_low[60.0].decisions, by_low[60.0].good_pct) == (2, 50.0)
    assert (by_low[90.0].decisions, by_low[90.0].good_pct) == (2, 100.0)
    assert (found.decisions, found.neutral) == (4, 1)
    assert found.brier == pytest.approx((0.65**2 + 0.35**2 + 0.05**2) / 4)
    assert "Brier score" in calibration_table(found)
    assert "no decision with a measured effect" in calibration_table(calibration_of([]))
