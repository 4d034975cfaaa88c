"""A line of JSON every few frames for tests that drive the real window from outside: where items are and what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dearpygui.dearpygui as dpg
import msgspec

EVERY_FRAMES = 5


class TestHook:
    """Appends to a file.

    Parameters
    ----------
    path
        The file; made if missing.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._frame = 0

    def frame(self) -> None:
        """Count a frame and write every fifth."""
        self._frame += 1
        if self._frame % EVERY_FRAMES:
            return
        named = {alias: dpg.get_alias_id(alias) for alias in dpg.get_aliases()}
        line = {
            "frame": self._frame,
            "viewport": dpg.get_viewport_pos(),
            "title": dpg.get_viewport_title(),
            "rects": {name: rect for name, item in named.items() if (rect := _rect(item))},
            "values": {name: value for name, item in named.items() if isinstance(value := dpg.get_value(item), _PLAIN)},
        }
        self._file.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


_PLAIN = (str, bool, int, float)


def _rect(item: int) -> list[float] | None:
    """Return left, top, width, height of an item that is drawn, else None."""
    state: dict[str, Any] = dpg.get_item_state(item)
    corner = state.get("rect_min") or state.get("pos")  # child windows know only their position
    if not corner or "rect_size" not in state or not state.get("visible", True):
        return None
    return [*corner, *state["rect_size"]]
