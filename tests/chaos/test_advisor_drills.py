"""The short version of the drills: every failure ends in HOLD within its deadline, and a step down a chain is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.events import Action, TunerEventKind
from shared.workspace import TunerView, find_tuner
from tests.chaos.advisor_drills import DRILLS, Drill
from tests.support import eventually
from tests.support_llm import API_ERROR, KEY, PROMPT, SCHEMA, sending, serving
from tests.support_segments import publishing
from tests.support_tuner import NOW_NS, make_snapshot
from tuner.advisors.base import Advisor
from tuner.advisors.claude import ClaudeAdvisor
from tuner.advisors.ollama import OllamaAdvisor
from tuner.decision import Decision, parse_reply
from tuner.guard import judge
from tuner.limits import GuardLimits

DEADLINE_S = 1.0
SINGLE = [drill for drill in DRILLS if "," not in drill.advisor]


def advisor(drill: Drill, url: str) -> Advisor:
    clock = SystemClock()
    if drill.advisor == "ollama":
        return OllamaAdvisor(host=url, model="llama3.2", clock=clock)
    return ClaudeAdvisor(api_key=KEY, base_url=url, model="claude-haiku-5-5", clock=clock, structure="format")


@pytest.mark.parametrize("drill", SINGLE, ids=[drill.name for drill in SINGLE])
def test_whatever_a_server_does_ends_in_hold_within_the_deadline(drill: Drill) -> None:
    with serving(drill.answer) as server:
        asked = advisor(drill, server.url)
        started_s = time.monotonic()
        reply = asked.propose(PROMPT, SCHEMA, DEADLINE_S)
        took_s = time.monotonic() - started_s
        assert len(server.asked) == 1
    decision = parse_reply(reply.text, ["BTCUSDT"])
    error = reply.error or decision.error
    assert drill.named in error
    assert (error == "") == (drill.state == "HOLD")
    decision = Decision(action=Action.HOLD, symbol="BTCUSDT", error=error) if reply.error else decision
    verdict = judge(make_snapshot(), decision, [], GuardLimits(), NOW_NS)
    assert (verdict.action, verdict.changes) == (Action.HOLD, ())
    assert took_s < DEADLINE_S + 3.0  # the import of a client, on a busy machine


def test_a_step_down_the_chain_is_an_event_and_the_chain_is_in_the_status(tmp_path: Path) -> None:
    with publishing("chain", ["BTCUSDT"]) as trader, serving(sending(API_ERROR, 529)) as server:
        trader.serve()
        places = {"TRADER_HOME": str(tmp_path / "home"), "TRADER_LOGS": str(tmp_path), "TRADER_INSTANCE": trader.instance}
        environment = os.environ | places | {"CLAUDE_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.url}
        words = [sys.executable, "-m", "tuner.cli", "--advisor", "claude,rules", "--interval", "10", "--dry-run"]
        tuner = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        try:
            eventually(lambda: find_tuner(trader.instance), 60)
            view = TunerView(trader.instance)
            events = view.events(from_start=True)
            told: list[TunerEventKind] = []

            def fell_back() -> bool:
                told.extend(TunerEventKind(int(event["kind"])) for event in events.read())
                return TunerEventKind.FALLBACK in told and TunerEventKind.GUARD_VERDICT in told

            eventually(fell_back, 60)
            assert view.status()["chain"] == b"claude,rules"
            assert b"529" in view.status()["advisor_why"]
            view.close()
        finally:
            tuner.terminate()
            tuner.wait(20)
