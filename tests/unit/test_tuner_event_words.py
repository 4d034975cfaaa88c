"""How what if and outcome are said, and how their events are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.events import Action, TunerEventKind
from shared.layout import TUNER_EVENT
from shared.tuner_events import effect_text, tuner_words
from trader.tools.event_lines import EventSource
from trader.tools.events_cli import _named


def _event(kind: TunerEventKind, **fields: Any) -> Any:
    event = np.zeros(1, TUNER_EVENT)
    for name, value in ({"kind": kind, "action": Action.UPDATE_CONFIG, "symbol": 0} | fields).items():
        event[name] = value
    return event[0]


def test_an_applied_change_says_what_it_was_tried_with() -> None:
    tried = {"horizon_s": 1800.0, "pnl_old_usd": -3.2, "pnl_new_usd": 1.1}
    words = tuner_words(_event(TunerEventKind.APPLIED, generation=4, **tried), ["BTCUSDT"])
    assert "30 min: -3.20 without, +1.10 USD with it" in words
    assert effect_text(_event(TunerEventKind.APPLIED)) == ""
    assert "without" not in tuner_words(_event(TunerEventKind.APPLIED), ["BTCUSDT"])


def test_a_roll_back_has_a_sign_of_its_own() -> None:
    assert "↩ ROLLED BACK BTCUSDT" in tuner_words(_event(TunerEventKind.ROLLED_BACK), ["BTCUSDT"])


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("TunerOutcome", "OUTCOME"), ("outcome", "OUTCOME"), ("tuner-what-if", "WHAT_IF"), ("TunerConfig", "TUNER_CONFIG"),
        ("TUNER_CONFIG", "TUNER_CONFIG"), ("fill", "FILL"), ("nothing", None),
    ],
)  # fmt: skip
def test_events_are_asked_for_by_any_way_of_writing_their_kind(asked: str, kind: str | None) -> None:
    assert _named(asked, EventSource.known_kinds()) == kind
