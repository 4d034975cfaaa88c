"""A private X server for the tests that open the real window."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gui.driver import App

SCREEN = (1600, 1000)


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let windows remember their habits in a folder of the test, not in the user's."""
    before = os.environ.get("TRADER_HOME")
    os.environ["TRADER_HOME"] = str(tmp_path_factory.mktemp("trader_home"))
    yield
    if before is None:
        del os.environ["TRADER_HOME"]
    else:
        os.environ["TRADER_HOME"] = before


@pytest.fixture(scope="session")
def xdisplay() -> Iterator[str]:
    """Start Xvfb on a display of its own choice; skip without it, but never in CI."""
    if shutil.which("Xvfb") is None:
        message = "Xvfb is missing, expected the command; on Debian: apt install xvfb"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{SCREEN[0]}x{SCREEN[1]}x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[writer], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as pipe:
        number = pipe.readline().strip()  # comes when the server is ready
    try:
        assert number, "Xvfb ended without a display"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def app(xdisplay: str, tmp_path: Path) -> Iterator[App]:
    """Give an App that is not started yet; it is ended after the test."""
    application = App(xdisplay, tmp_path / "hook.jsonl")
    try:
        yield application
    finally:
        application.close()
