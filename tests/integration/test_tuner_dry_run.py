"""A dry run beside the same session applied: the same prompts and decisions up to the first applied change, and not one write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from shared.clock import NS_PER_S, ManualClock
from shared.events import Regime
from shared.workspace import Workspace
from tests.support_segments import Publisher as Trader
from tests.support_segments import publishing
from tuner.advisors.rules import RulesAdvisor
from tuner.advisors.select import Choice
from tuner.audit import Audit, verify
from tuner.cycle import Decider, Parts
from tuner.knowledge import NoKnowledge
from tuner.log import TunerLog
from tuner.publish import Publisher
from tuner.triggers import Fired, Trigger

CYCLES = 6
FIRED = Fired(trigger=Trigger.SCHEDULED, reason="every 60 s")


class Side:
    """One tuner and its trader."""

    def __init__(self, folder: Path, name: str, clock: ManualClock, stack: ExitStack, *, dry_run: bool) -> None:
        self.trader: Trader = stack.enter_context(publishing(name, ["BTCUSDT"], clock))
        self.trader.serve()
        self.workspace = Workspace(self.trader.instance, clock)
        stack.callback(self.workspace.close)
        self.path = folder / f"{name}.sqlite"
        self.audit = Audit(self.path)
        stack.callback(self.audit.close)
        publisher = Publisher(self.trader.instance, clock)
        stack.callback(publisher.close)
        log = TunerLog(folder, clock, echo=False)
        stack.callback(log.close)
        parts = Parts(
            clock=clock, choice=Choice(advisor=RulesAdvisor(), why="asked for"), knowledge=NoKnowledge("none"), audit=self.audit,
            publisher=publisher, log=log, stop=threading.Event(),
        )  # fmt: skip
        self._decider = Decider(parts, interval_s=60.0, dry_run=dry_run)

    def market(self, cycle: int) -> None:
        """Let the market be what it is at a cycle, the same on both sides."""
        row = self.trader.view["rows"][0]
        row["regime"], row["stale"] = Regime.RANGING, cycle < 3  # nothing is decided on old prices
        row["bars"], row["last_price_usd"], row["rsi"] = 100 + cycle, 60_000.0 + cycle, 50.0 + cycle
        row["bid_price_usd"], row["ask_price_usd"] = 59_999.0 + cycle, 60_001.0 + cycle
        row["ema_slow_usd"], row["book_valid"] = 60_000.0, 1
        self.trader.publish()

    def decide(self) -> None:
        self._decider.decide(self.workspace, FIRED, "BTCUSDT")

    def records(self) -> list[dict[str, Any]]:
        """Return the rows that concluded a decision, oldest first."""
        rows = self.audit.records(("HOLD", "APPLIED", "DRY_RUN", "REFUSED"), 100)  # type: ignore[arg-type]
        return list(reversed(rows))


@contextmanager
def both_sides(folder: Path) -> Iterator[tuple[Side, Side, ManualClock]]:
    clock = ManualClock()
    with ExitStack() as stack:
        yield Side(folder, "applied", clock, stack, dry_run=False), Side(folder, "dry", clock, stack, dry_run=True), clock


def test_a_dry_run_asks_and_decides_the_same_until_something_is_applied_and_writes_nothing(tmp_path: Path) -> None:
    with both_sides(tmp_path) as (applied, dry, clock):
        for cycle in range(CYCLES):
            for side in (applied, dry):
                side.market(cycle)
                side.decide()
            clock.advance(60 * NS_PER_S)
        theirs, ours = applied.records(), dry.records()
        assert len(theirs) == len(ours) == CYCLES
        first = next(at for at, record in enumerate(theirs) if record["status"] == "APPLIED")
        assert first > 0
        for wet, tried in zip(theirs[: first + 1], ours[: first + 1], strict=True):
            assert wet["prompt_sha256"] == tried["prompt_sha256"]
            assert wet["decision"] == tried["decision"]
            assert wet["verdict"] == tried["verdict"]
            assert wet["stored"]["reply"] == tried["stored"]["reply"]
        assert ours[first]["status"] == "DRY_RUN"
        assert theirs[first + 1]["prompt_sha256"] != ours[first + 1]["prompt_sha256"]  # from here on they live in two worlds
        assert dry.trader.desired(0)["generation"] == 0
        assert dry.trader.desired()["generation"] == 0
        assert dry.trader.commands == []
        assert dry.trader.applied(0)["revision"] == 0
        assert applied.trader.desired(0)["generation"] > 0
    assert "SENDING" not in {record["status"] for record in ours}
    assert verify(dry.path).why == verify(applied.path).why == ""
