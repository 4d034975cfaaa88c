"""The regime detector: each label has its story, none flickers, none knows the future, and scale means nothing to it."""

from __future__ import annotations

import gzip
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import UsageError
from shared.events import EventKind, Regime
from tests.engine_support import Story, market, ramp, zigzag
from tests.support import recorded
from trader.backtest.cli import main
from trader.backtest.regime_shares import Closes, Labels, describe_shares, read_closes, regimes_of, shares_pct
from trader.engine.state import SYMBOL
from trader.market.regime import (
    DWELL_BARS,
    FIRST_BARS,
    LEAVE_SHARE,
    LOW_QUANTILE,
    SHORT_BARS,
    SPIKE_HALF_LIFE_BARS,
    TREND_EFFICIENCY,
    WINDOW_BARS,
    regime_step,
)

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_SPIKE_BARS = 4 * SPIKE_HALF_LIFE_BARS  # of one move: from four thresholds to a quarter of one


def noise(seed: int, bars: int, start_usd: float = 100.0, bps: float = 1.0) -> Closes:
    """Return a random walk."""
    return start_usd * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, bps * 1e-4, bars)))


def lively(seed: int, bars: int = 1500) -> Closes:
    """Return a path with everything in it: drifts, turbulence, quiet and jumps."""
    random = np.random.default_rng(seed)
    part = np.arange(bars) // 150
    volatility = np.array([1.0, 1.0, 4.0, 0.2, 1.0])[random.integers(5, size=part[-1] + 1)][part]
    drift = np.array([0.0, 0.6, -0.6, 0.0])[random.integers(4, size=part[-1] + 1)][part]
    jump = (random.random(bars) < 0.002) * random.normal(0.0, 30.0, bars)
    return 100.0 * np.exp(1e-4 * np.cumsum(drift + volatility * random.normal(0.0, 1.0, bars) + jump))


def spans(labels: Labels) -> list[tuple[Regime, int]]:
    """Return the labels in order, each with how many bars it held."""
    ends = [*(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [(Regime(int(labels[end - 1])), int(end - start)) for start, end in pairwise([0, *ends])]


def joined(*parts: Closes) -> Closes:
    """Return paths one after another, each starting where the one before ended."""
    path = parts[0]
    for part in parts[1:]:
        path = np.concatenate([path, part / part[0] * path[-1]])
    return path


def jump(pct: float, bars: int) -> Closes:
    """Return a calm path that jumps once and is calm again."""
    return joined(CALM, np.concatenate([[1.0], (1.0 + pct / 100.0) * noise(3, bars, 1.0, bps=0.5)]))


CALM = noise(1, 600)
STORIES = {
    Regime.TRENDING_UP: (joined(CALM, np.array(ramp(100.0, 0.7, 80))), 60),
    Regime.TRENDING_DOWN: (joined(CALM, np.array(ramp(100.0, -0.7, 80))), 60),
    Regime.RANGING: (np.array(zigzag(100.0, 2.0, 300)), 200),
    Regime.HIGH_VOLATILITY: (joined(CALM, noise(2, 60, bps=4.0)), 30),
    Regime.LOW_VOLATILITY: (joined(CALM, np.array(zigzag(100.0, 0.1, 240))), 30),
    Regime.SPIKE: (jump(0.4, 20), 20),
}


@pytest.mark.parametrize("label", STORIES, ids=lambda label: label.name)
def test_each_label_has_its_story(label: Regime) -> None:
    closes, last = STORIES[label]
    labels, confidences = regimes_of(closes)
    assert label in set(labels[-last:].tolist())
    assert Regime(int(labels[-1])) is label
    assert confidences[-1] > 0.4


def test_too_little_to_judge_is_unknown_and_says_so() -> None:
    labels, confidences = regimes_of(np.array(ramp(100.0, 2.0, 100)))
    assert set(labels[: FIRST_BARS - 1]) == {Regime.UNKNOWN}
    assert not confidences[: FIRST_BARS - 1].any()
    assert labels[FIRST_BARS - 1] == Regime.TRENDING_UP
    assert confidences[FIRST_BARS - 1] > 0.0


def test_a_spike_comes_at_once_and_fades_by_itself() -> None:
    labels, confidences = regimes_of(jump(0.4, 200))
    assert labels[len(CALM)] != Regime.SPIKE  # the same price again
    assert labels[len(CALM) + 1] == Regime.SPIKE
    held = int((labels == Regime.SPIKE).sum())
    assert 2 * SPIKE_HALF_LIFE_BARS <= held <= LONGEST_SPIKE_BARS + 5  # the burst of five bars still sees the jump
    assert set(labels[len(CALM) + 1 :][:held]) == {Regime.SPIKE}
    assert confidences[len(CALM) + 1] > confidences[len(CALM) + held]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 1499))
def test_no_label_knows_the_future(seed: int, cut: int) -> None:
    closes = lively(seed)
    labels, confidences = regimes_of(closes)
    early, sure = regimes_of(closes[:cut])
    assert (early == labels[:cut]).all()
    assert (sure == confidences[:cut]).all()
    other, _ = regimes_of(joined(closes[:cut], closes[::-1]))
    assert (other[:cut] == early).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_size_of_a_price_means_nothing(seed: int) -> None:
    closes = lively(seed)
    assert (regimes_of(closes)[0] == regimes_of(closes * 7.0)[0]).all()
    assert (regimes_of(closes)[0] == regimes_of(closes / 1024.0)[0]).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_label_is_left_before_its_dwell_except_for_a_spike(seed: int) -> None:
    labels, confidences = regimes_of(lively(seed))
    found = spans(labels)
    for (label, held), (following, _) in pairwise(found[1:]):
        assert Regime.SPIKE in (label, following) or held >= DWELL_BARS
    assert (confidences >= 0.0).all()
    assert (confidences <= 1.0).all()
    assert ((confidences > 0.0) == (labels != Regime.UNKNOWN)).all()


def test_a_trend_stays_while_its_efficiency_is_between_leaving_and_entering() -> None:
    symbol: Any = np.zeros(1, SYMBOL)[0]
    longest = run = 0
    for close in noise(5, 3000):
        symbol["closes_usd"][symbol["bars"] % len(symbol["closes_usd"])] = close
        symbol["bars"] += 1
        regime_step(symbol)
        own = symbol["regimes"]
        between = own["efficiency"] < own["trend_at"] and symbol["regime"] in (Regime.TRENDING_UP, Regime.TRENDING_DOWN)
        run = run + 1 if between else 0
        longest = max(longest, run if own["efficiency"] >= LEAVE_SHARE * own["trend_at"] else 0)
    assert longest > DWELL_BARS + 5  # without hysteresis the dwell would have ended it


def test_noise_does_not_make_the_label_flicker() -> None:
    assert len(spans(regimes_of(noise(5, 3000))[0])) < 3000 / (3 * DWELL_BARS)


def test_a_market_that_stands_still_is_quiet() -> None:
    labels, confidences = regimes_of(np.full(500, 100.0))
    assert set(labels[FIRST_BARS - 1 :].tolist()) == {Regime.LOW_VOLATILITY}
    assert np.isfinite(confidences).all()


def test_the_history_forgets_without_end() -> None:
    """Long enough for the weights to be brought back to one: nothing overflows, and the labels stay as they were."""
    labels, confidences = regimes_of(noise(7, 45_000))
    assert np.isfinite(confidences).all()
    early, late = shares_pct(labels[2_000:20_000]), shares_pct(labels[27_000:])
    assert all(abs(early[label] - late[label]) < 12.0 for label in early)


def test_the_engine_tells_of_a_spike() -> None:
    quiet = zigzag(100.0, 1.0, 130)
    story = Story().tell(market([*quiet, *(price * 1.01 for price in zigzag(100.0, 1.0, 100))], with_book=False))
    changes = [(Regime(int(e["old"])), Regime(int(e["new"]))) for e in story.of(EventKind.REGIME_CHANGE)]
    assert changes[:2] == [(Regime.UNKNOWN, Regime.RANGING), (Regime.RANGING, Regime.SPIKE)]
    assert changes[2][0] is Regime.SPIKE


def spot_seconds() -> Closes:
    """Return the closes of the recorded spot session, one a second."""
    last: dict[int, float] = {}
    for path in sorted(recorded("binance_spot_raw_ws_2024").glob("*.gz")):
        with gzip.open(path) as file:
            for line in file:
                if b"@trade" in line:
                    trade = msgspec.json.decode(line.partition(b" ")[2])["data"]
                    last[trade["T"] // 1000] = float(trade["p"])
    seconds = np.arange(min(last), max(last) + 1)
    known = np.array(sorted(last))
    return np.array([last[int(s)] for s in known[np.searchsorted(known, seconds, "right") - 1]])


@pytest.mark.recorded
def test_shares_on_recorded_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted(recorded("binance_vision_usdm_klines_1m").glob("*.csv.gz"))
    labels, _ = regimes_of(np.concatenate([read_closes(path) for path in paths]))
    with capsys.disabled():
        sys.stdout.write("\n" + describe_shares({"AVAXUSDT, 1 min": labels}) + "\n")
    assert all(3.0 <= share <= 85.0 for share in shares_pct(labels).values())


@pytest.mark.recorded
def test_shares_on_recorded_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    closes = spot_seconds()
    labels, _ = regimes_of(closes)
    with capsys.disabled():
        sys.stdout.write("\n" + describe_shares({"BTCUSDT spot, 1 s": labels}) + "\n")
    shares = shares_pct(labels)
    # Eleven minutes do not hold everything, the data say so with hindsight: the price falls, and where it is quiet it falls too.
    absent = {Regime.TRENDING_UP, Regime.LOW_VOLATILITY}
    assert all(3.0 <= share <= 85.0 for label, share in shares.items() if label not in absent)
    assert {label for label, share in shares.items() if not share} == absent
    walked = np.convolve(np.abs(np.diff(closes)), np.ones(WINDOW_BARS), "valid")
    rise = (closes[WINDOW_BARS:] - closes[:-WINDOW_BARS]) / walked
    assert (rise >= TREND_EFFICIENCY).mean() < 0.03 < (-rise >= TREND_EFFICIENCY).mean()
    roughness = np.convolve(np.abs(np.diff(closes) / closes[:-1]), np.ones(SHORT_BARS) / SHORT_BARS, "valid")
    quiet = roughness <= np.quantile(roughness, LOW_QUANTILE)
    assert (quiet[WINDOW_BARS - SHORT_BARS :] & (np.abs(rise) < TREND_EFFICIENCY)).mean() < 0.03


def test_the_command_prints_the_shares(tmp_path: Path) -> None:
    path = tmp_path / "calm.csv"
    path.write_text("open_time,close\n" + "".join(f"{i},{close}\n" for i, close in enumerate(zigzag(100.0, 2.0, 100))))
    shown = CliRunner().invoke(main, ["regimes", str(path)])
    assert shown.exit_code == 0, shown.output
    assert ["ranging", "100.0", "%", "in", "1"] in [line.split() for line in shown.output.splitlines()]
    assert CliRunner().invoke(main, ["regimes", str(tmp_path / "none.csv")]).exit_code == UsageError.exit_code


def test_a_file_that_is_no_klines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="expected a CSV with a column 'close'"):
        read_closes(path)
