"""Five reference runs and what they must come to: the same tape through sockets, through a replaying trader, and offline.

``python -m tests.fingerprints`` compares each with the file ``tests/data/fingerprints.json``; ``--write`` stores them anew, which
belongs into every commit that changes what the engine does with an input. The figures hold to the bit on one kind of processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec

from shared.events import Regime, Strategy
from tests.processes import System
from tests.scripted_market import busy_market

FILE = Path(__file__).parent / "data" / "fingerprints.json"
RECORDED = Path(__file__).parent.parent.parent / "shared" / "data"
SHOWN = ("inputs", "events", "fills", "trades", "equity_usd", "fills_hash")
RUN_S = 150.0


def acting(strategy: Strategy) -> tuple[str, ...]:
    """Return the controls that give every regime to one strategy and switch the minimum-edge gate off."""
    return ("min_edge_factor=0", *(f"strategy_{regime.name.lower()}={strategy:d}" for regime in Regime))


class Reference(msgspec.Struct, frozen=True):
    """One run: a recording's folder (empty: the tests' own busy market) and the controls it begins with."""

    folder: str
    controls: tuple[str, ...]


REFERENCES = {
    "busy market, technical": Reference("", acting(Strategy.TECHNICAL)),
    "recorded spot, technical": Reference("binance_spot_raw_ws_2024", acting(Strategy.TECHNICAL)),
    "recorded spot, as shipped": Reference("binance_spot_raw_ws_2024", ()),
    "recorded usdm, technical": Reference("binance_usdm_raw_ws_2024", acting(Strategy.TECHNICAL)),
    "recorded usdm, momentum": Reference("binance_usdm_raw_ws_2024", acting(Strategy.MOMENTUM)),
}


def known() -> dict[str, dict[str, Any]]:
    """Return the stored fingerprints by the name of their run."""
    stored: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return stored


def shown(summary: dict[str, Any]) -> dict[str, Any]:
    """Return what a fingerprint holds of a run's summary."""
    return {name: summary[name] for name in SHOWN}


def through_sockets(system: System, reference: Reference, session: str) -> dict[str, Any]:
    """Return the summary of the live process on the local exchange; the session is kept."""
    path = str(RECORDED / reference.folder if reference.folder else busy_market(system.home / "market.gz"))
    controls = [part for control in reference.controls for part in ("--control", control)]
    return _summary(system, "--venue", "sim", "--replay", path, "--speed", "max", "--fresh", "--session", session, *controls)


def three_ways(system: System, reference: Reference, session: str) -> list[dict[str, Any]]:
    """Return the same run through sockets, through a replaying trader, and through the backtest loop."""
    live = through_sockets(system, reference, session)
    replayed = _summary(system, "--venue", "replay", "--session", session, "--speed", "max")
    done = system.run("trader.backtest.cli", "run", session, "--json", within_s=RUN_S)
    return [live, replayed, json.loads(done.stdout)["as recorded"]]


def _summary(system: System, *arguments: str) -> dict[str, Any]:
    words = [sys.executable, "-m", "trader.cli", "--paper", "--json", *arguments]
    done = subprocess.run(words, env=system.environment, capture_output=True, text=True, timeout=RUN_S, check=True)
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


@click.command()
@click.option("--write", is_flag=True, help="Store what came out instead of comparing with it.")
def main(*, write: bool) -> None:
    """Run the five references three ways each."""
    found: dict[str, dict[str, Any]] = {}
    differences = 0
    with tempfile.TemporaryDirectory() as home:
        system = System(Path(home))
        try:
            for number, (name, reference) in enumerate(REFERENCES.items()):
                live, replayed, offline = three_ways(system, reference, f"run{number}")
                found[name] = shown(live)
                same = len({run["fills_hash"] for run in (live, replayed, offline)}) == 1
                as_stored = write or found[name] == known().get(name)
                differences += not (same and as_stored)
                verdict = f"{'three ways the same' if same else 'DIFFERS'}, {'as stored' if as_stored else 'NOT AS STORED'}"
                click.echo(f"{name:28} {live['inputs']:>9,} inputs {live['fills']:>4} fills {live['fills_hash']}  {verdict}")
        finally:
            system.stop()
    if write:
        FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(1 if differences else 0)


if __name__ == "__main__":
    main()
