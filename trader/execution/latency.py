"""The time an order takes to the exchange: fixed, plus an exponential part drawn from the seeded state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shared.compiled import compiled
from trader.engine.state import LATENCY, LATENCY_JITTER

NS_PER_MS = 1_000_000
_A, _B, _C = np.uint64(13), np.uint64(7), np.uint64(17)
_HIGH_BITS = np.uint64(11)
_STEPS = 2.0**-53


@compiled
def uniform(state: Any) -> float:
    """Draw from (0, 1]: xorshift64 (G. Marsaglia, *Xorshift RNGs*, 2003) on the state's own word."""
    word = np.uint64(state.random)
    word ^= word << _A
    word ^= word >> _B
    word ^= word << _C
    state.random = word
    return (float(word >> _HIGH_BITS) + 1.0) * _STEPS


@compiled
def latency_ns(state: Any) -> int:
    """Return how long the next message to the exchange takes, ns."""
    fixed_ms = state.controls.values[LATENCY]
    mean_ms = state.controls.values[LATENCY_JITTER]
    drawn_ms = -mean_ms * math.log(uniform(state)) if mean_ms > 0.0 else 0.0
    return int((fixed_ms + drawn_ms) * NS_PER_MS)
