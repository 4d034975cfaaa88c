"""How one decision is told: the rows of the audit, the events, the box of the log and the line of ``--json``."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.events import Action, TunerEventKind, words
from shared.params import PARAMS
from tuner.advisors.base import Reply
from tuner.amend import Change
from tuner.apply import Applied, Status
from tuner.decision import Decision
from tuner.guard import Ruling, Verdict
from tuner.log import Box
from tuner.prompt import Prompt
from tuner.publish import TunerEvent
from tuner.snapshot import Snapshot, SymbolFacts
from tuner.triggers import Fired


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that went into one decision."""

    decision_id: int
    fired: Fired
    snapshot: Snapshot
    prompt: Prompt
    reply: Reply
    decision: Decision
    verdict: Verdict
    advisor: str
    corpus: str

    @property
    def facts(self) -> SymbolFacts:
        """The facts of the symbol it is about."""
        return self.snapshot.facts(self.prompt.symbol)

    @property
    def action(self) -> Action:
        """What would be or was done: the guard's action, or the one it rejected."""
        return self.decision.action if self.verdict.ruling is Ruling.REJECT else self.verdict.action

    @property
    def proposed(self) -> tuple[Change, ...]:
        """What the advisor wanted to change, before the guard."""
        before = self.facts.params
        return tuple(Change(field=field, old=before[field], new=value) for field, value in self.decision.proposed.items())

    @property
    def unknown_citations(self) -> tuple[str, ...]:
        """Ids the advisor cited without having been shown them."""
        shown = {passage.chunk_id for passage in self.prompt.passages}
        return tuple(cited for cited in self.decision.cited if cited not in shown)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, for ``--json``."""

    decision_id: int
    symbol: str
    trigger: str
    advisor: str
    model: str
    action: str
    confidence_pct: float
    changes: dict[str, tuple[float, float]]
    reasoning: str
    ruling: str
    reasons: tuple[str, ...]
    status: str
    reason: str
    generation: int
    apply_ms: float
    latency_ms: float
    error: str


def sending_record(case: Case, now_ns: int) -> dict[str, Any]:
    """Return the row that is written before the trader is asked."""
    return _key(case, now_ns, Status.SENDING) | {"changes": _changes(case.verdict.changes), "trades": case.facts.trades}


def final_record(case: Case, applied: Applied, now_ns: int) -> dict[str, Any]:
    """Return the row that concludes a decision."""
    facts, reply, prompt = case.facts, case.reply, case.prompt
    before = dict(zip((param.name for param in PARAMS), facts.params, strict=True)) | {"enabled": float(facts.enabled)}
    after = before | _after(case, applied)
    return _key(case, now_ns, applied.status) | {
        "trigger_reason": case.fired.reason,
        "snapshot_ns": case.snapshot.taken_ns,
        "trader_epoch": case.snapshot.epoch,
        "trades": facts.trades,
        "template_version": prompt.template_version,
        "prompt_sha256": prompt.sha256,
        "system": prompt.system,
        "user": prompt.user,
        "passages": [{"id": passage.chunk_id, "similarity": round(passage.similarity, 4)} for passage in prompt.passages],
        "corpus": case.corpus,
        "advisor": case.advisor,
        "model": reply.model,
        "raw_reply": case.decision.raw,
        "stop_reason": reply.stop_reason,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "cache_read_tokens": reply.cache_read_tokens,
        "cost_usd": reply.cost_usd,
        "latency_ms": reply.latency_ms,
        "decision": _decision(case),
        "verdict": {
            "ruling": case.verdict.ruling.value,
            "action": case.verdict.action.name,
            "code": case.verdict.code.name,
            "reasons": list(case.verdict.reasons),
        },
        "changes": _changes(case.verdict.changes),
        "before": before,
        "after": after,
        "applied": {
            "reason": applied.reason.name,
            "generation": applied.generation,
            "revision": applied.revision,
            "waited_ms": applied.waited_ms,
            "text": applied.text,
        },
    }


def judged_events(case: Case) -> list[TunerEvent]:
    """Return the events of the decision and of the guard's verdict on it."""
    decision, verdict = case.decision, case.verdict
    text = f"no usable answer: {decision.error}" if decision.error else decision.reasoning
    made = _event(case, TunerEventKind.DECISION, text, case.proposed)
    made = msgspec.structs.replace(made, action=decision.action)
    judged = f"{verdict.ruling.value}: {'; '.join(verdict.reasons) or words(verdict.action)}"
    ruled = _event(case, TunerEventKind.GUARD_VERDICT, judged, verdict.changes)
    return [made, msgspec.structs.replace(ruled, action=verdict.action, reason=verdict.code)]


def final_event(case: Case, applied: Applied) -> TunerEvent | None:
    """Return the event that concludes a decision; None for HOLD and for no answer at all, which changed nothing."""
    kinds = {
        Status.APPLIED: TunerEventKind.APPLIED,
        Status.DRY_RUN: TunerEventKind.DRY_RUN,
        Status.REFUSED: TunerEventKind.REFUSED,
        Status.EXPIRED: TunerEventKind.EXPIRED,
        Status.UNANSWERED: TunerEventKind.EXPIRED,  # the wish expires by itself where the trader did not look in time
    }
    kind = kinds.get(applied.status)
    if kind is None:
        return None
    changed = applied.status in (Status.APPLIED, Status.DRY_RUN)
    text = case.decision.reasoning if changed else applied.text
    event = _event(case, kind, text, case.verdict.changes or case.proposed)
    return msgspec.structs.replace(event, reason=applied.reason, generation=applied.generation)


def box(case: Case, applied: Applied, now_ns: int) -> Box:
    """Return the box of the log."""
    verdict = case.verdict
    changes = verdict.changes if verdict.ruling is not Ruling.REJECT else case.proposed
    return Box(
        time_ns=now_ns,
        action=case.action.name,
        symbol=case.prompt.symbol,
        confidence_pct=case.decision.confidence_pct,
        changes=", ".join(change.text for change in changes),
        reasoning=case.decision.reasoning or case.decision.error,
        latency_ms=case.reply.latency_ms,
        input_tokens=case.reply.input_tokens,
        output_tokens=case.reply.output_tokens,
        cost_usd=case.reply.cost_usd,
        status=_status_line(case, applied),
    )


def result(case: Case, applied: Applied) -> Result:
    """Return the line of ``--json``."""
    return Result(
        decision_id=case.decision_id,
        symbol=case.prompt.symbol,
        trigger=words(case.fired.trigger),
        advisor=case.advisor,
        model=case.reply.model,
        action=case.action.name,
        confidence_pct=case.decision.confidence_pct,
        changes={change.param.name: (change.old, change.new) for change in case.verdict.changes},
        reasoning=case.decision.reasoning,
        ruling=case.verdict.ruling.value,
        reasons=case.verdict.reasons,
        status=applied.status.value,
        reason=applied.reason.name,
        generation=applied.generation,
        apply_ms=round(applied.waited_ms, 3),
        latency_ms=round(case.reply.latency_ms, 3),
        error=case.decision.error,
    )


def counter(status: Status) -> str:
    """Return the counter of the status that a decision's end adds to."""
    return {
        Status.APPLIED: "applied",
        Status.HOLD: "held",
        Status.DRY_RUN: "dry_runs",
        Status.REFUSED: "refused",
        Status.EXPIRED: "refused",
    }.get(status, "failures")


def _key(case: Case, now_ns: int, status: Status) -> dict[str, Any]:
    return {
        "decision_id": case.decision_id,
        "time_ns": now_ns,
        "symbol": case.prompt.symbol,
        "action": case.action.name,
        "trigger": words(case.fired.trigger),
        "status": status.value,
    }


def _after(case: Case, applied: Applied) -> dict[str, float]:
    if applied.status is not Status.APPLIED:
        return {}
    switch = {Action.PAUSE: 0.0, Action.RESUME: 1.0, Action.EMERGENCY_EXIT: 0.0}
    if case.verdict.action in switch:
        return {"enabled": switch[case.verdict.action]}
    return {change.param.name: change.new for change in case.verdict.changes}


def _changes(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [{"field": c.field, "name": c.param.name, "old": c.old, "new": c.new} for c in changes]


def _decision(case: Case) -> dict[str, Any]:
    decision = case.decision
    return {
        "action": decision.action.name,
        "params": {PARAMS[field].name: value for field, value in decision.proposed.items()},
        "confidence_pct": decision.confidence_pct,
        "reasoning": decision.reasoning,
        "cited": list(decision.cited),
        "unknown_citations": list(case.unknown_citations),
        "error": decision.error,
    }


def _event(case: Case, kind: TunerEventKind, text: str, changes: tuple[Change, ...]) -> TunerEvent:
    return TunerEvent(
        kind=kind,
        symbol=case.facts.index,
        action=case.action,
        trigger=case.fired.trigger,
        changes=changes,
        confidence_pct=case.decision.confidence_pct,
        decision_id=case.decision_id,
        latency_ms=case.reply.latency_ms,
        input_tokens=case.reply.input_tokens,
        output_tokens=case.reply.output_tokens,
        cost_usd=case.reply.cost_usd,
        text=text,
    )


def _status_line(case: Case, applied: Applied) -> str:
    cuts = f" · {'; '.join(case.verdict.reasons)}" if case.verdict.ruling is Ruling.AMEND else ""
    match applied.status:
        case Status.APPLIED:
            return f"✓ APPLIED (generation {applied.generation}){cuts}"
        case Status.DRY_RUN:
            return f"○ DRY RUN, not applied{cuts}"
        case Status.HOLD:
            return "– HOLD, nothing changed"
        case Status.FAILED:
            return f"✗ FAILED ({applied.text})"
        case other:
            return f"✗ {other.value} ({applied.text})"
