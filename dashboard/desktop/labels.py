"""Small items that touch Dear PyGui only when what they show has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dearpygui.dearpygui as dpg

from dashboard.figures import DIM, WHITE
from dashboard.model import Colour

Select = Callable[[object, object, int], None]


class Label:
    """A line of text with one colour.

    Parameters
    ----------
    tag
        A name for tests and for :func:`dpg.get_value`, or 0.
    wrap
        Width at which lines break, px; -1 for none.
    """

    def __init__(self, text: str = "", colour: Colour = WHITE, *, tag: str | int = 0, wrap: int = -1) -> None:
        self.item = dpg.add_text(text, color=colour, tag=tag, wrap=wrap)
        self._text, self._colour = text, colour

    def show(self, text: str, colour: Colour = WHITE) -> None:
        """Show other words, another colour, or nothing new at no cost."""
        if text != self._text:
            self._text = text
            dpg.set_value(self.item, text)
        if colour != self._colour:
            self._colour = colour
            dpg.configure_item(self.item, color=colour)


class Column:
    """Head and width of a table column, in characters; ``right`` aligns figures at their end."""

    def __init__(self, head: str, chars: int, *, right: bool = False) -> None:
        self.head, self.chars, self.right = head, chars, right

    def fit(self, text: str) -> str:
        """Return the text padded to the column; a longer one is cut with an ellipsis."""
        if len(text) > self.chars:
            text = text[: self.chars - 1] + "…"
        return text.rjust(self.chars) if self.right else text


class Table:
    """A table of preallocated rows: cells change, rows hide, nothing is ever deleted (deleting leaks).

    Parameters
    ----------
    columns
        Left to right.
    rows
        The most it will ever show.
    name
        Prefix of the row tags, e.g. ``positions`` for ``positions_0``.
    on_select
        Called with ``(sender, value, row index)`` when a row is clicked; None for a table to look at only.
    row_px
        Height of the part of a row that is lit when it is the selected one.
    """

    def __init__(
        self, columns: Sequence[Column], rows: int, name: str, on_select: Select | None = None, row_px: int = 18
    ) -> None:
        self._row_px = row_px
        self._columns = columns
        self._cells: list[list[Label]] = []
        self._rows: list[int] = []
        self._picks: list[int] = []
        self._shown = rows
        with dpg.table(
            tag=name,
            header_row=True,
            scrollY=True,
            row_background=True,
            policy=dpg.mvTable_SizingStretchProp,
            borders_innerV=False,
        ):
            for column in columns:
                head = column.head.rjust(column.chars) if column.right else column.head
                dpg.add_table_column(label=head, init_width_or_weight=column.chars)
            for index in range(rows):
                self._add_row(index, name, on_select)

    def _add_row(self, index: int, name: str, on_select: Select | None) -> None:
        cells: list[Label] = []
        with dpg.table_row() as row:
            for number in range(len(self._columns)):
                if number == 0 and on_select is not None:
                    cells.append(self._add_pick(index, name, on_select))
                else:
                    cells.append(Label())
        self._rows.append(row)
        self._cells.append(cells)

    def _add_pick(self, index: int, name: str, on_select: Select) -> Label:
        """Add the first cell of a row that can be clicked anywhere: rows themselves take no clicks."""
        with dpg.group(horizontal=True, horizontal_spacing=0):
            pick = dpg.add_selectable(
                span_columns=True, callback=on_select, user_data=index, tag=f"{name}_{index}", height=self._row_px
            )
            self._picks.append(pick)
            return Label()

    def show(self, lines: Sequence[Sequence[tuple[str, Colour]]], *, fresh: bool = True) -> None:
        """Show one line of ``(text, colour)`` cells per row; stale ones in grey."""
        for index in range(min(len(lines), len(self._rows))):
            for column, cell, (text, colour) in zip(self._columns, self._cells[index], lines[index], strict=True):
                cell.show(column.fit(text), colour if fresh else DIM)
        self._show_rows(min(len(lines), len(self._rows)))

    def pick(self, row: int) -> None:
        """Mark one row as the selected one."""
        for index, item in enumerate(self._picks):
            if dpg.get_value(item) != (index == row):
                dpg.set_value(item, index == row)

    def _show_rows(self, count: int) -> None:
        for index in range(min(count, self._shown), max(count, self._shown)):
            dpg.configure_item(self._rows[index], show=index < count)
        self._shown = count
