"""Kills a replaying trader at random instants, again and again, and compares what it comes to with a run left alone.

``python -m tests.chaos.many_kills --kills 200``. An instant is any between the start of the process and some seconds later, so
kills land in the start, in the taking over of what the last one left, and in the middle of the replay.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from shared.clock import SystemClock
from shared.errors import NotRunning
from shared.workspace import Workspace
from tests.processes import System
from tests.scripted_market import busy_market

SESSION = "chaos"
REPLAY = ("--paper", "--venue", "replay", "--session", SESSION, "--json")
TABLES = ("events", "orders", "fills", "trades")
COMPARED = ("equity_usd", "cash_usd", "realised_usd", "fees_usd", "inputs", "tops")


class Outcome(msgspec.Struct, frozen=True):
    """All that a finished replay stored and said."""

    ledger: dict[str, list[tuple[Any, ...]]]
    summary: dict[str, Any]

    def differences(self, other: Outcome) -> int:
        """Return how many rows and figures are not the same to the bit."""
        count = sum(bool(self.summary[name] != other.summary[name]) for name in COMPARED)
        for table, rows in self.ledger.items():
            theirs = other.ledger[table]
            count += abs(len(rows) - len(theirs)) + sum(a != b for a, b in zip(rows, theirs, strict=False))
        return count


class Kills(msgspec.Struct, frozen=True):
    """What the kills came to."""

    kills: int
    while_replaying: int
    rounds: int
    fills: int
    differences: int

    def __str__(self) -> str:
        return (
            f"{self.kills} kills -9 ({self.while_replaying} while replaying, the others while starting or taking over), "
            f"{self.rounds} replays finished, {self.fills} fills each: {self.differences} differences in fills, trades, events, "
            "position, cash and equity against the undisturbed run"
        )


def kill_many(system: System, kills: int, *, speed: str, within_s: float, seed: int) -> Kills:
    """Kill ``kills`` times and return what came of it; every replay is brought to its end and compared."""
    _keep_session(system)
    alone = _outcome(system, system.run("trader.cli", *REPLAY, "--speed", "max").stdout)
    chance = np.random.default_rng(seed)
    done = while_replaying = rounds = differences = 0
    while done < kills:
        process = system.start("trader.cli", *REPLAY, "--speed", speed)
        try:
            process.wait(chance.uniform(0.0, within_s))
        except subprocess.TimeoutExpired:
            while_replaying += _has_begun(system)
            system.kill(process)
            done += 1
            continue
        differences += _finished(system, process, alone)
        rounds += 1
    last = system.start("trader.cli", *REPLAY, "--speed", "max")
    last.wait(60)
    differences += _finished(system, last, alone)
    return Kills(done, while_replaying, rounds + 1, len(alone.ledger["fills"]), differences)


def _keep_session(system: System) -> None:
    path = str(busy_market(system.home / "market.gz", turns=8))
    arguments = ("--paper", "--venue", "sim", "--replay", path, "--speed", "max", "--session", SESSION)
    done = system.run("trader.cli", *arguments)
    assert done.returncode == 0, done.stderr


def _finished(system: System, process: subprocess.Popen[bytes], alone: Outcome) -> int:
    assert process.returncode == 0, system.said(process)
    return alone.differences(_outcome(system, system.said(process)))


def _outcome(system: System, said: str) -> Outcome:
    path = system.home / system.instance / "replays" / SESSION / "ledger.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        ledger = {table: database.execute(f"SELECT * FROM {table} ORDER BY seq").fetchall() for table in TABLES}  # noqa: S608
    return Outcome(ledger, json.loads(said.splitlines()[-1]))


def _has_begun(system: System) -> bool:
    """Say whether the running trader has replayed something."""
    try:
        workspace = Workspace(system.instance, SystemClock(), require_alive=False)
    except NotRunning:
        return False
    begun = bool(workspace.trader_alive and workspace.portfolio()["messages"] > 0)
    workspace.close()
    return begun


@click.command()
@click.option("--kills", default=200, show_default=True)
@click.option("--speed", default="40", show_default=True, help="Speed of the replay.")
@click.option("--within", "within_s", default=3.0, show_default=True, help="Latest instant of a kill, seconds after the start.")
@click.option("--seed", default=1, show_default=True)
def main(kills: int, speed: str, within_s: float, seed: int) -> None:
    """Kill a replaying trader at random instants and compare it with one left alone."""
    with tempfile.TemporaryDirectory() as home:
        system = System(Path(home))
        (system.home / "logs").mkdir()
        try:
            result = kill_many(system, kills, speed=speed, within_s=within_s, seed=seed)
        finally:
            system.stop()
    click.echo(str(result))
    if result.differences:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
