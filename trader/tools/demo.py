"""The supervisor of the demo: starts the programs in order, watches them, stops them in reverse."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import msgspec

from shared.clock import NS_PER_S, SystemClock
from shared.errors import NotRunning, TradingError, UsageError
from shared.events import EventKind
from shared.paths import instance_name
from shared.workspace import Workspace
from trader.simulated import running_simulator

_DEFAULT_INSTANCE = "demo"
_STOP_S = 10.0
_START_S = 60.0
_SCREENSHOT_BEFORE_END_S = 8.0


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of ``trader_demo``."""

    seconds: float
    speed: str
    seed: int
    interval: int
    advisor: str
    dry_run: bool
    screenshot: str | None
    keep: bool


class Child:
    """One program of the demo."""

    def __init__(self, module: str, *arguments: str, environment: dict[str, str], quiet: bool = True) -> None:
        self.module = module
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - read when the program fails, closed with it
        command = [sys.executable, "-m", module, *arguments]
        out = self._log if quiet else None
        # a session of its own: Ctrl-C then reaches only the supervisor, which stops the others in order
        self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)  # noqa: S603

    def stop(self) -> None:
        """Ask it to end, then insist."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()

    def require_alive(self) -> None:
        """Raise with the program's last words if it has ended.

        Errors
        ------
        NotRunning
            If it has.
        """
        if self.process.poll() is None:
            return
        self._log.seek(0)
        words = self._log.read().decode(errors="replace").strip().splitlines()[-3:]
        raise NotRunning(f"{self.module}: ended with {self.process.returncode}: {' / '.join(words)}")


def run_demo(options: DemoOptions) -> int:
    """Run until the time is over or Ctrl-C; return the exit code."""
    if options.screenshot and not os.environ.get("DISPLAY"):
        raise UsageError("--screenshot: DISPLAY was not set, expected an X server; start one or leave the option out")
    clock = SystemClock()
    instance = instance_name(None) or _DEFAULT_INSTANCE
    started_ns = clock.monotonic_ns()
    with ExitStack() as stack, _stop_on_signal() as stopped:
        folder = tempfile.mkdtemp(prefix="trader_demo_")
        if not options.keep:
            stack.callback(_remove, folder)
        os.environ["TRADER_HOME"] = folder
        children = _start(stack, options, {**os.environ, "TRADER_INSTANCE": instance})
        workspace = _await_trader(children, instance, clock)
        stack.callback(workspace.close)
        first_s = (clock.monotonic_ns() - started_ns) / NS_PER_S
        click.echo(f"demo: first event after {first_s:.1f} s; everything is SIMULATED, folder {folder}")
        _watch(options, children, instance, clock, stopped)
        _report(workspace, Path(folder) / instance / "audit.sqlite")
    click.echo("demo: stopped, nothing left behind")
    return 130 if stopped == [signal.SIGINT] and not options.seconds else 0


def _start(stack: ExitStack, options: DemoOptions, environment: dict[str, str]) -> list[Child]:
    simulator = Child("trader.simulator.cli", "--speed", options.speed, "--seed", str(options.seed), environment=environment)
    stack.callback(simulator.stop)
    _until(lambda: running_simulator(environment["TRADER_INSTANCE"]) is not None, [simulator], SystemClock())
    trader = Child("trader.cli", "--paper", "--venue", "sim", environment=environment)
    stack.callback(trader.stop)
    extra = ["--dry-run"] if options.dry_run else []
    tuner = Child("tuner.cli", "--interval", str(options.interval), "--advisor", options.advisor, *extra, environment=environment)
    stack.callback(tuner.stop)
    screen = bool(os.environ.get("DISPLAY"))
    if not screen:
        click.echo("demo: no display (DISPLAY is not set), so the status is printed here instead of the window")
    dashboard = Child("dashboard.cli", *([] if screen else ["--text"]), environment=environment, quiet=screen)
    stack.callback(dashboard.stop)
    return [simulator, trader, tuner, dashboard]


def _await_trader(children: list[Child], instance: str, clock: SystemClock) -> Workspace:
    found: list[Workspace] = []

    def attached() -> bool:
        try:
            found.append(Workspace(instance, clock))
        except NotRunning:
            return False
        return True

    _until(attached, children[:3], clock)
    return found[0]


def _until(ready: object, children: list[Child], clock: SystemClock) -> None:
    assert callable(ready)  # noqa: S101
    deadline_ns = clock.monotonic_ns() + int(_START_S * NS_PER_S)
    while not ready():
        for child in children:
            child.require_alive()
        if clock.monotonic_ns() > deadline_ns:
            raise NotRunning(f"demo: was not up after {_START_S:.0f} s, expected seconds; run trader_control doctor")
        time.sleep(0.02)


def _watch(options: DemoOptions, children: list[Child], instance: str, clock: SystemClock, stopped: list[int]) -> None:
    """Wait for the end; a program that dies ends the demo with its last words. A closed dashboard ends it too."""
    end_ns = clock.monotonic_ns() + int(options.seconds * NS_PER_S) if options.seconds else None
    picture_ns = (end_ns or 0) - int(_SCREENSHOT_BEFORE_END_S * NS_PER_S)
    pictured = options.screenshot is None or end_ns is None
    while not stopped and (end_ns is None or clock.monotonic_ns() < end_ns):
        for child in children[:3]:
            child.require_alive()
        if children[3].process.poll() == 0:
            return  # the window was closed: the human is done
        children[3].require_alive()
        if not pictured and clock.monotonic_ns() > picture_ns:
            pictured = True
            _take_picture(str(options.screenshot), instance)
        time.sleep(0.1)


def _take_picture(path: str, instance: str) -> None:
    command = [sys.executable, "-m", "dashboard.cli", "--instance", instance, "--screenshot", path]
    subprocess.run(command, check=False, timeout=30)  # noqa: S603
    click.echo(f"demo: picture of the dashboard in {path}")


def _report(workspace: Workspace, audit: Path) -> None:
    """Say what happened: the demo should end with numbers, not with silence."""
    try:
        view = workspace.portfolio()
    except TradingError as error:
        click.echo(f"demo: {error}")
        return
    events = workspace.events(from_start=True).read(65_536)
    ai = int((events["kind"] == EventKind.TUNER_CONFIG).sum())
    fills = int((events["kind"] == EventKind.FILL).sum())
    click.echo(
        f"demo: {int(view['messages']):,} messages, {fills} fills, {int(view['trades'])} closed trades, "
        f"{ai} AI changes applied, equity {float(view['equity_usd']):,.2f} USD"
    )
    if audit.exists():
        with sqlite3.connect(audit) as database:
            rows = int(database.execute("SELECT count(*) FROM audit").fetchone()[0])
        click.echo(f"demo: the tuner's audit has {rows} rows, one or two for each decision; --keep keeps the folder")


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stop_on_signal() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying of them, so that every program is stopped in order."""
    seen: list[int] = []

    def note(number: int, _frame: object) -> None:
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
