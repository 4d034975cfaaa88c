"""Whether an advisor's confidence means anything: how often decisions of each confidence did good, as measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from tuner.apply import Status
from tuner.audit import reading

EDGES_PCT = (0.0, 60.0, 70.0, 80.0, 90.0, 100.0)


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """The measured decisions of one span of confidence. ``good_pct`` did better than nothing, their call paid."""

    low_pct: float
    high_pct: float
    decisions: int
    confidence_pct: float = 0.0
    good_pct: float = 0.0
    mean_effect_usd: float = 0.0


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Bins, the Brier score of "this will do good" (0 is perfect, 0.25 is a coin), and the expected calibration error.

    Decisions without any effect (both ways the same to the cent) are neither good nor bad: ``neutral`` counts them apart.
    """

    bins: tuple[Bin, ...]
    decisions: int
    neutral: int
    brier: float
    error_pct: float


def calibrate(path: Path) -> Calibration:
    """Return the calibration of everything measured so far."""
    with reading(path) as database:
        rows = database.execute("SELECT record FROM audit WHERE status = ? ORDER BY id", [Status.OUTCOME])
        records = [json.loads(text) for (text,) in rows]
    return calibration_of([(float(record["confidence_pct"]), float(record["effect_usd"])) for record in records])


def calibration_of(measured: Sequence[tuple[float, float]]) -> Calibration:
    """Return the calibration of pairs of confidence (%) and effect (USD)."""
    told = [(confidence, effect) for confidence, effect in measured if abs(effect) >= 0.005]
    bins = [_bin(low, high, told) for low, high in pairwise(EDGES_PCT)]
    count = len(told)
    squares = sum((confidence / 100 - (effect > 0)) ** 2 for confidence, effect in told)
    gap = sum(one.decisions * abs(one.confidence_pct - one.good_pct) for one in bins)
    return Calibration(
        bins=tuple(bins),
        decisions=count,
        neutral=len(measured) - count,
        brier=squares / count if count else 0.0,
        error_pct=gap / count if count else 0.0,
    )


def calibration_table(found: Calibration) -> str:
    """Return the table for people."""
    lines = [f"{'confidence':>12} {'decisions':>10} {'mean conf':>10} {'did good':>9} {'mean effect':>12}"]
    for one in found.bins:
        span = f"{one.low_pct:.0f}–{one.high_pct:.0f} %"
        if not one.decisions:
            lines.append(f"{span:>12} {0:>10}")
            continue
        lines.append(
            f"{span:>12} {one.decisions:>10} {one.confidence_pct:>8.1f} % {one.good_pct:>7.1f} % {one.mean_effect_usd:>+8.2f} USD"
        )
    lines.append(
        f"{found.decisions} decisions with an effect, {found.neutral} without any; "
        f"Brier score {found.brier:.3f} (a coin: 0.250), expected calibration error {found.error_pct:.1f} %"
        if found.decisions
        else f"no decision with a measured effect yet ({found.neutral} without any)"
    )
    return "\n".join(lines)


def _bin(low: float, high: float, told: Sequence[tuple[float, float]]) -> Bin:
    inside = [(c, e) for c, e in told if low <= c < high or c == high == EDGES_PCT[-1]]
    count = len(inside)
    if not count:
        return Bin(low_pct=low, high_pct=high, decisions=0)
    return Bin(
        low_pct=low,
        high_pct=high,
        decisions=count,
        confidence_pct=sum(c for c, _ in inside) / count,
        good_pct=100 * sum(e > 0 for _, e in inside) / count,
        mean_effect_usd=sum(e for _, e in inside) / count,
    )
