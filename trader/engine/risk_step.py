"""The part of ``step`` that watches over the account: once a second, and when the kill file comes or goes."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import EventKind, Mode, Reason, Source
from trader.engine.outbox import new_event
from trader.engine.trading import leave
from trader.portfolio.accounting import equity_usd
from trader.risk.limits import (
    begin_day,
    daily_loss_pct,
    drawdown_pct,
    new_halt,
    resume,
    settle_risk_state,
    spikes,
    watch_for_a_crash,
)
from trader.risk.modes import enter_mode, mode_step

_EV_HALT = int(EventKind.RISK_HALT)
_EV_MODE = int(EventKind.MODE_CHANGE)
_NONE = int(Reason.NONE)
_KILL = int(Reason.KILL_FILE)
_CRASH = int(Reason.CRASH_GUARD)
_DRAWDOWN = int(Reason.DRAWDOWN_HALT)
_OPERATOR = int(Reason.OPERATOR)
_NORMAL = int(Mode.NORMAL)
_ENGINE = int(Source.ENGINE)


@compiled
def _tell_halt(state: Any, box: Any, reason: int, value: float) -> None:
    event = new_event(state, box, _EV_HALT, -1)
    event.reason = reason
    event.new = value
    event.cash_usd = state.cash_usd
    event.equity_usd = equity_usd(state)


@compiled
def _tell_mode(state: Any, box: Any, old: int, reason: int) -> None:
    event = new_event(state, box, _EV_MODE, -1)
    event.old = old
    event.new = state.mode
    event.reason = reason


@compiled
def resume_trading(state: Any, box: Any) -> None:
    """End the halts a human may end; unless a kill file still forbids it, losses, drawdown and mode begin anew."""
    resume(state, equity_usd(state))
    if state.halted:
        return
    old = int(state.mode)
    if old != _NORMAL:
        enter_mode(state, _NORMAL, 0.0)
        _tell_mode(state, box, old, _OPERATOR)
    state.guard.facts.loss_streak = 0
    settle_risk_state(state)


@compiled
def second_of_account(state: Any, box: Any) -> None:
    """Look at equity, crash guard and mode after a second has closed; positions never outlive a kill file."""
    equity = equity_usd(state)
    begin_day(state, equity)
    reason = new_halt(state, equity)
    if reason != _NONE:
        _tell_halt(state, box, reason, drawdown_pct(state, equity) if reason == _DRAWDOWN else daily_loss_pct(state, equity))
    if watch_for_a_crash(state):
        _tell_halt(state, box, _CRASH, float(spikes(state)))
    old = int(state.mode)
    reason = mode_step(state, equity)
    if reason >= 0:
        _tell_mode(state, box, old, reason)
    if state.guard.kill:
        _flatten(state, box)
    settle_risk_state(state)


@compiled
def _flatten(state: Any, box: Any) -> None:
    for index in range(state.n_symbols):
        leave(state, box, index, _KILL, _ENGINE)


@compiled
def on_kill(state: Any, box: Any, present: float) -> None:
    """Halt and close everything when the kill file is there; when it is gone a human may enable trading again."""
    guard = state.guard
    if present <= 0.0:
        guard.kill = 0
        return
    guard.kill = 1
    if not guard.kill_halt:
        guard.kill_halt = 1
        _tell_halt(state, box, _KILL, 1.0)
    _flatten(state, box)
    settle_risk_state(state)
