"""The command ``trader_tuner`` as a process, alone and beside a real trader on the simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.errors import TradingError
from shared.events import EventKind, Reason, Source
from shared.params import CONTROLS, PARAMS, index_of
from shared.paths import home_dir
from shared.wishes import Wish
from shared.workspace import Workspace, find_tuner
from tests.support import eventually
from tests.support_tuner import reply_object
from tuner.audit import verify

STOP = index_of(PARAMS, "stop_pct")
BIN = Path(sys.executable).parent


class Place:
    """An instance of its own, with its own folders; every process started here is ended here."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.instance = f"tt{uuid.uuid4().hex[:8]}"
        self.folder = folder
        for name in ("CLAUDE_API_KEY", "ANTHROPIC_API_KEY", "TRADER_TUNER_MODEL"):
            monkeypatch.delenv(name, raising=False)
        settings = {"TRADER_HOME": folder / "home", "TRADER_LOGS": folder / "logs", "TRADER_INSTANCE": self.instance}
        for name, value in settings.items():
            monkeypatch.setenv(name, str(value))
        self._started: list[subprocess.Popen[str]] = []

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run ``trader_tuner`` to its end."""
        return subprocess.run([BIN / "trader_tuner", *options], capture_output=True, text=True, timeout=60, check=False)

    def start(self, command: str, *options: str) -> subprocess.Popen[str]:
        """Start a program of the project."""
        process = subprocess.Popen([BIN / command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._started.append(process)
        return process

    def start_trader(self) -> Workspace:
        """Start a trader on a generated market and return its workspace once it has prices."""
        self.start("trader", "--paper", "--venue", "sim", "--symbols", "BTCUSDT,ETHUSDT", "--duration", "100")
        found: list[Workspace] = []

        def ready() -> bool:
            with suppress(TradingError):
                workspace = Workspace(self.instance, SystemClock())
                if workspace.portfolio()["rows"][1]["last_price_usd"] > 0:
                    found.append(workspace)
                    return True
                workspace.close()
            return False

        eventually(ready, within_s=60)
        return found[0]

    def recording(self, *replies: Any) -> tuple[str, ...]:
        """Return the options that replay these replies."""
        path = self.folder / f"{uuid.uuid4().hex}.jsonl"
        path.write_text("\n".join(json.dumps(r if "reply" in r else {"reply": r}) for r in replies))
        return ("--advisor", "replay", "--replay-file", str(path))

    def end(self) -> None:
        for process in self._started:
            process.terminate()
        for process in self._started:
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=15)
            process.kill()
            process.communicate()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tmp_path, monkeypatch)
    yield made
    made.end()


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (("--once",), 3, "start the trader"),
        (("--once", "--wait", "0.2", "--advisor", "rules"), 3, "start the trader"),
        (("--interval", "9.9"), 2, "interval"),
        (("--interval", "nan", "--advisor", "rules"), 2, "interval"),
        (("--advisor", "oracle"), 2, "oracle"),
        (("--advisor", "claude"), 4, "CLAUDE_API_KEY"),
        (("--advisor", "replay"), 4, "replay"),
        (("--instance", "No Such"), 4, "instance"),
        (("--verify-audit",), 3, "audit"),
    ],
)
def test_what_cannot_work_is_one_line_and_an_exit_code(place: Place, options: tuple[str, ...], code: int, named: str) -> None:
    done = place.run(*options)
    assert done.returncode == code
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert find_tuner(place.instance) is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly_and_a_second_tuner_is_turned_away(place: Place, number: signal.Signals, code: int) -> None:
    first = place.start("trader_tuner", "--advisor", "rules")
    eventually(lambda: find_tuner(place.instance) is not None, within_s=20)
    second = place.run("--advisor", "rules")
    assert second.returncode == 1
    assert str(first.pid) in second.stderr
    first.send_signal(number)
    output, _ = first.communicate(timeout=20)
    assert first.returncode == code, output
    assert "Traceback" not in output
    assert find_tuner(place.instance) is None


def test_a_key_is_never_printed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_API_KEY", "sk-very-secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    process = place.start("trader_tuner", "--verbose")
    eventually(lambda: any(b"claude" in path.read_bytes() for path in (place.folder / "logs").glob("*.log")), within_s=20)
    process.terminate()
    output, _ = process.communicate(timeout=20)
    logged = "".join(path.read_text() for path in (place.folder / "logs").glob("*.log"))
    assert "sk-very-secret" not in output + logged
    assert "claude" in logged


def _operator(workspace: Workspace, name: str, value: float) -> None:
    wish = Wish(changes={index_of(CONTROLS, name): value}, source=Source.OPERATOR)
    workspace.controls.post(wish, SystemClock(), 5.0)


def test_beside_a_real_trader_it_changes_one_symbol_and_a_human_stops_it(place: Place) -> None:
    workspace = place.start_trader()
    events = workspace.events()
    update = reply_object("UPDATE_CONFIG", stop_pct=0.8)
    done = place.run("--once", "--json", *place.recording(update))
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(result["symbol"], result["status"]) for result in results] == [("BTCUSDT", "APPLIED"), ("ETHUSDT", "HOLD")]
    assert workspace.symbol_rows[0].value(STOP) == 0.8
    assert workspace.symbol_rows[1].value(STOP) == 1.0
    told = [event for event in events.read() if event["kind"] == EventKind.TUNER_CONFIG]
    assert [(event["symbol"], event["field"], event["old"], event["new"]) for event in told] == [(0, STOP, 1.0, 0.8)]
    assert told[0]["decision_id"] == results[0]["decision_id"]

    # the human takes the wheel while a model is thinking: what it then says is refused by the trader itself
    slow = {"reply": reply_object("UPDATE_CONFIG", "ETHUSDT", target_pct=2.0), "delay_s": 3.0}
    thinking = place.start("trader_tuner", "--once", "--json", *place.recording(slow, update))
    eventually(lambda: (view := find_tuner(place.instance)) is not None and view.status()["cycles"] == 1, within_s=20)
    _operator(workspace, "manual_override", 1)
    output, _ = thinking.communicate(timeout=30)
    last = json.loads(output.splitlines()[-1])
    assert (last["symbol"], last["status"], last["reason"]) == ("ETHUSDT", "REFUSED", "OVERRIDE_ON")
    refused = [event for event in events.read() if event["kind"] == EventKind.CONFIG_REFUSED]
    assert [(event["symbol"], Reason(int(event["reason"]))) for event in refused] == [(1, Reason.OVERRIDE_ON)]

    barred = place.run("--once", *place.recording(update))
    assert barred.returncode == 0
    assert "override" in barred.stderr
    workspace.close()
    checked = place.run("--verify-audit", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["bad_row"]) == (0, 0)


def test_it_outlives_a_trader_that_is_killed_and_starts_anew_with_the_next(place: Place) -> None:
    workspace = place.start_trader()
    pid = int(workspace._portfolio.header["owner_pid"][0])
    tuner = place.start("trader_tuner", "--interval", "600", "--advisor", "rules")
    audit = home_dir(place.instance) / "audit.sqlite"
    eventually(lambda: (view := find_tuner(place.instance)) is not None and view.status()["cycles"] == 2, within_s=20)
    workspace.close()
    os.kill(pid, signal.SIGKILL)
    view = find_tuner(place.instance)
    assert view is not None
    eventually(lambda: b"waiting for the trader" in view.status()["last_error"])
    place.start_trader().close()
    eventually(lambda: view.status()["cycles"] == 4, within_s=20)
    view.close()
    tuner.terminate()
    tuner.communicate(timeout=20)
    assert tuner.returncode == 0
    assert verify(audit).bad_row == 0
