"""The fixed grid of the window: where each panel stands, for any size and scale. Pure arithmetic."""

from __future__ import annotations

import msgspec

GAP = 6
HEADER = 88
ROW = 23  # a table row
TABLE_HEAD = 60  # a panel's title and its table's head
LEFT, RIGHT = 436, 412
LEAST, MOST = 330, 620  # of a column a human drags, before --scale
SCALPER, COSTS = 148, 172
MARKETS_SHARE = 0.36
CHART_SHARE, EQUITY_SHARE = 0.38, 0.16
POSITIONS_SHARE = 0.2
CONFIG_SHARE = 0.55
MIDDLE_LEAST = 300


class Rect(msgspec.Struct, frozen=True):
    """Left, top, width, height in pixels."""

    x: int
    y: int
    w: int
    h: int

    @property
    def bottom(self) -> int:
        """The first pixel below it."""
        return self.y + self.h


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Widths a human may drag, px before --scale."""

    left: int = LEFT
    right: int = RIGHT

    def clamped(self) -> Columns:
        """Return widths within what can be read."""
        return Columns(left=min(max(self.left, LEAST), MOST), right=min(max(self.right, LEAST), MOST))


def grid(width: int, height: int, scale: float, symbols: int, columns: Columns | None = None) -> dict[str, Rect]:
    """Return the rectangle of every panel.

    Parameters
    ----------
    width, height
        Client area of the window, px.
    scale
        Factor on all fixed lengths.
    symbols
        Lines the tables should show without scrolling, where there is room.
    columns
        Widths of the outer columns.
    """
    gap, head = round(GAP * scale), round(HEADER * scale)
    wanted = (columns or Columns()).clamped()
    left, right = round(wanted.left * scale), round(wanted.right * scale)
    over = left + right + 4 * gap + round(MIDDLE_LEAST * scale) - width
    if over > 0:  # a small window takes from both sides
        left, right = left - over // 2, right - (over - over // 2)
        left, right = max(left, 150), max(right, 150)
    top = head + 2 * gap
    body = max(height - top - gap, 200)
    middle_x = left + 2 * gap
    middle = max(width - middle_x - right - 2 * gap, 60)
    return {
        "header": Rect(gap, gap, width - 2 * gap, head),
        **_left(Rect(gap, top, left, body), gap, scale, symbols),
        **_middle(Rect(middle_x, top, middle, body), gap, scale, symbols),
        **_right(Rect(middle_x + middle + gap, top, right, body), gap),
    }


def _left(column: Rect, gap: int, scale: float, symbols: int) -> dict[str, Rect]:
    """Stack markets, why no trade, the scalper's read and the costs."""
    room = column.h - 3 * gap
    scalper, costs = (min(round(px * scale), room // 5) for px in (SCALPER, COSTS))
    markets = _table_px(symbols, round(room * MARKETS_SHARE), scale)
    why = room - scalper - costs - markets
    return _stack(column, gap, {"markets": markets, "why": why, "scalper": scalper, "costs": costs})


def _middle(column: Rect, gap: int, scale: float, symbols: int) -> dict[str, Rect]:
    """Stack the chart, the equity curve, the open positions and the events."""
    room = column.h - 3 * gap
    chart, equity = round(room * CHART_SHARE), round(room * EQUITY_SHARE)
    positions = _table_px(min(max(symbols, 3), 4), round(room * POSITIONS_SHARE), scale)
    events = room - chart - equity - positions
    return _stack(column, gap, {"price": chart, "equity": equity, "positions": positions, "events": events})


def _right(column: Rect, gap: int) -> dict[str, Rect]:
    room = column.h - gap
    config = round(room * CONFIG_SHARE)
    return _stack(column, gap, {"config": config, "tuner": room - config})


def _stack(column: Rect, gap: int, heights: dict[str, int]) -> dict[str, Rect]:
    placed: dict[str, Rect] = {}
    y = column.y
    for name, height in heights.items():
        placed[name] = Rect(column.x, y, column.w, height)
        y += height + gap
    return placed


def _table_px(rows: int, most_px: int, scale: float) -> int:
    """Return the height of a table that shows this many rows, or as many whole ones as fit: a half one looks broken."""
    fitting = int((most_px / scale - TABLE_HEAD) // ROW)
    return round((TABLE_HEAD + ROW * max(min(rows, fitting), 1)) * scale)
