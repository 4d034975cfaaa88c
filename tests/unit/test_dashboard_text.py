"""The terminal dashboard: the same views, and the keys that matter most."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console

from dashboard.config_view import MANUAL_OVERRIDE, TRADING_ENABLED
from dashboard.text import TextScreen
from dashboard.text_keys import TextKeys
from dashboard.views import Viewer
from dashboard.wishes import WishWorker
from shared.clock import SystemClock
from shared.events import CommandKind, Reason
from tests.gui.scene import ai_at_work, lively
from tests.support import eventually as _eventually
from tests.support_segments import Publisher, publishing


def eventually(check: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait for what a busy machine may take long for."""
    _eventually(check, within_s)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing("text", ("BTCUSDT", "ETHUSDT", "SOLUSDT")) as publisher:
        lively(publisher)
        ai_at_work(publisher)
        publisher.serve()
        yield publisher


@pytest.fixture
def viewer(publisher: Publisher) -> Iterator[Viewer]:
    viewer = Viewer(publisher.instance, SystemClock())
    yield viewer
    viewer.close()


@pytest.fixture
def keys(publisher: Publisher, viewer: Viewer) -> Iterator[TextKeys]:
    worker = WishWorker(publisher.instance, SystemClock())
    keys = TextKeys(worker)
    keys.show(viewer.look())
    yield keys
    worker.close()


def page(viewer: Viewer, width: int = 150, message: str = "", selected: int = 0) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(TextScreen().render(viewer.look(selected), width, message, keys=True))
    return capture.get()


def test_the_page_has_positions_reasons_decision_and_books(viewer: Viewer) -> None:
    text = page(viewer)
    for words in (
        "SMART",
        "▲ UP 82%",
        "✓ books agree",
        "✗ no entry: in position",
        "last:",
        "✓ APPLIED",
        "what if: 15 min",
        "m override",
    ):
        assert words in text


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(viewer: Viewer, width: int) -> None:
    assert max(len(line) for line in page(viewer, width).splitlines()) <= width


def test_a_stale_page_says_so_first(publisher: Publisher, viewer: Viewer) -> None:
    publisher.view["halted"] = 1
    publisher.publish()
    assert "✗ RISK HALT" in page(viewer).splitlines()[2]


def test_m_takes_the_wheel_at_once_and_the_second_m_waits_for_a_y(publisher: Publisher, viewer: Viewer, keys: TextKeys) -> None:
    assert keys.press("m")
    eventually(lambda: publisher.applied()["values"][MANUAL_OVERRIDE] == 1)
    keys.show(viewer.look())
    keys.press("m")
    assert keys.message.startswith("LEAVE MANUAL OVERRIDE")
    keys.press("n")
    assert keys.message == ""
    keys.press("m")
    keys.press("y")
    eventually(lambda: publisher.applied()["values"][MANUAL_OVERRIDE] == 0)


def test_space_pauses_and_the_answer_is_shown(publisher: Publisher, viewer: Viewer, keys: TextKeys) -> None:
    keys.press(" ")
    eventually(lambda: publisher.applied()["values"][TRADING_ENABLED] == 0)

    def answered() -> bool:
        keys.show(viewer.look())
        return keys.message.startswith("✓ new entries paused")

    eventually(answered)


def test_f_flattens_only_after_a_y(publisher: Publisher, keys: TextKeys) -> None:
    keys.press("f")
    assert "Closes 3 position(s) at market" in keys.message
    keys.press("x")  # any other key cancels, and does nothing itself
    keys.press("f")
    keys.press("y")
    eventually(lambda: publisher.commands, 20)
    assert [int(c["kind"]) for c in publisher.commands] == [CommandKind.EMERGENCY_EXIT]


def test_a_refusal_is_shown_with_its_reason(publisher: Publisher, viewer: Viewer, keys: TextKeys) -> None:
    publisher.refuse = Reason.NOT_ALLOWED
    keys.press("c")

    def answered() -> bool:
        keys.show(viewer.look())
        return keys.message == "✗ cancel all orders: refused, not allowed"

    eventually(answered)


def test_numbers_choose_a_symbol_unknown_letters_do_nothing_and_q_ends(keys: TextKeys, viewer: Viewer) -> None:
    assert keys.press("3")
    assert keys.press("z")
    assert "SOLUSDT: ✗ no entry" in page(viewer, selected=keys.selected)
    assert not keys.press("q")


def test_the_program_takes_keys_from_a_real_terminal(publisher: Publisher) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "dashboard.cli", "--text", "--instance", publisher.instance]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "50"}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    try:
        seen = b""
        while b"m override" not in seen:  # the help line: keys are heard from here on
            seen += os.read(master, 65_536)
        os.write(master, b"m")
        os.set_blocking(master, False)

        def overridden() -> bool:
            with contextlib.suppress(BlockingIOError):
                os.read(master, 65_536)  # a terminal nobody reads would hold the program up
            return bool(publisher.applied()["values"][MANUAL_OVERRIDE] == 1)

        eventually(overridden, 20)
        os.write(master, b"q")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
