"""A real model in this process: holds to the schema, keeps its deadline, refuses a prompt it cannot read whole.

``make test-llm MODEL=FILE.gguf`` runs these; without a model they skip.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from shared.clock import SystemClock
from tests.support import eventually
from tests.support_tuner import make_snapshot
from tuner.advisors.local import LocalAdvisor
from tuner.advisors.select import Wanted, choose
from tuner.decision import decision_schema, parse_reply
from tuner.prompt import build_prompt

MODEL = os.environ.get("TRADER_TEST_MODEL", "")
PATIENT_S = 600.0
PROMPT = build_prompt(make_snapshot(), "BTCUSDT", [])
SCHEMA = decision_schema(["BTCUSDT"])

pytestmark = [
    pytest.mark.skipif(not MODEL, reason="no model was named: make test-llm MODEL=FILE.gguf"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def advisor() -> LocalAdvisor:
    pytest.importorskip("xllamacpp", reason="the extra [local] is not installed")
    return LocalAdvisor(Path(MODEL), SystemClock())


def test_a_decision_follows_the_schema_and_the_same_question_is_read_and_answered_alike(advisor: LocalAdvisor) -> None:
    """The first answer may differ: what was read in large batches and what was kept of it differ in their last bits."""
    first, second, third = (advisor.propose(PROMPT, SCHEMA, PATIENT_S) for _ in range(3))
    for reply in (first, second, third):
        assert reply.error == ""
        assert parse_reply(reply.text, ["BTCUSDT"]).error == ""
    assert second.text == third.text
    assert first.input_tokens > 1000
    assert second.cache_read_tokens > 1000


def test_a_deadline_is_kept_and_the_model_is_free_again_afterwards(advisor: LocalAdvisor) -> None:
    other = msgspec.structs.replace(PROMPT, user=f"Look closely.\n{PROMPT.user}")
    reply = advisor.propose(other, SCHEMA, 0.5)
    assert "no answer within 0.5 s" in reply.error
    assert reply.latency_ms < 2_000
    assert "still busy" in advisor.propose(other, SCHEMA, 0.5).error
    eventually(lambda: advisor.probe(PATIENT_S).note.startswith("probe: the schema is held"), PATIENT_S)


def test_a_prompt_that_does_not_fit_is_an_error_and_not_cut(advisor: LocalAdvisor) -> None:
    reply = advisor.propose(msgspec.structs.replace(PROMPT, user="word " * 9000), SCHEMA, PATIENT_S)
    assert "exceed" in reply.error


def test_choosing_it_says_what_it_can_do() -> None:
    choice = choose(Wanted(advisor="local,rules", model_path=Path(MODEL)), {}, SystemClock())
    assert choice.chain == "local,rules"
    assert "the schema is held" in choice.why
