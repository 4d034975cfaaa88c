"""The guard: a pure function that decides what of a decision may be applied.

::

    judge(snapshot, decision, history, limits, now, grounds)
      → may anything happen at all?   override, tuner off, budget, stale or expired snapshot, confidence floor
      → may this action happen?       dwell, who paused, the second condition of an emergency exit
      → may these values happen?      bounds, largest step, costs, base ≤ max, dwell, drift, evidence, at most three

Whatever goes wrong inside is a refusal. Reducing risk is easier than raising it, and untrusted text can do nothing else: while
news are in the prompt, or all that is cited is nothing we gave, a decision may only lower risk.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from shared.clock import NS_PER_S
from shared.errors import TradingError
from shared.events import Action, Reason, TunerMode, words
from tuner.amend import Change, amended_changes
from tuner.decision import Decision
from tuner.limits import Case, Grounds, GuardLimits, Past, since_s
from tuner.snapshot import TURBULENT, Snapshot


class Ruling(StrEnum):
    """What the guard says."""

    ACCEPT = "accept"
    AMEND = "amend"
    REJECT = "reject"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The guard's answer. ``action`` is what may be done now; HOLD for every rejection."""

    ruling: Ruling
    action: Action
    symbol: int = -1
    changes: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()
    code: Reason = Reason.NONE


def judge(
    snapshot: Snapshot,
    decision: Decision,
    history: Sequence[Past],
    limits: GuardLimits,
    now_ns: int,
    grounds: Grounds = Grounds(),  # noqa: B008 - frozen
) -> Verdict:
    """Return what may be applied of ``decision``. Never raises for bad values: a guard that fails refuses.

    Parameters
    ----------
    history
        What was applied before, any order; only the same symbol's entries count.
    now_ns
        Time of the judgement, ns since the epoch.
    grounds
        What the decision may rest on.
    """
    try:
        return _judge(snapshot, decision, history, limits, now_ns, grounds)
    except (TradingError, ValueError, ArithmeticError, LookupError, TypeError) as error:  # the one place: fail closed
        return _reject(Reason.NOT_ALLOWED, f"the guard could not judge this, so it is refused: {error}")


def _judge(
    snapshot: Snapshot, decision: Decision, history: Sequence[Past], limits: GuardLimits, now_ns: int, grounds: Grounds
) -> Verdict:
    if decision.error:
        return _reject(Reason.NOT_ALLOWED, f"no valid decision: {decision.error}")
    if decision.action is Action.HOLD:
        return Verdict(ruling=Ruling.ACCEPT, action=Action.HOLD, symbol=_index_of(snapshot, decision.symbol))
    facts = snapshot.facts(decision.symbol)
    past = tuple(entry for entry in history if entry.symbol == decision.symbol)
    case = Case(snapshot=snapshot, facts=facts, past=past, limits=limits, now_ns=now_ns, untrusted=_untrusted(decision, grounds))
    verdict = _authority(snapshot) or _budget(limits) or _freshness(case) or _confidence(decision, limits) or _act(case, decision)
    return msgspec.structs.replace(verdict, symbol=facts.index)


def _act(case: Case, decision: Decision) -> Verdict:
    match decision.action:
        case Action.UPDATE_CONFIG:
            return _update(case, decision)
        case Action.PAUSE:
            return _pause(case)
        case Action.RESUME:
            return _resume(case)
        case _:
            return _emergency_exit(case)


def _authority(snapshot: Snapshot) -> Verdict | None:
    if snapshot.controls.manual_override:
        return _reject(Reason.OVERRIDE_ON, "manual override is on: the human has the wheel")
    if snapshot.controls.tuner_mode is not TunerMode.ON:
        return _reject(Reason.TUNER_OFF, f"the tuner is {words(snapshot.controls.tuner_mode)}")
    return None


def _budget(limits: GuardLimits) -> Verdict | None:
    return _reject(Reason.NOT_ALLOWED, limits.over_budget) if limits.over_budget else None


def _untrusted(decision: Decision, grounds: Grounds) -> bool:
    """Say whether untrusted text may be behind a decision."""
    return grounds.by_news or grounds.news_shown or bool(decision.cited and not grounds.trusted.intersection(decision.cited))


def _freshness(case: Case) -> Verdict | None:
    snapshot, limits = case.snapshot, case.limits
    age_s = (case.now_ns - snapshot.taken_ns) / NS_PER_S
    if age_s < -limits.clock_skew_s:
        return _reject(Reason.EXPIRED, f"snapshot age: was {age_s:.1f} s, expected none from the future")
    if age_s > limits.valid_for_s:
        return _reject(Reason.EXPIRED, f"the answer came {age_s:.1f} s after the snapshot, expected {limits.valid_for_s:g} s")
    silence_ms = max(snapshot.heartbeat_age_ms, snapshot.published_age_ms)
    if not silence_ms <= limits.max_heartbeat_age_ms:
        return _reject(
            Reason.EXPIRED, f"the snapshot was stale: trader silent for {silence_ms:.0f} ms, "
            f"expected at most {limits.max_heartbeat_age_ms:.0f}"
        )  # fmt: skip
    return None


def _confidence(decision: Decision, limits: GuardLimits) -> Verdict | None:
    floor = limits.update_floor_pct if decision.action is Action.UPDATE_CONFIG else limits.pause_floor_pct
    if not decision.confidence_pct >= floor:
        return _reject(
            Reason.NOT_ALLOWED, f"confidence_pct: was {decision.confidence_pct:.0f}, expected at least {floor:.0f} "
            f"for {decision.action.name}"
        )  # fmt: skip
    return None


def _update(case: Case, decision: Decision) -> Verdict:
    facts, limits = case.facts, case.limits
    if not facts.enabled and not facts.paused_by_tuner:
        return _reject(Reason.NOT_ALLOWED, f"{facts.symbol} was paused by somebody else: the tuner leaves it alone")
    if case.feed_stale:
        return _reject(Reason.STALE_FEED, f"the feed of {facts.symbol} is stale: no tuning on old prices")
    kept, notes = amended_changes(case, decision.proposed)
    if not kept:
        code = Reason.NOT_ALLOWED if notes else Reason.NONE
        return _reject(code, *(notes or ["every value named is in force already"]))
    cooldown_s = limits.cooldown_s * (limits.reducing_share if all(change.risk < 0 for change in kept) else 1.0)
    if case.waited_s < cooldown_s:
        why = f"{facts.symbol} was changed {case.waited_s:.0f} s ago, expected at least {cooldown_s:.0f} s"
        return _reject(Reason.COOLDOWN, why, *notes)
    ruling = Ruling.AMEND if notes else Ruling.ACCEPT
    return Verdict(ruling=ruling, action=Action.UPDATE_CONFIG, changes=kept, reasons=tuple(notes))


def _pause(case: Case) -> Verdict:
    if not case.facts.enabled:
        return _reject(Reason.PAUSED, f"{case.facts.symbol} is paused already")
    return Verdict(ruling=Ruling.ACCEPT, action=Action.PAUSE)


def _resume(case: Case) -> Verdict:
    facts = case.facts
    if facts.enabled:
        return _reject(Reason.NONE, f"{facts.symbol} is not paused")
    if not facts.paused_by_tuner:
        return _reject(Reason.NOT_ALLOWED, f"{facts.symbol} was paused by somebody else: only they resume it")
    if case.untrusted:
        return _reject(Reason.NOT_ALLOWED, "untrusted text may be behind it, and that may only lower risk")
    if case.trading_halted:
        return _reject(Reason.DRAWDOWN_HALT, "trading is halted: only a human resumes it")
    if case.feed_stale:
        return _reject(Reason.STALE_FEED, f"the feed of {facts.symbol} is stale: no return on old prices")
    waited_s = min(case.waited_s, facts.set_age_s)
    if waited_s < case.limits.dwell_s:
        why = f"{facts.symbol} was paused {waited_s:.0f} s ago, expected at least {case.limits.dwell_s:.0f} s"
        return _reject(Reason.COOLDOWN, why)
    return Verdict(ruling=Ruling.ACCEPT, action=Action.RESUME)


def _emergency_exit(case: Case) -> Verdict:
    second = _second_condition(case)
    before = [entry for entry in case.past if entry.action is Action.EMERGENCY_EXIT]
    doubt = ""
    if not case.facts.position_qty:
        doubt = "there is no position to leave"
    elif not second:
        doubt = "no second, measured condition supports an emergency exit"
    elif since_s(before, case.now_ns) < case.limits.emergency_cooldown_s:
        doubt = f"there was one less than {case.limits.emergency_cooldown_s:.0f} s ago"
    if not doubt:
        return Verdict(ruling=Ruling.ACCEPT, action=Action.EMERGENCY_EXIT, reasons=(f"also: {second}",))
    pause = _pause(case)
    if pause.ruling is Ruling.REJECT:
        return msgspec.structs.replace(pause, reasons=(doubt, *pause.reasons))
    return Verdict(ruling=Ruling.AMEND, action=Action.PAUSE, reasons=(f"{doubt}: PAUSE instead",))


def _second_condition(case: Case) -> str:
    """Return the measured condition that supports an emergency exit, in words; empty if there is none."""
    facts, limits, drawdown_pct = case.facts, case.limits, case.snapshot.account.drawdown_pct
    half_pct = case.snapshot.controls.max_drawdown_pct * limits.drawdown_share
    if half_pct > 0 and drawdown_pct >= half_pct:
        return f"drawdown {drawdown_pct:.2f} % is half the halt limit or more"
    if facts.loss_streak >= limits.emergency_losses:
        return f"{facts.loss_streak} losses in a row"
    if facts.regime in TURBULENT and facts.position_qty and facts.unrealised_usd < 0:
        return f"{words(facts.regime)} with an open loss of {-facts.unrealised_usd:.2f} USD"
    return ""


def _reject(code: Reason, *reasons: str) -> Verdict:
    return Verdict(ruling=Ruling.REJECT, action=Action.HOLD, reasons=reasons, code=code)


def _index_of(snapshot: Snapshot, symbol: str) -> int:
    return next((facts.index for facts in snapshot.symbols if facts.symbol == symbol), -1)
