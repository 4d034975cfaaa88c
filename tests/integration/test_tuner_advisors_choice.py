"""Which advisors are asked: what a start-up probe finds out, a chain and its fallbacks, calls kept and given back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.clock import ManualClock, SystemClock
from shared.errors import ConfigError, UsageError
from shared.events import Action
from tests.support_llm import (
    API_ERROR,
    KEY,
    PROMPT,
    READY,
    SCHEMA,
    TEXT,
    Send,
    Server,
    answering,
    chat,
    message,
    sending,
    serving,
    text_block,
)
from tests.support_tuner import make_snapshot, reply_text
from tuner.advisors.base import Reply
from tuner.advisors.chain import ChainAdvisor
from tuner.advisors.claude import ClaudeAdvisor
from tuner.advisors.grammar import for_grammar
from tuner.advisors.local import LocalAdvisor
from tuner.advisors.recording import Calls, CallStore, RecordingAdvisor, call_key, call_request
from tuner.advisors.rules import RulesAdvisor
from tuner.advisors.select import Choice, Wanted, choose
from tuner.decision import parse_reply
from tuner.prompt import build_prompt


def honouring(way: str) -> Send:
    """Return a server of the Messages API that honours the schema by one way only: format, tool, or none."""
    tool = message({"type": "tool_use", "id": "t", "name": "decide", "input": json.loads(READY)}, stop="tool_use")
    said = {"format": message(text_block(READY)), "tool": tool}

    def pick(asked: dict[str, Any]) -> Send:
        used = "tool" if "tools" in asked else "format"
        return sending(said[used] if used == way else message(text_block("Yes, I am.")))

    return answering(pick)


def chosen(server: Server, **wanted: Any) -> Choice:
    env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.url, "OLLAMA_HOST": server.url}
    choice = choose(Wanted(**({"advisor": "claude"} | wanted)), env, SystemClock())
    assert KEY not in choice.why
    return choice


@pytest.mark.parametrize(("way", "calls"), [("format", 1), ("tool", 2)])
def test_the_probe_finds_out_how_the_schema_is_honoured(way: str, calls: int) -> None:
    with serving(honouring(way)) as server:
        choice = chosen(server)
        assert len(server.asked) == calls
        assert f"honoured by {way}" in choice.why
        choice.advisor.propose(PROMPT, SCHEMA, 5.0)
        assert ("tools" in server.asked[-1]) == (way == "tool")


def test_a_structure_that_was_asked_for_is_the_only_one_tried() -> None:
    with serving(honouring("format")) as server:
        choice = chosen(server, structure="tool")
        assert len(server.asked) == 1
        assert "ignored" in choice.why


def test_a_server_that_cannot_be_asked_just_now_is_used_all_the_same() -> None:
    with serving(sending(API_ERROR, 529)) as server:
        choice = chosen(server)
        assert len(server.asked) == 1
    assert choice.advisor.name == "claude"
    assert "529" in choice.why


@pytest.mark.parametrize(("status", "named"), [(401, "key"), (404, "claude-haiku-5-5")])
def test_what_can_never_come_right_is_a_configuration_error(status: int, named: str) -> None:
    with serving(sending(API_ERROR, status)) as server:
        with pytest.raises(ConfigError, match=named):
            chosen(server)
        choice = chosen(server, advisor="claude,rules")
        assert (choice.advisor.name, choice.chain) == ("rules", "rules")
        assert "claude left out" in choice.why
        assert chosen(server, advisor="auto").advisor.name == "rules"


def test_a_retired_model_is_refused_before_any_call() -> None:
    with serving(honouring("format")) as server:
        with pytest.raises(ConfigError, match="retired in 2026-04"):
            chosen(server, model="claude-3-haiku-20240307")
        assert not server.asked


def test_ollama_is_probed_too() -> None:
    with serving(sending(chat(READY))) as server:
        assert "honoured" in chosen(server, advisor="ollama").why
    with (
        serving(sending({"error": "model 'llama3.2' not found"}, 404)) as server,
        pytest.raises(ConfigError, match="ollama pull"),
    ):
        chosen(server, advisor="ollama")
    with serving(sending(chat("Yes, I am."))) as server:
        assert "ignored" in chosen(server, advisor="ollama").why


def test_the_constant_part_is_cached_only_where_that_pays() -> None:
    def asked(interval_s: float, model: str) -> Any:
        with serving(sending(message(text_block()))) as server:
            ClaudeAdvisor(
                api_key=KEY, base_url=server.url, model=model, clock=SystemClock(), interval_s=interval_s
            ).propose(PROMPT, SCHEMA, 5.0)  # fmt: skip
        return server.asked[0]["system"]

    marked = asked(60.0, "claude-haiku-5-5")[0]
    assert (marked["text"], marked["cache_control"]["ttl"]) == (PROMPT.system, "5m")
    assert asked(300.0, "claude-haiku-5-5")[0]["cache_control"]["ttl"] == "1h"
    assert asked(7200.0, "claude-haiku-5-5") == PROMPT.system
    assert asked(60.0, "claude-haiku-4-5") == PROMPT.system  # its cache keeps no prefix this short
    assert asked(60.0, "unheard-of") == PROMPT.system


class Scripted:
    """An advisor that answers what it is told to."""

    model = "m1"
    max_deadline_s = 20.0

    def __init__(self, *replies: Reply, name: str = "claude") -> None:
        self.name = name
        self.identity: Mapping[str, Any] = {"model": self.model}
        self.deadlines: list[float] = []
        self._replies = list(replies)

    def propose(self, prompt: Any, schema: Any, deadline_s: float) -> Reply:  # noqa: ARG002
        self.deadlines.append(deadline_s)
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


GOOD = Reply(text=TEXT, cost_usd=0.5)


def test_a_chain_asks_the_next_only_where_the_first_gave_no_decision_and_says_so() -> None:
    first = Scripted(GOOD, Reply(error="claude: HTTP 529: busy", cost_usd=0.25), Reply(text="nonsense"), GOOD)
    chain = ChainAdvisor([first, RulesAdvisor()], SystemClock())
    replies = [chain.propose(PROMPT, SCHEMA, 10.0) for _ in range(4)]
    assert [reply.advisor for reply in replies] == ["claude", "rules", "rules", "claude"]
    assert all(parse_reply(reply.text, ["BTCUSDT"]).error == "" for reply in replies)
    assert [len(reply.fallbacks) for reply in replies] == [0, 1, 1, 0]
    assert "HTTP 529" in replies[1].fallbacks[0]
    assert "rules is asked instead" in replies[1].fallbacks[0]
    assert "not JSON" in replies[2].fallbacks[0]
    assert replies[1].cost_usd == 0.25
    assert max(first.deadlines) <= 9.0  # a second is kept for the rules


def test_in_a_chain_one_that_keeps_failing_is_passed_over_for_a_while() -> None:
    clock = ManualClock()
    first = Scripted(Reply(error="claude: HTTP 500"))
    chain = ChainAdvisor([first, RulesAdvisor()], clock)
    for _ in range(5):
        assert chain.propose(PROMPT, SCHEMA, 10.0).advisor == "rules"
    assert len(first.deadlines) == 3
    assert "left alone" in chain.propose(PROMPT, SCHEMA, 10.0).fallbacks[0]
    clock.advance(61_000_000_000)
    chain.propose(PROMPT, SCHEMA, 10.0)
    assert len(first.deadlines) == 4


def test_a_chain_whose_last_fails_too_is_an_error_that_holds() -> None:
    chain = ChainAdvisor([Scripted(Reply(error="one")), Scripted(Reply(error="two"), name="ollama")], SystemClock())
    reply = chain.propose(PROMPT, SCHEMA, 10.0)
    assert (reply.error, reply.advisor, len(reply.fallbacks)) == ("two", "ollama", 1)
    assert chain.propose(PROMPT, SCHEMA, 0.0).error.endswith("no time was left to ask")


@pytest.mark.parametrize("text", ["oracle", "claude,oracle", "auto,rules", "rules,rules", ""])
def test_an_advisor_nobody_knows_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="advisor"):
        choose(Wanted(advisor=text), {}, SystemClock())


def test_calls_are_kept_under_all_that_can_change_the_answer_and_given_back(tmp_path: Path) -> None:
    store = CallStore(tmp_path / "calls.sqlite")
    clock, other = SystemClock(), build_prompt(make_snapshot(account_equity_usd=1.0), "BTCUSDT", [])
    pause = Reply(text=reply_text("PAUSE"), cost_usd=0.5, latency_ms=3.0)
    recording = RecordingAdvisor(Scripted(GOOD, pause), store, Calls.RECORD, clock)
    assert [recording.propose(PROMPT, SCHEMA, 1.0) for _ in range(2)] == [GOOD, pause]
    assert store.count == 2
    store.close()

    again = CallStore(tmp_path / "calls.sqlite")
    never = Scripted(Reply(error="nobody may be asked"))
    replaying = RecordingAdvisor(never, again, Calls.REPLAY, clock)
    assert [replaying.propose(PROMPT, SCHEMA, 1.0) for _ in range(3)] == [GOOD, pause, pause]
    held = parse_reply(replaying.propose(other, SCHEMA, 1.0).text, ["BTCUSDT"])
    assert (held.action, held.error, replaying.misses) == (Action.HOLD, "", 1)
    strict = RecordingAdvisor(never, again, Calls.REPLAY_STRICT, clock)
    assert strict.propose(PROMPT, SCHEMA, 1.0) == GOOD
    assert "replay-strict" in strict.propose(other, SCHEMA, 1.0).error
    assert never.deadlines == []
    again.close()


def test_the_key_changes_with_everything_that_can_change_the_answer() -> None:
    def key(advisor: Any, prompt: Any = PROMPT, schema: Any = SCHEMA) -> str:
        return call_key(call_request(advisor, prompt, schema))

    def claude(**changes: Any) -> ClaudeAdvisor:
        values: dict[str, Any] = {"api_key": KEY, "base_url": "http://a.example", "model": "m", "structure": "format"}
        return ClaudeAdvisor(clock=SystemClock(), **(values | changes))

    same = key(claude())
    assert same == key(claude(api_key="other"))  # who pays does not change what is said
    different = [
        key(claude(model="n")), key(claude(base_url="http://b.example")), key(claude(structure="tool")),
        key(claude(), build_prompt(make_snapshot(account_equity_usd=1.0), "BTCUSDT", [])),
        key(claude(), PROMPT, for_grammar(SCHEMA)),
        key(RulesAdvisor()),
    ]  # fmt: skip
    assert len({same, *different}) == 7


def test_a_recorded_session_needs_neither_key_nor_server(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    with serving(honouring("format")) as server:
        recorded = chosen(server, calls=Calls.RECORD, calls_file=path).advisor.propose(PROMPT, SCHEMA, 5.0)
        env = {"ANTHROPIC_BASE_URL": server.url}
        asked = len(server.asked)
        strict = Wanted(advisor="claude", structure="format", calls=Calls.REPLAY_STRICT, calls_file=path)
        assert choose(strict, env, SystemClock()).advisor.propose(PROMPT, SCHEMA, 5.0) == recorded
        assert len(server.asked) == asked


@pytest.mark.parametrize("content", [None, b"{}", b"SQLite format 3\0 and then nothing of the kind"])
def test_a_store_that_is_not_there_or_not_one_is_a_configuration_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "calls.sqlite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="calls file"):
        choose(Wanted(advisor="claude", calls=Calls.REPLAY, calls_file=path), {}, SystemClock())
    with pytest.raises(ConfigError, match="calls file"):
        choose(Wanted(advisor="claude", calls=Calls.RECORD), {"CLAUDE_API_KEY": KEY}, SystemClock())


def test_a_model_path_that_is_no_model_is_a_configuration_error(tmp_path: Path) -> None:
    text = tmp_path / "model.gguf"
    text.write_bytes(b"hello")
    for path in (tmp_path / "absent.gguf", text):
        with pytest.raises(ConfigError, match="model path"):
            LocalAdvisor(path, SystemClock())
    with pytest.raises(ConfigError, match="--model-path"):
        choose(Wanted(advisor="local"), {}, SystemClock())


def test_the_grammar_holds_what_the_vendors_schema_may_not_say() -> None:
    bounded = for_grammar(SCHEMA)["properties"]
    assert bounded["reasoning"]["maxLength"] == 600
    assert bounded["cited"]["maxItems"] == 8
    assert (bounded["confidence_pct"]["minimum"], bounded["confidence_pct"]["maximum"]) == (0, 100)
    assert "maxLength" not in SCHEMA["properties"]["reasoning"]
