"""Measuring over real segments and a real audit: when an effect is asked for, told and recorded, and what a restart keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.clock import NS_PER_S, ManualClock
from shared.events import Action, TunerEventKind
from shared.workspace import TunerView, Workspace
from tests.support_segments import Publisher as Trader
from tests.support_segments import publishing
from tuner.apply import Status
from tuner.audit import Audit, verify
from tuner.log import TunerLog
from tuner.outcome.effects import Followed
from tuner.outcome.measurer import MeasureOptions, Measurer
from tuner.outcome.tasks import Answer, Arm, Both, Measure, Task
from tuner.publish import Publisher
from tuner.snapshot import take

START_NS = 1_700_000_000 * NS_PER_S
OPTIONS = MeasureOptions(horizon_s=600.0)


class Replays:
    """Stands in for the replaying process: answers what it is given, in turn."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Task] = []

    def submit(self, task: Task) -> Future[Answer]:
        self.asked.append(task)
        future: Future[Answer] = Future()
        if self.answers:  # else it takes for ever
            future.set_result(self.answers.pop(0))
        return future

    def ask(self, task: Task, within_s: float, beat: Callable[[], None]) -> Answer:
        assert within_s > 0
        beat()
        return self.submit(task).result()

    def warm(self) -> None:
        pass


def _both(old_usd: float, new_usd: float) -> Answer:
    arms = [Arm(net_usd=usd, trades=2, wins=1, fees_usd=1.0, slippage_usd=0.5) for usd in (old_usd, new_usd)]
    return Answer(both=Both(horizon_s=600.0, inputs=1_000, old=arms[0], new=arms[1], took_ms=12.0))


def _followed(decision_id: int = 3, **changes: Any) -> Followed:
    given: dict[str, Any] = {
        "decision_id": decision_id, "symbol": "BTCUSDT", "index": 0, "action": Action.UPDATE_CONFIG, "changes": "stop_pct",
        "from_ns": START_NS, "time_ns": START_NS, "cost_usd": 0.25, "confidence_pct": 80.0, "trigger": "scheduled",
    }  # fmt: skip
    return Followed(**(given | changes))


class Bench:
    """A measurer over a trader whose market time is set by hand."""

    def __init__(self, folder: Path, trader: Trader, clock: ManualClock) -> None:
        self.clock, self.trader = clock, trader
        self.workspace = Workspace(trader.instance, clock)
        self.path = folder / "audit.sqlite"
        self.audit = Audit(self.path)
        self.publisher = Publisher(trader.instance, clock)
        self._view = TunerView(trader.instance)
        self._log = TunerLog(folder, clock, echo=False)
        self.replays: Any = Replays()

    def measurer(self, *answers: Answer) -> Measurer:
        self.replays = Replays(*answers)
        return Measurer(self.trader.instance, self.replays, (self.audit, self.publisher, self._log, self.clock), OPTIONS)

    def turn(self, measurer: Measurer, market_s: float, turns: int = 2) -> None:
        """Let the market come to this time, and the measurer look at it."""
        self.trader.view["time_ns"] = START_NS + int(market_s * NS_PER_S)
        self.trader.publish()
        for _ in range(turns):
            self.clock.advance(3 * NS_PER_S)
            measurer.turn(take(self.workspace, self.clock))

    def events(self) -> list[Any]:
        return list(self._view.events(from_start=True).read())

    def applied(self, followed: Followed) -> None:
        """Write the row that concludes a decision, as the decider does."""
        row = {
            "decision_id": followed.decision_id, "time_ns": followed.time_ns, "symbol": "BTCUSDT", "action": "UPDATE_CONFIG",
            "trigger": "scheduled", "status": "APPLIED", "changes": [], "trades": 0,
            "followed": msgspec.to_builtins(followed, str_keys=True),
        }  # fmt: skip
        self.audit.append(row)

    def close(self) -> None:
        self.workspace.close()
        self.publisher.close()
        self._view.close()
        self._log.close()
        self.audit.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    clock = ManualClock(START_NS)
    with publishing("measure", ["BTCUSDT"], clock) as trader:
        kept = tmp_path / trader.instance / "sessions" / "current"
        kept.mkdir(parents=True)
        (kept / "inputs-1.bin").touch()
        made = Bench(tmp_path, trader, clock)
        yield made
        made.close()


def test_an_effect_is_measured_once_its_horizon_has_passed_and_told_with_its_costs(bench: Bench) -> None:
    measurer = bench.measurer(_both(-4.0, 6.0))
    measurer.follow(_followed())
    bench.turn(measurer, 599.9)
    assert bench.replays.asked == []
    bench.turn(measurer, 600.0)
    (task,) = bench.replays.asked
    assert isinstance(task, Measure)
    assert (task.decision_id, task.horizon_s, task.from_ns) == (3, 600.0, START_NS)
    (event,) = bench.events()
    assert TunerEventKind(int(event["kind"])) is TunerEventKind.OUTCOME
    assert (event["pnl_old_usd"], event["pnl_new_usd"], event["effect_usd"], event["samples"]) == (-4.0, 6.0, 9.75, 1)
    assert (event["effect_low_usd"], event["effect_high_usd"]) == (-float("inf"), float("inf"))
    (record,) = bench.audit.records([Status.OUTCOME])
    assert (record["effect_usd"], record["new"]["fees_usd"], record["interval"]["low_usd"]) == (9.75, 1.0, None)
    (told,) = measurer.told()
    assert (told.mean_usd, told.recent[0].effect_usd, told.recent[0].cost_usd) == (9.75, 9.75, 0.25)
    assert measurer.pending == ()
    assert verify(bench.path).why == ""


def test_what_was_to_be_measured_and_what_was_measured_outlives_the_tuner(bench: Bench) -> None:
    for decision_id in (3, 4):
        bench.applied(_followed(decision_id))
    first = bench.measurer(_both(0.0, 1.0))
    assert [followed.decision_id for followed in first.pending] == [3, 4]
    bench.turn(first, 600.0)
    again = bench.measurer(_both(0.0, 2.0))
    assert [followed.decision_id for followed in again.pending] == [4]
    bench.turn(again, 601.0)
    assert [effect.effect_usd for effect in again.told()[0].recent] == [1.75, 0.75]
    assert bench.measurer().pending == ()


def test_what_can_not_be_measured_any_more_is_said_and_not_asked_for_again(bench: Bench) -> None:
    measurer = bench.measurer(Answer(error="the log is gone", final=True))
    bench.applied(_followed())
    measurer.follow(_followed())
    bench.turn(measurer, 700.0)
    assert bench.audit.records([Status.UNMEASURED])[0]["error"] == "the log is gone"
    assert measurer.pending == bench.measurer().pending == ()


def test_a_log_that_lags_behind_is_asked_again_but_not_for_ever(bench: Bench) -> None:
    late = Answer(error="did not reach the horizon yet")
    measurer = bench.measurer(late, late, _both(0.0, 1.0))
    measurer.follow(_followed())
    bench.turn(measurer, 700.0, turns=6)
    assert len(bench.replays.asked) == 3
    assert measurer.pending == ()
    hopeless = bench.measurer(*[late] * 40)
    hopeless.follow(_followed(9))
    bench.turn(hopeless, 700.0, turns=60)
    assert hopeless.pending == ()
    assert len(bench.replays.asked) <= 22


def test_live_orders_are_not_replayed(bench: Bench) -> None:
    measurer = bench.measurer()
    measurer.follow(_followed())
    bench.trader.view["live"] = 1
    bench.turn(measurer, 700.0)
    assert "live" in bench.audit.records([Status.UNMEASURED])[0]["error"]
    assert "live" in measurer.what_if(take(bench.workspace, bench.clock), 0, {8: 0.8}, 5.0).error


def test_a_what_if_is_asked_with_all_that_is_in_force(bench: Bench) -> None:
    measurer = bench.measurer(_both(1.0, 2.0))
    answer = measurer.what_if(take(bench.workspace, bench.clock), 0, {8: 0.8}, 5.0)
    assert answer.both is not None
    (task,) = bench.replays.asked
    assert not isinstance(task, Measure)
    assert task.changes == {8: 0.8}
    assert task.in_force[8] == 1.0
    assert len(task.in_force) == 11  # ten parameters and whether it is enabled
