"""Real processes for the tests: the project's own programs, each system with a name and a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.clock import SystemClock
from shared.errors import NotRunning
from shared.events import EventKind, Regime, Strategy
from shared.workspace import Workspace
from tests.support import eventually

SHM = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is seen
START_S = 60.0


# The markets the tests write are meant for the technical strategy, whatever regime they look like and however little they move.
WRITTEN_FOR = ("min_edge_factor=0", *(f"strategy_{regime.name.lower()}={Strategy.TECHNICAL:d}" for regime in Regime))


def command(module: str, arguments: tuple[str, ...]) -> list[str]:
    """Return the command line of a program; a trader begins with the controls the markets are written for."""
    given = [part for control in WRITTEN_FOR for part in ("--control", control)] if module == "trader.cli" else []
    return [sys.executable, "-m", module, *given, *arguments]


@contextmanager
def simulator(home: Path, *arguments: str) -> Iterator[int]:
    """Run ``trader_sim`` by itself, as fast as it goes unless told otherwise; yield its port."""
    whole = command("trader.simulator.cli", ("--json", "--speed", "max", *arguments))
    with subprocess.Popen(whole, stdout=subprocess.PIPE, env=os.environ | {"TRADER_HOME": str(home)}) as process:
        assert process.stdout is not None
        try:
            yield int(json.loads(process.stdout.readline())["port"])
        finally:
            process.terminate()


class System:
    """Simulator, trader, tuner and tools of one instance; :meth:`stop` ends them all.

    Attributes
    ----------
    environment
        What every program of this system gets.
    """

    def __init__(self, home: Path) -> None:
        self.instance = "t" + uuid.uuid4().hex[:10]
        self.home = home
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("CLAUDE_API_KEY", "ANTHROPIC_API_KEY", "DISPLAY")},
            "TRADER_HOME": str(home),
            "TRADER_INSTANCE": self.instance,
            "TRADER_LOGS": str(home / "logs"),
        }
        self._running: list[subprocess.Popen[bytes]] = []
        self._outputs: dict[int, Path] = {}

    def start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a program of the project; its output goes to a file that :meth:`said` reads."""
        out = self.home / f"{module}-{len(self._running)}.out"
        with out.open("wb") as file:
            process = subprocess.Popen(command(module, arguments), env=self.environment, stdout=file, stderr=subprocess.STDOUT)
        self._running.append(process)
        self._outputs[process.pid] = out
        return process

    def run(self, module: str, *arguments: str, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a program to its end and return what it said."""
        words = command(module, arguments)
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=within_s, check=False)

    def control(self, *arguments: str) -> Any:
        """Run ``trader_control --json`` and return its answer."""
        done = self.run("trader.tools.control_cli", "--json", *arguments)
        assert done.stdout, f"trader_control {arguments}: {done.stderr}"
        return json.loads(done.stdout)

    def said(self, process: subprocess.Popen[bytes]) -> str:
        """Return what a started program has printed so far."""
        return self._outputs[process.pid].read_text(errors="replace")

    def simulator(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a simulator and wait until it listens."""
        process = self.start("trader.simulator.cli", *arguments)
        self.until(lambda: "SIMULATED" in self.said(process), process)
        return process

    def trader(self, *arguments: str) -> tuple[subprocess.Popen[bytes], Workspace]:
        """Start a trader on the simulator and wait until it can be attached to."""
        before = self.epoch()
        process = self.start("trader.cli", "--paper", "--venue", "sim", "-v", *arguments)
        self.until(lambda: self.epoch() not in (before, 0), process)
        return process, Workspace(self.instance, SystemClock())

    def epoch(self) -> int:
        """Return which life of the trader the segments are of; 0 without any."""
        try:
            workspace = Workspace(self.instance, SystemClock(), require_alive=False)
        except NotRunning:
            return 0
        epoch = workspace.epoch
        workspace.close()
        return epoch

    def until(self, check: Callable[[], object], process: subprocess.Popen[bytes], within_s: float = START_S) -> None:
        """Wait for a condition; fail with the program's words if it ends before."""

        def alive_and_true() -> object:
            done = check()
            assert done or process.poll() is None, f"ended with {process.returncode}:\n{self.said(process)[-2000:]}"
            return done

        eventually(alive_and_true, within_s)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill -9 and reap."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End everything and remove what killed programs left in shared memory."""
        for process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
        for process in self._running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for path in self.segments():
            path.unlink()

    def segments(self) -> list[Path]:
        """Return the segments of this instance that exist now."""
        return list(SHM.glob(f"trader_{self.instance}_*"))


class Watcher:
    """All trade events of a system since its start, in order."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._reader = workspace.events(from_start=True)
        self._parts: list[npt.NDArray[np.void]] = []

    def all(self) -> npt.NDArray[np.void]:
        """Return every event so far."""
        self._parts.append(self._reader.read(65_536))
        events: npt.NDArray[np.void] = np.concatenate(self._parts)
        return events

    @staticmethod
    def _only(events: npt.NDArray[np.void], symbol: int) -> npt.NDArray[np.void]:
        of_symbol: npt.NDArray[np.void] = events[events["symbol"] == symbol]
        return of_symbol

    def of(self, kind: EventKind, symbol: str | None = None) -> npt.NDArray[np.void]:
        """Return the events of a kind, and of a symbol if one is named."""
        events = self.all()
        chosen: npt.NDArray[np.void] = events[events["kind"] == kind]
        if symbol is not None:
            return self._only(chosen, self._workspace.symbol_index(symbol))
        return chosen
