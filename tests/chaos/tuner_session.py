"""Hours of a tuned session at accelerated speed: ``python -m tests.chaos.tuner_session --market-hours 2 --speed 30``.

Prints what was decided, applied and refused (by reason), the measured effect of each decision with its interval, and how well
confidence was calibrated; verifies the audit, then flips bytes of its file and shows that every one is found.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from time import sleep
from typing import Any

import click
import numpy as np

from shared.clock import NS_PER_S, SystemClock
from shared.errors import TradingError
from shared.workspace import Workspace
from tests.processes import System
from tuner.audit import verify
from tuner.calibration import calibrate, calibration_table
from tuner.records import decisions, verification_words

_MARKET_INTERVAL_S = 300.0


def run_session(system: System, market_hours: float, speed: float, advisor: tuple[str, ...], seed: int) -> Path:
    """Run simulator, trader and tuner for so long and return the audit."""
    system.simulator("--speed", f"{speed:g}", "--seed", str(seed))
    trader, workspace = system.trader("--fresh")
    interval_s = max(1.0, _MARKET_INTERVAL_S / speed)
    tuner = system.start("tuner.cli", *advisor, "--interval", f"{interval_s:g}", "--horizon", "15", "--what-if", "30")
    first_ns = _market_ns(workspace)
    while _market_ns(workspace) - first_ns < market_hours * 3600 * NS_PER_S:
        for process in (trader, tuner):
            if process.poll() is not None:
                raise click.ClickException(f"a program ended with {process.returncode}:\n{system.said(process)[-2000:]}")
        sleep(1.0)
    tuner.terminate()
    tuner.wait(30)
    workspace.close()
    return system.home / system.instance / "audit.sqlite"


def _market_ns(workspace: Workspace) -> int:
    while (time_ns := int(workspace.portfolio()["time_ns"])) == 0:
        sleep(0.1)
    return time_ns


def report(path: Path) -> str:
    """Return the tables about an audit."""
    lines = decisions(path, last=100_000)
    applied = [line for line in lines if line["status"] == "APPLIED"]
    endings = Counter(line["status"] for line in lines)
    parts = [f"{len(lines)} decisions: {', '.join(f'{count} {name}' for name, count in endings.most_common())}", ""]
    parts += ["refused or held, by reason (first one named):", *_reasons(lines), "", "effects, net of all costs, 15 min each:"]
    parts += [_effects(symbol, applied) for symbol in sorted({line["symbol"] for line in applied})]
    measured = [line for line in applied if line["effect_usd"] is not None]
    parts += ["", f"{len(measured)} of {len(applied)} applied decisions measured; each of them:"]
    parts += [
        f"  {line['decision_id']:>4} {line['symbol']:8} {line['confidence_pct']:>3.0f}% {line['effect_usd']:>+8.2f} USD  "
        f"{_interval(line['interval'])}  {line['what'][:70]}"
        for line in measured
    ]
    return "\n".join([*parts, "", calibration_table(calibrate(path)), "", verification_words(verify(path))])


def _reasons(lines: list[dict[str, Any]]) -> list[str]:
    def kind(line: dict[str, Any]) -> str:
        if line["status"] == "HOLD":
            return "HOLD: the advisor wanted nothing"
        words = line["what"].split("; ")[0]
        for name in ("left alone: ", "at least", " was changed", "confidence_pct"):
            if name in words:
                words = words.partition("left alone: ")[2] or words
        return f"{line['status']}: " + "".join(letter for letter in words if not letter.isdigit())

    counts = Counter(kind(line) for line in lines if line["status"] not in ("APPLIED", "DRY_RUN"))
    return [f"  {count:>4}  {name}" for name, count in counts.most_common(12)]


def _effects(symbol: str, applied: list[dict[str, Any]]) -> str:
    own = [line for line in applied if line["symbol"] == symbol and line["effect_usd"] is not None]
    if not own:
        return f"  {symbol:8} none measured"
    last = own[-1]["interval"]
    good, bad = sum(line["effect_usd"] > 0.005 for line in own), sum(line["effect_usd"] < -0.005 for line in own)
    return f"  {symbol:8} {_interval(last)}  ({good} did good, {bad} did harm, {len(own) - good - bad} without effect)"


def _interval(found: dict[str, Any]) -> str:
    known = f"[{found['low_usd']:+.2f}, {found['high_usd']:+.2f}]" if found["low_usd"] is not None else "[too few to say]"
    return f"mean of {found['samples']:>2}: {found['mean_usd']:>+7.2f} USD {known}"


def flips_found(path: Path, flips: int, seed: int) -> int:
    """Flip one byte at a time in copies of a sealed audit and return how many flips its verification finds."""
    data = path.read_bytes()
    random = np.random.default_rng(seed)
    found = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copy(path.with_name(f"{path.name}.seal"), folder)
        for at in random.integers(0, len(data), flips):
            changed = bytearray(data)
            changed[int(at)] ^= 1 << int(random.integers(0, 8))
            copy.write_bytes(bytes(changed))
            try:
                found += bool(verify(copy).why)
            except TradingError:
                found += 1  # it is no database any more: found as well
    return found


@click.command()
@click.option("--market-hours", default=2.0, show_default=True)
@click.option("--speed", default=30.0, show_default=True, help="Simulated seconds per second.")
@click.option("--seed", default=5, show_default=True, help="Of the generated market.")
@click.option("--flips", default=200, show_default=True, help="Bytes to flip afterwards.")
@click.option("--advisor", default="rules", show_default=True)
@click.option("--canary", default=0.0, show_default=True)
def main(market_hours: float, speed: float, seed: int, flips: int, advisor: str, canary: float) -> None:
    """Run a tuned session and report on it."""
    clock = SystemClock()
    started_ns = clock.monotonic_ns()
    with tempfile.TemporaryDirectory() as home:
        system = System(Path(home))
        (system.home / "logs").mkdir()
        try:
            path = run_session(system, market_hours, speed, ("--advisor", advisor, "--canary", f"{canary:g}"), seed)
            system.stop()
            click.echo(report(path))
            again = json.loads(system.run("tuner.cli", "--json", "replay", "1").stdout)
            click.echo(f"replay 1: same reply {again['same_reply']}, guard agrees {again['guard_agrees']}")
            click.echo(f"{flips_found(path, flips, seed)} of {flips} flipped bytes found")
        finally:
            system.stop()
    click.echo(f"{market_hours:g} h of market at {speed:g}x in {(clock.monotonic_ns() - started_ns) / 1e9:.0f} s")


if __name__ == "__main__":
    main()
