"""The tuner's panel: its state in words, and its last decision joined from all events of the same number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dashboard.decision_view import DECISIONS, Decisions
from dashboard.model import Decision, Level, Tone, Tuner
from dashboard.tuner_view import account_line, state_line, trouble_line, tuner, tuner_alerts, who_line
from shared import layout
from shared.clock import NS_PER_S
from shared.events import Action, Reason, TunerEventKind, TunerStatus
from tests.support_views import NOW_NS, SYMBOLS, tuner_event

Kind = TunerEventKind


def status(**fields: Any) -> Any:
    record = np.zeros((), layout.TUNER_VIEW)
    for name, value in ({"status": TunerStatus.ACTIVE, "advisor": b"claude"} | fields).items():
        record[name] = value
    return record


def shown(*, silent_s: float = 0.0, alive: bool = True, **fields: Any) -> Tuner:
    return tuner(status(**fields), NOW_NS - int(silent_s * NS_PER_S), NOW_NS, alive=alive)


def joined(*events: Any) -> Decision | None:
    decisions = Decisions()
    decisions.add(events)
    return decisions.last(SYMBOLS)


def test_no_tuner_ever_says_how_to_start_one() -> None:
    words, tone = state_line(tuner(None, 0, NOW_NS, alive=False))
    assert "trader_tuner" in words
    assert tone is Tone.GREY


def test_a_tuner_of_another_version_is_told_as_that() -> None:
    words, tone = state_line(tuner(None, 0, NOW_NS, alive=False, problem="cannot be read: layout was a, expected b"))
    assert words.startswith("cannot be read")
    assert tone is Tone.WARN


def test_a_dead_tuner_says_that_the_trader_goes_on() -> None:
    dead = shown(alive=False, status=TunerStatus.ACTIVE)
    assert "the trader keeps the last parameters" in state_line(dead)[0]
    assert dead.age.level is Level.OFF


def test_an_active_one_counts_down_to_its_next_decision() -> None:
    assert state_line(shown(next_cycle_ns=NOW_NS + 67 * NS_PER_S)) == ("ACTIVE · next in 1:07", Tone.AI)


def test_a_degraded_one_says_why_and_for_how_long() -> None:
    words, tone = state_line(shown(status=TunerStatus.DEGRADED, why=b"claude: HTTP 529", until_ns=NOW_NS + 52 * NS_PER_S))
    assert words == "DEGRADED · claude: HTTP 529 · until 0:52 from now"
    assert tone is Tone.WARN


def test_while_it_asks_it_is_thinking_and_may_be_silent_for_longer() -> None:
    thinking = shown(calling=1, silent_s=29)
    assert state_line(thinking)[0] == "thinking …"
    assert thinking.age.level is Level.OK
    assert shown(silent_s=29).age.level is Level.AMBER
    assert shown(silent_s=30).age.level is Level.RED


def test_a_silent_one_says_for_how_long() -> None:
    assert trouble_line(shown(silent_s=20)) == "⚠ silent for 20 s"
    assert trouble_line(shown()) == ""
    assert trouble_line(shown(failures=3, last_error=b"HTTP 529")) == "⚠ 3 failures, last: HTTP 529"


def test_a_degraded_or_silent_ai_is_an_amber_alert_and_a_dead_one_is_none() -> None:
    (degraded,) = tuner_alerts(shown(status=TunerStatus.DEGRADED, why=b"claude: HTTP 529"))
    assert (degraded.level, degraded.text) == (Level.AMBER, "AI DEGRADED: claude: HTTP 529")
    (silent,) = tuner_alerts(shown(silent_s=40))
    assert "AI SILENT: the tuner has not moved for 40 s" in silent.text
    assert tuner_alerts(shown()) == tuner_alerts(shown(alive=False, status=TunerStatus.DEGRADED)) == ()


def test_who_advises_and_who_is_next() -> None:
    assert who_line(shown(model=b"opus", chain=b"claude, ollama,rules")) == "advisor claude (opus), then ollama, rules"
    assert who_line(shown(dry_run=1)).endswith("DRY RUN")


def test_the_budget_shows_only_limits_that_are_set() -> None:
    limited = shown(calls_hour=6, calls_hour_limit=20, cost_day_usd=0.08, cost_day_limit_usd=5)
    assert limited.budget == "6/20 calls/hour  0.08/5.00 USD/day"
    assert shown().budget == ""


def test_the_account_says_what_it_did_and_what_that_cost() -> None:
    assert account_line(shown(applied=3, refused=1, held=9, cost_usd=0.0823)) == "✓ 3 applied  ✗ 1 refused  9 held  0.0823 USD"


def test_a_status_of_a_newer_tuner_is_shown_as_a_number() -> None:
    assert shown(status=77).doing == "state 77"


def test_a_decision_is_joined_from_all_its_events() -> None:
    number: dict[str, Any] = {"decision_id": 5, "action": Action.UPDATE_CONFIG, "confidence_pct": 80}
    made = joined(
        tuner_event(Kind.RETRIEVAL, text=b"2 passages: a#1, b#2", decision_id=5),
        tuner_event(
            Kind.DECISION, ((8, 1.0, 0.8),), text=b"calm", input_tokens=3120, output_tokens=84, cost_usd=0.0137,
            latency_ms=1820, **number,
        ),
        tuner_event(Kind.GUARD_VERDICT, text=b"accept: lowers risk", **number),
        tuner_event(
            Kind.WHAT_IF, horizon_s=900, pnl_old_usd=-12.4, pnl_new_usd=3.1, effect_usd=15.5, trades_old=6, trades_new=5,
            **number,
        ),
        tuner_event(Kind.APPLIED, ((8, 1.0, 0.85),), **number),
        tuner_event(Kind.OUTCOME, horizon_s=60, effect_usd=-2.0, samples=9, effect_low_usd=-3, effect_high_usd=1, **number),
    )  # fmt: skip
    assert made is not None
    assert (made.symbol, made.action, made.reasoning, made.verdict) == ("BTCUSDT", "UPDATE CONFIG", "calm", "✓ APPLIED")
    assert made.changes == "stop_pct 1 → 0.85", "what was applied, not what was first asked for"
    assert [step.name for step in made.steps] == ["read", "guard", "what if", "outcome"]
    assert made.steps[2].text == "15 min: -12.40 without, +3.10 USD with it, 6 and 5 trades, effect +15.50 USD"
    assert "mean of 9: -3.00 to +1.00" in made.steps[3].text
    assert [step.tone for step in made.steps[1:]] == [Tone.GOOD, Tone.UP, Tone.DOWN]
    assert made.bill == "3,120 + 84 tokens   0.0137 USD   1.8 s"


def test_passages_told_before_the_decision_had_a_number_belong_to_the_next_one_of_that_symbol() -> None:
    made = joined(
        tuner_event(Kind.RETRIEVAL, symbol=1, text=b"eth passages"),
        tuner_event(Kind.RETRIEVAL, symbol=0, text=b"btc passages"),
        tuner_event(Kind.DECISION, symbol=1, decision_id=9),
    )
    assert made is not None
    assert [step.text for step in made.steps] == ["eth passages"]


@pytest.mark.parametrize(
    ("kind", "reason", "verdict", "tone"),
    [
        (Kind.REFUSED, Reason.OVERRIDE_ON, "✗ REFUSED, override on", Tone.WARN),
        (Kind.DRY_RUN, Reason.NONE, "DRY RUN, not applied", Tone.GREY),
        (Kind.EXPIRED, Reason.NONE, "✗ EXPIRED", Tone.WARN),
        (Kind.APPLIED, Reason.NONE, "✓ APPLIED", Tone.AI),
    ],
)
def test_how_a_decision_ended(kind: Kind, reason: Reason, verdict: str, tone: Tone) -> None:
    made = joined(tuner_event(Kind.DECISION, decision_id=1, action=1), tuner_event(kind, decision_id=1, reason=reason))
    assert made is not None
    assert (made.verdict, made.verdict_tone) == (verdict, tone)


def test_a_rollback_after_it_was_applied_is_its_end() -> None:
    made = joined(*(tuner_event(kind, decision_id=1, action=1) for kind in (Kind.DECISION, Kind.APPLIED, Kind.ROLLED_BACK)))
    assert made is not None
    assert made.verdict == "↶ ROLLED BACK"


def test_one_that_holds_has_nothing_to_judge_and_one_on_its_way_says_so() -> None:
    held, pending = joined(tuner_event(Kind.DECISION, decision_id=1)), joined(tuner_event(Kind.DECISION, decision_id=2, action=1))
    assert held is not None
    assert pending is not None
    assert (held.verdict, pending.verdict) == ("HELD, nothing to change", "… being judged")


def test_a_guard_that_rejects_is_orange() -> None:
    made = joined(
        tuner_event(Kind.DECISION, decision_id=1), tuner_event(Kind.GUARD_VERDICT, decision_id=1, text=b"reject: too bold")
    )
    assert made is not None
    assert made.steps[0].tone is Tone.WARN


def test_no_decision_is_none_and_only_the_last_ones_are_kept() -> None:
    assert joined(tuner_event(Kind.TRIGGER)) is None
    decisions = Decisions()
    decisions.add([tuner_event(Kind.DECISION, decision_id=i + 1) for i in range(DECISIONS + 10)])
    last = decisions.last(SYMBOLS)
    assert last is not None
    assert last.decision_id == DECISIONS + 10
    decisions.clear()
    assert decisions.last(SYMBOLS) is None


def test_codes_of_a_newer_tuner_do_not_end_the_panel() -> None:
    made = joined(tuner_event(Kind.DECISION, decision_id=1, action=99, symbol=-1), tuner_event(200, decision_id=1))
    assert made is not None
    assert (made.action, made.symbol) == ("ACTION 99", "all")
