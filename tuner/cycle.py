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
from tuner.apply import Applied, Order, Status, apply, changes_of
from tuner.audit import Audit
from tuner.budget import Budget, Stop, most_usd, paid_links
from tuner.call import BackgroundCall
from tuner.canary import Canary, Flight
from tuner.decision import Decision, decision_schema, parse_reply
from tuner.guard import Ruling, Verdict, judge
from tuner.knowledge import Knowledge
from tuner.limits import Grounds, Past, limits_for, rebased
from tuner.log import TunerLog
from tuner.news.desk import NewsDesk
from tuner.outcome.effects import Followed
from tuner.outcome.measurer import Measurer
from tuner.prompt import Prompt, build_prompt, retrieval_facets, retrieval_query
from tuner.publish import Publisher, TunerEvent
from tuner.recovery import settle
from tuner.retrieval.passages import Passage
from tuner.snapshot import Snapshot, take
from tuner.triggers import Fired

_BEAT_S = 0.05
_APPLY_S = 2.5  # kept back from the time for a what if: the trader must still be asked
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
    budget: Budget | None = None
    measurer: Measurer | None = None
    canary: Canary | None = None
    news: NewsDesk | None = None


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
        self.stop: Stop | None = None
        self._show_usage()

    @property
    def rests_until_ns(self) -> int:
        """When an advisor that is left alone will be asked again, ns; 0 if it is not."""
        return self._breaker.rests_until_ns if self.degraded else 0

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
        case, expires_ns = self._judged(workspace, fired, symbol)
        for event in account.judged_events(case):
            self._parts.publisher.push(event)
        end = _without_asking(case, dry_run=self._dry_run)
        if end is None or end.status is Status.DRY_RUN:
            case = self._tried(workspace, case, expires_ns)
        with self._parts.audit.together():
            stored = account.keep_texts(self._parts.audit, case)
        applied = end or self._apply(workspace, case, stored, expires_ns)
        return self._conclude(case, applied, stored)

    def _judged(self, workspace: Workspace, fired: Fired, symbol: str) -> tuple[account.Case, int]:
        """Return the decision with the guard's verdict, and until when it may be applied."""
        parts = self._parts
        effects = parts.measurer.told() if parts.measurer else ()
        snapshot = msgspec.structs.replace(take(workspace, parts.clock), effects=effects)
        self._baseline = rebased(self._baseline, snapshot)
        limits = limits_for(self._interval_s, self._baseline)
        news = parts.news.items() if parts.news else ()
        prompt = build_prompt(snapshot, symbol, self._retrieve(snapshot, fired, symbol), news=news)
        expires_ns = snapshot.taken_ns + int(limits.valid_for_s * NS_PER_S)
        reply = self._ask(prompt, (expires_ns - parts.clock.now_ns()) / NS_PER_S)
        self._tell_fallbacks(reply, snapshot.facts(symbol).index)
        decision = _decision(reply, symbol)
        if self.stop is None:
            self._watch(ok=not decision.error, error=decision.error)
        else:
            limits = msgspec.structs.replace(limits, over_budget=self.stop.why)
        grounds = _grounds(fired, prompt)
        history, now_ns = tuple(self._history), parts.clock.now_ns()
        case = account.Case(
            decision_id=parts.audit.new_decision_id(), fired=fired, snapshot=snapshot, prompt=prompt, reply=reply,
            decision=decision, verdict=judge(snapshot, decision, history, limits, now_ns, grounds),
            advisor=reply.advisor or parts.choice.advisor.name, corpus=parts.knowledge.corpus, history=history, limits=limits,
            grounds=grounds, judged_ns=now_ns, stopped=self.stop is not None,
        )  # fmt: skip
        return case, expires_ns

    def _retrieve(self, snapshot: Snapshot, fired: Fired, symbol: str) -> list[Passage]:
        try:
            passages = self._parts.knowledge.search(retrieval_query(snapshot, symbol), retrieval_facets(snapshot, symbol))
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
        deadline_s = min(remaining_s, advisor.max_deadline_s)
        self.stop = None
        objection = self._objection(deadline_s)
        if objection:
            return Reply(error=f"{advisor.name}: {objection}", model=advisor.model)
        reserved = self._reserved(prompt)
        if isinstance(reserved, Stop):
            return Reply(error=reserved.why, model=advisor.model)
        model = f" (model {advisor.model})" if advisor.model else ""
        self._parts.log.line("API", f"Calling {advisor.name}{model}")
        started_ns = clock.monotonic_ns()
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
        self._settle(reserved, reply)
        return msgspec.structs.replace(reply, latency_ms=reply.latency_ms or elapsed_ms)

    def _objection(self, deadline_s: float) -> str:
        """Return why the advisor can not be asked now; empty if it can."""
        if not self._breaker.allows(self._parts.clock.now_ns()):
            return "left alone for a while after repeated failures"
        if self._call is not None and not self._call.wait(0):
            return "the call before has still not ended"
        return "no time was left to ask" if deadline_s <= 0 else ""

    def _reserved(self, prompt: Prompt) -> int | Stop:
        """Reserve what the call may cost; 0 for an advisor that costs nothing. Where there is no room, say so once."""
        budget, advisor, now_ns = self._parts.budget, self._parts.choice.advisor, self._parts.clock.now_ns()
        paid = paid_links(advisor)
        if budget is None or not paid:
            return 0
        chars = len(prompt.system) + len(prompt.user)
        reserved = budget.reserve(paid[0][0], sum(most_usd(model, chars) for _, model in paid), now_ns)
        self._show_usage()
        if isinstance(reserved, Stop):
            self.stop = reserved
            self._parts.log.line("BUDGET", reserved.why)
            self._parts.publisher.push(TunerEvent(kind=TunerEventKind.BUDGET_STOP, text=reserved.why))
        return reserved

    def _settle(self, reserved: int, reply: Reply) -> None:
        """Replace the reservation by the price; a call that failed without saying what it used keeps it: it may be billed."""
        if reserved and self._parts.budget is not None and (not reply.error or reply.input_tokens or reply.cost_usd):
            self._parts.budget.settle(reserved, reply.cost_usd)
            self._show_usage()

    def _show_usage(self) -> None:
        budget = self._parts.budget
        if budget is None:
            return
        limits = {f"{name}_limit": getattr(budget.limits, name) for name in ("calls_hour", "calls_day")}
        limits |= {"cost_hour_limit_usd": budget.limits.cost_hour_usd, "cost_day_limit_usd": budget.limits.cost_day_usd}
        used = msgspec.structs.asdict(budget.usage(self._parts.clock.now_ns()))
        self._parts.publisher.update(**used, **limits)

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

    def _tried(self, workspace: Workspace, case: account.Case, expires_ns: int) -> account.Case:
        """Replay the recent past with the change and without it, tell both, and prepare to measure what it will do."""
        verdict, parts = case.verdict, self._parts
        if parts.measurer is None:
            return case
        urgent = verdict.action is Action.EMERGENCY_EXIT
        if not urgent:
            left_s = (expires_ns - parts.clock.now_ns()) / NS_PER_S - _APPLY_S
            tried = parts.measurer.what_if(case.snapshot, verdict.symbol, changes_of(verdict), left_s)
            case = msgspec.structs.replace(case, tried=tried)
            event = account.what_if_event(case)
            if event is not None:
                parts.publisher.push(event)
            parts.log.line("WHAT IF", event.text if event else tried.error)
        if self._dry_run and urgent:
            return case  # there is no patch that says the same: it can not be tried out later
        from_ns = int(workspace.portfolio()["time_ns"]) if self._dry_run else case.snapshot.engine_ns
        shadow = changes_of(verdict) if self._dry_run else {}
        return self._in_part(msgspec.structs.replace(case, followed=_followed(case, from_ns, shadow, parts.clock.now_ns())))

    def _in_part(self, case: account.Case) -> account.Case:
        """Let a canary go first, where one is wanted and the change has a part to begin with."""
        if self._parts.canary is None or self._dry_run or case.verdict.action is not Action.UPDATE_CONFIG:
            return case
        full = case.verdict.changes
        small = self._parts.canary.first_step(full)
        if small == full:
            return case
        return msgspec.structs.replace(case, verdict=msgspec.structs.replace(case.verdict, changes=small), full=full)

    def _apply(self, workspace: Workspace, case: account.Case, stored: dict[str, str], expires_ns: int) -> Applied:
        verdict, clock = case.verdict, self._parts.clock
        self._parts.audit.append(account.sending_record(case, stored, clock.now_ns()))
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

    def _conclude(self, case: account.Case, applied: Applied, stored: dict[str, str]) -> account.Result:
        """Record how it ended, tell it, count it, and follow what it does."""
        now_ns = self._parts.clock.now_ns()
        self._parts.audit.append(account.final_record(case, applied, stored, now_ns))
        self._follow(case, applied)
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

    def _follow(self, case: account.Case, applied: Applied) -> None:
        """Have its effect measured, and a canary watched."""
        if case.followed is None or applied.status not in (Status.APPLIED, Status.DRY_RUN):
            return
        if self._parts.measurer is not None:
            self._parts.measurer.follow(case.followed)
        if case.full and self._parts.canary is not None:
            self._parts.canary.watch(
                Flight(
                    followed=case.followed, small=case.verdict.changes, full=case.full, revision=applied.revision,
                    trades=case.facts.trades,
                )
            )  # fmt: skip

    def settle(self, workspace: Workspace) -> bool:
        """Conclude what was in flight when the last tuner died; False while it is too early to say."""
        told = settle(self._parts.audit, workspace, self._parts.clock.now_ns())
        if told is None:
            return False
        for text in told:
            self._parts.log.line("RECOVERY", text)
        if told:
            self._history = self._parts.audit.history()
        return True


def _followed(case: account.Case, from_ns: int, shadow: dict[int, float], now_ns: int) -> Followed:
    changes = ", ".join(change.text for change in case.verdict.changes) or words(case.verdict.action)
    return Followed(
        decision_id=case.decision_id, symbol=case.facts.symbol, index=case.facts.index, action=case.verdict.action,
        changes=changes, from_ns=from_ns, time_ns=now_ns, cost_usd=case.reply.cost_usd,
        confidence_pct=case.decision.confidence_pct, trigger=words(case.fired.trigger), shadow=shadow,
    )  # fmt: skip


def _grounds(fired: Fired, prompt: Prompt) -> Grounds:
    """Return what a decision on this prompt may rest on."""
    return Grounds(by_news=fired.by_news, news_shown=bool(prompt.outside), trusted=prompt.trusted)


def _decision(reply: Reply, symbol: str) -> Decision:
    if reply.error:
        return Decision(action=Action.HOLD, symbol=symbol, error=reply.error, raw=reply.text)
    return parse_reply(reply.text, [symbol])


def _without_asking(case: account.Case, *, dry_run: bool) -> Applied | None:
    """Return how a decision ends that never reaches the trader; None if it must be sent."""
    verdict: Verdict = case.verdict
    if case.stopped:
        return Applied(status=Status.BUDGET, text=case.decision.error)
    if case.decision.error:
        return Applied(status=Status.FAILED, text=case.decision.error)
    if verdict.ruling is Ruling.REJECT:
        status = Status.EXPIRED if verdict.code is Reason.EXPIRED else Status.REFUSED
        text = "; ".join(verdict.reasons) or words(verdict.code)
        return Applied(status=status, reason=verdict.code, text=text)
    if verdict.action is Action.HOLD:
        return Applied(status=Status.HOLD)
    return Applied(status=Status.DRY_RUN, text="dry run: the trader was not asked") if dry_run else None
