"""The canary over real segments: a share first, then in full or taken back; and what was in flight when a tuner died."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from shared.clock import NS_PER_S, SystemClock
from shared.events import Action, Source, TunerEventKind
from shared.params import PARAMS, index_of
from shared.wishes import Wish
from shared.workspace import TunerView, Workspace
from tests.support_segments import Publisher as Trader
from tests.support_segments import publishing
from tuner.amend import Change
from tuner.apply import Status
from tuner.audit import Audit
from tuner.canary import Canary, CanaryOptions, Flight, first_step
from tuner.log import TunerLog
from tuner.outcome.effects import Followed
from tuner.outcome.tasks import Answer, Arm, Both, Measure, Task
from tuner.publish import Publisher
from tuner.recovery import VALID_S, settle
from tuner.snapshot import take

TARGET, STOP, STRENGTH, COOLDOWN = (index_of(PARAMS, n) for n in ("target_pct", "stop_pct", "signal_strength", "cooldown_ms"))
START_NS = 1_000 * NS_PER_S
OPTIONS = CanaryOptions(share=0.5, watch_s=600.0, checks=3, margin_bps=1.0)  # 1 bps of 100,000 USD: 10 USD


def _arm(net_usd: float) -> Arm:
    return Arm(net_usd=net_usd, trades=1, wins=1, fees_usd=0.0, slippage_usd=0.0)


class Replays:
    """Stands in for the replaying process: each answer is a gain of the canary over its shadow."""

    def __init__(self, *gains_usd: float) -> None:
        self._gains = list(gains_usd)
        self.asked: list[Measure] = []

    def submit(self, task: Task) -> Future[Answer]:
        assert isinstance(task, Measure)
        self.asked.append(task)
        future: Future[Answer] = Future()
        both = Both(horizon_s=task.horizon_s, inputs=10, old=_arm(0.0), new=_arm(self._gains.pop(0)))
        future.set_result(Answer(both=both))
        return future


class Bench:
    """A trader that answers, and a canary in the air over it."""

    def __init__(self, folder: Path, trader: Trader, *gains_usd: float) -> None:
        self.trader, self.clock = trader, SystemClock()
        self.workspace = Workspace(trader.instance, self.clock)
        self.audit = Audit(folder / "audit.sqlite")
        self.publisher = Publisher(trader.instance, self.clock)
        self._view = TunerView(trader.instance)
        self._log = TunerLog(folder, self.clock, echo=False)
        self.replays: Any = Replays(*gains_usd)
        self.canary = self.open()
        self.full = (Change(field=TARGET, old=1.5, new=2.5),)
        self.small = self.canary.first_step(self.full)
        outcome = self.wish({change.field: change.new for change in self.small}, Source.TUNER)
        self.flight = Flight(followed=_followed(), small=self.small, full=self.full, revision=outcome.revision, trades=4)

    def open(self) -> Canary:
        desk = (self.audit, self.publisher, self._log, self.clock)
        return Canary(self.trader.instance, self.replays, desk, OPTIONS)

    def wish(self, changes: dict[int, float], source: Source) -> Any:
        return self.workspace.symbol_rows[0].post(Wish(changes=changes, source=source), self.clock)

    def at(self, market_s: float, canary: Canary | None = None) -> None:
        """Let the market come to this time and the canary look at it, ask and act."""
        self.trader.view["time_ns"] = START_NS + int(market_s * NS_PER_S)
        self.trader.view["equity_usd"] = 100_000.0
        self.trader.publish()
        for _ in range(2):
            (canary or self.canary).turn(self.workspace, take(self.workspace, self.clock))

    def value(self) -> float:
        return float(self.trader.applied(0)["values"][TARGET])

    def kinds(self) -> list[TunerEventKind]:
        return [TunerEventKind(int(event["kind"])) for event in self._view.events(from_start=True).read()]

    def close(self) -> None:
        self.workspace.close()
        self.publisher.close()
        self._view.close()
        self._log.close()
        self.audit.close()


def _followed() -> Followed:
    return Followed(
        decision_id=5, symbol="BTCUSDT", index=0, action=Action.UPDATE_CONFIG, changes="target_pct 1.50 → 2.50", from_ns=START_NS,
        time_ns=1, cost_usd=0.0, confidence_pct=80.0, trigger="scheduled",
    )  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    made: list[Bench] = []
    with publishing("canary", ["BTCUSDT"]) as trader:
        kept = tmp_path / trader.instance / "sessions" / "current"
        kept.mkdir(parents=True)
        (kept / "inputs-1.bin").touch()
        trader.serve()

        def make(*gains_usd: float) -> Bench:
            made.append(Bench(tmp_path, trader, *gains_usd))
            return made[-1]

        yield make
        for one in made:
            one.close()


def test_what_lowers_risk_is_not_held_back_and_a_whole_number_has_no_half() -> None:
    changes = (
        Change(field=TARGET, old=1.5, new=2.5), Change(field=STOP, old=1.0, new=0.8), Change(field=STRENGTH, old=2, new=1),
        Change(field=COOLDOWN, old=2000, new=1501),
    )  # fmt: skip
    assert [change.new for change in first_step(changes, 0.5)] == [2.0, 0.8, 1, 1750]


def test_a_canary_that_does_no_worse_becomes_the_whole_change(bench: Callable[..., Bench]) -> None:
    made = bench(-9.0, 0.0, -9.9)
    made.canary.watch(made.flight)
    assert made.value() == 2.0
    for market_s in (199, 200, 400, 600):
        made.at(market_s)
    assert made.value() == 2.5
    assert [task.horizon_s for task in made.replays.asked] == [200, 400, 600]
    (record,) = made.audit.records([Status.PROMOTED])
    assert [(change["old"], change["new"]) for change in record["changes"]] == [(2.0, 2.5)]
    assert made.canary.flights == ()
    assert made.audit.history()[0].fields == (TARGET,)  # the guard lets it rest from here on


def test_a_canary_that_does_worse_is_taken_back_at_the_first_look(bench: Callable[..., Bench]) -> None:
    made = bench(-10.1)
    made.canary.watch(made.flight)
    made.at(200)
    assert made.value() == 1.5
    assert made.kinds() == [TunerEventKind.ROLLED_BACK]
    (record,) = made.audit.records([Status.ROLLED_BACK])
    assert "-10.10 against +0.00 USD" in record["why"]


def test_a_canary_leaves_alone_what_a_human_changed_meanwhile(bench: Callable[..., Bench]) -> None:
    made = bench(-50.0)
    made.canary.watch(made.flight)
    made.wish({STOP: 0.9}, Source.OPERATOR)
    made.at(200)
    assert made.value() == 2.0
    assert made.audit.records([Status.LEFT])[0]["why"].endswith("stale base")


def test_a_canary_in_the_air_is_watched_on_by_the_next_tuner(bench: Callable[..., Bench]) -> None:
    made = bench(-50.0)
    changes = {"changes": _listed(made.small), "full": _listed(made.full), "trades": 4}
    base = {"decision_id": 5, "time_ns": 9, "symbol": "BTCUSDT", "action": "UPDATE_CONFIG", "trigger": "scheduled"}
    followed = {name: getattr(_followed(), name) for name in Followed.__struct_fields__} | {"shadow": {}}
    made.audit.append(base | changes | {"status": "APPLIED", "followed": followed, "applied": {"revision": made.flight.revision}})
    again = made.open()
    assert again.flights == (made.flight,)
    made.at(200, again)
    assert made.value() == 1.5
    assert made.open().flights == ()


def _listed(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [{"field": c.field, "name": c.param.name, "old": c.old, "new": c.new} for c in changes]


@pytest.mark.parametrize(("taken", "status"), [(True, Status.APPLIED), (False, Status.EXPIRED)])
def test_what_was_in_flight_when_the_tuner_died_is_concluded_from_what_the_trader_did(
    bench: Callable[..., Bench], status: Status, *, taken: bool
) -> None:
    made = bench()
    now_ns = made.clock.now_ns()
    sent = {
        "decision_id": 9, "time_ns": now_ns, "symbol": "BTCUSDT", "action": "UPDATE_CONFIG", "trigger": "scheduled",
        "status": "SENDING", "changes": _listed((Change(field=STOP, old=1.0, new=0.8),)), "trades": 4,
    }  # fmt: skip
    made.audit.append(sent)
    if taken:
        wish = Wish(changes={STOP: 0.8}, source=Source.TUNER, decision_id=9)
        made.workspace.symbol_rows[0].post(wish, made.clock)
    assert settle(made.audit, made.workspace, now_ns + NS_PER_S) is None  # it may still take effect
    told = settle(made.audit, made.workspace, now_ns + int((VALID_S + 1) * NS_PER_S))
    assert told is not None
    assert len(told) == 1
    assert made.audit.records([status])[0]["recovered"] is True
    assert made.audit.unfinished() == []
    assert [past.fields for past in made.audit.history()] == ([(STOP,)] if taken else [])
