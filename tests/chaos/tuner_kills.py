"""Kills the tuner during retrieval, call and apply, again and again: ``python -m tests.chaos.tuner_kills --kills 50``.

Every tuner proposes three changes at a time, so that half of one would show. After each kill the audit must hold; in the end
nothing sent may be left open, the index must answer, and every decision the trader knows of must be there whole.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

import click
import msgspec
import numpy as np

from shared.clock import SystemClock
from shared.errors import TradingError
from shared.events import EventKind, Source, TunerEventKind
from shared.params import PARAMS
from shared.workspace import TunerView, Workspace
from tests.processes import System
from tests.support_tuner import reply_object
from tuner.apply import Status
from tuner.audit import reading, verify

PHASES: dict[str, tuple[TunerEventKind | None, float]] = {
    "retrieval": (TunerEventKind.TRIGGER, 0.02),  # kill within so many seconds after this event
    "call": (TunerEventKind.RETRIEVAL, 0.15),
    "what if": (TunerEventKind.GUARD_VERDICT, 0.1),
    "apply": (None, 0.0),  # at once when its wish is seen, before it has read the answer
    "conclusion": (TunerEventKind.APPLIED, 0.004),
}
_CALL_S = 0.2
_CYCLES = 40


class Report(msgspec.Struct):
    """What the kills came to."""

    kills: dict[str, int]
    broken_audits: int
    in_flight: int
    recovered: dict[str, int]
    half_applied: list[str]
    unfinished: int
    decisions: int
    applied: int
    passages: int
    rows: int

    @property
    def clean(self) -> bool:
        """Whether everything held."""
        return not (self.broken_audits or self.half_applied or self.unfinished) and self.passages > 0

    def __str__(self) -> str:
        kills = ", ".join(f"{number} during {phase}" for phase, number in self.kills.items())
        found = ", ".join(f"{number} {status}" for status, number in sorted(self.recovered.items())) or "none"
        return "\n".join(
            [
                f"{sum(self.kills.values())} kills -9 of the tuner: {kills}",
                f"audits that did not verify after a kill: {self.broken_audits}",
                f"decisions in flight at a kill: {self.in_flight}; concluded by the next tuner: {found}",
                f"left unfinished in the end: {self.unfinished}",
                f"changes applied in half: {len(self.half_applied)} {self.half_applied[:3] or ''}".rstrip(),
                f"{self.decisions} decisions ({self.applied} applied), {self.rows} audit rows, index of {self.passages} passages",
            ]
        )


def kill_many(system: System, kills: int, seed: int, phases: Sequence[str] = tuple(PHASES)) -> Report:
    """Kill the tuner ``kills`` times, each time in the next phase, and return what was found."""
    system.simulator("--speed", "1", "--symbols", "BTCUSDT")
    trader, workspace = system.trader("--fresh")
    system.until(lambda: workspace.portfolio()["rows"][0]["bars"] > 0, trader)
    path = system.home / system.instance / "audit.sqlite"
    random = np.random.default_rng(seed)
    done: Counter[str] = Counter()
    broken = in_flight = 0
    for number in range(kills):
        phase = phases[number % len(phases)]
        process = system.start("tuner.cli", *_advisor(system, number), "--interval", "1", "--wait", "30")
        reached = _wait_for(system, process, workspace, phase, random)
        system.kill(process)
        done[phase if reached else "no phase in particular"] += 1
        found = verify(path)
        broken += bool(found.why)
        in_flight += len(found.unfinished)
    last = system.start("tuner.cli", *_advisor(system, kills), "--interval", "1", "--wait", "30")
    view = _view(system, process=last)
    system.until(lambda: view.status()["cycles"] > 0, last)
    passages = int(view.status()["passages"])
    view.close()
    last.terminate()
    last.wait(30)
    return _report(path, workspace, done, (broken, in_flight, passages))


def _report(path: Path, workspace: Workspace, done: Counter[str], counts: tuple[int, int, int]) -> Report:
    broken, in_flight, passages = counts
    found = verify(path)
    with reading(path) as database:
        rows = [json.loads(text) for (text,) in database.execute("SELECT record FROM audit ORDER BY id")]
    recovered = Counter(row["status"] for row in rows if row.get("recovered"))
    concluded = {row["decision_id"] for row in rows if row["status"] != Status.SENDING}
    report = Report(
        kills=dict(done), broken_audits=broken + bool(found.why), in_flight=in_flight, recovered=dict(recovered),
        half_applied=_half_applied(rows, workspace), unfinished=len(found.unfinished), decisions=len(concluded),
        applied=sum(row["status"] == Status.APPLIED for row in rows), passages=passages, rows=found.rows,
    )  # fmt: skip
    workspace.close()
    return report


def _half_applied(rows: list[dict[str, Any]], workspace: Workspace) -> list[str]:
    """Return every decision of which the trader has some changes and not others, or that the audit tells otherwise."""
    told: dict[int, set[int]] = {}
    for event in workspace.events(from_start=True).read(65_536):
        if event["kind"] == EventKind.TUNER_CONFIG and event["source"] == Source.TUNER:
            told.setdefault(int(event["decision_id"]), set()).add(int(event["field"]))
    sent = {row["decision_id"]: {c["field"] for c in row["changes"]} for row in rows if row["status"] == Status.SENDING}
    applied = {row["decision_id"] for row in rows if row["status"] == Status.APPLIED}
    wrong = [f"decision {i}: the trader has fields {told[i]} of {sent.get(i)}" for i in told if told[i] != sent.get(i)]
    wrong += [f"decision {i}: applied by the trader, not in the audit" for i in told if i not in applied]
    return wrong + [f"decision {i}: applied in the audit, not by the trader" for i in applied if i not in told]


def _wait_for(system: System, process: Any, workspace: Workspace, phase: str, random: np.random.Generator) -> bool:
    """Wait for the phase's event, then for a moment within the phase; False if it does not come (a loaded machine)."""
    kind, within_s = PHASES[phase]
    view = _view(system, process)
    if kind is None:
        row = workspace.symbol_rows[0]
        before = row.pending_version
        reached = _at_once(system, process, lambda: row.pending_version != before)
        view.close()
        return reached
    events = view.events(from_start=True)
    seen: list[int] = []

    def come() -> bool:
        seen.extend(int(event["kind"]) for event in events.read())
        return kind in seen

    reached = _at_once(system, process, come)
    view.close()
    sleep(float(random.uniform(0, within_s)))
    return reached


def _at_once(system: System, process: Any, check: Callable[[], bool]) -> bool:
    """Wait for a condition without losing a moment: the phases are milliseconds long. False if it does not come true."""
    clock = SystemClock()
    until_ns = clock.monotonic_ns() + 60_000_000_000
    while not check():
        if clock.monotonic_ns() > until_ns:
            return False
        if process.poll() is not None:
            raise click.ClickException(f"the tuner did not come so far:\n{system.said(process)[-2000:]}")
        sleep(0.0001)
    return True


def _view(system: System, process: Any) -> TunerView:
    """Return the view of this very tuner: a segment of the one before may still be there."""
    found: list[TunerView] = []

    def attached() -> bool:
        with suppress(TradingError):
            view = TunerView(system.instance)
            if view.alive:
                found.append(view)
            else:
                view.close()
        return bool(found)

    if not _at_once(system, process, attached):
        raise click.ClickException(f"the tuner did not begin:\n{system.said(process)[-2000:]}")
    return found[0]


def _advisor(system: System, number: int) -> tuple[str, ...]:
    """Return an advisor whose every reply lowers risk in three places by a little."""
    path = system.home / f"replies-{number}.jsonl"
    lines = []
    for cycle in range(_CYCLES):
        by = (number * _CYCLES + cycle) / 4_000
        values = {"base_position_pct": 2.0 - by, "max_position_pct": 5.0 - by, "stop_pct": 1.0 - by / 2}
        bounded: dict[str, Any] = {p.name: max(p.minimum, round(values[p.name], 6)) for p in PARAMS if p.name in values}
        lines.append(json.dumps({"reply": reply_object("UPDATE_CONFIG", **bounded), "delay_s": _CALL_S}))
    path.write_text("\n".join(lines))
    return ("--advisor", "replay", "--replay-file", str(path))


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Kill the tuner in every phase of a decision and look at what is left."""
    with tempfile.TemporaryDirectory() as home:
        system = System(Path(home))
        (system.home / "logs").mkdir()
        try:
            report = kill_many(system, kills, seed)
        finally:
            system.stop()
    click.echo(str(report))
    raise SystemExit(0 if report.clean else 1)


if __name__ == "__main__":
    main()
