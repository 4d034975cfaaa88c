"""What a reply may look like, and that everything else is HOLD."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.events import Action
from shared.params import PARAMS, index_of
from tests.support_tuner import reply_object, reply_text
from tuner.decision import Decision, decision_schema, parse_reply

SYMBOLS = ["BTCUSDT", "ETHUSDT"]


def _objects(schema: Any) -> list[dict[str, Any]]:
    """Return every object schema inside a schema."""
    if not isinstance(schema, dict):
        return []
    inner = [found for value in schema.get("properties", {}).values() for found in _objects(value)]
    return [schema, *inner] if schema.get("type") == "object" else inner


def test_the_schema_requires_everything_allows_nothing_else_and_has_no_bounds() -> None:
    schema = decision_schema(SYMBOLS)
    for found in _objects(schema):
        assert found["required"] == list(found["properties"])
        assert found["additionalProperties"] is False
    assert "minimum" not in json.dumps(schema)
    assert schema["properties"]["symbol"]["enum"] == SYMBOLS
    assert list(schema["properties"]["params"]["properties"]) == [param.name for param in PARAMS]
    assert all("null" in entry["type"] for entry in schema["properties"]["params"]["properties"].values())


def test_a_valid_reply_becomes_a_decision() -> None:
    decision = parse_reply(reply_text("UPDATE_CONFIG", "ETHUSDT", 72, stop_pct=0.8, signal_strength=3), SYMBOLS)
    assert decision.error == ""
    assert (decision.action, decision.symbol, decision.confidence_pct) == (Action.UPDATE_CONFIG, "ETHUSDT", 72)
    assert decision.proposed == {index_of(PARAMS, "stop_pct"): 0.8, index_of(PARAMS, "signal_strength"): 3.0}


@pytest.mark.parametrize(
    "wrapped",
    [
        "<think>stop 99? no.\n</think>\n{}",
        "```json\n{}\n```",
        "```\n{}\n```",
        "<think>hm</think>```json\n{}\n```",
        "\n  {}  \n",
    ],
)
def test_thoughts_and_a_fence_around_the_reply_are_tolerated(wrapped: str) -> None:
    decision = parse_reply(wrapped.replace("{}", reply_text("PAUSE")), SYMBOLS)
    assert (decision.error, decision.action) == ("", Action.PAUSE)


def _changed(**changes: Any) -> str:
    return json.dumps(reply_object("UPDATE_CONFIG", stop_pct=0.8) | changes)


def _without(name: str) -> str:
    reply = reply_object()
    del reply[name]
    return json.dumps(reply)


BAD = {
    "empty": ("", "empty"),
    "prose": ("I would hold.", "JSON"),
    "prose around it": (f"Sure! {reply_text()}", "JSON"),
    "two objects": (reply_text() + reply_text(), "JSON"),
    "cut off": (reply_text()[:-20], "JSON"),
    "a list": (f"[{reply_text()}]", "object"),
    "thoughts without an end": (f"<think>{reply_text()}", "JSON"),
    "deeply nested": ("[" * 60_000, "recursion"),
    "too long": (" " * 70_000, "70000"),
    "missing field": (_without("cited"), "cited"),
    "unknown field": (_changed(leverage=20), "leverage"),
    "unknown parameter": (_changed(params=reply_object()["params"] | {"leverage": 9}), "leverage"),
    "missing parameter": (_changed(params={"stop_pct": 1}), "ema_dev_trending_pct"),
    "unknown action": (_changed(action="SELL_ALL"), "SELL_ALL"),
    "wrong symbol": (_changed(symbol="DOGEUSDT"), "DOGEUSDT"),
    "confidence beyond 100": (_changed(confidence_pct=101), "101"),
    "confidence as text": (_changed(confidence_pct="90"), "confidence_pct"),
    "confidence as truth": (_changed(confidence_pct=True), "confidence_pct"),
    "reasoning as a list": (_changed(reasoning=["a"]), "reasoning"),
    "cited as text": (_changed(cited="a"), "cited"),
    "parameter as text": (reply_text("UPDATE_CONFIG", stop_pct="0.8"), "stop_pct"),
    "not a number": (_changed().replace("0.8", "NaN"), "NaN"),
    "infinite": (_changed().replace("0.8", "1e999"), "stop_pct"),
    "beyond any float": (_changed().replace("0.8", "9" * 400), "int too large"),
    "duplicate key": (_changed().replace('"action"', '"action": "HOLD", "action"', 1), "twice"),
    "far out of range": (reply_text("UPDATE_CONFIG", stop_pct=14.1), "stop_pct"),
    "far below range": (reply_text("UPDATE_CONFIG", cooldown_ms=-20_000), "cooldown_ms"),
}


@pytest.mark.parametrize(("text", "named"), BAD.values(), ids=BAD)
def test_what_does_not_validate_is_hold_with_the_reason_and_the_raw_reply(text: str, named: str) -> None:
    decision = parse_reply(text, SYMBOLS)
    assert decision.action is Action.HOLD
    assert decision.proposed == {}
    assert named in decision.error
    assert decision.raw == text.strip()


def test_a_value_a_little_outside_its_range_is_left_to_the_guard() -> None:
    assert parse_reply(reply_text("UPDATE_CONFIG", stop_pct=6.0), SYMBOLS).proposed == {index_of(PARAMS, "stop_pct"): 6.0}


def test_text_that_would_control_a_terminal_is_made_harmless() -> None:
    text = _changed(reasoning="a\u001b[31mred\u202e \ud800 end", cited=["x\u0000y"])
    decision = parse_reply(text, SYMBOLS)
    assert decision.reasoning == "a [31mred end"
    assert decision.cited == ("x y",)


def test_a_decision_names_nothing_by_default() -> None:
    assert Decision(action=Action.HOLD, symbol="BTCUSDT").proposed == {}
