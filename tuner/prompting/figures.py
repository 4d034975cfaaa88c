"""Every number a decision needs beyond what the trader publishes, computed here so that no model has to."""

from __future__ import annotations

import math

from shared.events import Reason
from tuner.snapshot import CheckFacts, Snapshot, SymbolFacts

TUNABLE = {
    Reason.COOLDOWN: "cooldown_ms",
    Reason.WEAK_SIGNAL: "signal_strength",
    Reason.EMA_DEVIATION: "the ema_dev limit of the regime",
    Reason.TOO_SMALL: "base_position_pct",
    Reason.TRADE_LOSS: "base_position_pct and stop_pct",
    Reason.SYMBOL_EXPOSURE: "base_position_pct",
    Reason.GROSS_LIMIT: "base_position_pct",
    Reason.CORRELATED_EXPOSURE: "base_position_pct",
    Reason.BUYING_POWER: "base_position_pct",
}
"""The parameter a failing check answers to; for all others there is none."""

UNITS = {
    Reason.DRAWDOWN_HALT: "%",
    Reason.DAILY_LOSS: "%",
    Reason.STALE_FEED: "ms",
    Reason.COOLDOWN: "ms",
    Reason.LOSS_COOLDOWN: "s",
    Reason.EMA_DEVIATION: "%",
    Reason.MIN_EDGE: "bps",
    Reason.WEAK_SIGNAL: "detectors",
    Reason.WARMING_UP: "bars",
    Reason.ORDER_RATE: "orders",
    Reason.TOO_SMALL: "USD",
    Reason.TRADE_LOSS: "USD",
    Reason.SYMBOL_EXPOSURE: "USD",
    Reason.GROSS_LIMIT: "USD",
    Reason.CORRELATED_EXPOSURE: "USD",
    Reason.BUYING_POWER: "USD",
}
"""Unit of a check's value and limit; checks that are not here have none worth telling."""


def break_even_win_rate_pct(target_pct: float, stop_pct: float, round_trip_cost_pct: float) -> float:
    """Return the share of wins that pays for the losses and all costs, %; above 100 means it cannot be done."""
    return (stop_pct + round_trip_cost_pct) / (target_pct + stop_pct) * 100


def win_rate_error_pct(wins: int, trades: int) -> float:
    """Return the standard error of a win rate, percentage points; the rate is pulled toward one half where trades are few.

    Pulled by one won and one lost trade, so that three wins of three do not claim to be certain.
    """
    share = min(1.0, (wins + 1) / (trades + 2))
    return 100 * math.sqrt(share * (1 - share) / trades) if trades else math.inf


def gross_pct(snapshot: Snapshot) -> float:
    """Return the value of all positions, % of equity."""
    return _share_pct(sum(abs(facts.notional_usd) for facts in snapshot.symbols), snapshot)


def same_side_pct(snapshot: Snapshot) -> float:
    """Return the value of the positions on the fuller side, % of equity."""
    long_usd = sum(max(facts.notional_usd, 0.0) for facts in snapshot.symbols)
    short_usd = sum(max(-facts.notional_usd, 0.0) for facts in snapshot.symbols)
    return _share_pct(max(long_usd, short_usd), snapshot)


def position_pct(snapshot: Snapshot, facts: SymbolFacts) -> float:
    """Return the value of a symbol's position, % of equity."""
    return _share_pct(abs(facts.notional_usd), snapshot)


def loss_at_stop_pct(base_position_pct: float, stop_pct: float, round_trip_cost_pct: float) -> float:
    """Return what an entry of the base size loses at its stop, costs included, % of equity."""
    return base_position_pct / 100 * (stop_pct + round_trip_cost_pct)


def daily_loss_pct(facts: SymbolFacts) -> float | None:
    """Return the loss since midnight UTC as the trader last checked it, %; None before the first check."""
    return next((c.value for c in facts.checks if c.reason is Reason.DAILY_LOSS and math.isfinite(c.value)), None)


def failing(facts: SymbolFacts) -> tuple[CheckFacts, ...]:
    """Return the checks that fail, in the trader's order."""
    return tuple(check for check in facts.checks if not check.passed)


def distance_pct(level_usd: float, price_usd: float) -> float:
    """Return how far a level is from the price, % of the price, with its sign."""
    return (level_usd / price_usd - 1) * 100 if price_usd > 0 else 0.0


def _share_pct(value_usd: float, snapshot: Snapshot) -> float:
    equity_usd = snapshot.account.equity_usd
    return value_usd / equity_usd * 100 if equity_usd > 0 else 0.0
