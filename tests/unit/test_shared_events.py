"""Every event can be told in words and has a colour; changes read old → new."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from shared.events import (
    CONTROL_FIELDS,
    GREEN,
    NO_FIELD,
    ORANGE,
    PURPLE,
    RED,
    Action,
    EventKind,
    Reason,
    Regime,
    Source,
    Status,
    TunerEventKind,
    colour_of,
    describe,
    field_name,
    words,
)
from shared.layout import TRADE_EVENT, TUNER_EVENT
from shared.params import CONTROLS, PARAMS, SYMBOL_FIELDS, index_of
from shared.tuner_events import changes_text, tuner_colour, tuner_words

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
STOP = index_of(PARAMS, "stop_pct")
ENABLED = index_of(SYMBOL_FIELDS, "enabled")


def event(kind: EventKind, **fields: Any) -> Any:
    made: Any = np.zeros(1, TRADE_EVENT)[0]
    for name, value in ({"kind": kind, "field": NO_FIELD, "symbol": 0} | fields).items():
        made[name] = value
    return made


def tuner_event(kind: TunerEventKind, **fields: Any) -> Any:
    made: Any = np.zeros(1, TUNER_EVENT)[0]
    for name, value in ({"kind": kind, "symbol": 0} | fields).items():
        made[name] = value
    return made


@pytest.mark.parametrize("kind", EventKind, ids=lambda kind: kind.name)
@pytest.mark.parametrize("symbol", [-1, 0, 1, 31])
def test_every_kind_can_be_told_for_one_symbol_or_all(kind: EventKind, symbol: int) -> None:
    told = event(kind, symbol=symbol, reason=Reason.STOP, side=1, qty=2.0, price_usd=3.5, source=Source.OPERATOR)
    line = describe(told, SYMBOLS)
    assert line
    assert "\n" not in line
    known = SYMBOLS[symbol] if symbol in {0, 1} else "all"
    assert known in line
    assert len(colour_of(told)) == 3


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_is_told_in_words(reason: Reason) -> None:
    line = describe(event(EventKind.CONFIG_REFUSED, reason=reason, source=Source.TUNER), SYMBOLS)
    assert (f"({words(reason)})" in line) == (reason is not Reason.NONE)
    assert "_" not in words(reason)


@pytest.mark.parametrize("status", Status, ids=lambda status: status.name)
def test_every_status_can_be_told(status: Status) -> None:
    for kind in (EventKind.STATUS, EventKind.TUNER_CONFIG):
        assert describe(event(kind, status=status), SYMBOLS)
        assert colour_of(event(kind, status=status))


def test_a_fill_says_side_with_a_sign_quantity_price_and_fee() -> None:
    buy = event(EventKind.FILL, side=1, qty=0.25, price_usd=61_602.015, fee_usd=15.4, symbol=1)
    assert describe(buy, SYMBOLS) == "▲ BUY ETHUSDT 0.25 @ 61,602.01 fee 15.40"
    assert colour_of(buy) == GREEN
    sell = event(EventKind.FILL, side=-1, qty=1.0, price_usd=10.0, reason=Reason.STOP)
    assert describe(sell, SYMBOLS) == "▼ SELL BTCUSDT 1 @ 10.00 fee 0.00 (stop)"
    assert colour_of(sell) == RED


def test_a_close_says_the_result_with_its_sign() -> None:
    lost = event(EventKind.STOP_LOSS, pnl_usd=-1234.5, price_usd=99.0, reason=Reason.STOP)
    assert describe(lost, SYMBOLS) == "STOP LOSS BTCUSDT -1,234.50 USD @ 99.00 (stop)"


def test_a_change_reads_old_to_new_with_who_and_confidence() -> None:
    change = {"field": STOP, "old": 1.0, "new": 0.8, "confidence_pct": 80.0, "source": Source.TUNER}
    applied = event(EventKind.TUNER_CONFIG, status=Status.TUNER_CONFIG_UPDATE, **change)
    assert describe(applied, SYMBOLS) == "AI BTCUSDT stop_pct 1 → 0.8 [80%] ✓"
    refused = event(EventKind.CONFIG_REFUSED, reason=Reason.OVERRIDE_ON, **change)
    assert describe(refused, SYMBOLS) == "AI BTCUSDT stop_pct 1 → 0.8 [80%] ✗ refused (override on)"
    by_hand = event(EventKind.CONFIG_APPLIED, source=Source.OPERATOR, field=CONTROL_FIELDS + 1, old=0.0, new=1.0, symbol=-1)
    assert describe(by_hand, SYMBOLS) == "operator control manual_override 0 → 1 ✓"


def test_a_pause_and_a_regime_are_told() -> None:
    pause = event(EventKind.TUNER_CONFIG, status=Status.TUNER_PAUSE_SYMBOL, source=Source.TUNER, field=ENABLED, old=1.0)
    assert describe(pause, SYMBOLS) == "AI BTCUSDT PAUSE enabled 1 → 0 ✓"
    regime = event(EventKind.REGIME_CHANGE, old=Regime.RANGING, new=Regime.HIGH_VOLATILITY)
    assert describe(regime, SYMBOLS) == "REGIME BTCUSDT ranging → high volatility"


COLOURED = [
    (EventKind.TUNER_CONFIG, Status.TUNER_CONFIG_UPDATE, Source.TUNER, PURPLE),
    (EventKind.TUNER_CONFIG, Status.TUNER_RESUME_SYMBOL, Source.TUNER, PURPLE),
    (EventKind.TUNER_CONFIG, Status.TUNER_PAUSE_SYMBOL, Source.TUNER, ORANGE),
    (EventKind.TUNER_CONFIG, Status.TUNER_EMERGENCY_EXIT, Source.TUNER, RED),
    (EventKind.CONFIG_REFUSED, Status.NONE, Source.TUNER, PURPLE),
    (EventKind.COMMAND_ACK, Status.NONE, Source.TUNER, PURPLE),
]


@pytest.mark.parametrize(("kind", "status", "source", "colour"), COLOURED)
def test_what_the_ai_does_is_purple_an_emergency_red_a_pause_orange(
    kind: EventKind, status: Status, source: Source, colour: tuple[int, int, int]
) -> None:
    assert colour_of(event(kind, status=status, source=source)) == colour


@pytest.mark.parametrize("kind", [EventKind.CONFIG_REFUSED, EventKind.COMMAND_ACK, EventKind.CONFIG_APPLIED])
def test_what_a_human_does_is_not_purple(kind: EventKind) -> None:
    assert colour_of(event(kind, source=Source.OPERATOR)) != PURPLE


def test_fields_have_one_number_each() -> None:
    names = [field_name(i) for i in range(256)]
    assert names[: len(SYMBOL_FIELDS)] == [p.name for p in SYMBOL_FIELDS]
    assert names[CONTROL_FIELDS : CONTROL_FIELDS + len(CONTROLS)] == [c.name for c in CONTROLS]
    assert sum(map(bool, names)) == len(SYMBOL_FIELDS) + len(CONTROLS)
    assert not field_name(NO_FIELD)


@pytest.mark.parametrize(("kind", "action"), list(itertools.product(TunerEventKind, Action)))
def test_every_tuner_event_can_be_told(kind: TunerEventKind, action: Action) -> None:
    told = tuner_event(kind, action=action, text="because\nof this")
    line = tuner_words(told, SYMBOLS)
    assert line.startswith("AI ")
    assert "\n" not in line
    assert line.endswith("because of this")
    assert len(tuner_colour(told)) == 3


def test_an_applied_decision_is_told_with_its_changes() -> None:
    told = tuner_event(TunerEventKind.APPLIED, action=Action.UPDATE_CONFIG, changes=2, confidence_pct=80.0, generation=7)
    told["fields"][:2], told["old"][:2], told["new"][:2] = (STOP, STOP - 1), (1.0, 1.5), (0.8, 2.0)
    assert changes_text(told) == "stop_pct 1 → 0.8, target_pct 1.5 → 2"
    expected = "AI ✓ APPLIED BTCUSDT UPDATE CONFIG stop_pct 1 → 0.8, target_pct 1.5 → 2 [80%] generation 7"
    assert tuner_words(told, SYMBOLS) == expected
    assert tuner_colour(told) == PURPLE
    told["action"] = Action.EMERGENCY_EXIT
    assert tuner_colour(told) == RED
    told["action"] = Action.PAUSE
    assert tuner_colour(told) == ORANGE


def test_damaged_text_and_counts_do_not_stop_the_teller() -> None:
    told = tuner_event(TunerEventKind.DECISION, text=b"\xff\xfe broken", changes=255)
    assert tuner_words(told, SYMBOLS)
