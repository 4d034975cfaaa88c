"""How events are asked for."""

from __future__ import annotations

import pytest

from trader.tools.event_lines import EventSource
from trader.tools.events_cli import _named


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("TunerOutcome", "OUTCOME"), ("outcome", "OUTCOME"), ("tuner-what-if", "WHAT_IF"), ("TunerConfig", "TUNER_CONFIG"),
        ("TUNER_CONFIG", "TUNER_CONFIG"), ("fill", "FILL"), ("nothing", None),
    ],
)  # fmt: skip
def test_events_are_asked_for_by_any_way_of_writing_their_kind(asked: str, kind: str | None) -> None:
    assert _named(asked, EventSource.known_kinds()) == kind
