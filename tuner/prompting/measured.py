"""What is known of the effect of an earlier decision, as a later prompt is told it."""

from __future__ import annotations

import msgspec


class MeasuredEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The measured effect of one decision about a symbol, fees, slippage and the price of the call included.

    ``changes`` are words such as ``stop_pct 1.00 → 0.80``. ``effect_usd`` is the P&L with the decision less the P&L without it
    over ``horizon_s`` of market time; ``low_usd`` and ``high_usd`` bound the mean effect of the symbol's ``samples`` decisions.
    """

    decision_id: int
    action: str
    changes: tuple[str, ...]
    effect_usd: float
    low_usd: float
    high_usd: float
    samples: int
    horizon_s: float

    @property
    def name(self) -> str:
        """What it is called in the list of parts of a prompt."""
        return f"effect of decision {self.decision_id}"

    @property
    def says(self) -> str:
        """What the interval allows to conclude."""
        if self.low_usd > 0:
            return "these decisions helped"
        if self.high_usd < 0:
            return "these decisions HURT"
        return "includes zero: no evidence either way"
