"""The list of live events: order, bound, colours, and codes it does not know."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboard.event_log import LINES, EventLog, matches
from dashboard.model import Tone
from shared.clock import NS_PER_S
from shared.events import Action, EventKind, Source, TunerEventKind
from shared.layout import TRADE_EVENT, TUNER_EVENT

SYMBOLS = ["BTCUSDT"]


def record(layout: np.dtype[Any], **fields: Any) -> Any:
    event = np.zeros(1, layout)[0]  # a record as a ring hands it out
    for name, value in fields.items():
        event[name] = value
    return event


def test_only_the_last_lines_are_kept_and_their_numbers_go_on() -> None:
    log = EventLog()
    log.extend([record(TRADE_EVENT, kind=EventKind.STATUS, time_ns=i) for i in range(LINES + 20)], [], SYMBOLS, 0)
    assert (len(log.lines), log.lines[0].number, log.lines[-1].number) == (LINES, 21, LINES + 20)


def test_tuner_lines_are_shown_in_the_time_of_a_replay() -> None:
    log = EventLog()
    long_ago_ns, now_ns = 1_723_000_000 * NS_PER_S, 1_800_000_000 * NS_PER_S
    trade = record(TRADE_EVENT, kind=EventKind.STATUS, time_ns=long_ago_ns + 5)
    tuner = record(TUNER_EVENT, kind=TunerEventKind.TRIGGER, time_ns=now_ns, text=b"scheduled")
    log.extend([trade], [tuner], SYMBOLS, shift_ns=now_ns - long_ago_ns)
    assert [line.text for line in log.lines] == ["AI TRIGGER BTCUSDT · scheduled", "NONE BTCUSDT"]
    assert log.lines[0].time == log.lines[1].time


def test_colours_say_who_and_what_and_a_dry_run_says_it_was_not_applied() -> None:
    log = EventLog()
    trade = [
        record(TRADE_EVENT, kind=EventKind.FILL, side=1, time_ns=1),
        record(TRADE_EVENT, kind=EventKind.FILL, side=-1, time_ns=2),
        record(TRADE_EVENT, kind=EventKind.CONFIG_REFUSED, source=Source.TUNER, field=8, time_ns=3),
    ]
    tuner = [
        record(TUNER_EVENT, kind=TunerEventKind.APPLIED, action=Action.PAUSE, time_ns=4),
        record(TUNER_EVENT, kind=TunerEventKind.APPLIED, action=Action.EMERGENCY_EXIT, time_ns=5),
        record(TUNER_EVENT, kind=TunerEventKind.DRY_RUN, action=Action.PAUSE, time_ns=6),
    ]
    log.extend(trade, tuner, SYMBOLS, 0)
    assert [line.tone for line in log.lines] == [Tone.UP, Tone.DOWN, Tone.AI, Tone.WARN, Tone.BAD, Tone.AI]
    assert [line.ai for line in log.lines] == [False, False, True, True, True, True]
    assert log.lines[-1].text == "AI DRY RUN BTCUSDT PAUSE (not applied)"


def test_a_code_of_a_newer_trader_is_a_plain_line_and_no_error() -> None:
    log = EventLog()
    log.extend([record(TRADE_EVENT, kind=200)], [record(TUNER_EVENT, kind=200)], SYMBOLS, 0)
    assert [line.text for line in log.lines] == ["EVENT kind 200 status 0 reason 0", "AI EVENT kind 200 action 0"]
    assert log.lines[0].tone is Tone.GREY


def test_the_filter_takes_words_that_must_and_must_not_be_there() -> None:
    log = EventLog()
    log.extend([record(TRADE_EVENT, kind=EventKind.SIGNAL, side=1, new=2)], [], SYMBOLS, 0)
    (line,) = log.lines
    assert all(matches(line, typed) for typed in ("", "btc", "SIGNAL btc", "-stop", "-"))
    assert not any(matches(line, typed) for typed in ("eth", "btc -signal"))
    assert not matches(line, "", kind="AI")
