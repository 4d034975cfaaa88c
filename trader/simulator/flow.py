"""Latent prices: one market factor with regimes and clustered volatility, plus noise of each symbol's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Regime:
    """One mood of the market.

    Attributes
    ----------
    drift_bps_per_min
        Expected move of the factor.
    vol_bps_per_sqrt_s
        Standard deviation of the factor over one second.
    activity
        Order flow relative to a quiet market.
    """

    name: str
    drift_bps_per_min: float
    vol_bps_per_sqrt_s: float
    activity: float


# A random walk's range over a minute is about 12 times its one-second deviation: 0.03 % calm, 0.15 to 0.6 % otherwise.
CALM = Regime("calm", 0.0, 0.22, 1.0)
TREND_UP = Regime("trend_up", 24.0, 0.8, 2.0)
TREND_DOWN = Regime("trend_down", -24.0, 0.8, 2.0)
BURST = Regime("burst", 0.0, 2.6, 4.0)

_NEXT: dict[str, tuple[tuple[Regime, float], ...]] = {
    "calm": ((TREND_UP, 0.3), (TREND_DOWN, 0.3), (BURST, 0.4)),
    "trend_up": ((CALM, 0.4), (TREND_DOWN, 0.25), (BURST, 0.35)),
    "trend_down": ((CALM, 0.4), (TREND_UP, 0.25), (BURST, 0.35)),
    "burst": ((CALM, 0.3), (TREND_UP, 0.35), (TREND_DOWN, 0.35)),
}
_SHORTEST_S, _LONGEST_S = 30.0, 180.0
_OWN_NOISE = 0.4  # of the factor's volatility
_VOL_OF_VOL = 0.3  # stationary deviation of the log volatility
_VOL_MEMORY_S = 15.0


class LatentMarket:
    """The efficient prices behind the books.

    Parameters
    ----------
    rng
        The only source of chance.
    betas
        Factor loadings, one a symbol.
    """

    def __init__(self, rng: Generator, betas: Sequence[float]) -> None:
        self._rng = rng
        self._betas = np.asarray(betas, dtype=np.float64)
        self._log_vol = 0.0
        self.regime = CALM
        self._left_s = 0.0
        self.wake()

    @property
    def vol_bps_per_sqrt_s(self) -> float:
        """Present volatility of the factor."""
        return self.regime.vol_bps_per_sqrt_s * math.exp(self._log_vol)

    def wake(self) -> None:
        """Start a lively regime, so that a newcomer sees something within two minutes."""
        self._enter(_choose(self._rng, _NEXT["calm"]))

    def step(self, dt_s: float) -> Floats:
        """Advance by ``dt_s`` seconds; return the log return of each symbol, shape (symbols,), float64."""
        self._left_s -= dt_s
        if self._left_s <= 0.0:
            self._enter(_choose(self._rng, _NEXT[self.regime.name]))
        decay = math.exp(-dt_s / _VOL_MEMORY_S)
        self._log_vol = self._log_vol * decay + _VOL_OF_VOL * math.sqrt(1.0 - decay * decay) * self._rng.normal()
        noise = self._rng.normal(size=self._betas.size + 1)
        deviation = self.vol_bps_per_sqrt_s * 1e-4 * math.sqrt(dt_s)
        factor = self.regime.drift_bps_per_min * 1e-4 / 60.0 * dt_s + deviation * noise[0]
        moves: Floats = self._betas * factor + _OWN_NOISE * deviation * noise[1:]
        return moves

    def _enter(self, regime: Regime) -> None:
        self.regime = regime
        self._left_s = float(self._rng.uniform(_SHORTEST_S, _LONGEST_S))


def _choose(rng: Generator, options: tuple[tuple[Regime, float], ...]) -> Regime:
    weights = np.array([weight for _, weight in options])
    return options[int(rng.choice(len(options), p=weights / weights.sum()))][0]
