"""The measured effects so far: one list a symbol, in the order the decisions were made, and what they amount to."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shared.clock import NS_PER_S
from shared.events import Action
from tuner.outcome.interval import Interval, mean_interval, overlap
from tuner.snapshot import MeasuredEffect, MeasuredEffects

_TOLD = 5  # of the last effects, to the next prompt


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision whose effect is to be measured. ``from_ns`` is market time, ``time_ns`` the wall's.

    ``shadow`` holds the changes of one that was not applied (a dry run): they are tried out in the replay only.
    """

    decision_id: int
    symbol: str
    index: int
    action: Action
    changes: str
    from_ns: int
    time_ns: int
    cost_usd: float
    confidence_pct: float
    trigger: str
    shadow: dict[int, float] = {}


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One measured effect, as the audit keeps it."""

    followed: Followed
    horizon_s: float
    pnl_old_usd: float
    pnl_new_usd: float
    trades_old: int
    trades_new: int

    @property
    def effect_usd(self) -> float:
        """With the decision, less without it, less the price of the call."""
        return self.pnl_new_usd - self.pnl_old_usd - self.followed.cost_usd


class Effects:
    """Every effect measured so far.

    Parameters
    ----------
    horizon_s
        How long after each decision its effect is measured: decisions closer than that share market time.
    """

    def __init__(self, horizon_s: float) -> None:
        self._horizon_ns = int(horizon_s * NS_PER_S)
        self._by_symbol: dict[str, list[Effect]] = {}
        self._intervals: dict[str, Interval] = {}

    def add(self, effect: Effect) -> None:
        """Take one more."""
        known = self._by_symbol.setdefault(effect.followed.symbol, [])
        known.append(effect)
        known.sort(key=lambda one: one.followed.time_ns)
        self._intervals.pop(effect.followed.symbol, None)

    def interval(self, symbol: str) -> Interval:
        """Return the mean effect of a symbol's decisions and its interval."""
        if symbol not in self._intervals:
            known = self._by_symbol.get(symbol, [])
            block = overlap([one.followed.from_ns for one in known], self._horizon_ns)
            effects_usd = [one.effect_usd for one in known]
            self._intervals[symbol] = mean_interval(effects_usd, block, seed=zlib.crc32(symbol.encode()))
        return self._intervals[symbol]

    def told(self, now_ns: int) -> tuple[MeasuredEffects, ...]:
        """Return what the next prompt may say of it."""
        return tuple(self._told(symbol, known, now_ns) for symbol, known in sorted(self._by_symbol.items()))

    def _told(self, symbol: str, known: list[Effect], now_ns: int) -> MeasuredEffects:
        interval = self.interval(symbol)
        return MeasuredEffects(
            symbol=symbol,
            samples=interval.samples,
            mean_usd=interval.mean_usd,
            low_usd=interval.low_usd,
            high_usd=interval.high_usd,
            recent=tuple(_measured(effect, now_ns) for effect in reversed(known[-_TOLD:])),
        )


def _measured(effect: Effect, now_ns: int) -> MeasuredEffect:
    followed = effect.followed
    return MeasuredEffect(
        decision_id=followed.decision_id,
        age_s=max(0.0, (now_ns - followed.time_ns) / NS_PER_S),
        action=followed.action,
        changes=followed.changes,
        horizon_s=effect.horizon_s,
        pnl_old_usd=effect.pnl_old_usd,
        pnl_new_usd=effect.pnl_new_usd,
        trades_old=effect.trades_old,
        trades_new=effect.trades_new,
        cost_usd=followed.cost_usd,
        effect_usd=effect.effect_usd,
    )


def from_records(records: Iterable[Mapping[str, Any]]) -> list[Effect]:
    """Return the effects that rows of the audit hold."""
    return [msgspec.convert(record["effect"], Effect, strict=False) for record in records]
