"""What the trader makes of wishes and commands: applied and told, or refused with one reason, told, and nothing changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from shared.clock import ManualClock
from shared.commands import CommandSender
from shared.events import CONTROL_FIELDS, CommandKind, EventKind, Reason, Source, Status, TunerMode
from shared.params import CONTROLS, SYMBOL_FIELDS, index_of
from shared.wishes import Wish, WishRow
from shared.workspace import Workspace
from tests.engine_support import ServedTrader, fresh_instance

STOP = index_of(SYMBOL_FIELDS, "stop_pct")
BASE = index_of(SYMBOL_FIELDS, "base_position_pct")
MOST = index_of(SYMBOL_FIELDS, "max_position_pct")
STRENGTH = index_of(SYMBOL_FIELDS, "signal_strength")
ENABLED = index_of(SYMBOL_FIELDS, "enabled")
OVERRIDE = index_of(CONTROLS, "manual_override")
TUNER_MODE = index_of(CONTROLS, "tuner_mode")
SLIPPAGE = index_of(CONTROLS, "slippage_bps")


class Bench:
    """A served trader and a tool that writes to it."""

    def __init__(self, instance: str) -> None:
        self.clock = ManualClock()
        self.trader = ServedTrader(instance, self.clock)
        self.tool = Workspace(instance, self.clock)
        self.commands: CommandSender = self.tool.commands

    def row(self, at: int) -> WishRow:
        """Return the row of a symbol, or of the controls for -1."""
        return self.tool.controls if at < 0 else self.tool.symbol_rows[at]

    def wish(self, at: int, *, turn: bool = True, **fields: Any) -> Any:
        """Write a wish as a careless program would: without the checks and waits of ``post``; return the events."""
        self.row(at)._write(Wish(**({"source": Source.OPERATOR} | fields)), self.clock)
        return self.trader.turn() if turn else None

    def close(self) -> None:
        self.tool.close()
        self.trader.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    with fresh_instance("ctl") as instance:
        made = Bench(instance)
        yield made
        made.close()


def tuner_on_override(bench: Bench) -> None:
    bench.wish(-1, changes={OVERRIDE: 1.0})


def override_taken_and_given_back(bench: Bench) -> None:
    bench.wish(-1, changes={OVERRIDE: 1.0})
    bench.wish(-1, changes={OVERRIDE: 0.0})


def human_paused(bench: Bench) -> None:
    bench.wish(0, changes={ENABLED: 0.0})


def mode(value: TunerMode) -> Callable[[Bench], object]:
    return lambda bench: bench.wish(-1, changes={TUNER_MODE: float(value)})


def later(bench: Bench) -> None:
    bench.wish(0, changes={STOP: 2.0})  # moves the revision on


class Refusal(NamedTuple):
    words: str
    before: Callable[[Bench], object] | None
    at: int  # symbol, -1: controls
    wish: dict[str, Any]
    reason: Reason
    field: int  # told


TUNER: dict[str, Any] = {"source": Source.TUNER, "decision_id": 9, "confidence_pct": 80.0}
REFUSALS = [
    Refusal("expired", None, 0, {"changes": {STOP: 3.0}, "valid_for_s": -1.0}, Reason.EXPIRED, STOP),
    Refusal("expired, of the tuner", None, 0, TUNER | {"changes": {STOP: 3.0}, "valid_for_s": -1.0}, Reason.EXPIRED, STOP),
    Refusal("override on", tuner_on_override, 0, TUNER | {"changes": {STOP: 3.0}, "override_epoch": 1}, Reason.OVERRIDE_ON, STOP),
    Refusal("from before", override_taken_and_given_back, 0, TUNER | {"changes": {STOP: 3.0}}, Reason.OVERRIDE_EPOCH, STOP),
    Refusal("tuner off", mode(TunerMode.OFF), 0, TUNER | {"changes": {STOP: 3.0}}, Reason.TUNER_OFF, STOP),
    Refusal("tuner paused", mode(TunerMode.PAUSED), 0, TUNER | {"changes": {STOP: 3.0}}, Reason.TUNER_OFF, STOP),
    Refusal("not a number", None, 0, {"changes": {STOP: math.nan}}, Reason.OUT_OF_RANGE, STOP),
    Refusal("infinite", None, 0, {"changes": {STOP: math.inf}}, Reason.OUT_OF_RANGE, STOP),
    Refusal("below the minimum", None, 0, TUNER | {"changes": {STOP: 0.49}}, Reason.OUT_OF_RANGE, STOP),
    Refusal("above the maximum", None, 0, {"changes": {STOP: 5.01}}, Reason.OUT_OF_RANGE, STOP),
    Refusal("half a strength", None, 0, {"changes": {STRENGTH: 1.5}}, Reason.OUT_OF_RANGE, STRENGTH),
    Refusal("one bad value among good ones", None, 0, {"changes": {BASE: 3.0, STOP: 9.0}}, Reason.OUT_OF_RANGE, STOP),
    Refusal("a control out of range", None, -1, {"changes": {SLIPPAGE: 101.0}}, Reason.OUT_OF_RANGE, CONTROL_FIELDS + SLIPPAGE),
    Refusal("base above max", None, 0, {"changes": {BASE: 5.0, MOST: 4.0}}, Reason.BASE_ABOVE_MAX, BASE),
    Refusal("max below base", None, 0, TUNER | {"changes": {MOST: 1.5}}, Reason.BASE_ABOVE_MAX, BASE),
    Refusal("stale base", later, 0, TUNER | {"changes": {STOP: 3.0}, "base_revision": 1}, Reason.STALE_BASE, STOP),
    Refusal("stale base, of a human", later, 0, {"changes": {STOP: 3.0}, "base_revision": 1}, Reason.STALE_BASE, STOP),
    Refusal("base of the future", None, 0, {"changes": {STOP: 3.0}, "base_revision": 99}, Reason.STALE_BASE, STOP),
    Refusal("tuner ends a human's pause", human_paused, 0, TUNER | {"changes": {ENABLED: 1.0}}, Reason.NOT_ALLOWED, ENABLED),
    Refusal("tuner on controls", None, -1, TUNER | {"changes": {SLIPPAGE: 1.0}}, Reason.NOT_ALLOWED, CONTROL_FIELDS + SLIPPAGE),
    Refusal("nobody", None, 0, {"changes": {STOP: 3.0}, "source": Source.NOBODY}, Reason.NOT_ALLOWED, STOP),
    Refusal("the engine itself", None, 0, {"changes": {STOP: 3.0}, "source": Source.ENGINE}, Reason.NOT_ALLOWED, STOP),
]  # fmt: skip


def settings_of(bench: Bench) -> list[Any]:
    """Return everything in force, with its provenance."""
    account = bench.trader.story.account
    both = (account["controls"], account["symbols"]["settings"])
    return [(name, settings[name].tolist()) for settings in both for name in settings.dtype.names]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.words)
def test_a_refused_wish_is_told_with_its_reason_and_changes_nothing(bench: Bench, case: Refusal) -> None:
    if case.before:
        case.before(bench)
    before, row = settings_of(bench), bench.row(case.at)
    revision = int(row.applied()["revision"])
    (event,) = bench.wish(case.at, **case.wish)
    assert (event["kind"], Reason(int(event["reason"]))) == (EventKind.CONFIG_REFUSED, case.reason)
    assert (event["symbol"], event["field"]) == (case.at, case.field)
    assert (event["source"], event["decision_id"]) == (case.wish.get("source", Source.OPERATOR), case.wish.get("decision_id", 0))
    assert settings_of(bench) == before
    applied = row.applied()
    assert applied["observed_generation"] == row.desired()["generation"]
    assert (Reason(int(applied["refusal"])), int(applied["revision"])) == (case.reason, revision)
    assert event["generation"] == applied["observed_generation"]


def test_a_refusal_says_what_is_in_force_and_what_was_wished(bench: Bench) -> None:
    (event,) = bench.wish(1, **TUNER, changes={STOP: 7.0})
    assert (event["old"], event["new"], event["confidence_pct"]) == (1.0, 7.0, 80.0)


def test_a_patch_leaves_the_other_fields_and_symbols_alone(bench: Bench) -> None:
    before = bench.row(0).applied()["values"].copy()
    events = bench.wish(0, **TUNER, changes={STOP: 0.8, BASE: 3.0})
    assert sorted(events["field"].tolist()) == sorted([STOP, BASE])
    assert set(events["kind"].tolist()) == {EventKind.TUNER_CONFIG}
    assert len(set(events["generation"].tolist())) == 1  # one wish, one revision
    applied = bench.row(0).applied()
    before[[STOP, BASE]] = 0.8, 3.0
    assert applied["values"].tolist() == before.tolist()
    assert applied["previous"][STOP] == 1.0
    assert (applied["sources"][STOP], applied["sources"][MOST]) == (Source.TUNER, Source.NOBODY)
    assert (applied["refusal"], applied["revision"], applied["decision_id"]) == (Reason.NONE, 2, 9)
    assert bench.row(1).applied()["values"][STOP] == 1.0
    assert bench.row(1).applied()["revision"] == 1


def test_the_right_base_revision_is_taken(bench: Bench) -> None:
    later(bench)
    revision = int(bench.row(0).applied()["revision"])
    (event,) = bench.wish(0, **TUNER, changes={STOP: 3.0}, base_revision=revision)
    assert event["status"] == Status.TUNER_CONFIG_UPDATE


def test_the_tuner_may_resume_what_it_paused_itself_and_a_human_anything(bench: Bench) -> None:
    bench.wish(0, **TUNER, changes={ENABLED: 0.0})
    (resumed,) = bench.wish(0, **TUNER, changes={ENABLED: 1.0})
    assert resumed["status"] == Status.TUNER_RESUME_SYMBOL
    bench.wish(0, **TUNER, changes={ENABLED: 0.0})
    (by_hand,) = bench.wish(0, changes={ENABLED: 1.0}, source=Source.DASHBOARD)
    assert (by_hand["kind"], by_hand["new"]) == (EventKind.CONFIG_APPLIED, 1.0)


def test_a_tuner_that_knows_the_epoch_is_heard_again_after_the_override(bench: Bench) -> None:
    override_taken_and_given_back(bench)
    epoch = bench.tool.override_epoch
    assert epoch == 1
    (event,) = bench.wish(0, **TUNER, changes={STOP: 3.0}, override_epoch=epoch)
    assert event["kind"] == EventKind.TUNER_CONFIG


def test_humans_are_heard_during_an_override(bench: Bench) -> None:
    tuner_on_override(bench)
    (event,) = bench.wish(0, changes={STOP: 3.0})
    assert event["kind"] == EventKind.CONFIG_APPLIED


def test_a_wish_for_what_stands_already_is_answered_without_an_event(bench: Bench) -> None:
    bench.wish(0, changes={STOP: 3.0})
    assert not len(bench.wish(0, changes={STOP: 3.0}))
    applied = bench.row(0).applied()
    assert applied["observed_generation"] == bench.row(0).desired()["generation"]
    assert applied["refusal"] == Reason.NONE


def test_a_human_who_says_the_tuners_value_makes_it_his_own(bench: Bench) -> None:
    bench.wish(0, **TUNER, changes={ENABLED: 0.0})
    (event,) = bench.wish(0, changes={ENABLED: 0.0})
    assert event["source"] == Source.OPERATOR
    (refused,) = bench.wish(0, **TUNER, changes={ENABLED: 1.0})
    assert refused["reason"] == Reason.NOT_ALLOWED


def test_an_empty_wish_is_answered(bench: Bench) -> None:
    assert not len(bench.wish(0, changes={}))
    assert bench.row(0).applied()["observed_generation"] == 1


def command(bench: Bench, symbol: int, **fields: Any) -> Any:
    bench.commands.send(CommandKind.EMERGENCY_EXIT, symbol, **({"source": Source.OPERATOR} | fields))
    return bench.trader.turn()


def test_a_command_is_acknowledged_once_with_its_id(bench: Bench) -> None:
    (first,) = command(bench, 0)
    (second,) = command(bench, -1, source=Source.DASHBOARD)
    assert [first["kind"], second["kind"]] == [EventKind.COMMAND_ACK, EventKind.COMMAND_ACK]
    assert [int(first["command_id"]), int(second["command_id"])] == [1, 2]
    assert [int(first["symbol"]), int(second["symbol"])] == [0, -1]
    assert not len(bench.trader.turn())


def test_the_tuners_command_is_a_tuner_event_and_an_acknowledgement(bench: Bench) -> None:
    events = command(bench, 1, source=Source.TUNER, decision_id=4)
    assert events["kind"].tolist() == [EventKind.TUNER_CONFIG, EventKind.COMMAND_ACK]
    assert events["status"][0] == Status.TUNER_EMERGENCY_EXIT
    assert set(events["decision_id"].tolist()) == {4}


COMMAND_REFUSALS = [
    ("unknown symbol", None, 2, {}, Reason.UNKNOWN_SYMBOL),
    ("symbol below all", None, -2, {}, Reason.UNKNOWN_SYMBOL),
    ("expired", None, 0, {"valid_for_s": -1.0}, Reason.EXPIRED),
    ("override on", tuner_on_override, 0, {"source": Source.TUNER, "override_epoch": 1}, Reason.OVERRIDE_ON),
    ("before the override", override_taken_and_given_back, 0, {"source": Source.TUNER}, Reason.OVERRIDE_EPOCH),
    ("tuner off", mode(TunerMode.OFF), 0, {"source": Source.TUNER}, Reason.TUNER_OFF),
    ("nobody", None, 0, {"source": Source.NOBODY}, Reason.NOT_ALLOWED),
]


@pytest.mark.parametrize("case", COMMAND_REFUSALS, ids=lambda case: case[0])
def test_a_refused_command_is_answered_once_and_changes_nothing(bench: Bench, case: Any) -> None:
    _, before_it, symbol, fields, reason = case
    if before_it:
        before_it(bench)
    before = settings_of(bench)
    (event,) = command(bench, symbol, **fields)
    assert (event["kind"], Reason(int(event["reason"])), event["command_id"]) == (EventKind.CONFIG_REFUSED, reason, 1)
    assert settings_of(bench) == before
    assert not len(bench.trader.turn())


def test_a_command_of_an_unknown_kind_is_refused(bench: Bench) -> None:
    bench.commands.send(99, 0, Source.OPERATOR)  # type: ignore[arg-type]
    (event,) = bench.trader.turn()
    assert (event["kind"], event["reason"]) == (EventKind.CONFIG_REFUSED, Reason.UNKNOWN_COMMAND)


def test_an_emergency_exit_shows_in_the_published_row(bench: Bench) -> None:
    command(bench, 0)
    assert bench.row(0).value(ENABLED) == 0.0
    assert bench.row(1).value(ENABLED) == 1.0
    (refused,) = bench.wish(0, **TUNER, changes={ENABLED: 1.0})
    assert refused["reason"] == Reason.NOT_ALLOWED
