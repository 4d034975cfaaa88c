"""How a peer's fills compare with ours: trades before time. Needs numpy only, so that it runs in any environment."""

from __future__ import annotations

from typing import Any

import numpy as np

TICK_USD = 0.1


def compared(peer: str, theirs: Any, ours: Any) -> str:
    """Return one line: fills as float64 (n, 3) of side, price, quantity."""
    if len(theirs) != len(ours) or not np.array_equal(theirs[:, 0], ours[:, 0]):
        return f"{peer}: {len(theirs)} fills against our {len(ours)}: NOT the same trades\n"
    worse_ticks = ours[:, 0] * (ours[:, 1] - theirs[:, 1]) / TICK_USD  # positive: we paid more
    same = int((np.abs(worse_ticks) < 0.5).sum())
    quantities = "the same" if np.allclose(theirs[:, 2], ours[:, 2]) else "DIFFERENT"
    return (
        f"{peer}: {len(ours)} fills each, quantities {quantities}, {same} at the same price; "
        f"ours worse by {worse_ticks.mean():.2f} ticks on average, {worse_ticks.min():.0f} to {worse_ticks.max():.0f}\n"
    )
