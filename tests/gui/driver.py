"""Drives the real dashboard from outside: starts the process, reads its test hook, moves the mouse, looks at the pixels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from Xlib import X, Xutil, display
from Xlib.ext import xtest

from tests.support import eventually

START_S = 90.0  # importing, compiling for the first time, opening the window, on a busy machine


class App:
    """One dashboard process on one X display.

    Parameters
    ----------
    xdisplay
        For example ``:99``.
    hook
        File for ``--testhook``.
    """

    def __init__(self, xdisplay: str, hook: Path) -> None:
        self.environment = os.environ | {"DISPLAY": xdisplay}
        self.hook = hook
        self._x: Any = display.Display(xdisplay)
        self._process: subprocess.Popen[Any] | None = None
        self.actions = 0  # clicks and keys so far

    def start(self, instance: str, *options: str) -> None:
        """Start the dashboard and wait until its window was drawn."""
        command = [sys.executable, "-m", "dashboard.cli", "--instance", instance, "--testhook", str(self.hook), *options]
        self._process = subprocess.Popen(
            command, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.wait_until(lambda: bool(self.last()), START_S)

    def adopt(self, process: subprocess.Popen[Any], within_s: float) -> None:
        """Drive the window that another program opens, given our hook by its environment."""
        self._process = process
        self.wait_until(lambda: bool(self.last()), within_s)

    def last(self) -> dict[str, Any]:
        """Return the newest whole line of the test hook, empty before the first."""
        if not self.hook.is_file():
            return {}
        whole = self.hook.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[2]
        line: dict[str, Any] = msgspec.json.decode(whole) if whole else {}
        return line

    def value(self, tag: str) -> Any:
        """Return what an item shows."""
        return self.last().get("values", {}).get(tag)

    def rect(self, tag: str) -> tuple[int, int, int, int] | None:
        """Return left, top, width, height of an item on the screen, or None while it is not drawn."""
        line = self.last()
        found = line.get("rects", {}).get(tag)
        if not found:
            return None
        (left, top, width, height), (x, y) = found, line["viewport"]
        return int(x + left), int(y + top), int(width), int(height)

    def wait_until(self, check: Any, within_s: float = 20.0) -> None:
        """Poll a check; a dashboard that died meanwhile fails at once with its output."""

        def alive_and_true() -> bool:
            process = self._process
            assert process is None or process.poll() is None, f"the dashboard ended: {process.communicate()[0]}"
            return bool(check())

        eventually(alive_and_true, within_s)

    def click(self, tag: str) -> None:
        """Move to an item, press, release; hover, press and release each need frames of their own."""
        self.wait_until(lambda: self.rect(tag))
        rect = self.rect(tag)
        assert rect is not None
        left, top, width, height = rect
        self.actions += 1
        xtest.fake_input(self._x, X.MotionNotify, x=left + min(width, 20) // 2, y=top + height // 2)
        self.pass_frames()
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self._x, kind, 1)
            self.pass_frames()

    def key(self, keysym: int, frames: int = 10) -> None:
        """Press a key, hold it for some frames, release it."""
        self.actions += 1
        code = self._x.keysym_to_keycode(keysym)
        for kind in (X.KeyPress, X.KeyRelease):
            xtest.fake_input(self._x, kind, code)
            self.pass_frames(frames)

    def point_at(self, x: int, y: int) -> None:
        """Move the mouse; without a window manager the keyboard goes where it points."""
        xtest.fake_input(self._x, X.MotionNotify, x=x, y=y)
        self.pass_frames()

    def pass_frames(self, count: int = 10) -> None:
        """Wait until that many frames were drawn after what was sent so far."""
        self._x.sync()
        frame = self.last().get("frame", 0)
        self.wait_until(lambda: self.last().get("frame", 0) >= frame + count)

    def minimise(self, *, on: bool = True) -> None:
        """Minimise the window or bring it back, by what a window manager does then: WM_STATE says so, and it is (un)mapped."""
        assert self._process is not None
        pid, state = self._x.intern_atom("_NET_WM_PID"), self._x.intern_atom("WM_STATE")
        windows = self._x.screen().root.query_tree().children
        owners = [window.get_full_property(pid, X.AnyPropertyType) for window in windows]
        (window,) = (w for w, owner in zip(windows, owners, strict=True) if owner and owner.value[0] == self._process.pid)
        window.change_property(state, state, 32, [Xutil.IconicState if on else Xutil.NormalState, X.NONE])
        (window.unmap if on else window.map)()
        self._x.sync()

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the screen, shape (height, width, 3), RGB."""
        root = self._x.screen().root
        size = root.get_geometry()
        image = root.get_image(0, 0, size.width, size.height, X.ZPixmap, 0xFFFFFFFF)
        bgrx = np.frombuffer(image.data, np.uint8).reshape(size.height, size.width, 4)
        return bgrx[:, :, 2::-1].copy()

    def colour_count(self, colour: tuple[int, int, int], tag: str | None = None, within: int = 48) -> int:
        """Return how many pixels, of all or of an item, have this colour, give or take: glyphs have soft edges."""
        screen = self.pixels()
        if tag is not None:
            rect = self.rect(tag)
            assert rect is not None
            left, top, width, height = rect
            screen = screen[top : top + height, left : left + width]
        distance = np.abs(screen.astype(np.int16) - np.array(colour, np.int16)).max(axis=2)
        return int((distance <= within).sum())

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(10)

    def close(self) -> None:
        """End what still runs."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.communicate(timeout=10)
        self._x.close()
