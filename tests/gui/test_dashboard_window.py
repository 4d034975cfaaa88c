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
from Xlib import XK

from dashboard.config_view import MANUAL_OVERRIDE, TUNE_NOW
from shared.events import PURPLE, CommandKind, Reason, Source, TunerEventKind
from shared.params import PARAMS, SYMBOL_FIELDS, index_of
from tests.gui.driver import App
from tests.gui.scene import ai_at_work, lively
from tests.support import eventually
from tests.support_segments import Publisher, publishing

pytestmark = pytest.mark.gui


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing("gui") as publisher:
        lively(publisher)
        yield publisher


def dashboard(*options: str, display: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | ({"DISPLAY": display} if display else {})
    command = [sys.executable, "-m", "dashboard.cli", *options]
    return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60, check=False)


def test_a_click_on_manual_override_posts_the_wish_of_the_dashboard(app: App, publisher: Publisher) -> None:
    publisher.serve()
    app.start(publisher.instance)
    assert app.value("override_toggle") is False
    app.click("override_toggle")
    eventually(lambda: publisher.applied()["values"][MANUAL_OVERRIDE] == 1)
    desired = publisher.desired()
    assert (int(desired["source"]), int(desired["mask"])) == (Source.DASHBOARD, 1 << MANUAL_OVERRIDE)
    app.wait_until(lambda: str(app.value("message")).startswith("✓ manual override on"))
    app.wait_until(lambda: app.value("wheel") == "[MANUAL] override on")
    assert "MANUAL OVERRIDE" in app.last()["title"]


def test_leaving_the_override_asks_first(app: App, publisher: Publisher) -> None:
    publisher.serve()
    app.start(publisher.instance)
    app.click("override_toggle")
    app.wait_until(lambda: app.value("wheel") == "[MANUAL] override on")
    app.click("override_toggle")
    app.click("dialog_cancel")
    app.wait_until(lambda: app.rect("dialog_cancel") is None)
    assert publisher.applied()["values"][MANUAL_OVERRIDE] == 1
    app.wait_until(lambda: app.value("override_toggle") is True)  # the box shows what is in force, not what was clicked
    app.click("override_toggle")
    app.click("dialog_confirm")
    eventually(lambda: publisher.applied()["values"][MANUAL_OVERRIDE] == 0)


def test_a_refusal_is_shown_and_the_box_goes_back(app: App, publisher: Publisher) -> None:
    publisher.serve(refuse=Reason.NOT_ALLOWED)
    app.start(publisher.instance)
    app.click("override_toggle")
    app.wait_until(lambda: app.value("message") == "✗ manual override on: refused, not allowed")
    app.wait_until(lambda: app.value("override_toggle") is False)


def test_f6_asks_and_enter_closes_everything_once(app: App, publisher: Publisher) -> None:
    publisher.serve()
    app.start(publisher.instance)
    app.point_at(700, 500)
    app.key(XK.XK_F6)
    app.wait_until(lambda: app.rect("dialog_confirm"))
    app.key(XK.XK_Escape)
    app.wait_until(lambda: app.rect("dialog_confirm") is None)
    assert publisher.commands == []
    app.key(XK.XK_F6)
    app.wait_until(lambda: app.rect("dialog_confirm"))
    app.key(XK.XK_Return)
    eventually(lambda: publisher.commands)
    app.wait_until(lambda: app.value("message") == "✓ emergency exit")
    found = [(int(c["kind"]), int(c["source"]), int(c["symbol"])) for c in publisher.commands]
    assert found == [(CommandKind.EMERGENCY_EXIT, Source.DASHBOARD, -1)]


def test_a_held_key_acts_once(app: App, publisher: Publisher) -> None:
    publisher.serve()
    app.start(publisher.instance)
    app.point_at(700, 500)
    app.key(XK.XK_t, frames=45)  # keys repeat after a quarter of a second
    eventually(lambda: publisher.applied()["values"][TUNE_NOW] == 1)
    app.wait_until(lambda: str(app.value("message")).startswith("✓ tune now"))
    assert int(publisher.desired()["generation"]) == 1


def test_keys_are_only_letters_while_typing_a_filter(app: App, publisher: Publisher) -> None:
    publisher.serve()
    app.start(publisher.instance)
    app.click("events_filter")
    for letter in (XK.XK_a, XK.XK_t, XK.XK_m):
        app.key(letter)
    app.wait_until(lambda: set(str(app.value("events_filter"))) == set("atm"))  # on a slow machine a letter may repeat
    assert int(publisher.desired()["generation"]) == 0


def test_a_moved_slider_is_a_draft_until_apply(app: App, publisher: Publisher) -> None:
    publisher.serve()
    most = index_of(SYMBOL_FIELDS, "max_position_pct")
    app.start(publisher.instance)
    app.click("slider_max_position_pct")  # near its left end
    app.wait_until(lambda: "→" in str(app.value("applied_max_position_pct")))
    assert publisher.applied(0)["values"][most] == 5.0
    app.click("apply")
    eventually(lambda: publisher.applied(0)["values"][most] < 5.0)
    desired = publisher.desired(0)
    assert int(desired["mask"]) == 1 << most
    assert PARAMS[most].minimum <= desired["values"][most] < 5.0
    assert int(publisher.desired(1)["generation"]) == 0


def test_a_click_on_a_row_selects_its_symbol(app: App, publisher: Publisher) -> None:
    publisher.serve()
    app.start(publisher.instance)
    app.wait_until(lambda: app.value("symbol_combo") == "BTCUSDT")
    app.click("positions_1")
    app.wait_until(lambda: app.value("symbol_combo") == "ETHUSDT")
    app.wait_until(lambda: str(app.value("price_title")).startswith("ETHUSDT"))


def test_an_ai_event_is_purple_on_the_screen(app: App, publisher: Publisher) -> None:
    publisher.serve()
    app.start(publisher.instance)
    app.wait_until(lambda: app.value("wheel") == "[MANUAL] no tuner is running")
    app.click("events_ai")  # only AI lines: the purple of the scene's own AI event is there, nothing of the tuner's yet
    before = app.colour_count(PURPLE, "panel_events")
    publisher.start_tuner()
    publisher.push_tuner(TunerEventKind.DECISION, [(8, 1.0, 0.8)], action=1, confidence_pct=80, text=b"calm")
    app.wait_until(lambda: app.colour_count(PURPLE, "panel_events") > before + 100)
    app.wait_until(lambda: app.colour_count(PURPLE, "panel_positions") > 20)  # SMART, while the tuner is active
    app.wait_until(lambda: app.value("wheel") == "[AI TUNER]")


def test_sigterm_ends_it_cleanly(app: App, publisher: Publisher) -> None:
    app.start(publisher.instance)
    assert app.terminate() == 0


def test_ctrl_c_is_exit_code_130(app: App, publisher: Publisher) -> None:
    app.start(publisher.instance)
    assert app._process is not None
    app._process.send_signal(signal.SIGINT)
    assert app._process.wait(10) == 130


@pytest.mark.parametrize("size", [(1440, 860), (1280, 800)])
def test_a_screenshot_is_a_png_of_the_window_with_content(
    xdisplay: str, publisher: Publisher, tmp_path: Path, size: tuple[int, int]
) -> None:
    ai_at_work(publisher)
    publisher.serve()
    picture = tmp_path / "dashboard.png"
    done = dashboard(
        "--instance", publisher.instance, "--screenshot", str(picture), "--size", f"{size[0]}x{size[1]}", display=xdisplay
    )
    assert done.returncode == 0, done.stderr
    assert png_size(picture) == size
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
