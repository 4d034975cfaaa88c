"""The real window in the test's own process, on a virtual screen: real mouse and keys, no sleeps, a few ms a frame.

Drawing itself is dropped (``GALLIUM_NOOP``), which leaves everything that reacts; what is drawn, other tests look at.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import dearpygui.dearpygui as dpg
from Xlib import X, display
from Xlib.ext import xtest

from dashboard.desktop.window import Window, WindowOptions
from shared.clock import SystemClock

WITHIN_S = 20.0


class NoSignal:
    """A stop that never comes: signals belong to pytest here."""

    exit_code = 0
    stopped = False

    def finish(self) -> None:
        """Take note of nothing."""


class Inside:
    """One window, driven frame by frame."""

    def __init__(self, xdisplay: str, instance: str, **options: Any) -> None:
        before = {name: os.environ.get(name) for name in ("DISPLAY", "GALLIUM_NOOP")}
        os.environ |= {"DISPLAY": xdisplay, "GALLIUM_NOOP": "1"}
        self._x: Any = display.Display(xdisplay)
        size = {"width": 1500, "height": 900} | options
        self.window = Window(WindowOptions(instance=instance, **size), SystemClock(), NoSignal())
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        self.pump(6)

    def pump(self, frames: int = 2) -> None:
        """Draw some frames, each from a fresh look."""
        for _ in range(frames):
            self.window._next_look_ns = 0
            self.window.frame()

    def until(self, check: Any) -> None:
        """Draw frames until a check is true."""
        end = time.monotonic() + WITHIN_S
        while not check():
            assert time.monotonic() < end, f"not true after {WITHIN_S} s; message: {self.value('message')!r}"
            self.pump(1)

    def value(self, tag: str) -> Any:
        """Return what an item shows."""
        return dpg.get_value(tag)

    def shown(self, tag: str) -> bool:
        """Say whether an item is on the screen."""
        return bool(dpg.is_item_shown(tag)) and bool(dpg.get_item_state(tag).get("visible"))

    def move(self, x: float, y: float) -> None:
        """Put the mouse somewhere in the window."""
        left, top = dpg.get_viewport_pos()
        xtest.fake_input(self._x, X.MotionNotify, x=int(left + x), y=int(top + y))
        self._x.sync()
        self.pump(2)

    def press(self, kind: int) -> None:
        """Press or release the left button."""
        xtest.fake_input(self._x, kind, 1)
        self._x.sync()
        self.pump(2)

    def click(self, tag: str) -> None:
        """Click an item."""
        self.until(lambda: self.shown(tag))
        (x, y), (width, height) = dpg.get_item_rect_min(tag), dpg.get_item_rect_size(tag)
        self.move(x + min(width, 20) / 2, y + height / 2)
        self.press(X.ButtonPress)
        self.press(X.ButtonRelease)

    def key(self, keysym: int, frames: int = 2, *, shift: bool = False) -> None:
        """Press a key, hold it for some frames, release it."""
        codes = [self._x.keysym_to_keycode(keysym)]
        codes = [self._x.keysym_to_keycode(0xFFE1), *codes] if shift else codes
        for code in codes:
            xtest.fake_input(self._x, X.KeyPress, code)
            self._x.sync()
            self.pump(frames)
        for code in reversed(codes):
            xtest.fake_input(self._x, X.KeyRelease, code)
            self._x.sync()
            self.pump(2)

    @property
    def asking(self) -> str:
        """Title of the open question, "" if there is none."""
        return str(dpg.get_item_label("dialog")) if self.window.panels.dialog.open else ""

    def close(self) -> None:
        """Close the window."""
        self.window.close()
        self._x.close()


def remembered(home: Path, instance: str) -> str:
    """Return what the window of an instance has written down."""
    return (home / instance / "dashboard.json").read_text()
