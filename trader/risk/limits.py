"""The account's limits: what halts trading, what only lets positions be reduced, and what ends either."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Mode, Reason, Regime, RiskState
from trader.engine.state import MAX_DAILY_LOSS, MAX_DRAWDOWN, ORDER_TIMES

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
CRASH_GUARD_S = 60  # entries stay blocked this long after half of the symbols were last in a spike
CRASH_SYMBOLS = 2  # fewer symbols have no half that means anything

_EXIT_ONLY = int(Mode.EXIT_ONLY)
_SPIKE = int(Regime.SPIKE)
_ACTIVE = int(RiskState.ACTIVE)
_REDUCING = int(RiskState.REDUCING)
_HALTED = int(RiskState.HALTED)
_NONE = int(Reason.NONE)
_DRAWDOWN = int(Reason.DRAWDOWN_HALT)
_DAILY = int(Reason.DAILY_LOSS)


@compiled
def drawdown_pct(state: Any, equity_usd: float) -> float:
    """Return the fall from the equity peak, %."""
    return 100.0 * (1.0 - equity_usd / state.peak_equity_usd) if state.peak_equity_usd > 0.0 else 0.0


@compiled
def daily_loss_pct(state: Any, equity_usd: float) -> float:
    """Return the fall since midnight UTC, %; negative for a gain."""
    day_usd = state.guard.day_equity_usd
    return 100.0 * (1.0 - equity_usd / day_usd) if day_usd > 0.0 else 0.0


@compiled
def spikes(state: Any) -> int:
    """Return how many symbols are in a spike."""
    count = 0
    for i in range(state.n_symbols):
        count += 1 if state.symbols[i].regime == _SPIKE else 0
    return count


@compiled
def feed_trouble(state: Any) -> bool:
    """Say whether more than half of the symbols are stale: the market is then not known, whatever the others show."""
    count = 0
    for i in range(state.n_symbols):
        count += 1 if state.symbols[i].stale else 0
    return bool(2 * count > state.n_symbols)


@compiled
def settle_risk_state(state: Any) -> None:
    """Work out ``halted`` and the risk state from what stands. Reducing orders pass in every state."""
    guard = state.guard
    state.halted = 1 if guard.daily_halt + guard.drawdown_halt + guard.kill_halt > 0 else 0
    if state.halted:
        state.risk = _HALTED
    elif state.mode == _EXIT_ONLY or state.time_ns < guard.crash_until_ns or feed_trouble(state):
        state.risk = _REDUCING
    else:
        state.risk = _ACTIVE


@compiled
def begin_day(state: Any, equity_usd: float) -> None:
    """Note the equity at midnight UTC; a halt from the loss of the day before ends here."""
    guard = state.guard
    day = state.time_ns // DAY_NS
    if day != guard.day:
        guard.day = day
        guard.day_equity_usd = equity_usd
        guard.daily_halt = 0


@compiled
def new_halt(state: Any, equity_usd: float) -> int:
    """Halt if the drawdown or the day's loss has reached its limit; return the reason of a halt that is new, or NONE."""
    guard = state.guard
    state.peak_equity_usd = max(state.peak_equity_usd, equity_usd)
    if not guard.drawdown_halt and drawdown_pct(state, equity_usd) >= state.controls.values[MAX_DRAWDOWN]:
        guard.drawdown_halt = 1
        return _DRAWDOWN
    if not guard.daily_halt and daily_loss_pct(state, equity_usd) >= state.controls.values[MAX_DAILY_LOSS]:
        guard.daily_halt = 1
        return _DAILY
    return _NONE


@compiled
def watch_for_a_crash(state: Any) -> bool:
    """Block entries while half of the symbols spike and a while after; say whether this began now."""
    guard = state.guard
    if state.n_symbols < CRASH_SYMBOLS or 2 * spikes(state) < state.n_symbols:
        return False
    began = guard.crash_until_ns <= state.time_ns
    guard.crash_until_ns = state.time_ns + CRASH_GUARD_S * NS_PER_S
    return bool(began)


@compiled
def resume(state: Any, equity_usd: float) -> None:
    """End every halt a human may end: all of them, except that a kill file must be gone first. Losses count from here."""
    guard = state.guard
    guard.drawdown_halt = 0
    guard.daily_halt = 0
    guard.kill_halt = guard.kill
    state.peak_equity_usd = equity_usd
    guard.day_equity_usd = equity_usd
    settle_risk_state(state)


@compiled
def note_order(state: Any) -> None:
    """Count an entry order for the order rate."""
    guard = state.guard
    guard.orders_ns[int(guard.orders % ORDER_TIMES)] = state.time_ns
    guard.orders += 1


@compiled
def forget_old_orders(state: Any) -> None:
    """Move the marks behind which orders are older than a second, and than a minute."""
    guard = state.guard
    guard.orders_before_min = max(guard.orders_before_min, guard.orders - ORDER_TIMES)
    while guard.orders_before_min < guard.orders and (
        state.time_ns - guard.orders_ns[int(guard.orders_before_min % ORDER_TIMES)] >= 60 * NS_PER_S
    ):
        guard.orders_before_min += 1
    guard.orders_before_s = max(guard.orders_before_s, guard.orders_before_min)
    while guard.orders_before_s < guard.orders and (
        state.time_ns - guard.orders_ns[int(guard.orders_before_s % ORDER_TIMES)] >= NS_PER_S
    ):
        guard.orders_before_s += 1
