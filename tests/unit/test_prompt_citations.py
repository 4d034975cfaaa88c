"""An id that was cited without having been given is dropped from the record of what was cited, and told."""

from __future__ import annotations

import msgspec

from shared.events import Action, TunerEventKind
from tests.support_tuner import NOW_NS, make_decision, make_snapshot
from tuner import account
from tuner.advisors.base import Reply
from tuner.apply import Applied, Status
from tuner.guard import Ruling, Verdict
from tuner.news.items import NewsItem, NewsKind
from tuner.prompt import build_prompt
from tuner.retrieval.passages import Passage
from tuner.triggers import Fired, Trigger

GIVEN = Passage(chunk_id="a.md#one#1", file="a.md", heading="one", text="text", similarity=0.5)
NEWS = NewsItem(source="wire", title="BTC x", kind=NewsKind.OTHER, symbols=("BTCUSDT",), published_ns=NOW_NS)


def case(*cited: str) -> account.Case:
    snapshot = make_snapshot()
    return account.Case(
        decision_id=1, fired=Fired(trigger=Trigger.SCHEDULED, reason="x"), snapshot=snapshot,
        prompt=build_prompt(snapshot, "BTCUSDT", [GIVEN], news=[NEWS]), reply=Reply(text="{}"),
        decision=msgspec.structs.replace(make_decision(Action.HOLD), cited=cited),
        verdict=Verdict(ruling=Ruling.ACCEPT, action=Action.HOLD), advisor="claude", corpus="c",
    )  # fmt: skip


def test_what_was_given_may_be_cited() -> None:
    made = case(GIVEN.chunk_id, NEWS.news_id)
    assert made.unknown_citations == ()
    record = account.final_record(made, Applied(status=Status.HOLD), {}, NOW_NS)
    assert record["decision"]["cited"] == [GIVEN.chunk_id, NEWS.news_id]
    assert record["news"] == [NEWS.news_id]
    assert record["prompt_tokens"] == made.prompt.tokens
    assert record["template_sha256"] == made.prompt.template_sha256


def test_what_was_not_given_is_dropped_and_told() -> None:
    made = case("b.md#two#2", GIVEN.chunk_id, "news#ffffffffff")
    record = account.final_record(made, Applied(status=Status.HOLD), {}, NOW_NS)
    assert record["decision"]["cited"] == [GIVEN.chunk_id]
    assert record["decision"]["unknown_citations"] == ["b.md#two#2", "news#ffffffffff"]
    told = next(event for event in account.judged_events(made) if event.kind is TunerEventKind.DECISION)
    assert told.text.endswith("[dropped, never given: b.md#two#2, news#ffffffffff]")
