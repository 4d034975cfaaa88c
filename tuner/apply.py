"""Turns a verdict into wishes and commands for the trader, which judges again and answers."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import NotRunning, OutOfRange, Timeout, TornRead
from shared.events import Action, CommandKind, Reason, Source, words
from shared.wishes import Wish
from shared.workspace import Workspace
from tuner.guard import Verdict
from tuner.snapshot import ENABLED_FIELD, Snapshot


class Status(StrEnum):
    """How a decision ended."""

    SENDING = "SENDING"  # written before the trader is asked: what was in flight if the tuner dies now
    APPLIED = "APPLIED"
    REFUSED = "REFUSED"
    EXPIRED = "EXPIRED"
    UNANSWERED = "UNANSWERED"
    HOLD = "HOLD"
    DRY_RUN = "DRY_RUN"
    FAILED = "FAILED"
    BUDGET = "BUDGET"  # the advisor was not asked: what it may cost is spent
    # what came of it later, rows of their own
    OUTCOME = "OUTCOME"
    UNMEASURED = "UNMEASURED"
    PROMOTED = "PROMOTED"  # the canary did no worse: now in full
    ROLLED_BACK = "ROLLED_BACK"
    LEFT = "LEFT"  # the canary could be neither: it stays as it is


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The trader's answer. ``generation`` counts the wishes of the row; for a command it is the command's id."""

    status: Status
    reason: Reason = Reason.NONE
    generation: int = 0
    revision: int = 0
    waited_ms: float = 0.0
    text: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be applied, by whom it was decided and for how long it may be."""

    snapshot: Snapshot
    verdict: Verdict
    decision_id: int
    confidence_pct: float
    expires_ns: int
    wait_s: float = 2.0


def apply(workspace: Workspace, order: Order, clock: Clock) -> Applied:
    """Ask the trader to do what the verdict allows, and wait for its answer. Never raises for what the trader may do."""
    remaining_s = (order.expires_ns - clock.now_ns()) / NS_PER_S
    if remaining_s <= 0:
        return Applied(status=Status.EXPIRED, reason=Reason.EXPIRED, text="the decision came too late")
    started_ns = clock.monotonic_ns()
    try:
        if order.verdict.action is Action.EMERGENCY_EXIT:
            return _command(workspace, order, clock, remaining_s)
        return _wish(workspace, order, clock, remaining_s)
    except Timeout as error:
        waited_ms = (clock.monotonic_ns() - started_ns) / NS_PER_MS
        return Applied(status=Status.UNANSWERED, waited_ms=waited_ms, text=f"{error}")
    except (NotRunning, TornRead, OutOfRange) as error:
        return Applied(status=Status.FAILED, text=f"{error}")


def changes_of(verdict: Verdict) -> dict[int, float]:
    """Return the patch of a verdict: field index to value; PAUSE and RESUME are a patch of ``enabled``."""
    switch = {Action.PAUSE: 0.0, Action.RESUME: 1.0}
    if verdict.action in switch:
        return {ENABLED_FIELD: switch[verdict.action]}
    return {change.field: change.new for change in verdict.changes}


def _wish(workspace: Workspace, order: Order, clock: Clock, remaining_s: float) -> Applied:
    facts = order.snapshot.symbols[order.verdict.symbol]
    wish = Wish(
        changes=changes_of(order.verdict),
        source=Source.TUNER,
        base_revision=facts.revision,  # somebody changed the symbol meanwhile: the decision was about something else
        override_epoch=order.snapshot.controls.override_epoch,
        decision_id=order.decision_id,
        confidence_pct=order.confidence_pct,
        valid_for_s=min(remaining_s, order.wait_s),  # nothing may take effect after we stopped waiting for it
    )
    outcome = workspace.symbol_rows[facts.index].post(wish, clock, order.wait_s)
    return Applied(
        status=_status(outcome.refusal),
        reason=outcome.refusal,
        generation=outcome.generation,
        revision=outcome.revision,
        waited_ms=outcome.waited_ms,
        text=words(outcome.refusal) if outcome.refusal else "",
    )


def _command(workspace: Workspace, order: Order, clock: Clock, remaining_s: float) -> Applied:
    started_ns = clock.monotonic_ns()
    event = workspace.commands.send_and_wait(
        CommandKind.EMERGENCY_EXIT,
        order.verdict.symbol,
        Source.TUNER,
        override_epoch=order.snapshot.controls.override_epoch,
        decision_id=order.decision_id,
        wait_s=min(remaining_s, order.wait_s),
    )
    reason = Reason(int(event["reason"]))
    return Applied(
        status=_status(reason),
        reason=reason,
        generation=int(event["command_id"]),
        waited_ms=(clock.monotonic_ns() - started_ns) / NS_PER_MS,
        text=words(reason) if reason else "",
    )


def _status(refusal: Reason) -> Status:
    if refusal is Reason.NONE:
        return Status.APPLIED
    return Status.EXPIRED if refusal is Reason.EXPIRED else Status.REFUSED
