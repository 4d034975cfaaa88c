"""Every command: help without heavy imports, clear words and the right exit code for what cannot be done."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shared.paths import project_root

SCRIPTS = tomllib.loads((project_root() / "pyproject.toml").read_text())["project"]["scripts"]
HEAVY = ("numba", "anthropic", "chromadb", "dearpygui", "ollama", "wordllama", "websockets", "httpx")


@pytest.mark.parametrize("command", SCRIPTS)
def test_help_imports_nothing_heavy(command: str) -> None:
    module = SCRIPTS[command].partition(":")[0]
    program = (
        f"import sys; sys.argv = ['{command}', '--help']\n"
        f"from {module} import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert "Usage" in done.stdout


# what is asked, the exit code, and words the answer must hold
CASES = [
    ("trader.cli", [], 2, "--paper"),
    ("trader.cli", ["--paper", "--venue", "mars"], 2, "mars"),
    ("trader.cli", ["--paper", "--capital", "nan"], 4, "capital: was nan"),
    ("trader.cli", ["--paper", "--symbols", "BTC USDT"], 2, "symbols"),
    ("trader.cli", ["--paper", "--symbols", "BTCUSDT,BTCUSDT"], 2, "once"),
    ("trader.cli", ["--paper", "--instance", "No Such/Name"], 4, "instance"),
    ("trader.cli", ["--paper", "--replay", "x.gz"], 2, "--venue sim"),
    ("trader.cli", ["--paper", "--venue", "sim", "--replay", "nowhere.gz"], 4, "nowhere.gz"),
    ("trader.cli", ["--paper", "--venue", "sim", "--speed", "-3"], 4, "speed"),
    ("trader.tools.control_cli", ["status"], 3, "start the trader"),
    ("trader.tools.control_cli", ["why"], 3, "start the trader"),
    ("trader.tools.control_cli", ["inspect", "moon"], 2, "moon"),
    ("trader.tools.events_cli", ["--tail", "5"], 3, "start the trader"),
    ("tuner.cli", ["--once"], 3, "start the trader"),
    ("tuner.cli", ["--interval", "0.1"], 2, "interval"),
    ("trader.simulator.cli", ["--speed", "fast"], 2, "speed"),
    ("trader.tools.demo_cli", ["--seconds", "1", "--screenshot", "x.png"], 2, "DISPLAY"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join([case[0], *case[1]])[:60])
def test_what_cannot_be_done_is_said_in_one_line(
    case: tuple[str, list[str], int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, arguments, code, words = case
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    monkeypatch.setenv("TRADER_INSTANCE", "nobody")
    monkeypatch.delenv("DISPLAY", raising=False)
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path("/dev/shm").glob("trader_nobody_*"))  # noqa: S108
