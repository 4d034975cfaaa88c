"""The fixed grid of the window: where each panel stands, for any size and scale. Pure arithmetic."""

from __future__ import annotations

import msgspec

GAP = 6
HEADER = 90
LEFT_SHARE, LEFT_LEAST, LEFT_MOST = 0.395, 544, 640
RIGHT = 352
EVENTS_SHARE = 0.29
ROW = 24  # a table row
TABLE_SHARE = 0.37
TABLE_HEAD = 64  # a panel's title and its table's head


class Rect(msgspec.Struct, frozen=True):
    """Left, top, width, height in pixels."""

    x: int
    y: int
    w: int
    h: int


def grid(width: int, height: int, scale: float, symbols: int) -> dict[str, Rect]:
    """Return the rectangle of every panel.

    Parameters
    ----------
    width, height
        Client area of the window, px.
    scale
        Factor on all fixed lengths.
    symbols
        Lines the two symbol tables should show without scrolling, where there is room.
    """
    gap, head, right = round(GAP * scale), round(HEADER * scale), round(RIGHT * scale)
    left = round(min(max(width * LEFT_SHARE, LEFT_LEAST * scale), LEFT_MOST * scale))
    top = head + 2 * gap
    body = max(height - top - gap, 100)
    middle_x = left + 2 * gap
    middle = max(width - middle_x - right - 2 * gap, 50)
    events = round(body * EVENTS_SHARE)
    upper = body - events - gap
    price = round(upper * 0.58)
    panels = {
        "header": Rect(gap, gap, width - 2 * gap, head),
        "price": Rect(middle_x, top, middle, price),
        "equity": Rect(middle_x, top + price + gap, middle, upper - price - gap),
        "config": Rect(middle_x + middle + gap, top, right, upper),
        "events": Rect(middle_x, top + upper + gap, middle + gap + right, events),
    }
    return panels | _left_column(Rect(gap, top, left, body), gap, scale, symbols)


def _left_column(column: Rect, gap: int, scale: float, symbols: int) -> dict[str, Rect]:
    """Stack positions, signals, trades and account; the tables grow with the symbols up to a share of the height."""
    width, top, body = column.w, column.y, column.h
    account = round(160 * scale)
    room = (body - account - 3 * gap) * TABLE_SHARE / scale
    rows = min(max(symbols, 2), max(int((room - TABLE_HEAD) // ROW), 1))  # whole rows: a half one looks broken
    table = round((TABLE_HEAD + ROW * rows) * scale)
    trades = body - account - 2 * table - 3 * gap
    second = top + table + gap
    third = second + table + gap
    return {
        "positions": Rect(gap, top, width, table),
        "signals": Rect(gap, second, width, table),
        "trades": Rect(gap, third, width, trades),
        "account": Rect(gap, third + trades + gap, width, account),
    }
