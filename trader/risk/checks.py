"""Every check before an entry, each closed second: reason, value, limit, passed. The first that fails is "why no trade".

A check that cannot be computed yet (no price, no instrument) has a NaN value and counts as failed; an earlier one then says why.
"""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from shared.events import Mode, Reason
from trader.engine.state import (
    COOLDOWN,
    ENABLED_FIELD,
    LEVERAGE,
    LOSS_COOLDOWN,
    MAX_CORRELATED,
    MAX_DAILY_LOSS,
    MAX_DRAWDOWN,
    MAX_DRIFT,
    MAX_GROSS,
    MAX_SYMBOL,
    MAX_TRADE_LOSS,
    MIN_EDGE,
    ORDERS_PER_MIN,
    ORDERS_PER_S,
    SIGNAL_STRENGTH,
    STALE,
    STOP,
    TRADING_ENABLED,
)  # fmt: skip
from trader.market.book import is_crossed
from trader.market.indicators import WARM_UP_BARS
from trader.market.tape import mark_price
from trader.risk.limits import NS_PER_S, daily_loss_pct, drawdown_pct, feed_trouble, forget_old_orders, spikes
from trader.risk.sizing import entry_cost, round_trip_bps, spread_bps, wanted_usd, whole_steps
from trader.strategies.opinion import largest_deviation_pct

MOST_STRENGTH = 3  # detectors there are: a stricter mode cannot ask for more
NS_PER_MS = 1_000_000

_NONE = int(Reason.NONE)
_DISABLED = int(Reason.TRADING_DISABLED)
_KILL = int(Reason.KILL_FILE)
_DRAWDOWN = int(Reason.DRAWDOWN_HALT)
_DAILY = int(Reason.DAILY_LOSS)
_EXIT_ONLY = int(Reason.EXIT_ONLY)
_CRASH = int(Reason.CRASH_GUARD)
_PAUSED = int(Reason.PAUSED)
_NO_INSTRUMENT = int(Reason.NO_INSTRUMENT)
_NO_PRICE = int(Reason.NO_PRICE)
_STALE = int(Reason.STALE_FEED)
_CROSSED = int(Reason.CROSSED_BOOK)
_WARMING_UP = int(Reason.WARMING_UP)
_IN_POSITION = int(Reason.IN_POSITION)
_PENDING = int(Reason.ORDER_PENDING)
_COOLDOWN = int(Reason.COOLDOWN)
_LOSS_COOLDOWN = int(Reason.LOSS_COOLDOWN)
_ORDER_RATE = int(Reason.ORDER_RATE)
_WEAK = int(Reason.WEAK_SIGNAL)
_TOO_FAR = int(Reason.EMA_DEVIATION)
_NO_STRATEGY = int(Reason.NO_STRATEGY)
_LONG_ONLY = int(Reason.LONG_ONLY)
_MIN_EDGE = int(Reason.MIN_EDGE)
_TOO_SMALL = int(Reason.TOO_SMALL)
_TRADE_LOSS = int(Reason.TRADE_LOSS)
_SYMBOL = int(Reason.SYMBOL_EXPOSURE)
_GROSS = int(Reason.GROSS_LIMIT)
_CORRELATED = int(Reason.CORRELATED_EXPOSURE)
_BUYING_POWER = int(Reason.BUYING_POWER)
_NOT_RECONCILED = int(Reason.NOT_RECONCILED)
_UNCONFIRMED = int(Reason.UNCONFIRMED_ORDER)
_DRIFT = int(Reason.VENUE_DRIFT)
_MODE_EXIT_ONLY = int(Mode.EXIT_ONLY)


@compiled
def _put(symbol: Any, reason: int, passed: bool, value: float, limit: float) -> None:
    check = symbol.checks[symbol.n_checks]
    check.reason = reason
    check.passed = 1 if passed else 0
    check.value = value
    check.limit = limit
    symbol.n_checks += 1


@compiled
def _check_account(state: Any, symbol: Any, equity_usd: float) -> None:
    guard, controls = state.guard, state.controls.values
    _put(symbol, _DISABLED, controls[TRADING_ENABLED] >= 1.0, controls[TRADING_ENABLED], 1.0)
    _put(symbol, _KILL, guard.kill_halt == 0, guard.kill, 0.0)
    _put(symbol, _DRAWDOWN, guard.drawdown_halt == 0, drawdown_pct(state, equity_usd), controls[MAX_DRAWDOWN])
    _put(symbol, _DAILY, guard.daily_halt == 0, daily_loss_pct(state, equity_usd), controls[MAX_DAILY_LOSS])
    _put(symbol, _EXIT_ONLY, state.mode != _MODE_EXIT_ONLY, state.mode, _MODE_EXIT_ONLY)
    _put(symbol, _NOT_RECONCILED, state.reconciled > 0, state.unconfirmed, 0.0)
    _put(symbol, _CRASH, state.time_ns >= guard.crash_until_ns, spikes(state), math.ceil(state.n_symbols / 2))


@compiled
def _check_market(state: Any, symbol: Any, price_usd: float) -> None:
    controls = state.controls.values
    heard = symbol.last_market_ns > 0
    silent_ms = (state.time_ns - symbol.last_market_ns) / NS_PER_MS if heard else math.nan
    _put(symbol, _PAUSED, symbol.settings.values[ENABLED_FIELD] >= 1.0, symbol.settings.values[ENABLED_FIELD], 1.0)
    _put(symbol, _NO_INSTRUMENT, symbol.step_size > 0.0, symbol.step_size, 0.0)
    _put(symbol, _NO_PRICE, price_usd > 0.0, price_usd, 0.0)
    _put(symbol, _STALE, heard and not symbol.stale and not feed_trouble(state), silent_ms, controls[STALE])
    _put(symbol, _CROSSED, not (symbol.book_valid and is_crossed(symbol)), spread_bps(symbol), 0.0)
    _put(symbol, _DRIFT, symbol.drifting == 0, abs(symbol.drift_bps), controls[MAX_DRIFT])
    _put(symbol, _WARMING_UP, symbol.fast.bars >= WARM_UP_BARS, symbol.fast.bars, WARM_UP_BARS)


@compiled
def _check_pace(state: Any, symbol: Any, index: int, pending: bool) -> None:
    guard, controls = state.guard, state.controls.values
    _put(symbol, _IN_POSITION, symbol.position_qty == 0.0, symbol.position_qty, 0.0)
    _put(symbol, _UNCONFIRMED, symbol.orders[0].unconfirmed == 0, symbol.orders[0].unconfirmed, 0.0)
    _put(symbol, _PENDING, not pending, 1.0 if pending else 0.0, 0.0)
    since_fill_ms = (state.time_ns - symbol.last_fill_ns) / NS_PER_MS if symbol.last_fill_ns > 0 else math.inf
    _put(symbol, _COOLDOWN, since_fill_ms >= symbol.settings.values[COOLDOWN], since_fill_ms, symbol.settings.values[COOLDOWN])
    since_loss_s = (state.time_ns - guard.last_loss_ns[index]) / NS_PER_S if guard.last_loss_ns[index] > 0 else math.inf
    _put(symbol, _LOSS_COOLDOWN, since_loss_s >= controls[LOSS_COOLDOWN], since_loss_s, controls[LOSS_COOLDOWN])
    forget_old_orders(state)
    in_second, in_minute = guard.orders - guard.orders_before_s, guard.orders - guard.orders_before_min
    minute_passed = in_minute < controls[ORDERS_PER_MIN]
    if minute_passed:  # the limit that is told is the one that fails
        _put(symbol, _ORDER_RATE, in_second < controls[ORDERS_PER_S], in_second, controls[ORDERS_PER_S])
    else:
        _put(symbol, _ORDER_RATE, minute_passed, in_minute, controls[ORDERS_PER_MIN])


@compiled
def _check_signal(state: Any, symbol: Any, price_usd: float) -> None:
    required = min(symbol.settings.values[SIGNAL_STRENGTH] + state.strength_extra, MOST_STRENGTH)
    objection = symbol.objection
    # a strategy judges its strength itself; a stricter mode only asks for more
    weak = objection == _WEAK or (state.strength_extra > 0 and symbol.strength < required)
    _put(symbol, _WEAK, not weak, symbol.strength, required)
    if objection == _TOO_FAR:
        away_pct = 100.0 * abs(price_usd / symbol.fast.ema_slow_usd - 1.0)
        _put(symbol, _TOO_FAR, False, away_pct, largest_deviation_pct(symbol))
    elif objection not in (_NONE, _WEAK):
        _put(symbol, objection, False, symbol.score, math.nan)
    else:
        _put(symbol, _NO_STRATEGY, True, symbol.strategy, 0.0)
    _put(symbol, _LONG_ONLY, symbol.perpetual > 0 or symbol.score >= 0.0, symbol.score, 0.0)
    needed_bps = state.controls.values[MIN_EDGE] * round_trip_bps(state, symbol)
    _put(symbol, _MIN_EDGE, needed_bps <= 0.0 or symbol.expected_bps >= needed_bps, symbol.expected_bps, needed_bps)


@compiled
def same_side_usd(state: Any, side: float) -> float:
    """Return the value of all positions on one side."""
    total = 0.0
    for i in range(state.n_symbols):
        other = state.symbols[i]
        if other.position_qty * side > 0.0:
            total += abs(other.position_qty) * mark_price(other)
    return total


@compiled
def _check_size(state: Any, symbol: Any, price_usd: float, equity_usd: float, gross_usd: float) -> float:
    """Add the checks of the size; return the quantity that passes them, 0.0 if none does.

    The size is shrunk to what one trade and one symbol may risk; all positions together and buying power only block.
    Limits are held against the equity that is left after the entry's own costs.
    """
    controls = state.controls.values
    if price_usd <= 0.0 or symbol.step_size <= 0.0:
        for reason in (_TOO_SMALL, _TRADE_LOSS, _SYMBOL, _GROSS, _CORRELATED, _BUYING_POWER):
            _put(symbol, reason, False, math.nan, math.nan)
        return 0.0
    cost = entry_cost(state, symbol)
    usd = wanted_usd(state, symbol, equity_usd)
    at_stop = symbol.settings.values[STOP] / 100.0 + 2.0 * cost
    _put(
        symbol,
        _TOO_SMALL,
        whole_steps(symbol, usd, price_usd) > 0.0,
        usd,
        max(symbol.min_notional_usd, symbol.step_size * price_usd),
    )
    most_loss_usd = max(equity_usd, 0.0) * controls[MAX_TRADE_LOSS] / 100.0
    usd = min(usd, most_loss_usd / at_stop)
    _put(symbol, _TRADE_LOSS, whole_steps(symbol, usd, price_usd) > 0.0, usd * at_stop, most_loss_usd)
    held_usd = abs(symbol.position_qty) * price_usd
    share = controls[MAX_SYMBOL] / 100.0
    usd = max(min(usd, (equity_usd * share - held_usd) / (1.0 + share * cost)), 0.0)
    qty = whole_steps(symbol, usd, price_usd)
    usd = qty * price_usd
    _put(symbol, _SYMBOL, qty > 0.0, held_usd + usd, equity_usd * share)
    left_usd = equity_usd - usd * cost
    together = _check_together(state, symbol, usd, left_usd, gross_usd)
    return qty if together else 0.0


@compiled
def _check_together(state: Any, symbol: Any, usd: float, left_usd: float, gross_usd: float) -> bool:
    controls = state.controls.values
    gross, most_gross = gross_usd + usd, left_usd * controls[MAX_GROSS] / 100.0
    _put(symbol, _GROSS, gross <= most_gross, gross, most_gross)
    side = same_side_usd(state, 1.0 if symbol.score > 0.0 else -1.0) + usd
    most_side = left_usd * controls[MAX_CORRELATED] / 100.0
    _put(symbol, _CORRELATED, side <= most_side, side, most_side)
    # spot: equity - gross is the cash, of which the entry takes its value and its costs
    free = left_usd * (controls[LEVERAGE] if symbol.perpetual else 1.0) - gross_usd
    _put(symbol, _BUYING_POWER, usd <= free, usd, free)
    return bool(gross <= most_gross and side <= most_side and usd <= free)


@compiled
def evaluate(state: Any, index: int, equity_usd: float, gross_usd: float, pending: bool) -> float:
    """Write all checks of a symbol; return the signed quantity to enter with, 0.0 if a check of the size fails."""
    symbol = state.symbols[index]
    symbol.n_checks = 0
    price = mark_price(symbol)
    _check_account(state, symbol, equity_usd)
    _check_market(state, symbol, price)
    _check_pace(state, symbol, index, pending)
    _check_signal(state, symbol, price)
    qty = _check_size(state, symbol, price, equity_usd, gross_usd)
    return qty if symbol.score > 0.0 else -qty


@compiled
def first_failing(symbol: Any) -> int:
    """Return the reason of the first check that fails, or NONE."""
    for i in range(symbol.n_checks):
        if not symbol.checks[i].passed:
            return int(symbol.checks[i].reason)
    return _NONE
