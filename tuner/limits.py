"""The limits the guard enforces, and what it remembers of earlier decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from shared.clock import NS_PER_S
from shared.events import Action, Source
from shared.params import PARAMS
from tuner.snapshot import Snapshot, SymbolFacts

_SHORTEST_VALIDITY_S = 10.0
_LONGEST_VALIDITY_S = 60.0


class GuardLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How far a decision may go.

    ``baseline`` maps a symbol to the values its operator last stood behind; no parameter may drift further from them than
    ``drift_share`` of its range. Raising risk takes ``min_bars`` of the market and evidence on the last change:
    ``min_trades_to_raise`` closed trades since, or ``evidence_s`` of nothing happening. ``over_budget`` says why nothing may be
    spent any more; empty if it may.
    """

    update_floor_pct: float = 60.0
    pause_floor_pct: float = 70.0
    valid_for_s: float = 60.0
    clock_skew_s: float = 1.0
    max_heartbeat_age_ms: float = 3000.0
    max_changes: int = 3
    cooldown_s: float = 240.0
    dwell_s: float = 600.0
    reducing_share: float = 0.5  # of the cooldown, when every change reduces risk
    raising_share: float = 0.5  # of the largest step, for a change that raises risk
    emergency_cooldown_s: float = 3600.0
    emergency_losses: int = 4
    drawdown_share: float = 0.5  # of the halt limit
    drift_share: float = 0.5
    min_trades_to_raise: int = 0
    evidence_s: float = float("inf")
    min_bars: int = 0
    over_budget: str = ""
    baseline: Mapping[str, tuple[float, ...]] = {}


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One applied decision. ``fields`` are the indices of the parameters it changed, ``trades`` those closed by then."""

    symbol: str
    action: Action
    time_ns: int
    fields: tuple[int, ...] = ()
    trades: int = 0


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may rest on.

    ``by_news``: news started it; ``news_shown``: news or other text from outside was in its prompt; ``trusted``: ids that may be
    trusted when cited.
    """

    by_news: bool = False
    news_shown: bool = False
    trusted: frozenset[str] = frozenset()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What one judgement looks at. ``past`` holds the earlier decisions about the same symbol only."""

    snapshot: Snapshot
    facts: SymbolFacts
    past: tuple[Past, ...]
    limits: GuardLimits
    now_ns: int
    untrusted: bool = False  # untrusted text may be behind it: it may lower risk and nothing else

    @property
    def trading_halted(self) -> bool:
        """Whether the trader refuses new risk."""
        return self.snapshot.halted or not self.snapshot.controls.trading_enabled

    @property
    def feed_stale(self) -> bool:
        """Whether the symbol's prices are old."""
        return self.facts.stale or self.snapshot.stale or not self.snapshot.connected

    @property
    def waited_s(self) -> float:
        """Time since the last decision about the symbol, s; infinity if there was none."""
        return since_s(self.past, self.now_ns)


def limits_for(interval_s: float, baseline: Mapping[str, tuple[float, ...]] | None = None) -> GuardLimits:
    """Return the limits that fit a schedule: a symbol rests most of an interval, a parameter two of them."""
    return GuardLimits(
        cooldown_s=0.8 * interval_s,  # a little less than the interval, so that its own schedule never trips over it
        dwell_s=1.8 * interval_s,
        valid_for_s=validity_s(interval_s),
        min_trades_to_raise=3,
        evidence_s=3.6 * interval_s,
        min_bars=60,
        baseline=baseline or {},
    )


def validity_s(interval_s: float) -> float:
    """Return for how long after its snapshot a decision may be applied, s."""
    return min(max(interval_s / 2, _SHORTEST_VALIDITY_S), _LONGEST_VALIDITY_S)


def since_s(past: Sequence[Past], now_ns: int) -> float:
    """Return how long ago the latest of these was, s; infinity if there was none."""
    if not past:
        return float("inf")
    return (now_ns - max(entry.time_ns for entry in past)) / NS_PER_S


def rebased(baseline: Mapping[str, tuple[float, ...]], snapshot: Snapshot) -> dict[str, tuple[float, ...]]:
    """Return the values the operator stands behind: each is the last that was not set by the tuner.

    Where the tuner set a value before this process began to look, the registry's default stands in.
    """
    known = dict(baseline)
    for facts in snapshot.symbols:
        before = known.get(facts.symbol, tuple(param.default for param in PARAMS))
        known[facts.symbol] = tuple(
            old if source is Source.TUNER else now for old, now, source in zip(before, facts.params, facts.sources, strict=True)
        )
    return known
