"""How one decision is told: the rows of the audit, the events, the box of the log and the line of ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.events import Action, TunerEventKind, words
from shared.params import PARAMS
from tuner.advisors.base import Reply
from tuner.amend import Change
from tuner.apply import Applied, Status
from tuner.audit import Audit
from tuner.basis import Basis, packed
from tuner.decision import Decision, printable
from tuner.guard import Ruling, Verdict
from tuner.limits import Grounds, GuardLimits, Past
from tuner.log import Box
from tuner.outcome.effects import Followed
from tuner.outcome.measurer import arm_data, both_fields, what_if_words
from tuner.outcome.tasks import Answer
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
    history: tuple[Past, ...] = ()
    limits: GuardLimits = GuardLimits()
    grounds: Grounds = Grounds()
    judged_ns: int = 0
    stopped: bool = False  # by the budget: nobody was asked
    tried: Answer = Answer()  # what if
    followed: Followed | None = None  # how its effect will be measured
    full: tuple[Change, ...] = ()  # what a canary is promoted to

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
        return tuple(cited for cited in self.decision.cited if cited not in self.prompt.citable)


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


def keep_texts(audit: Audit, case: Case) -> dict[str, str]:
    """Put the long texts of a decision in the audit's store and return the hashes its rows name them by."""
    basis = Basis(
        snapshot=case.snapshot, symbol=case.prompt.symbol, passages=tuple(case.prompt.passages),
        template_version=case.prompt.template_version, fired=case.fired, history=case.history, limits=case.limits,
        grounds=case.grounds, judged_ns=case.judged_ns, news=case.prompt.news,
    )  # fmt: skip
    return {
        "system": audit.keep(case.prompt.system),
        "user": audit.keep(case.prompt.user),
        "reply": audit.keep(case.decision.raw or printable(case.reply.text)),
        "basis": audit.keep(packed(basis)),
    }


def sending_record(case: Case, stored: Mapping[str, str], now_ns: int) -> dict[str, Any]:
    """Return the row that is written before the trader is asked: all that is known if the tuner dies now."""
    return _key(case, now_ns, Status.SENDING) | _pursued(case, stored)


def final_record(case: Case, applied: Applied, stored: Mapping[str, str], now_ns: int) -> dict[str, Any]:
    """Return the row that concludes a decision."""
    facts, reply, prompt = case.facts, case.reply, case.prompt
    before = dict(zip((param.name for param in PARAMS), facts.params, strict=True)) | {"enabled": float(facts.enabled)}
    after = before | _after(case, applied)
    return (
        _key(case, now_ns, applied.status)
        | _pursued(case, stored)
        | {
            "trigger_reason": case.fired.reason,
            "also": [words(trigger) for trigger in case.fired.also],
            "snapshot_ns": case.snapshot.taken_ns,
            "trader_epoch": case.snapshot.epoch,
            "template_version": prompt.template_version,
            "template_sha256": prompt.template_sha256,
            "prompt_tokens": prompt.tokens,
            "left_out": list(prompt.dropped),
            "news": [item.news_id for item in prompt.news],
            "prompt_sha256": prompt.sha256,
            "passages": [{"id": passage.chunk_id, "similarity": round(passage.similarity, 4)} for passage in prompt.passages],
            "corpus": case.corpus,
            "advisor": case.advisor,
            "model": reply.model,
            "stop_reason": reply.stop_reason,
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "cache_read_tokens": reply.cache_read_tokens,
            "cache_write_tokens": reply.cache_write_tokens,
            "thinking_tokens": reply.thinking_tokens,
            "fallbacks": list(reply.fallbacks),
            "cost_usd": reply.cost_usd,
            "latency_ms": reply.latency_ms,
            "decision": _decision(case),
            "verdict": {
                "ruling": case.verdict.ruling.value,
                "action": case.verdict.action.name,
                "code": case.verdict.code.name,
                "reasons": list(case.verdict.reasons),
            },
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
    )


def judged_events(case: Case) -> list[TunerEvent]:
    """Return the events of the decision and of the guard's verdict on it."""
    decision, verdict = case.decision, case.verdict
    text = f"no usable answer: {decision.error}" if decision.error else decision.reasoning
    if case.unknown_citations:
        text += f" [dropped, never given: {', '.join(case.unknown_citations)}]"
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
    both = case.tried.both if changed else None
    fields = both_fields(both, both.gain_usd - case.reply.cost_usd) if both else {}
    return msgspec.structs.replace(event, reason=applied.reason, generation=applied.generation, **fields)


def what_if_event(case: Case) -> TunerEvent | None:
    """Return the event of a *what if*; None if there was nothing to try, or nothing to try it on."""
    both = case.tried.both
    if both is None:
        return None
    event = _event(case, TunerEventKind.WHAT_IF, what_if_words(both), case.verdict.changes)
    return msgspec.structs.replace(event, **both_fields(both, both.gain_usd - case.reply.cost_usd))


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
        what_if=what_if_words(case.tried.both) if case.tried.both else case.tried.error,
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
        Status.BUDGET: "held",
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


def _pursued(case: Case, stored: Mapping[str, str]) -> dict[str, Any]:
    """Return what both rows of a decision hold: what changes, what it was tried with, how it is followed."""
    both = case.tried.both
    what_if = {
        "horizon_s": both.horizon_s, "inputs": both.inputs, "took_ms": round(both.took_ms, 3),
        "old": arm_data(both.old), "new": arm_data(both.new), "gain_usd": both.gain_usd,
    } if both else {"error": case.tried.error}  # fmt: skip
    return {
        "stored": dict(stored),
        "changes": _changes(case.verdict.changes),
        "full": _changes(case.full),
        "trades": case.facts.trades,
        "what_if": what_if,
        "followed": msgspec.to_builtins(case.followed, str_keys=True) if case.followed else None,
    }


def _changes(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [{"field": c.field, "name": c.param.name, "old": c.old, "new": c.new} for c in changes]


def _decision(case: Case) -> dict[str, Any]:
    decision = case.decision
    return {
        "action": decision.action.name,
        "params": {PARAMS[field].name: value for field, value in decision.proposed.items()},
        "confidence_pct": decision.confidence_pct,
        "reasoning": decision.reasoning,
        "cited": [cited for cited in decision.cited if cited not in case.unknown_citations],
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
        case Status.BUDGET:
            return f"– HOLD ({applied.text})"
        case Status.FAILED:
            return f"✗ FAILED ({applied.text})"
        case other:
            return f"✗ {other.value} ({applied.text})"
