"""What is asked of the replaying process, and what it answers."""

from __future__ import annotations

import msgspec


class WhatIf(msgspec.Struct, frozen=True, kw_only=True, tag="what_if"):
    """Replay the last ``window_s`` of market time with the values in force, and with ``changes`` on top of them.

    ``in_force`` and ``changes`` map a field of the symbol to its value.
    """

    folder: str
    symbol: int
    window_s: float
    in_force: dict[int, float]
    changes: dict[int, float]


class Measure(msgspec.Struct, frozen=True, kw_only=True, tag="measure"):
    """Replay ``horizon_s`` of market time after a decision without it and with it.

    ``from_ns`` is the market time at which it was made; its inputs are found by ``decision_id``. One that was never applied
    (a dry run) has ``changes`` instead: they are what would have come at ``from_ns``.
    """

    folder: str
    symbol: int
    decision_id: int
    from_ns: int
    horizon_s: float
    changes: dict[int, float] = {}


Task = WhatIf | Measure


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One way it went. ``net_usd`` is the change of what the account is worth after closing everything, all costs paid."""

    net_usd: float
    trades: int
    wins: int
    fees_usd: float
    slippage_usd: float


class Both(msgspec.Struct, frozen=True, kw_only=True):
    """Both ways, over the same ``horizon_s`` of market time and the same ``inputs``."""

    horizon_s: float
    inputs: int
    old: Arm
    new: Arm
    took_ms: float = 0.0

    @property
    def gain_usd(self) -> float:
        """New less old, before the price of the call."""
        return self.new.net_usd - self.old.net_usd


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Both ways, or why they could not be replayed. ``final``: asking again will not help."""

    both: Both | None = None
    error: str = ""
    final: bool = False
