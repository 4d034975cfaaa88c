"""The command line of the dashboard, without a window."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from rich.console import Console

from dashboard.cli import main
from dashboard.text import TextScreen
from dashboard.views import Viewer
from shared.clock import SystemClock
from shared.events import TunerEventKind
from tests.gui.scene import lively
from tests.support_segments import Publisher, publishing


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing("cli") as publisher:
        lively(publisher)
        yield publisher


def test_text_once_shows_state_positions_and_events(publisher: Publisher) -> None:
    publisher.start_tuner()
    publisher.push_tuner(TunerEventKind.DECISION, [(8, 1.0, 0.8)], action=1, confidence_pct=80)
    done = CliRunner().invoke(main, ["--text", "--once", "--instance", publisher.instance], env={"COLUMNS": "140"})
    assert done.exit_code == 0, done.output
    for words in ("[PAPER] [SIMULATED]", "RUNNING", "BTCUSDT", "SMART", "AI DECISION BTCUSDT UPDATE CONFIG stop_pct 1 → 0.8"):
        assert words in done.output


def test_ai_lines_are_purple_on_a_terminal(publisher: Publisher) -> None:
    viewer = Viewer(publisher.instance, SystemClock())
    console = Console(force_terminal=True, color_system="truecolor", width=140)
    with console.capture() as capture:
        console.print(TextScreen().render(viewer.look(), 140))
    viewer.close()
    line = next(line for line in capture.get().splitlines() if "AI BTCUSDT stop_pct" in line)
    assert "\x1b[38;2;204;102;255m" in line


def test_no_trader_is_exit_code_3_and_says_how_to_start_one() -> None:
    done = CliRunner().invoke(main, ["--text", "--once", "--wait", "0", "--instance", f"none-{os.getpid()}"])
    assert done.exit_code == 3
    assert "start it with: trader --paper" in done.output


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--once"], 2, "--once: was given alone"),
        (["--text", "--instance", "No Such!"], 4, "instance: was 'No Such!', expected 1 to 24"),
        (["--size", "wide"], 2, "--size: was wide, expected WIDTHxHEIGHT"),
        (["--screenshot", "/nowhere/x.png"], 2, "--screenshot: was /nowhere/x.png, expected a file in a folder that exists"),
        (["--scale", "9"], 4, "scale: was 9, expected 0.5 to 4"),
    ],
)
def test_a_wrong_option_is_one_sentence(words: list[str], code: int, sentence: str) -> None:
    done = CliRunner().invoke(main, words, env={"DISPLAY": ""})
    assert (done.exit_code, sentence in done.output) == (code, True), done.output
