"""Wishes of the dashboard reach the applied rows, and every failure comes back as words."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dashboard.actions import Actions
from dashboard.config_view import ENABLED_FIELD, MANUAL_OVERRIDE
from dashboard.views import Viewer
from dashboard.wishes import Request, WishWorker, carry_out
from shared.clock import SystemClock
from shared.events import CommandKind, Reason, Source
from shared.params import SYMBOL_FIELDS, index_of
from tests.support import eventually
from tests.support_segments import Publisher, publishing

STOP = index_of(SYMBOL_FIELDS, "stop_pct")


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing("wish") as publisher:
        yield publisher


def test_a_patch_of_a_symbol_changes_that_symbol_only(publisher: Publisher) -> None:
    publisher.serve()
    answer = carry_out(Request(label="stop", changes={STOP: 0.8}, symbol=1), publisher.instance, SystemClock())
    assert (answer.ok, answer.text) == (True, "✓ stop (generation 1)")
    assert [publisher.applied(i)["values"][STOP] for i in (0, 1)] == [1.0, 0.8]
    assert int(publisher.desired(1)["source"]) == Source.DASHBOARD


def test_a_refusal_names_its_reason(publisher: Publisher) -> None:
    publisher.serve(refuse=Reason.BASE_ABOVE_MAX)
    answer = carry_out(Request(label="stop", changes={STOP: 0.8}, symbol=0), publisher.instance, SystemClock())
    assert (answer.ok, answer.text) == (False, "✗ stop: refused, base above max")


def test_a_value_out_of_bounds_never_leaves(publisher: Publisher) -> None:
    answer = carry_out(Request(label="stop", changes={STOP: 99.0}, symbol=0), publisher.instance, SystemClock())
    assert not answer.ok
    assert "stop_pct: was 99.0, expected 0.5 to 5 %" in answer.text
    assert int(publisher.desired(0)["generation"]) == 0


def test_without_a_trader_the_answer_says_so() -> None:
    answer = carry_out(Request(label="x", changes={0: 1.0}), f"none-{os.getpid()}", SystemClock())
    assert not answer.ok
    assert "start the trader first" in answer.text


def test_the_worker_answers_in_order_and_the_caller_never_waits(publisher: Publisher) -> None:
    worker = WishWorker(publisher.instance, SystemClock())
    worker.send(Request(label="override", changes={MANUAL_OVERRIDE: 1.0}))
    worker.send(Request(label="exit", command=CommandKind.EMERGENCY_EXIT))
    assert worker.answers() == []  # nobody serves yet: both wait in the worker, not here
    publisher.serve()
    texts: list[str] = []

    def both_came() -> bool:
        texts.extend(answer.text for answer in worker.answers())
        return len(texts) == 2

    eventually(both_came, 10)
    assert texts == ["✓ override (generation 1)", "✓ exit"]
    assert publisher.applied()["values"][MANUAL_OVERRIDE] == 1
    assert [int(c["kind"]) for c in publisher.commands] == [CommandKind.EMERGENCY_EXIT]
    worker.close()


def test_what_lowers_risk_is_sent_at_once_and_what_raises_it_asks_first(publisher: Publisher) -> None:
    sent: list[Request] = []
    asked: list[str] = []
    controls = Actions(sent.append, lambda title, *_: asked.append(title))
    viewer = Viewer(publisher.instance, SystemClock())
    controls.show(viewer.look())
    controls.toggle_override()
    controls.toggle_tuner()
    controls.toggle_trading()
    controls.toggle_symbol()
    assert [r.label for r in sent] == ["manual override on", "AI tuner off", "new entries paused", "pause BTCUSDT"]
    assert asked == []
    publisher.apply_controls(manual_override=1, tuner_mode=0, trading_enabled=0)
    publisher.apply_symbol(0, enabled=0)
    controls.show(viewer.look())
    controls.toggle_override()
    controls.toggle_tuner()
    controls.toggle_trading()
    controls.toggle_symbol()
    controls.flatten()
    assert len(sent) == 4
    assert asked == [
        "LEAVE MANUAL OVERRIDE", "SWITCH THE AI TUNER ON", "ALLOW NEW ENTRIES", "RESUME SYMBOL", "FLATTEN: CLOSE EVERYTHING",
    ]  # fmt: skip
    viewer.close()


def test_undo_puts_back_what_the_last_change_replaced(publisher: Publisher) -> None:
    publisher.apply_symbol(0, stop_pct=1.2, target_pct=3.0)
    sent: list[Request] = []
    controls = Actions(sent.append, lambda *_: None)
    viewer = Viewer(publisher.instance, SystemClock())
    controls.show(viewer.look())
    controls.undo()
    (request,) = sent
    assert dict(request.changes) == {STOP: 1.0, index_of(SYMBOL_FIELDS, "target_pct"): 1.5}
    assert ENABLED_FIELD not in request.changes
    viewer.close()
