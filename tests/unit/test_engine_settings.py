"""What people and the tuner want, as inputs: what the engine does with it, and what it tells."""

from __future__ import annotations

import pytest

from shared.events import CONTROL_FIELDS, CommandKind, EventKind, Reason, Source, Status
from shared.params import CONTROLS, SYMBOL_FIELDS, defaults, index_of
from tests.engine_support import Story, control, emergency_exit, market, param, ramp, second_ns
from trader.engine.engine import Engine
from trader.engine.inputs import ALL, InputKind, batch, row
from trader.engine.state import new_state

RISE = ramp(100.0, 2.0, 64)


@pytest.mark.parametrize("field", range(len(SYMBOL_FIELDS)), ids=[p.name for p in SYMBOL_FIELDS])
@pytest.mark.parametrize("source", [Source.OPERATOR, Source.DASHBOARD, Source.TUNER], ids=lambda source: source.name)
def test_a_value_of_a_symbol_is_put_in_force_and_told(field: int, source: Source) -> None:
    p = SYMBOL_FIELDS[field]
    story = Story(2)
    change = row(InputKind.PARAM, second_ns(1), 1, flags=source, aux=field, a=p.minimum, b=80.0, c=77.0, ref=9)
    story.tell([change])
    values = defaults(SYMBOL_FIELDS)
    assert story.symbol(0)["settings"]["values"].tolist() == values
    values[field] = p.minimum
    settings = story.symbol(1)["settings"]
    assert settings["values"].tolist() == values
    assert (settings["revision"], settings["decision_id"], settings["source"], settings["sources"][field]) == (
        9,
        77,
        source,
        source,
    )
    (event,) = story.events
    assert (event["symbol"], event["field"], event["old"], event["new"]) == (1, field, p.default, p.minimum)
    assert (event["source"], event["confidence_pct"], event["decision_id"], event["generation"]) == (source, 80.0, 77, 9)
    by_tuner = Status.TUNER_PAUSE_SYMBOL if p.name == "enabled" else Status.TUNER_CONFIG_UPDATE
    expected = (EventKind.TUNER_CONFIG, by_tuner) if source is Source.TUNER else (EventKind.CONFIG_APPLIED, Status.NONE)
    assert (event["kind"], event["status"]) == expected


def test_a_resume_of_the_tuner_is_told_as_one() -> None:
    story = Story().tell([param("enabled", 0.0, source=Source.TUNER, ref=2), param("enabled", 1.0, source=Source.TUNER, ref=3)])
    assert story.events["status"].tolist() == [Status.TUNER_PAUSE_SYMBOL, Status.TUNER_RESUME_SYMBOL]


def test_the_values_of_one_wish_share_one_undo() -> None:
    story = Story().tell([param("stop_pct", 2.0, ref=2), param("target_pct", 3.0, ref=2)])
    previous = story.symbol()["settings"]["previous"].copy()
    assert previous.tolist() == defaults(SYMBOL_FIELDS)
    story.tell([param("stop_pct", 4.0, ref=3)])
    stop, target = index_of(SYMBOL_FIELDS, "stop_pct"), index_of(SYMBOL_FIELDS, "target_pct")
    assert story.symbol()["settings"]["previous"][[stop, target]].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("field", range(len(CONTROLS)), ids=[c.name for c in CONTROLS])
def test_a_control_is_put_in_force_and_told(field: int) -> None:
    story = Story()
    before = float(story.account["controls"]["values"][field])  # a story has its own map of strategies
    story.tell([control(CONTROLS[field].name, CONTROLS[field].maximum)])
    assert story.account["controls"]["values"][field] == CONTROLS[field].maximum
    (event,) = story.of(EventKind.CONFIG_APPLIED)
    assert (event["symbol"], event["field"]) == (-1, CONTROL_FIELDS + field)
    assert (event["old"], event["new"]) == (before, CONTROLS[field].maximum)


def test_each_taking_of_the_wheel_is_a_new_epoch() -> None:
    story = Story()
    epochs = []
    for value in (1.0, 0.0, 1.0, 1.0, 0.0):
        story.tell([control("manual_override", value)])
        epochs.append(int(story.account["override_epoch"]))
    assert epochs == [1, 1, 2, 3, 3]


@pytest.mark.parametrize("target", [0, ALL])
def test_a_refusal_is_told_and_changes_nothing(target: int) -> None:
    story = Story()
    before = story.engine.state["symbols"].tobytes(), story.engine.state["controls"].tobytes()
    flags = Source.TUNER + 256 * Reason.STALE_BASE
    told = row(InputKind.REFUSAL, second_ns(0.5), target, flags=flags, aux=8, a=1.0, d=4.0, b=70.0, c=5.0, ref=12)
    story.tell([told])
    assert before == (story.engine.state["symbols"].tobytes(), story.engine.state["controls"].tobytes())
    (event,) = story.events
    assert (event["kind"], event["reason"], event["source"]) == (EventKind.CONFIG_REFUSED, Reason.STALE_BASE, Source.TUNER)
    assert (event["symbol"], event["field"], event["old"], event["new"]) == (-1 if target == ALL else 0, 8, 1.0, 4.0)
    assert (event["confidence_pct"], event["decision_id"], event["generation"]) == (70.0, 5, 12)


def holding(n_symbols: int = 2) -> Story:
    story = Story(n_symbols).tell(market(RISE, symbols=range(n_symbols)))
    assert all(story.symbol(i)["position_qty"] > 0.0 for i in range(n_symbols))
    return story


@pytest.mark.parametrize("source", [Source.OPERATOR, Source.DASHBOARD, Source.TUNER], ids=lambda source: source.name)
def test_an_emergency_exit_flattens_and_pauses_one_symbol(source: Source) -> None:
    story = holding().tell([emergency_exit(64, 1, source, ref=41)])
    assert story.symbol(1)["position_qty"] == 0.0
    assert story.symbol(0)["position_qty"] > 0.0
    (close,) = story.of(EventKind.POSITION_CLOSE)
    assert (close["symbol"], close["reason"], close["source"]) == (1, Reason.EMERGENCY, source)
    (ack,) = story.of(EventKind.COMMAND_ACK)
    assert (ack["command_id"], ack["symbol"], ack["reason"]) == (41, 1, Reason.NONE)
    assert float(ack["cash_usd"]) == float(story.account["cash_usd"])
    purple = story.of(EventKind.TUNER_CONFIG)
    assert purple["status"].tolist() == ([Status.TUNER_EMERGENCY_EXIT] if source is Source.TUNER else [])
    last = float(story.symbol(1)["last_price_usd"])
    story.tell(market(ramp(last, 2.0, 20), 65, symbols=(0, 1)))
    assert story.why(1) is Reason.PAUSED
    assert story.symbol(1)["settings"]["sources"][index_of(SYMBOL_FIELDS, "enabled")] == source


def test_an_emergency_exit_of_all_ends_flat_and_is_acknowledged_once() -> None:
    story = holding(3).tell([emergency_exit(64, ref=5)])
    assert [float(story.symbol(i)["position_qty"]) for i in range(3)] == [0.0, 0.0, 0.0]
    assert len(story.of(EventKind.COMMAND_ACK)) == 1
    equity = story.of(EventKind.COMMAND_ACK)["equity_usd"][0]
    assert equity == story.account["cash_usd"]


def test_an_emergency_exit_without_a_position_still_pauses() -> None:
    story = Story().tell([emergency_exit(1, 0)])
    assert not len(story.of(EventKind.FILL))
    assert story.symbol()["settings"]["values"][index_of(SYMBOL_FIELDS, "enabled")] == 0.0
    assert story.symbol()["settings"]["revision"] == 2


@pytest.mark.parametrize(
    ("kind", "reason", "told"),
    [
        (CommandKind.EMERGENCY_EXIT, Reason.EXPIRED, Reason.EXPIRED),
        (CommandKind.EMERGENCY_EXIT, Reason.OVERRIDE_ON, Reason.OVERRIDE_ON),
        (99, Reason.NONE, Reason.UNKNOWN_COMMAND),
    ],
)
def test_a_refused_command_does_nothing_but_is_answered(kind: int, reason: Reason, told: Reason) -> None:
    story = holding(1)
    before = story.symbol().tobytes()
    story.tell([row(InputKind.COMMAND, second_ns(63), 0, flags=Source.TUNER + 256 * reason, aux=kind, ref=6)])
    assert story.symbol().tobytes() == before
    (event,) = story.of(EventKind.CONFIG_REFUSED)
    assert (event["reason"], event["command_id"]) == (told, 6)


def test_a_note_is_told_with_the_account() -> None:
    story = Story().tell([row(InputKind.NOTE, second_ns(0), aux=Status.STARTED)])
    (event,) = story.of(EventKind.STATUS)
    assert (event["status"], event["symbol"], event["equity_usd"]) == (Status.STARTED, -1, 100_000.0)


def test_market_data_of_an_unknown_symbol_changes_nothing() -> None:
    engine = Engine(new_state(1, 1000.0))
    before = engine.state["symbols"].tobytes()
    assert not len(engine.process(batch(market([100.0], symbols=(7, 31)))))
    assert engine.state["symbols"].tobytes() == before


def test_a_full_outbox_loses_no_event() -> None:
    notes = [row(InputKind.NOTE, second_ns(0), aux=Status.STARTED) for _ in range(20_000)]
    events = Engine(new_state(1, 1000.0)).process(batch(notes))
    assert events["seq"].tolist() == list(range(1, 20_001))
