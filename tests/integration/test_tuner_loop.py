"""The loop over real segments: what it decides, tells, records, and when it keeps its hands off."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.clock import SystemClock
from shared.errors import NotRunning, SharedMemoryError
from shared.events import Action, Reason, Source, TunerEventKind, TunerStatus
from shared.params import CONTROLS, PARAMS, index_of
from shared.ring import RingReader
from shared.wishes import Wish
from shared.workspace import TunerView, Workspace
from tests.support import eventually
from tests.support_segments import Publisher as Trader
from tests.support_segments import publishing
from tests.support_tuner import reply_object
from tuner.account import Result
from tuner.advisors.replay import ReplayAdvisor
from tuner.advisors.select import Choice
from tuner.audit import Audit, verify
from tuner.budget import Budget, BudgetLimits
from tuner.cycle import Parts
from tuner.knowledge import NoKnowledge
from tuner.log import TunerLog
from tuner.loop import LoopOptions, TunerLoop
from tuner.prompt import build_prompt
from tuner.publish import Publisher
from tuner.snapshot import take

STOP = index_of(PARAMS, "stop_pct")
CUT = reply_object("UPDATE_CONFIG", stop_pct=0.8)


class Paid(ReplayAdvisor):
    """Recorded replies of an advisor that is not free."""

    name = "claude"


class Tuner:
    """A running loop, and what it told."""

    def __init__(self, folder: Path, trader: Trader, replies: list[Any], options: dict[str, Any]) -> None:
        recorded = folder / "replies.jsonl"
        entries = [reply if isinstance(reply, dict) and "reply" in reply else {"reply": reply} for reply in replies]
        recorded.write_text("\n".join(json.dumps(entry) for entry in entries))
        clock = SystemClock()
        self.audit_path = folder / "audit.sqlite"
        self.stop = threading.Event()
        self.results: list[Result] = []
        self.publisher = Publisher(trader.instance, clock)
        self.view = TunerView(trader.instance)
        self._events: RingReader = self.view.events(from_start=True)
        self.events: list[Any] = []
        self._log = TunerLog(folder, clock, echo=False)
        limits = options.pop("budget", None)
        self.loop_options = LoopOptions(instance=trader.instance, **({"interval_s": 1.0} | options))
        advisor = (Paid if limits else ReplayAdvisor)(recorded, max_deadline_s=1.5)
        self._choice = Choice(advisor=advisor, why="recorded")
        self._budget = folder / "budget.sqlite", limits
        self._thread = threading.Thread(target=self._run, name="tuner")
        self.error: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        audit = Audit(self.audit_path)  # SQLite wants one thread for one connection
        path, limits = self._budget
        budget = Budget(path, limits) if limits else None
        parts = Parts(
            clock=SystemClock(), choice=self._choice, knowledge=NoKnowledge("none"), audit=audit, publisher=self.publisher,
            log=self._log, stop=self.stop, budget=budget,
        )  # fmt: skip
        try:
            TunerLoop(parts, self.loop_options, self.results.append).run()
        except NotRunning as error:
            self.error = error
        finally:
            audit.close()
            if budget is not None:
                budget.close()

    def kinds(self) -> list[TunerEventKind]:
        """Return the kinds of all events so far."""
        self.events += list(self._events.read())
        return [TunerEventKind(int(event["kind"])) for event in self.events]

    def status(self) -> TunerStatus:
        return TunerStatus(int(self.view.status()["status"]))

    def beaten_since(self, time_ns: int) -> bool:
        return self.view.heartbeat_ns > time_ns

    def close(self) -> None:
        self.stop.set()
        if self._thread.ident is not None:
            self._thread.join(10)
        self.publisher.close()
        self.view.close()
        self._log.close()


@contextmanager
def tuning(folder: Path, trader: Trader, *replies: Any, **options: Any) -> Iterator[Tuner]:
    """Run a loop with these recorded replies."""
    tuner = Tuner(folder, trader, list(replies), options)
    try:
        tuner.start()
        yield tuner
    finally:
        tuner.close()


@pytest.fixture
def trader() -> Iterator[Trader]:
    with publishing("loop", ["BTCUSDT"]) as made:
        made.serve()
        yield made


def _control(trader: Trader, name: str, value: float) -> None:
    """Set a control as an operator does."""
    workspace = Workspace(trader.instance, SystemClock())
    workspace.controls.post(Wish(changes={index_of(CONTROLS, name): value}, source=Source.OPERATOR), SystemClock())
    workspace.close()


def _operator(trader: Trader, field: int, value: float) -> None:
    """Set a parameter of the first symbol as an operator does."""
    workspace = Workspace(trader.instance, SystemClock())
    workspace.symbol_rows[0].post(Wish(changes={field: value}, source=Source.OPERATOR), SystemClock())
    workspace.close()


def test_an_update_goes_all_the_way_and_every_step_is_told_and_recorded(trader: Trader, tmp_path: Path) -> None:
    _operator(trader, index_of(PARAMS, "target_pct"), 2.0)  # so that there is a revision to build on
    with tuning(tmp_path, trader, CUT, once=True) as tuner:
        eventually(lambda: tuner.results)
        assert trader.applied(0)["values"][STOP] == 0.8
        wish = trader.desired(0)
        assert (wish["base_revision"], wish["source"]) == (1, Source.TUNER)
        assert tuner.kinds() == [
            TunerEventKind.TRIGGER, TunerEventKind.RETRIEVAL, TunerEventKind.DECISION, TunerEventKind.GUARD_VERDICT,
            TunerEventKind.APPLIED,
        ]  # fmt: skip
        last = tuner.events[-1]
        (result,) = tuner.results
        assert (result.status, result.action, result.changes) == ("APPLIED", "UPDATE_CONFIG", {"stop_pct": (1.0, 0.8)})
        assert (last["changes"], last["fields"][0], last["old"][0], last["new"][0]) == (1, STOP, 1.0, 0.8)
        assert (last["decision_id"], last["generation"], last["confidence_pct"]) == (1, 2, 80)
        assert last["text"] == b"because of the facts"
        assert (wish["decision_id"], wish["confidence_pct"]) == (1, 80)
        status = tuner.view.status()
        assert [int(status[name]) for name in ("cycles", "applied", "held")] == [1, 1, 0]
    found = verify(tmp_path / "audit.sqlite")
    assert (found.rows, found.bad_row, found.unfinished) == (2, 0, ())  # what was sent, and how it ended


def test_a_dry_run_writes_the_record_and_nothing_else(trader: Trader, tmp_path: Path) -> None:
    with tuning(tmp_path, trader, CUT, once=True, dry_run=True) as tuner:
        eventually(lambda: tuner.results)
        assert tuner.results[0].status == "DRY_RUN"
        assert tuner.kinds()[-1] is TunerEventKind.DRY_RUN
    assert trader.desired(0)["generation"] == 0
    assert trader.applied(0)["values"][STOP] == 1.0
    assert verify(tmp_path / "audit.sqlite").rows == 1


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (reply_object("HOLD"), "HOLD"),
        (reply_object("UPDATE_CONFIG", confidence=50, stop_pct=0.8), "REFUSED"),
        ("I would rather not say.", "FAILED"),
        ({"reply": "", "error": "replay: broken"}, "FAILED"),
        ({"reply": CUT, "delay_s": 99.0}, "FAILED"),
    ],
)
def test_what_is_not_accepted_never_reaches_the_trader(trader: Trader, tmp_path: Path, reply: Any, status: str) -> None:
    with tuning(tmp_path, trader, reply, once=True) as tuner:
        eventually(lambda: tuner.results, within_s=10)
        assert tuner.results[0].status == status
    assert trader.desired(0)["generation"] == 0
    assert verify(tmp_path / "audit.sqlite").bad_row == 0


def test_a_refusal_of_the_trader_is_told_with_its_reason(tmp_path: Path) -> None:
    with publishing("refusing", ["BTCUSDT"]) as trader:
        trader.serve(refuse=Reason.OVERRIDE_EPOCH)
        with tuning(tmp_path, trader, CUT, once=True) as tuner:
            eventually(lambda: tuner.results)
            assert (tuner.results[0].status, tuner.results[0].reason) == ("REFUSED", "OVERRIDE_EPOCH")
            assert tuner.kinds()[-1] is TunerEventKind.REFUSED


def test_a_trader_that_never_looks_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with publishing("deaf", ["BTCUSDT"]) as trader, tuning(tmp_path, trader, CUT, once=True) as tuner:
        eventually(lambda: tuner.results, within_s=10)
        assert tuner.results[0].status == "UNANSWERED"
        wish = trader.desired(0)
        assert wish["expires_ns"] - wish["issued_ns"] < 2_100_000_000


def test_pause_is_a_patch_of_enabled(trader: Trader, tmp_path: Path) -> None:
    with tuning(tmp_path, trader, reply_object("PAUSE"), once=True) as tuner:
        eventually(lambda: tuner.results)
        assert tuner.results[0].status == "APPLIED"
    assert trader.applied(0)["values"][len(PARAMS)] == 0
    assert np.array_equal(trader.applied(0)["values"][: len(PARAMS)], [param.default for param in PARAMS])


def test_an_emergency_exit_is_a_command_that_is_acknowledged(trader: Trader, tmp_path: Path) -> None:
    trader.view["rows"][0]["position_qty"], trader.view["rows"][0]["loss_streak"] = 0.5, 4
    trader.publish()
    with tuning(tmp_path, trader, reply_object("EMERGENCY_EXIT", confidence=90), once=True) as tuner:
        eventually(lambda: tuner.results)
        assert (tuner.results[0].status, tuner.results[0].action) == ("APPLIED", "EMERGENCY_EXIT")
        assert tuner.results[0].generation == 1


def test_override_and_off_are_shown_and_respected_and_left_again(trader: Trader, tmp_path: Path) -> None:
    _control(trader, "manual_override", 1)
    with tuning(tmp_path, trader, CUT) as tuner:
        eventually(lambda: tuner.status() is TunerStatus.OVERRIDE)
        _control(trader, "tuner_mode", 0)
        _control(trader, "manual_override", 0)
        eventually(lambda: tuner.status() is TunerStatus.OFF)
        _control(trader, "tune_now", 1)
        assert tuner.results == []
        assert tuner.kinds() == []
        _control(trader, "tuner_mode", 1)
        eventually(lambda: tuner.results)
        assert trader.applied(0)["values"][STOP] == 0.8


def test_the_heart_beats_while_a_model_thinks(trader: Trader, tmp_path: Path) -> None:
    with tuning(tmp_path, trader, {"reply": CUT, "delay_s": 1.0}, once=True) as tuner:
        eventually(lambda: tuner.view.status()["calling"] == 1)
        for _ in range(5):
            last_ns = tuner.view.heartbeat_ns
            eventually(partial(tuner.beaten_since, last_ns), within_s=0.5)
        assert tuner.results == []


def test_an_advisor_that_keeps_failing_is_left_alone(trader: Trader, tmp_path: Path) -> None:
    with tuning(tmp_path, trader, "one", "two", "three", CUT) as tuner:
        eventually(lambda: tuner.status() is TunerStatus.DEGRADED, within_s=10)
        assert TunerEventKind.DEGRADED in tuner.kinds()
        eventually(lambda: len(tuner.results) >= 4, within_s=10)
        assert {result.status for result in tuner.results} == {"FAILED"}
        assert "left alone" in tuner.results[-1].error
    assert trader.desired(0)["generation"] == 0


def test_without_a_trader_it_says_so_or_ends(tmp_path: Path) -> None:
    with publishing("nobody", ["BTCUSDT"]) as trader:
        trader.close()
        with tuning(tmp_path, trader, wait_s=0.3) as tuner:
            eventually(lambda: tuner.status() is TunerStatus.STARTING)
            eventually(lambda: b"trader" in tuner.view.status()["last_error"])
            eventually(lambda: tuner.error is not None)


def test_there_is_only_one_tuner_of_an_instance(trader: Trader) -> None:
    first = Publisher(trader.instance, SystemClock())
    with pytest.raises(SharedMemoryError, match="owned by running process"):
        Publisher(trader.instance, SystemClock())
    first.close()
    Publisher(trader.instance, SystemClock()).close()


def test_nothing_that_happens_after_a_snapshot_reaches_its_prompt(trader: Trader) -> None:
    clock = SystemClock()
    workspace = Workspace(trader.instance, clock)
    snapshot = take(workspace, clock)
    before = build_prompt(snapshot, "BTCUSDT", [])
    for row in trader.view["rows"]:
        for name in ("last_price_usd", "rsi", "realised_usd", "loss_streak", "position_qty"):
            row[name] = 77
    trader.view["equity_usd"] = 5.0
    trader.publish()
    _control(trader, "commission_bps", 55)
    after = build_prompt(snapshot, "BTCUSDT", [])
    assert (before.system, before.user) == (after.system, after.user)
    assert build_prompt(take(workspace, clock), "BTCUSDT", []).user != before.user
    workspace.close()


def test_the_wish_of_an_action_is_the_guards_not_the_models(trader: Trader, tmp_path: Path) -> None:
    trader.view["rows"][0]["bars"] = 300  # so young a market gives no reason to raise risk
    trader.publish()
    greedy = reply_object("UPDATE_CONFIG", max_position_pct=10.0, base_position_pct=5.0, stop_pct=5.0, signal_strength=1)
    with tuning(tmp_path, trader, greedy, once=True) as tuner:
        eventually(lambda: tuner.results)
        changes = tuner.results[0].changes
    assert tuner.results[0].ruling == "amend"
    assert len(changes) == 3
    assert Action[tuner.results[0].action] is Action.UPDATE_CONFIG
    assert all(abs(new - old) <= PARAMS[index_of(PARAMS, name)].max_step for name, (old, new) in changes.items())


def test_over_the_budget_it_holds_and_says_why_and_until_when(trader: Trader, tmp_path: Path) -> None:
    hold = reply_object("HOLD")
    with tuning(tmp_path, trader, hold, hold, hold, budget=BudgetLimits(calls_hour=1)) as tuner:
        eventually(lambda: tuner.status() is TunerStatus.BUDGET, within_s=10)
        status = tuner.view.status()
        assert b"1 of 1 calls of the hour" in status["why"]
        assert status["until_ns"] > SystemClock().now_ns() + 3_000_000_000_000
        assert [int(status[name]) for name in ("calls_hour", "calls_hour_limit", "calls_day", "held")] == [1, 1, 1, 2]
        assert TunerEventKind.BUDGET_STOP in tuner.kinds()
        assert [result.status for result in tuner.results[:2]] == ["HOLD", "BUDGET"]
        assert TunerEventKind.DEGRADED not in tuner.kinds()  # nobody failed
    assert trader.desired(0)["generation"] == 0


def test_what_was_spent_is_remembered_by_the_next_tuner(trader: Trader, tmp_path: Path) -> None:
    for expected in ("HOLD", "BUDGET"):
        with tuning(tmp_path, trader, reply_object("HOLD"), budget=BudgetLimits(calls_day=1), once=True) as tuner:
            eventually(partial(len, tuner.results))
            assert tuner.results[0].status == expected


def test_a_pause_is_told_from_off(trader: Trader, tmp_path: Path) -> None:
    _control(trader, "tuner_mode", 2)
    with tuning(tmp_path, trader, CUT) as tuner:
        eventually(lambda: tuner.status() is TunerStatus.PAUSED)
        assert b"paused" in tuner.view.status()["why"]
        _control(trader, "tuner_mode", 0)
        eventually(lambda: tuner.status() is TunerStatus.OFF)
        assert tuner.results == []
