"""A PNG of the window, from its own frame buffer: no tool of the desktop is needed."""

from __future__ import annotations

import time
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np

from shared.errors import Timeout

_TRIES = 20


def take_picture(path: Path) -> None:
    """Write what the window shows.

    The first frame buffer read in the life of a window can be black (the read runs before the frame is drawn), so the file is
    looked at, and taken again while it shows one colour only.

    Errors
    ------
    Timeout
        If nothing but black came.
    """
    path.unlink(missing_ok=True)
    for _ in range(_TRIES):
        dpg.output_frame_buffer(str(path))
        for _ in range(3):
            dpg.render_dearpygui_frame()
            time.sleep(0.02)
        if path.is_file() and has_content(path):
            return
    raise Timeout(f"screenshot: {path} was empty after {_TRIES} tries, expected a picture; is the window hidden or minimised?")


def has_content(path: Path) -> bool:
    """Say whether a PNG shows more than one colour; needs a Dear PyGui context."""
    loaded = dpg.load_image(str(path))
    if loaded is None:
        return False
    width, height, channels, data = loaded
    pixels = np.frombuffer(data, np.float32).reshape(height * width, channels)
    return bool(np.ptp(pixels[:, 0]) > 0)
