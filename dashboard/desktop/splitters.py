"""The two gaps between the columns: a human drags them, and they stay where they were left."""

from __future__ import annotations

from collections.abc import Mapping

import dearpygui.dearpygui as dpg

from dashboard.desktop.grid import GAP, Columns, Rect

_GRIP = GAP  # px on each side of a gap's middle that can be taken


class Splitters:
    """Widths of the outer columns, dragged by their inner edges.

    Parameters
    ----------
    columns
        Widths to begin with, px before scale.
    scale
        Factor on all lengths.
    """

    def __init__(self, columns: Columns, scale: float) -> None:
        self.columns = columns
        self._scale = scale
        self._edges: dict[str, float] = {}
        self._top = 0.0
        self._held = ""
        self._was_down = False

    def placed(self, panels: Mapping[str, Rect]) -> None:
        """Take where the panels stand now."""
        half = GAP * self._scale / 2
        self._edges = {"left": panels["markets"].x + panels["markets"].w + half, "right": panels["config"].x - half}
        self._top = float(panels["markets"].y)

    def drag(self, width: int) -> None:
        """Follow the mouse; call once a frame with the width of the window, px."""
        down = bool(dpg.is_mouse_button_down(dpg.mvMouseButton_Left))
        x, y = dpg.get_mouse_pos(local=False)
        if down and not self._was_down:
            self._held = self.edge_at(x, y)
        self._was_down = down
        if not down:
            self._held = ""
        elif self._held:
            self.move(self._held, x, width)

    def edge_at(self, x: float, y: float) -> str:
        """Return which edge is under the mouse, "" for none."""
        if y < self._top:
            return ""
        return next((name for name, at in self._edges.items() if abs(x - at) <= _GRIP * self._scale), "")

    def move(self, edge: str, x: float, width: int) -> None:
        """Put an edge at ``x`` px of a window of this width."""
        beside = 1.5 * GAP  # the outer gap, and half of the one that is held
        if edge == "left":
            self.columns = Columns(left=round(x / self._scale - beside), right=self.columns.right).clamped()
        else:
            self.columns = Columns(left=self.columns.left, right=round((width - x) / self._scale - beside)).clamped()
