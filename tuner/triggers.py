"""When a cycle starts, and why: a pure function over what was seen before, the snapshot and the time."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import msgspec

from shared.clock import NS_PER_S
from tuner.snapshot import Snapshot


class Trigger(IntEnum):
    """What may start a cycle."""

    NONE = 0
    STARTUP = 1
    SCHEDULED = 2
    MANUAL = 3
    LOSS_STREAK = 4


class TriggerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often each trigger may fire. ``new_losses``: losses in a row since it last fired in that symbol."""

    interval_s: float = 300.0
    startup_cooldown_s: float = 10.0
    manual_cooldown_s: float = 2.0
    streak_cooldown_s: float = 60.0
    new_losses: int = 3


class TriggerState(msgspec.Struct, frozen=True, kw_only=True):
    """What has been seen and when each trigger last fired (ns; 0: never).

    ``streaks`` holds, per symbol, the length of the losing streak that has been answered already.
    """

    epoch: int = 0
    tune_now: int = 0
    streaks: tuple[int, ...] = ()
    fired_ns: tuple[tuple[Trigger, int], ...] = ()
    last_cycle_ns: int = 0

    def fired_at(self, trigger: Trigger) -> int:
        """Return when a trigger last fired, ns; 0 if never."""
        return dict(self.fired_ns).get(trigger, 0)


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger that fired. ``symbols`` are indices; empty means all."""

    trigger: Trigger
    reason: str
    symbols: tuple[int, ...] = ()


def due(state: TriggerState, snapshot: Snapshot, now_ns: int, limits: TriggerLimits) -> tuple[TriggerState, Fired | None]:
    """Return the next state and the trigger that fires now, if any.

    One that is held back by its cooldown is not lost: it fires when the cooldown ends.
    """
    state = _seen(state, snapshot)
    for fired in (
        _startup(state, snapshot),
        _manual(state, snapshot),
        _loss_streak(state, snapshot, limits),
        _scheduled(state, now_ns, limits),
    ):
        if fired is not None and _cooled(state, fired.trigger, now_ns, limits):
            return _after(state, fired, snapshot, now_ns), fired
    return state, None


def absorb(state: TriggerState, snapshot: Snapshot) -> TriggerState:
    """Take note of what happens while the tuner may not act, so that nothing old fires once it may again."""
    state = _seen(state, snapshot)
    return msgspec.structs.replace(
        state, tune_now=snapshot.controls.tune_now, streaks=tuple(facts.loss_streak for facts in snapshot.symbols)
    )


def next_cycle_ns(state: TriggerState, limits: TriggerLimits) -> int:
    """Return when the schedule fires next, ns; 0 before the first cycle."""
    return state.last_cycle_ns + int(limits.interval_s * NS_PER_S) if state.last_cycle_ns else 0


def _seen(state: TriggerState, snapshot: Snapshot) -> TriggerState:
    """Shorten the answered streaks where a win ended them, so that the next streak counts from its start."""
    if state.epoch != snapshot.epoch or len(state.streaks) != len(snapshot.symbols):
        return state
    answered = (min(old, facts.loss_streak) for old, facts in zip(state.streaks, snapshot.symbols, strict=True))
    return msgspec.structs.replace(state, streaks=tuple(answered))


def _startup(state: TriggerState, snapshot: Snapshot) -> Fired | None:
    if state.epoch == snapshot.epoch:
        return None
    reason = "the trader was restarted" if state.epoch else "first look at a running trader"
    return Fired(trigger=Trigger.STARTUP, reason=reason)


def _manual(state: TriggerState, snapshot: Snapshot) -> Fired | None:
    if snapshot.controls.tune_now <= state.tune_now:
        return None
    return Fired(trigger=Trigger.MANUAL, reason=f"asked for by a human (request {snapshot.controls.tune_now})")


def _loss_streak(state: TriggerState, snapshot: Snapshot, limits: TriggerLimits) -> Fired | None:
    hit = [
        facts
        for facts, answered in zip(snapshot.symbols, state.streaks, strict=False)
        if facts.loss_streak - answered >= limits.new_losses
    ]
    if not hit:
        return None
    named = ", ".join(f"{facts.symbol} lost {facts.loss_streak} in a row" for facts in hit)
    return Fired(trigger=Trigger.LOSS_STREAK, reason=named, symbols=tuple(facts.index for facts in hit))


def _scheduled(state: TriggerState, now_ns: int, limits: TriggerLimits) -> Fired | None:
    if now_ns < next_cycle_ns(state, limits):
        return None
    return Fired(trigger=Trigger.SCHEDULED, reason=f"every {limits.interval_s:g} s")


def _cooled(state: TriggerState, trigger: Trigger, now_ns: int, limits: TriggerLimits) -> bool:
    cooldown_s = {
        Trigger.STARTUP: limits.startup_cooldown_s,
        Trigger.MANUAL: limits.manual_cooldown_s,
        Trigger.LOSS_STREAK: limits.streak_cooldown_s,
    }.get(trigger, 0.0)  # the schedule is its own cooldown
    fired_ns = state.fired_at(trigger)
    return not fired_ns or now_ns - fired_ns >= int(cooldown_s * NS_PER_S)


def _after(state: TriggerState, fired: Fired, snapshot: Snapshot, now_ns: int) -> TriggerState:
    """Return the state once the cycle has begun: what it covers is answered."""
    covered: Iterable[int] = fired.symbols or range(len(snapshot.symbols))
    streaks = list(state.streaks if len(state.streaks) == len(snapshot.symbols) else [0] * len(snapshot.symbols))
    for index in covered:
        streaks[index] = snapshot.symbols[index].loss_streak
    return TriggerState(
        epoch=snapshot.epoch,
        # any cycle over all symbols answers a waiting request too; a losing streak's does not
        tune_now=state.tune_now if fired.symbols else snapshot.controls.tune_now,
        streaks=tuple(streaks),
        fired_ns=tuple((dict(state.fired_ns) | {fired.trigger: now_ns}).items()),
        last_cycle_ns=state.last_cycle_ns if fired.symbols else now_ns,
    )
