"""One decision about one symbol, from snapshot to audit."""

from __future__ import annotations

import threading

import msgspec

from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import TradingError
from shared.events import Action, Reason, TunerEventKind, words
from shared.workspace import Workspace
from tuner import account
from tuner.advisors.base import Reply
from tuner.advisors.breaker import BreakerState, CircuitBreaker
from tuner.advisors.select import Choice
from tuner.apply import Applied, Order, Status, apply
from tuner.audit import Audit
from tuner.call import BackgroundCall
from tuner.decision import Decision, decision_schema, parse_reply
from tuner.guard import Ruling, Verdict, judge
from tuner.knowledge import Knowledge
from tuner.limits import Past, limits_for, rebased
from tuner.log import TunerLog
from tuner.prompt import Prompt, build_prompt, retrieval_query
from tuner.publish import Publisher, TunerEvent
from tuner.retrieval.passages import Passage
from tuner.snapshot import Snapshot, take
from tuner.triggers import Fired

_BEAT_S = 0.05
_GRACE_S = 1.0  # an advisor keeps its own deadline; past this much more it is given up


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision is made with."""

    clock: Clock
    choice: Choice
    knowledge: Knowledge
    audit: Audit
    publisher: Publisher
    log: TunerLog
    stop: threading.Event


class Decider:
    """Makes decisions, one at a time.

    Parameters
    ----------
    interval_s
        The schedule; the guard's cooldowns and the validity of a decision follow from it.
    dry_run
        Do everything but ask the trader.
    """

    def __init__(self, parts: Parts, *, interval_s: float, dry_run: bool) -> None:
        self._parts = parts
        self._interval_s = interval_s
        self._dry_run = dry_run
        self._breaker = CircuitBreaker()
        self._baseline: dict[str, tuple[float, ...]] = {}
        self._history: list[Past] = parts.audit.history()
        self._call: BackgroundCall[Reply] | None = None

    @property
    def degraded(self) -> bool:
        """Whether the advisor failed so often that it is left alone."""
        return self._breaker.state is not BreakerState.CLOSED

    def decide(self, workspace: Workspace, fired: Fired, symbol: str) -> account.Result:
        """Make, judge, apply and record one decision.

        Errors
        ------
        TornRead
            If no consistent snapshot could be taken.
        JournalError
            If the decision could not be recorded; nothing was applied then.
        """
        snapshot = take(workspace, self._parts.clock)
        self._baseline = rebased(self._baseline, snapshot)
        limits = limits_for(self._interval_s, self._baseline)
        passages = self._retrieve(snapshot, fired, symbol)
        prompt = build_prompt(snapshot, symbol, passages)
        expires_ns = snapshot.taken_ns + int(limits.valid_for_s * NS_PER_S)
        reply = self._ask(prompt, (expires_ns - self._parts.clock.now_ns()) / NS_PER_S)
        self._tell_fallbacks(reply, snapshot.facts(symbol).index)
        decision = _decision(reply, symbol)
        self._watch(ok=not decision.error, error=decision.error)
        verdict = judge(snapshot, decision, self._history, limits, self._parts.clock.now_ns())
        case = account.Case(
            decision_id=self._parts.audit.new_decision_id(),
            fired=fired, snapshot=snapshot, prompt=prompt, reply=reply, decision=decision, verdict=verdict,
            advisor=reply.advisor or self._parts.choice.advisor.name, corpus=self._parts.knowledge.corpus,
        )  # fmt: skip
        for event in account.judged_events(case):
            self._parts.publisher.push(event)
        applied = self._apply(workspace, case, expires_ns)
        return self._conclude(case, applied)

    def _retrieve(self, snapshot: Snapshot, fired: Fired, symbol: str) -> list[Passage]:
        try:
            passages = self._parts.knowledge.search(retrieval_query(snapshot, symbol))
        except TradingError as error:
            self._parts.log.line("RAG", f"{error}")
            passages = []
        size = sum(len(passage.text.encode()) for passage in passages)
        text = f"Retrieved {size} bytes in {len(passages)} passages"
        self._parts.log.line("RAG", text)
        ids = ", ".join(passage.chunk_id for passage in passages)
        event = TunerEvent(
            kind=TunerEventKind.RETRIEVAL,
            symbol=snapshot.facts(symbol).index,
            trigger=fired.trigger,
            text=f"{text}: {ids}" if ids else text,
        )
        self._parts.publisher.push(event)
        return passages

    def _ask(self, prompt: Prompt, remaining_s: float) -> Reply:
        """Ask the advisor in a thread of its own, beating meanwhile; whatever goes wrong is in the reply."""
        advisor, clock = self._parts.choice.advisor, self._parts.clock
        if not self._breaker.allows(clock.now_ns()):
            return Reply(error=f"{advisor.name}: left alone for a while after repeated failures", model=advisor.model)
        if self._call is not None and not self._call.wait(0):
            return Reply(error=f"{advisor.name}: the call before has still not ended", model=advisor.model)
        model = f" (model {advisor.model})" if advisor.model else ""
        self._parts.log.line("API", f"Calling {advisor.name}{model}")
        deadline_s = min(remaining_s, advisor.max_deadline_s)
        started_ns = clock.monotonic_ns()
        if deadline_s <= 0:
            return Reply(error=f"{advisor.name}: no time was left to ask", model=advisor.model)
        schema = decision_schema([prompt.symbol])
        self._call = BackgroundCall(lambda: advisor.propose(prompt, schema, deadline_s), f"advisor-{advisor.name}")
        while not self._call.wait(_BEAT_S):
            self._parts.publisher.beat()
            if self._parts.stop.is_set():
                return Reply(error="the tuner was stopped before the answer came", model=advisor.model)
            if clock.monotonic_ns() - started_ns > (deadline_s + _GRACE_S) * NS_PER_S:
                return Reply(error=f"{advisor.name}: no answer within {deadline_s:g} s", model=advisor.model)
        elapsed_ms = (clock.monotonic_ns() - started_ns) / NS_PER_MS
        reply = self._call.result or Reply(error=f"{advisor.name}: ended without an answer", model=advisor.model)
        return msgspec.structs.replace(reply, latency_ms=reply.latency_ms or elapsed_ms)

    def _tell_fallbacks(self, reply: Reply, symbol: int) -> None:
        """Tell everyone who was asked and could not answer."""
        for text in reply.fallbacks:
            self._parts.publisher.push(TunerEvent(kind=TunerEventKind.FALLBACK, symbol=symbol, text=text))
            self._parts.log.line("FALLBACK", text)

    def _watch(self, *, ok: bool, error: str) -> None:
        """Tell the breaker how the call went, and everyone if that changed whether the advisor may be asked."""
        now_ns = self._parts.clock.now_ns()
        if self._breaker.state is BreakerState.OPEN or not self._breaker.record(ok=ok, now_ns=now_ns):
            return
        kind = TunerEventKind.RECOVERED if ok else TunerEventKind.DEGRADED
        name = self._parts.choice.advisor.name
        text = f"{name} answers again" if ok else f"{name} failed repeatedly and is left alone for a while: {error}"
        self._parts.publisher.push(TunerEvent(kind=kind, text=text))
        self._parts.log.line(kind.name, text)

    def _apply(self, workspace: Workspace, case: account.Case, expires_ns: int) -> Applied:
        verdict, clock = case.verdict, self._parts.clock
        without_asking = _without_asking(case, dry_run=self._dry_run)
        if without_asking is not None:
            return without_asking
        self._parts.audit.append(account.sending_record(case, clock.now_ns()))
        order = Order(
            snapshot=case.snapshot,
            verdict=verdict,
            decision_id=case.decision_id,
            confidence_pct=case.decision.confidence_pct,
            expires_ns=expires_ns,
        )
        applied = apply(workspace, order, clock)
        if applied.status is Status.APPLIED:
            facts = case.snapshot.symbols[verdict.symbol]
            fields = tuple(change.field for change in verdict.changes)
            self._history.append(
                Past(symbol=facts.symbol, action=verdict.action, time_ns=clock.now_ns(), fields=fields, trades=facts.trades)
            )
        return applied

    def _conclude(self, case: account.Case, applied: Applied) -> account.Result:
        """Record the outcome, tell it, count it."""
        now_ns = self._parts.clock.now_ns()
        self._parts.audit.append(account.final_record(case, applied, now_ns))
        event = account.final_event(case, applied)
        if event is not None:
            self._parts.publisher.push(event)
        self._parts.log.box(account.box(case, applied, now_ns))
        reply = case.reply
        self._parts.publisher.add(
            cycles=1, input_tokens=reply.input_tokens, output_tokens=reply.output_tokens, cost_usd=reply.cost_usd,
            **{account.counter(applied.status): 1},
        )  # fmt: skip
        self._parts.publisher.update(
            last_cycle_ns=now_ns, last_latency_ms=reply.latency_ms, last_error=case.decision.error or applied.text
        )
        return account.result(case, applied)


def _decision(reply: Reply, symbol: str) -> Decision:
    if reply.error:
        return Decision(action=Action.HOLD, symbol=symbol, error=reply.error, raw=reply.text)
    return parse_reply(reply.text, [symbol])


def _without_asking(case: account.Case, *, dry_run: bool) -> Applied | None:
    """Return how a decision ends that never reaches the trader; None if it must be sent."""
    verdict: Verdict = case.verdict
    if case.decision.error:
        return Applied(status=Status.FAILED, text=case.decision.error)
    if verdict.ruling is Ruling.REJECT:
        status = Status.EXPIRED if verdict.code is Reason.EXPIRED else Status.REFUSED
        text = "; ".join(verdict.reasons) or words(verdict.code)
        return Applied(status=status, reason=verdict.code, text=text)
    if verdict.action is Action.HOLD:
        return Applied(status=Status.HOLD)
    return Applied(status=Status.DRY_RUN, text="dry run: the trader was not asked") if dry_run else None
