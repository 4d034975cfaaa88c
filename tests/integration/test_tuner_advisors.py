"""Claude and Ollama through their real clients, against a local server that speaks their wire shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.errors import ConfigError
from shared.events import Action
from tests.support_llm import (
    API_ERROR,
    KEY,
    PROMPT,
    SCHEMA,
    TEXT,
    THINKING,
    Server,
    chat,
    dripping,
    message,
    sending,
    serving,
    stalling,
    text_block,
)
from tests.support_tuner import make_snapshot, reply_object
from tuner.advisors.base import Reply
from tuner.advisors.claude import ClaudeAdvisor
from tuner.advisors.grammar import for_grammar
from tuner.advisors.ollama import OllamaAdvisor
from tuner.advisors.replay import ReplayAdvisor
from tuner.advisors.select import Wanted, choose
from tuner.decision import parse_reply
from tuner.prompt import build_prompt


def ask_claude(server: Server, deadline_s: float = 10.0, structure: Any = "format", model: str = "claude-haiku-5-5") -> Reply:
    advisor = ClaudeAdvisor(api_key=KEY, base_url=server.url, model=model, clock=SystemClock(), structure=structure)
    reply = advisor.propose(PROMPT, SCHEMA, deadline_s)
    assert KEY not in reply.error
    return reply


def test_claude_is_asked_once_with_the_schema_and_answers() -> None:
    cached = message(
        text_block(),
        cache_read_input_tokens=4000,
        cache_creation_input_tokens=100,
        cache_creation={"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
        output_tokens_details={"thinking_tokens": 150},
    )
    with serving(sending(cached)) as server:
        reply = ask_claude(server)
    assert (reply.error, reply.text, reply.model, reply.stop_reason) == ("", TEXT, "claude-haiku-5-5", "end_turn")
    assert (reply.input_tokens, reply.output_tokens, reply.cache_read_tokens) == (5100, 200, 4000)
    assert (reply.cache_write_tokens, reply.thinking_tokens, reply.advisor) == (100, 150, "claude")
    assert reply.cost_usd == pytest.approx((1000 * 0.10 + 200 * 0.50 + 4000 * 0.01 + 60 * 0.125 + 40 * 0.20) / 1e6)
    assert reply.latency_ms > 0
    (asked,) = server.asked
    assert asked["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}
    assert (asked["system"], asked["messages"]) == (PROMPT.system, [{"role": "user", "content": PROMPT.user}])
    assert KEY in server.headers[0]["authorization"]


def test_claude_with_a_block_of_thoughts_first_is_read_by_type() -> None:
    with serving(sending(message(THINKING, text_block()))) as server:
        assert ask_claude(server).text == TEXT


def test_a_model_without_effort_is_not_sent_one() -> None:
    with serving(sending(message(text_block()))) as server:
        ask_claude(server, model="claude-haiku-4-5-20251001")
    assert "effort" not in server.asked[0]["output_config"]


def test_a_compatible_server_is_asked_by_a_forced_tool() -> None:
    block = {"type": "tool_use", "id": "t1", "name": "decide", "input": reply_object("PAUSE")}
    with serving(sending(message(block, stop="tool_use"))) as server:
        reply = ask_claude(server, structure="tool")
    assert parse_reply(reply.text, ["BTCUSDT"]).action is Action.PAUSE
    assert server.asked[0]["tool_choice"] == {"type": "tool", "name": "decide"}
    assert server.asked[0]["tools"][0]["input_schema"] == for_grammar(SCHEMA)


CLAUDE_FAILURES = {
    "refusal": (sending(message(stop="refusal")), "refused"),
    "cut at max_tokens": (sending(message(text_block('{"action": "PAU'), stop="max_tokens")), "max_tokens"),
    "only thoughts": (sending(message(THINKING)), "no text"),
    "rate limit": (sending(API_ERROR, 429), "429"),
    "server error": (sending(API_ERROR, 500), "500"),
    "overloaded": (sending("gateway says no", 529), "529"),
    "retired model": (sending(API_ERROR, 404), "404"),
    "not JSON": (sending("<html>hello</html>"), "claude"),
    "JSON but no message": (sending({"hello": 1}), "claude"),
    "a list": (sending([1, 2]), "claude"),
}


@pytest.mark.parametrize(("answer", "named"), CLAUDE_FAILURES.values(), ids=CLAUDE_FAILURES)
def test_claude_failures_are_an_error_after_one_call(answer: Any, named: str) -> None:
    with serving(answer) as server:
        reply = ask_claude(server)
    assert named in reply.error
    assert len(server.asked) == 1


@pytest.mark.parametrize("slow", [stalling, dripping])
def test_claude_that_is_too_slow_is_given_up(slow: Any) -> None:
    with serving(slow) as server:
        reply = ask_claude(server, deadline_s=0.3)
    assert "0.3 s" in reply.error
    assert reply.latency_ms < 5_000


def test_claude_without_a_server_is_an_error() -> None:
    with serving(sending({})) as server:
        gone = server
    assert "claude" in ask_claude(gone).error


def ask_ollama(server: Server, deadline_s: float = 10.0) -> Reply:
    return OllamaAdvisor(host=server.url, model="llama3.2", clock=SystemClock()).propose(PROMPT, SCHEMA, deadline_s)


def test_ollama_is_asked_for_the_schema_without_chance_or_thoughts() -> None:
    with serving(sending(chat())) as server:
        reply = ask_ollama(server)
    assert (reply.error, reply.text, reply.input_tokens, reply.output_tokens) == ("", TEXT, 2100, 150)
    (asked,) = server.asked
    assert asked["format"] == for_grammar(SCHEMA)
    assert asked["options"]["temperature"] == 0
    assert {"seed", "num_ctx", "num_predict"} <= set(asked["options"])
    assert (asked["think"], asked["stream"], asked["keep_alive"]) == (False, False, "30m")
    assert json.dumps(for_grammar(SCHEMA)) in asked["messages"][0]["content"]


OLLAMA_FAILURES = {
    "cut off": (sending(chat('{"action"', done_reason="length")), "cut"),
    "prompt cut": (sending(chat(prompt_eval_count=8192)), "prompt"),
    "empty": (sending(chat("")), "no text"),
    "no such model": (sending({"error": "model 'llama3.2' not found"}, 404), "404"),
    "busy": (sending({"error": "server busy"}, 503), "503"),
    "not JSON": (sending("<html>"), "ollama"),
    "JSON but no chat": (sending({"hello": 1}), "ollama"),
}


@pytest.mark.parametrize(("answer", "named"), OLLAMA_FAILURES.values(), ids=OLLAMA_FAILURES)
def test_ollama_failures_are_an_error(answer: Any, named: str) -> None:
    with serving(answer) as server:
        assert named in ask_ollama(server).error
        assert len(server.asked) == 1


@pytest.mark.parametrize("slow", [stalling, dripping])
def test_ollama_that_is_too_slow_is_given_up(slow: Any) -> None:
    with serving(slow) as server:
        assert "0.3 s" in ask_ollama(server, deadline_s=0.3).error


def test_ollama_without_a_server_is_an_error() -> None:
    with serving(sending({})) as server:
        gone = server
    assert "ollama" in ask_ollama(gone).error


def _auto(env: dict[str, str], **wanted: Any) -> tuple[str, str]:
    choice = choose(Wanted(**wanted), env, SystemClock())
    return choice.advisor.name, choice.why


def test_auto_takes_claude_with_a_key_then_ollama_that_answers_then_rules() -> None:
    with serving(sending({"models": [{"name": "llama3.2:latest"}]})) as server:
        host = {"OLLAMA_HOST": server.url}
        name, why = _auto({"CLAUDE_API_KEY": KEY} | host)
        assert name == "claude"
        assert KEY not in why
        assert "api.anthropic.com" in why
        assert _auto(host)[0] == "ollama"
        name, why = _auto(host | {"TRADER_TUNER_MODEL": "other"})
        assert name == "rules"
        assert "ollama pull other" in why
    assert _auto(host)[0] == "rules"


def test_a_named_advisor_that_cannot_work_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CLAUDE_API_KEY"):
        _auto({}, advisor="claude")
    with pytest.raises(ConfigError, match="replay file"):
        _auto({}, advisor="replay")
    damaged = tmp_path / "replies.jsonl"
    damaged.write_text('{"reply": "x"}\n{"repl\n')
    with pytest.raises(ConfigError, match="line 2"):
        _auto({}, advisor="replay", replay_file=damaged)


def test_recorded_replies_come_by_prompt_then_in_order_then_hold(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    lines = [
        {"reply": reply_object("PAUSE", "ETHUSDT")},
        {"reply": reply_object("RESUME")},
        {"reply": "nonsense", "prompt_sha256": "0" * 64},
        {"reply": TEXT, "prompt_sha256": PROMPT.sha256},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    advisor = ReplayAdvisor(path)
    other = build_prompt(make_snapshot(taken_ns=1, account_equity_usd=1.0), "BTCUSDT", [])
    actions = [
        parse_reply(advisor.propose(prompt, SCHEMA, 1.0).text, ["BTCUSDT"]).action for prompt in (PROMPT, other, other, PROMPT)
    ]
    assert actions == [Action.UPDATE_CONFIG, Action.RESUME, Action.HOLD, Action.UPDATE_CONFIG]
