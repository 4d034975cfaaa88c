"""How sure the mean effect of a symbol's decisions is.

Percentile interval of the circular block bootstrap (Politis and Romano 1992, "A circular block-resampling procedure for
stationary data"), 95 %, with a seeded generator. Blocks are as long as decisions overlap: effects measured over the same minutes
of the market are not independent, and resampling them one by one would feign certainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

FEWEST = 5  # with fewer a resampled mean says more about the draw than about the effect
_DRAWS = 10_000
_AT_ONCE = 500  # of the draws: thousands of effects then still fit in memory
_LEVEL_PCT = 95.0


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Mean of ``samples`` effects and its interval, USD; infinite while there are fewer than :data:`FEWEST`."""

    samples: int
    mean_usd: float = 0.0
    low_usd: float = -math.inf
    high_usd: float = math.inf

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low_usd > 0 or self.high_usd < 0


def mean_interval(effects_usd: Sequence[float], block: int = 1, seed: int = 0) -> Interval:
    """Return the mean of effects in the order they were made, and its interval.

    Parameters
    ----------
    block
        How many neighbours share market time; see :func:`overlap`.
    """
    values = np.asarray(effects_usd, np.float64)
    count = len(values)
    if count == 0:
        return Interval(samples=0)
    mean = float(values.mean())
    if count < FEWEST:
        return Interval(samples=count, mean_usd=mean)
    block = min(max(1, block), count)
    random = np.random.Generator(np.random.PCG64([seed, count]))
    means = np.concatenate([_drawn_means(values, block, random) for _ in range(_DRAWS // _AT_ONCE)])
    tail = (100.0 - _LEVEL_PCT) / 2
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return Interval(samples=count, mean_usd=mean, low_usd=float(low), high_usd=float(high))


def _drawn_means(values: npt.NDArray[np.float64], block: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the means of resampled series, each made of blocks that begin anywhere and go round."""
    count = len(values)
    starts = random.integers(0, count, (_AT_ONCE, math.ceil(count / block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(_AT_ONCE, -1)[:, :count] % count
    means: npt.NDArray[np.float64] = values[drawn].mean(axis=1)
    return means


def overlap(times_ns: Sequence[int], horizon_ns: int) -> int:
    """Return how many decisions in a row share market time: 1 if each was measured before the next was made."""
    times = np.sort(np.asarray(times_ns, np.int64))
    if len(times) < 2:  # there is no neighbour
        return 1
    within = np.searchsorted(times, times + horizon_ns, side="left") - np.arange(len(times))
    return int(np.ceil(np.median(within)))
