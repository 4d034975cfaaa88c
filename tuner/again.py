"""A decision made again: the same snapshot and prompt, the same advisor or another, the same guard. Nothing is applied."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from shared.clock import SystemClock
from shared.errors import UsageError
from tuner.advisors.select import Wanted, choose
from tuner.apply import Status
from tuner.audit import reading, stored_text
from tuner.basis import Basis, prompt_of, unpacked
from tuner.decision import Decision, decision_schema, parse_reply
from tuner.guard import Verdict, judge
from tuner.records import decision_data

_DEADLINE_S = 60.0


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One way the decision was made."""

    advisor: str
    model: str
    action: str
    confidence_pct: float
    changes: dict[str, float]
    ruling: str
    reasons: tuple[str, ...]
    error: str = ""

    @property
    def words(self) -> str:
        """One line."""
        changes = ", ".join(f"{name} → {value:g}" for name, value in self.changes.items()) or "no changes"
        model = f" ({self.model})" if self.model else ""
        why = f": {'; '.join(self.reasons)}" if self.reasons else ""
        return (
            f"{self.advisor}{model}: {self.action} {self.confidence_pct:.0f}%, {changes}; guard: {self.ruling}{why}{self.error}"
        )


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """Then and now. ``same_reply`` compares to the byte; ``guard_agrees``: judged anew, the old reply gets the old verdict."""

    decision_id: int
    symbol: str
    same_reply: bool
    guard_agrees: bool
    then: Side
    now: Side

    @property
    def words(self) -> str:
        """For people."""
        same = "the reply is the same to the byte" if self.same_reply else "the reply differs"
        guard = "judged again, the old reply gets the same verdict" if self.guard_agrees else "the guard judges otherwise now"
        return f"then  {self.then.words}\nnow   {self.now.words}\n{same}; {guard}"


def decide_again(path: Path, decision_id: int, *, advisor: str | None, model: str, file: Path | None) -> Again:
    """Make a decision again.

    Errors
    ------
    UsageError
        If there is no such decision, or it never came to an answer.
    JournalError
        If what it was made from can not be read.
    """
    data = decision_data(path, decision_id)
    record: dict[str, Any] = next((row for row in data["rows"] if "verdict" in row and row["status"] != Status.SENDING), {})
    if not record or "basis" not in record.get("stored", {}):
        raise UsageError(f"decision {decision_id}: was without what it was made from, expected one that was concluded")
    with reading(path) as database:
        basis = unpacked(stored_text(database, record["stored"]["basis"]))
    texts, symbol = data["texts"], basis.symbol
    wanted = Wanted(
        advisor=advisor or record["advisor"], model=model or (record["model"] if advisor is None else ""), replay_file=file
    )
    choice = choose(wanted, os.environ, SystemClock())
    prompt = prompt_of(basis, texts["system"], texts["user"])
    reply = choice.advisor.propose(prompt, decision_schema([symbol]), _DEADLINE_S)
    decided = parse_reply(reply.text, [symbol]) if not reply.error else _nothing(symbol, reply.error)
    before = parse_reply(texts["reply"], [symbol])
    verdict = _judged(basis, before)
    return Again(
        decision_id=decision_id,
        symbol=symbol,
        same_reply=decided.raw == before.raw,
        guard_agrees=(verdict.ruling.value, list(verdict.reasons)) == (record["verdict"]["ruling"], record["verdict"]["reasons"]),
        then=_side(record["advisor"], record["model"], before, verdict),
        now=_side(choice.advisor.name, reply.model or choice.advisor.model, decided, _judged(basis, decided)),
    )


def _judged(basis: Basis, decision: Decision) -> Verdict:
    return judge(basis.snapshot, decision, basis.history, basis.limits, basis.judged_ns, basis.grounds)


def _nothing(symbol: str, error: str) -> Decision:
    empty = parse_reply("", [symbol])
    return msgspec.structs.replace(empty, error=error)


def _side(advisor: str, model: str, decision: Decision, verdict: Verdict) -> Side:
    return Side(
        advisor=advisor,
        model=model,
        action=decision.action.name,
        confidence_pct=decision.confidence_pct,
        changes={change.param.name: change.new for change in verdict.changes},
        ruling=verdict.ruling.value,
        reasons=verdict.reasons,
        error=f" ({decision.error})" if decision.error else "",
    )
