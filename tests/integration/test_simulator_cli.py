"""``trader_sim`` as a process: its line, its file, its exit codes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Simulator:
    """A running ``trader_sim --json``."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from trader.simulator.cli import main; main()", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TRADER_HOME": str(home)},
        )
        assert self.process.stdout is not None
        self.line = json.loads(self.process.stdout.readline())

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=10)
        return self.process.returncode


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    started = Simulator(tmp_path, "--instance", "sim-test", "--market", "spot", "--symbols", "btcusdt")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.communicate()


def test_it_says_where_it_listens_and_leaves_no_file_behind(simulator: Simulator, tmp_path: Path) -> None:
    assert (
        simulator.line.items()
        >= {
            "event": "listening",
            "market": "spot",
            "symbols": ["BTCUSDT"],
            "mode": "generated",
        }.items()
    )
    note = tmp_path / "sim-test" / "simulator.json"
    facts = json.loads(note.read_text())
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert (facts["pid"], facts["port"], facts["speed"]) == (simulator.process.pid, simulator.line["port"], 1.0)
    with urllib.request.urlopen(f"http://127.0.0.1:{facts['port']}/api/v3/ping", timeout=5) as answer:
        assert answer.read() == b"{}"
    assert simulator.end(signal.SIGTERM) == 0
    eventually(lambda: not note.exists())


def test_interrupt_ends_it_with_130(simulator: Simulator) -> None:
    assert simulator.end(signal.SIGINT) == 130


def test_a_taken_port_is_one_clear_error(simulator: Simulator, tmp_path: Path) -> None:
    port = str(simulator.line["port"])
    code = "from trader.simulator.cli import main; main()"
    second = subprocess.run(
        [sys.executable, "-c", code, "--port", port],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TRADER_HOME": str(tmp_path)},
    )
    assert second.returncode == 4
    assert f"error: port: was {port}, expected a free port" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_bad_line_in_a_recording_is_named_and_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "bad.gz"
    with gzip.open(path, "wt") as stream:
        stream.write("this is no recording\n")
    code = "from trader.simulator.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code, "--replay", str(path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 4
    assert ended.stderr.startswith(f"error: {path}, line 1: ")
