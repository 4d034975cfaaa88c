"""The real window on a virtual screen, driven by mouse and keyboard; the trader's end is a publisher of real segments."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.events import PURPLE, TunerEventKind
from tests.gui.driver import App
from tests.gui.scene import ai_at_work, lively
from tests.support_segments import Publisher, publishing

pytestmark = [pytest.mark.gui, pytest.mark.timeout(300)]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing("gui") as publisher:
        lively(publisher)
        yield publisher


def dashboard(*options: str, display: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | ({"DISPLAY": display} if display else {})
    command = [sys.executable, "-m", "dashboard.cli", *options]
    return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=180, check=False)


def test_an_ai_event_is_purple_on_the_screen(app: App, publisher: Publisher) -> None:
    publisher.serve()
    app.start(publisher.instance)
    app.wait_until(lambda: app.value("wheel") == "[MANUAL] no tuner is running")
    before = app.colour_count(PURPLE, "panel_events")
    publisher.start_tuner()
    publisher.push_tuner(TunerEventKind.DECISION, [(8, 1.0, 0.8)], action=1, confidence_pct=80, text=b"calm")
    app.wait_until(lambda: app.colour_count(PURPLE, "panel_events") > before + 100)
    app.wait_until(lambda: app.colour_count(PURPLE, "panel_positions") > 15)  # SMART, while the tuner is active
    app.wait_until(lambda: app.value("wheel") == "[AI TUNER]")


def test_sigterm_ends_it_cleanly(app: App, publisher: Publisher) -> None:
    app.start(publisher.instance)
    assert app.terminate() == 0


def test_ctrl_c_is_exit_code_130(app: App, publisher: Publisher) -> None:
    app.start(publisher.instance)
    assert app._process is not None
    app._process.send_signal(signal.SIGINT)
    assert app._process.wait(10) == 130


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (("--size", "1440x860"), (1440, 860)),
        (("--size", "1280x800", "--scale", "1.25", "--red-up", "--colour-blind"), (1600, 1000)),
    ],
)
def test_a_screenshot_is_a_png_of_the_window_with_content(
    xdisplay: str, publisher: Publisher, tmp_path: Path, options: tuple[str, ...], size: tuple[int, int]
) -> None:
    ai_at_work(publisher)
    publisher.serve()
    picture = tmp_path / "dashboard.png"
    done = dashboard("--instance", publisher.instance, "--screenshot", str(picture), *options, display=xdisplay)
    assert done.returncode == 0, done.stderr
    assert png_size(picture) == size
    assert png_variety(picture) > 1000


def test_the_first_start_without_a_trader_is_a_page_of_its_own(xdisplay: str, tmp_path: Path) -> None:
    picture = tmp_path / "waiting.png"
    done = dashboard("--instance", "nobody", "--without-trader", "--screenshot", str(picture), display=xdisplay)
    assert done.returncode == 0, done.stderr
    assert png_variety(picture) > 1000


def test_without_a_display_it_says_so_and_does_not_abort(publisher: Publisher) -> None:
    done = dashboard("--instance", publisher.instance, display=None)
    assert done.returncode == 1
    assert "DISPLAY: was empty, expected an X server" in done.stderr
    assert "--text" in done.stderr


def test_with_a_dead_display_it_says_so_and_does_not_abort(publisher: Publisher) -> None:
    done = dashboard("--instance", publisher.instance, display=":7654")
    assert done.returncode == 1
    assert "DISPLAY: was :7654" in done.stderr


def test_no_trader_within_the_wait_is_exit_code_3(xdisplay: str) -> None:
    done = dashboard("--instance", "nobody", "--wait", "1", display=xdisplay)
    assert done.returncode == 3
    assert "trader: was not running in instance 'nobody'" in done.stderr


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def png_variety(path: Path) -> int:
    """Return how many bytes of the filtered rows are not zero: a picture of one colour has a few per row at most."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    width, _ = png_size(path)
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(-1, 1 + 4 * width)
    return int(np.count_nonzero(rows[1:, 5:]))
