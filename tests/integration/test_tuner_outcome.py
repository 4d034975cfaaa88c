"""What if and what came of it: replayed through the real engine from what a real session keeps on disk."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.clock import NS_PER_S, SystemClock
from shared.errors import JournalError, Timeout
from shared.events import EventKind, Source, Strategy
from shared.params import SYMBOL_FIELDS, index_of
from tests.engine_support import CAPITAL_USD, acting, eventful_market, instrument, second_ns
from tests.support import eventually
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind, batch, row
from trader.engine.state import new_state
from trader.session import Identity, Session
from tuner.outcome.client import Replayer
from tuner.outcome.replays import measure, what_if, worth_usd
from tuner.outcome.tasks import Measure, WhatIf
from tuner.outcome.worker import answer

FIELDS = {name: index_of(SYMBOL_FIELDS, name) for name in ("target_pct", "stop_pct", "signal_strength", "enabled")}
DEFAULTS = {i: field.default for i, field in enumerate(SYMBOL_FIELDS)}
EAGER = {"signal_strength": 1.0, "stop_pct": 0.5, "target_pct": 1.0}
DECIDED_S, HORIZON_S, END_S = 200, 240, 500


def _decision(at_s: float, decision_id: int = 7) -> list[Any]:
    """Return the inputs of a wish of the tuner as the trader logs it."""
    return [
        row(InputKind.PARAM, second_ns(at_s), 0, flags=Source.TUNER, aux=FIELDS[name], a=value, c=decision_id, ref=99)
        for name, value in EAGER.items()
    ]


def _inputs(*, decided: bool = True) -> Any:
    market = [r for r in eventful_market(5, END_S) if r[2] != InputKind.COMMAND]
    before = [r for r in market if r[1] <= second_ns(DECIDED_S)]
    after = market[len(before) :]
    given = [instrument(0), instrument(1), *acting(Strategy.TECHNICAL)]
    return batch([*given, *before, *(_decision(DECIDED_S) if decided else []), *after])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session that was kept while a decision was applied at its two-hundredth second."""
    made: Path = tmp_path_factory.mktemp("home") / "session"
    session = Session(made, Identity(venue="sim-usdm", symbols=["BTCUSDT", "ETHUSDT"]), keep_all=True)
    engine = Engine(new_state(2, CAPITAL_USD), session.append)
    session.checkpoint(engine.state)
    inputs = _inputs()
    for start in range(0, len(inputs), 700):
        engine.process(inputs[start : start + 700].copy())
        if start == 700 * 4:
            session.checkpoint(engine.state)
    session.close()
    return made


def _gain(*, decided: bool) -> tuple[float, int]:
    """Return what a plain engine makes of the same market from the decision to its horizon, and its closed trades."""
    inputs = _inputs(decided=decided)
    engine = Engine(new_state(2, CAPITAL_USD))
    engine.process(inputs[inputs["time_ns"] <= second_ns(DECIDED_S)].copy() if not decided else _until_decision(inputs))
    before = worth_usd(engine.state)
    rest = inputs[int(engine.state["input_seq"][0]) :]
    end_ns = second_ns(DECIDED_S) + HORIZON_S * NS_PER_S
    events = engine.process(rest[: int(np.flatnonzero(rest["time_ns"] > end_ns)[0])].copy())
    closes = np.isin(
        events["kind"], (EventKind.POSITION_CLOSE, EventKind.TARGET_HIT, EventKind.STOP_LOSS, EventKind.TRAILING_EXIT)
    )
    return worth_usd(engine.state) - before, int(closes.sum())


def _until_decision(inputs: Any) -> Any:
    return inputs[: int(np.flatnonzero(inputs["c"] == 7)[0])].copy()


def _measure(folder: Path, **changes: Any) -> Measure:
    given: dict[str, Any] = {"decision_id": 7, "from_ns": second_ns(DECIDED_S - 1), "horizon_s": float(HORIZON_S)} | changes
    return Measure(folder=str(folder), symbol=0, **given)


def test_a_measured_effect_is_what_really_happened_against_what_would_have(folder: Path) -> None:
    both = measure(_measure(folder))
    with_it, trades_with = _gain(decided=True)
    without, trades_without = _gain(decided=False)
    assert with_it != without  # otherwise this test shows nothing
    assert (both.new.net_usd, both.new.trades) == (with_it, trades_with)
    assert (both.old.net_usd, both.old.trades) == (without, trades_without)
    assert both.gain_usd == with_it - without
    assert both.new.fees_usd > 0


def test_a_dry_runs_changes_are_tried_out_where_nothing_was_applied(folder: Path) -> None:
    when = {"from_ns": second_ns(DECIDED_S + 1), "decision_id": 8}
    tried = measure(_measure(folder, changes={FIELDS["target_pct"]: 10.0, FIELDS["stop_pct"]: 5.0}, **when))
    same = measure(_measure(folder, changes={FIELDS["target_pct"]: EAGER["target_pct"]}, **when))
    assert tried.gain_usd != 0.0
    assert tried.old == same.old == same.new


def test_an_effect_that_can_not_be_measured_says_whether_asking_again_helps(folder: Path) -> None:
    with pytest.raises(Timeout, match="did not reach"):
        measure(_measure(folder, horizon_s=3600.0))
    with pytest.raises(JournalError, match="from before the decision"):
        measure(_measure(folder / "nothing"))
    clock = SystemClock()
    assert answer(_measure(folder, horizon_s=3600.0), clock).final is False
    assert answer(_measure(folder / "nothing"), clock).final is True


def test_what_if_compares_the_values_in_force_with_the_proposed_ones(folder: Path) -> None:
    task = WhatIf(folder=str(folder), symbol=0, window_s=3600.0, in_force=DEFAULTS, changes={})
    same = what_if(task)
    assert same.gain_usd == 0.0
    assert same.horizon_s == pytest.approx(END_S - 1, abs=2)
    eager = what_if(WhatIf(**{**_fields(task), "changes": {FIELDS[name]: value for name, value in EAGER.items()}}))
    assert eager.old == same.old
    assert eager.new.trades != same.old.trades
    paused = what_if(WhatIf(**{**_fields(task), "changes": {FIELDS["enabled"]: 0.0}}))
    assert paused.new.trades < same.old.trades


def test_what_if_begins_at_the_checkpoint_the_window_asks_for(folder: Path) -> None:
    short = what_if(WhatIf(folder=str(folder), symbol=0, window_s=60.0, in_force=DEFAULTS, changes={}))
    assert 60 <= short.horizon_s < END_S - 60


def _fields(task: WhatIf) -> dict[str, Any]:
    return {name: getattr(task, name) for name in WhatIf.__struct_fields__}


@pytest.fixture(scope="module")
def replayer() -> Iterator[Replayer]:
    made = Replayer()
    yield made
    made.close()


def test_the_replaying_process_answers_as_the_replay_itself_and_comes_back_after_a_kill(folder: Path, replayer: Replayer) -> None:
    task, beats = _measure(folder), []
    here = measure(task)
    there = replayer.ask(task, 60.0, lambda: beats.append(1))
    assert there.both is not None
    assert (there.both.old, there.both.new) == (here.old, here.new)
    assert beats
    process = replayer._process
    assert process is not None
    assert os.getpriority(os.PRIO_PROCESS, process.pid) > 0
    process.send_signal(signal.SIGKILL)
    eventually(lambda: process.poll() is not None)
    again = replayer.ask(task, 60.0, lambda: None)
    assert again.both is not None


def test_an_answer_that_takes_too_long_is_an_error_in_words(folder: Path) -> None:
    silent = Replayer((sys.executable, "-c", "import time; time.sleep(60)"))
    late = silent.ask(_measure(folder), 0.1, lambda: None)
    silent.close()
    assert late.both is None
    assert "within" in late.error
