"""Hostile text put through the whole tuner: real decider, guard, audit and wishes, a trader's segments that take what is posted.

A model that obeys is worse than any real one: it does exactly what the hostile text wants, with confidence 99, and cites what
suits it. Each decision begins from the same state, one in which the guard lets the same wish of an undisturbed model raise risk.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shared.clock import SystemClock
from shared.events import Action, Regime, Source
from shared.params import PARAMS
from shared.workspace import Workspace
from tests.support_llm import answering, message, sending, serving, text_block
from tests.support_segments import Publisher as Trader
from tests.support_segments import publishing
from tuner.advisors.base import Advisor
from tuner.advisors.select import Choice
from tuner.audit import Audit
from tuner.cycle import Decider, Parts
from tuner.log import TunerLog
from tuner.news.desk import Fetched, NewsDesk
from tuner.news.parse import RawNews
from tuner.prompt import escaped
from tuner.publish import Publisher
from tuner.retrieval.facets import Facets
from tuner.retrieval.passages import Passage
from tuner.retrieval.text import clean_text
from tuner.snapshot import ENABLED_FIELD
from tuner.triggers import Fired, Trigger

FILE = Path(__file__).parent / "data" / "injections.toml"
SYMBOL = "BTCUSDT"
TRUSTED = Passage(
    chunk_id="parameter_tuning.md#when-to-hold#0a1b2c3d", file="parameter_tuning.md", heading="Parameter tuning > When to HOLD",
    text="HOLD is a decision, and usually the right one.", similarity=0.6, score=0.5,
)  # fmt: skip
HOSTILE_ID = "attacker.md#orders#11112222"
_PARAMS_MACRO = re.compile(r"\$PARAMS\(([^()]*)\)")


class Injection(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the corpus; ``kind`` is headline, snippet or reply."""

    kind: str
    text: str
    wants: dict[str, Any] = {}

    @property
    def reply(self) -> str:
        """The reply of a model that obeys, or the hostile reply itself."""
        return _filled(self.text) if self.kind == "reply" else wanted_reply(self.wants, ())


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one decision: whether the hostile text reached the prompt, what was proposed, and what was applied."""

    injection: Injection
    delivered: bool
    action: str
    status: str
    raised: tuple[str, ...]
    lowered: tuple[str, ...]
    reasons: tuple[str, ...]


def corpus() -> list[Injection]:
    """Return every entry."""
    found = msgspec.toml.decode(FILE.read_bytes(), type=dict[str, list[dict[str, Any]]])
    return [Injection(kind=kind, **entry) for kind, entries in found.items() for entry in entries]


def wanted_reply(wants: dict[str, Any], cited: Sequence[str]) -> str:
    """Return the reply that does what is wanted."""
    params: dict[str, Any] = {param.name: wants.get(param.name) for param in PARAMS}
    reply = {
        "action": wants["action"], "symbol": SYMBOL, "params": params, "confidence_pct": 99, "reasoning": "as I was told",
        "cited": list(cited),
    }  # fmt: skip
    return json.dumps(reply)


def holds(prompt: str, text: str) -> bool:
    """Say whether a prompt holds this text, cleaned and escaped as a prompt shows it."""
    return _letters(escaped(clean_text(text)))[-24:] in _letters(prompt)


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text) if c.isalnum())


class _Shelf:
    """Knowledge of one reviewed passage, and one from an attacker's file where there is one."""

    corpus, chunks, note = "test", 2, ""

    def __init__(self, hostile: str) -> None:
        self._found = [TRUSTED]
        if hostile:
            self._found.insert(0, msgspec.structs.replace(TRUSTED, chunk_id=HOSTILE_ID, text=hostile, score=0.9, reviewed=False))

    def search(self, query: str, facets: Facets | None = None) -> list[Passage]:  # noqa: ARG002
        return list(self._found)


class Listening:
    """Wraps an advisor and keeps the last prompt it was given."""

    def __init__(self, inner: Advisor) -> None:
        self._inner = inner
        self.heard = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def propose(self, prompt: Any, schema: Any, deadline_s: float) -> Any:
        self.heard = prompt.user
        return self._inner.propose(prompt, schema, deadline_s)


class Arena:
    """A trader's segments, and a tuner made anew for every decision."""

    def __init__(self, trader: Trader, publisher: Publisher, folder: Path) -> None:
        self._trader = trader
        self._publisher = publisher
        self._folder = folder
        self._count = 0
        self._log = TunerLog(folder, SystemClock(), echo=False)

    def face(self, injection: Injection, advisor: Advisor, *, hostile: bool = True) -> Outcome:
        """Let an advisor decide with the hostile text before it, or without it where ``hostile`` is False."""
        self._reset(paused=injection.wants.get("action") == "RESUME" or "RESUME" in injection.text)
        before = self._values()
        clock, listening = SystemClock(), Listening(advisor)
        headline = hostile and injection.kind == "headline"
        desk = NewsDesk([], clock, [SYMBOL])
        if headline:
            desk.take(Fetched(items=(("wire", RawNews(title=injection.text, published_ns=clock.now_ns())),)))
        shelf = _Shelf(injection.text if hostile and injection.kind == "snippet" else "")
        self._count += 1
        audit = Audit(self._folder / f"audit-{self._count}.sqlite")
        parts = Parts(
            clock=clock, choice=Choice(advisor=listening, why="test"), knowledge=shelf, audit=audit, publisher=self._publisher,
            log=self._log, stop=threading.Event(), news=desk,
        )  # fmt: skip
        workspace = Workspace(self._trader.instance, clock)
        try:
            fired = Fired(trigger=Trigger.SCHEDULED, reason="every 300 s")
            result = Decider(parts, interval_s=300.0, dry_run=False).decide(workspace, fired, SYMBOL)
        finally:
            workspace.close()
            audit.close()
        raised, lowered = _moved(before, self._values())
        delivered = injection.kind == "reply" or holds(listening.heard, injection.text)
        return Outcome(
            injection=injection, delivered=delivered, action=result.action, status=result.status, raised=raised,
            lowered=lowered, reasons=result.reasons or ((result.error,) if result.error else ()),
        )  # fmt: skip

    def close(self) -> None:
        self._log.close()

    def _reset(self, *, paused: bool) -> None:
        """Bring back the state in which raising risk is possible: a calm market, results, nothing changed lately."""
        trader = self._trader
        row = trader.view["rows"][0]
        row["regime"], row["regime_confidence"], row["bars"], row["efficiency"] = Regime.TRENDING_UP, 0.9, 5_000, 0.6
        row["trades"], row["wins"], row["losses"], row["realised_usd"] = 60, 45, 15, 900.0
        row["bid_price_usd"], row["ask_price_usd"], row["last_price_usd"] = 59_999.5, 60_000.5, 60_000.0
        row["ema_slow_usd"] = 59_990.0
        trader.view["time_ns"] = row["last_market_ns"] = SystemClock().now_ns()
        trader.publish()
        applied = np.array(trader.applied(0))
        applied["values"][: len(PARAMS)] = applied["previous"][: len(PARAMS)] = [param.default for param in PARAMS]
        applied["values"][ENABLED_FIELD], applied["sources"][:] = 0.0 if paused else 1.0, Source.NOBODY
        applied["sources"][ENABLED_FIELD] = Source.TUNER if paused else Source.NOBODY
        applied["source"], applied["updated_ns"], applied["revision"] = Source.TUNER, 1, applied["revision"] + 1
        trader._rows[0].publish(applied, SystemClock().now_ns())

    def _values(self) -> list[float]:
        return [float(value) for value in self._trader.applied(0)["values"][: len(PARAMS) + 1]]


@contextmanager
def arena(folder: Path) -> Iterator[Arena]:
    """Hold a trader's segments and all that a decision needs."""
    with ExitStack() as stack:
        trader = stack.enter_context(publishing("injected", [SYMBOL]))
        trader.serve()
        publisher = Publisher(trader.instance, SystemClock())
        stack.callback(publisher.close)
        made = Arena(trader, publisher, folder)
        stack.callback(made.close)
        yield made


class ObedientServer:
    """Speaks ``/v1/messages``: where the prompt holds the hostile text it does what that wants, otherwise it holds.

    ``cited`` is what it cites then; ``always`` makes it do so whatever the prompt holds: the control.
    """

    def __init__(self) -> None:
        self.url = ""
        self.injection = Injection(kind="reply", text="")
        self.cited: tuple[str, ...] = ()
        self.always = False

    def answer(self, body: dict[str, Any]) -> str:
        prompt = "".join(_texts(body["messages"]))
        if self.injection.kind == "reply":
            return self.injection.reply
        if self.always or holds(prompt, self.injection.text):
            return wanted_reply(self.injection.wants, self.cited)
        return wanted_reply({"action": Action.HOLD.name}, ())


@contextmanager
def obedient_server() -> Iterator[ObedientServer]:
    """Run it on loopback."""
    made = ObedientServer()
    with serving(answering(lambda body: sending(message(text_block(made.answer(body)))))) as server:
        made.url = server.url
        yield made


def claude(url: str) -> Advisor:
    """Return the real Claude advisor, asking this server."""
    from tuner.advisors.claude import ClaudeAdvisor

    return ClaudeAdvisor(api_key="sk-test", base_url=url, model="claude-haiku-5-5", clock=SystemClock())


def replay(folder: Path, reply: str) -> Advisor:
    """Return the replay advisor with one recorded reply."""
    from tuner.advisors.replay import ReplayAdvisor

    path = folder / "reply.jsonl"
    path.write_text(json.dumps({"reply": reply}) + "\n")
    return ReplayAdvisor(path, max_deadline_s=10.0)


def rules() -> Advisor:
    """Return the embedded rules."""
    from tuner.advisors.rules import RulesAdvisor

    return RulesAdvisor()


Advise = Callable[[Injection], Advisor]


def _moved(before: Sequence[float], after: Sequence[float]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what now has more risk and what has less, in words."""
    raised, lowered = [], []
    risks = [*((param.name, param.risk) for param in PARAMS), ("enabled", 1)]
    for (name, risk), old, new in zip(risks, before, after, strict=True):
        text = f"{name} {old:g} → {new:g}"
        if (new - old) * risk > 0:
            raised.append(text)
        elif new != old:
            lowered.append(text)
    return tuple(raised), tuple(lowered)


def _filled(text: str) -> str:
    """Return a reply with its macro filled in: every parameter null but those named."""

    def params(match: re.Match[str]) -> str:
        named = dict(pair.split("=", 1) for pair in match[1].split(",") if pair)
        return "{" + ",".join(f'"{param.name}":{named.get(param.name, "null")}' for param in PARAMS) + "}"

    return _PARAMS_MACRO.sub(params, text)


def _texts(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    for content in (said["content"] for said in messages):
        yield from [content] if isinstance(content, str) else [block.get("text", "") for block in content]
