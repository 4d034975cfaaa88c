"""The part of ``step`` that takes what people and the tuner want: parameters, controls, commands and their refusals."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import CONTROL_FIELDS, CommandKind, EventKind, Reason, Source, Status
from trader.engine.by_hand import by_hand
from trader.engine.inputs import ALL
from trader.engine.outbox import new_event
from trader.engine.risk_step import resume_trading
from trader.engine.state import BID_SLOT, ENABLED_FIELD, MANUAL_OVERRIDE, ORDER_SLOTS, TRADING_ENABLED
from trader.engine.trading import cancel, leave
from trader.portfolio.accounting import equity_usd

_TUNER = int(Source.TUNER)
_EV_APPLIED = int(EventKind.CONFIG_APPLIED)
_EV_TUNER = int(EventKind.TUNER_CONFIG)
_EV_REFUSED = int(EventKind.CONFIG_REFUSED)
_EV_ACK = int(EventKind.COMMAND_ACK)
_UPDATE = int(Status.TUNER_CONFIG_UPDATE)
_PAUSE = int(Status.TUNER_PAUSE_SYMBOL)
_RESUME = int(Status.TUNER_RESUME_SYMBOL)
_TUNER_EXIT = int(Status.TUNER_EMERGENCY_EXIT)
_EMERGENCY_EXIT = int(CommandKind.EMERGENCY_EXIT)
_EMERGENCY = int(Reason.EMERGENCY)
_BUY = int(CommandKind.MANUAL_BUY)
_SELL = int(CommandKind.MANUAL_SELL)
_CLOSE = int(CommandKind.CLOSE)
_CANCEL_ALL = int(CommandKind.CANCEL_ALL)
_BY_HAND = int(Reason.MANUAL)
_NOT_ALLOWED = int(Reason.NOT_ALLOWED)
_UNKNOWN_COMMAND = int(Reason.UNKNOWN_COMMAND)


@compiled
def _set(settings: Any, field: int, value: float, r: Any, time_ns: int) -> float:
    """Put a value in force and return the one before. All fields of one wish share a revision, and one undo."""
    if settings.revision != r.ref:
        settings.previous[:] = settings.values
        settings.revision = r.ref
    old = settings.values[field]
    settings.values[field] = value
    settings.updated_ns = time_ns
    settings.decision_id = int(r.c)
    settings.source = r.flags & 255
    settings.sources[field] = r.flags & 255
    return float(old)


@compiled
def on_param(state: Any, box: Any, r: Any) -> None:
    """Apply one value of one symbol."""
    settings = state.symbols[r.symbol].settings
    old = _set(settings, r.aux, r.a, r, state.time_ns)
    source = r.flags & 255
    event = new_event(state, box, _EV_TUNER if source == _TUNER else _EV_APPLIED, r.symbol)
    if source == _TUNER:
        event.status = _UPDATE
        if r.aux == ENABLED_FIELD:
            event.status = _RESUME if r.a > 0.0 else _PAUSE
    event.source = source
    event.field = r.aux
    event.old = old
    event.new = r.a
    event.confidence_pct = r.b
    event.decision_id = int(r.c)
    event.generation = r.ref


@compiled
def on_control(state: Any, box: Any, r: Any) -> None:
    """Apply one global control. Enabling trading is the human's way out of every halt."""
    old = _set(state.controls, r.aux, r.a, r, state.time_ns)
    if r.aux == MANUAL_OVERRIDE and r.a > 0.0:
        state.override_epoch += 1  # what the tuner wrote before is void, even after the wheel is given back
    if r.aux == TRADING_ENABLED and r.a > 0.0 and state.halted:
        resume_trading(state, box)
    event = new_event(state, box, _EV_APPLIED, -1)
    event.source = r.flags & 255
    event.field = CONTROL_FIELDS + r.aux
    event.old = old
    event.new = r.a
    event.generation = r.ref


@compiled
def on_refusal(state: Any, box: Any, r: Any) -> None:
    """Tell that a wish was refused, and why."""
    event = new_event(state, box, _EV_REFUSED, -1 if r.symbol == ALL else r.symbol)
    event.source = r.flags & 255
    event.reason = r.flags >> 8
    event.field = r.aux
    event.old = r.a
    event.new = r.d
    event.confidence_pct = r.b
    event.decision_id = int(r.c)
    event.generation = r.ref


@compiled
def _emergency_exit(state: Any, box: Any, index: int, r: Any) -> None:
    """Flatten a symbol and keep it from entering again until somebody resumes it."""
    symbol = state.symbols[index]
    source = r.flags & 255
    if source == _TUNER:
        event = new_event(state, box, _EV_TUNER, index)
        event.status = _TUNER_EXIT
        event.source = source
        event.decision_id = int(r.c)
        event.command_id = r.ref
    leave(state, box, index, _EMERGENCY, source)
    settings = symbol.settings
    settings.previous[:] = settings.values
    settings.values[ENABLED_FIELD] = 0.0
    settings.sources[ENABLED_FIELD] = source
    settings.revision += 1
    settings.source = source
    settings.decision_id = int(r.c)
    settings.updated_ns = state.time_ns


@compiled
def _carry_out_for(state: Any, box: Any, index: int, r: Any) -> int:
    """Carry out a command for one symbol; return why it was not, or NONE."""
    if r.aux == _EMERGENCY_EXIT:
        _emergency_exit(state, box, index, r)
    elif r.aux == _CLOSE:
        leave(state, box, index, _BY_HAND, r.flags & 255)
    elif r.aux == _CANCEL_ALL:
        for slot in range(BID_SLOT, ORDER_SLOTS):
            cancel(state, box, index, slot)
    elif r.aux in (_BUY, _SELL):
        return by_hand(state, box, index, 1 if r.aux == _BUY else -1, r.a, r.flags & 255)
    else:
        return _UNKNOWN_COMMAND
    return 0


@compiled
def _carry_out(state: Any, box: Any, r: Any) -> int:
    if r.symbol != ALL:
        return _carry_out_for(state, box, r.symbol, r)
    if r.aux in (_BUY, _SELL):
        return _NOT_ALLOWED  # by hand one symbol at a time
    reason = 0
    for index in range(state.n_symbols):
        reason = max(reason, _carry_out_for(state, box, index, r))
    return reason


@compiled
def on_command(state: Any, box: Any, r: Any) -> None:
    """Carry out a command, or tell that it was refused; either way the event carries the command's id."""
    reason = r.flags >> 8
    if reason == 0:
        reason = _carry_out(state, box, r)
    event = new_event(state, box, _EV_ACK if reason == 0 else _EV_REFUSED, -1 if r.symbol == ALL else r.symbol)
    event.source = r.flags & 255
    event.reason = reason
    event.command_id = r.ref
    event.decision_id = int(r.c)
    event.cash_usd = state.cash_usd
    event.equity_usd = equity_usd(state)
