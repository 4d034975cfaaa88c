"""Small items that touch Dear PyGui only when what they show has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dearpygui.dearpygui as dpg

from dashboard.desktop.theme import Style
from dashboard.model import Cell, Tone

Select = Callable[[object, object, int], None]


class Label:
    """A line of text with one tone.

    Parameters
    ----------
    tag
        A name for tests and for :func:`dpg.get_value`, or 0.
    wrap
        Width at which lines break, px; 0 for the end of the window, -1 for none.
    """

    def __init__(self, style: Style, text: str = "", tone: Tone = Tone.PLAIN, *, tag: str | int = 0, wrap: int = -1) -> None:
        self.item = dpg.add_text(text, color=style.colour(tone), tag=tag, wrap=wrap)
        self._style, self._text, self._tone = style, text, tone

    def show(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Show other words, another tone, or nothing new at no cost."""
        if text != self._text:
            self._text = text
            dpg.set_value(self.item, text)
        if tone != self._tone:
            self._tone = tone
            dpg.configure_item(self.item, color=self._style.colour(tone))


class Shown:
    """Shows and hides an item, only when that changes."""

    def __init__(self, item: str | int, *, shown: bool = True) -> None:
        self._item, self._shown = item, shown

    def show(self, shown: bool) -> None:
        """Show or hide it."""
        if shown != self._shown:
            self._shown = shown
            dpg.configure_item(self._item, show=shown)


def small(style: Style, item: int) -> None:
    """Give an item the small font."""
    if style.small:
        dpg.bind_item_font(item, style.small)


class Column:
    """Head and width of a table column, in characters; ``right`` aligns figures at their end; ``spark`` holds a small curve."""

    def __init__(self, head: str, chars: int, *, right: bool = False, spark: bool = False) -> None:
        self.head, self.chars, self.right, self.spark = head, chars, right, spark

    def fit(self, text: str) -> str:
        """Return the text padded to the column; a longer one is cut with an ellipsis."""
        if len(text) > self.chars:
            text = text[: self.chars - 1] + "…"
        return text.rjust(self.chars) if self.right else text


class Spark:
    """A curve in a table cell."""

    def __init__(self, style: Style, height: int) -> None:
        self._style = style
        self.item = dpg.add_simple_plot(default_value=[0.0, 0.0], height=height, width=-1)
        self._values: Sequence[float] = ()
        self._tone: Tone | None = None

    def show(self, values: Sequence[float], tone: Tone) -> None:
        """Show a curve from its least to its largest value."""
        if tone is not self._tone:
            self._tone = tone
            dpg.bind_item_theme(self.item, self._style.sparks[tone])
        if values != self._values and len(values) > 1:
            self._values = values
            low, high = min(values), max(values)
            span = high - low or 1.0  # relative: float32 has too few digits for a price of 60,000 and its cents
            dpg.set_value(self.item, [(value - low) / span for value in values])
            dpg.configure_item(self.item, min_scale=-0.1, max_scale=1.1)


class Table:
    """A table of preallocated rows: cells change, rows hide, nothing is ever deleted (deleting leaks).

    Parameters
    ----------
    columns
        Left to right.
    rows
        The most it will ever show.
    name
        Prefix of the row tags, e.g. ``markets`` for ``markets_0``.
    on_select
        Called with ``(sender, value, row index)`` when a row is clicked; None for a table to look at only.
    """

    def __init__(self, style: Style, columns: Sequence[Column], rows: int, name: str, on_select: Select | None = None) -> None:
        self._style = style
        self._columns = columns
        self._cells: list[list[Label | Spark]] = []
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
        self._show_rows(0)

    def _add_row(self, index: int, name: str, on_select: Select | None) -> None:
        cells: list[Label | Spark] = []
        with dpg.table_row() as row:
            for number, column in enumerate(self._columns):
                if number == 0 and on_select is not None:
                    cells.append(self._add_pick(index, name, on_select))
                elif column.spark:
                    cells.append(Spark(self._style, self._style.px(16)))
                else:
                    cells.append(Label(self._style))
        self._rows.append(row)
        self._cells.append(cells)

    def _add_pick(self, index: int, name: str, on_select: Select) -> Label:
        """Add the first cell of a row that can be clicked anywhere: rows themselves take no clicks."""
        with dpg.group(horizontal=True, horizontal_spacing=0):
            pick = dpg.add_selectable(
                span_columns=True, callback=on_select, user_data=index, tag=f"{name}_{index}", height=self._style.px(17)
            )
            self._picks.append(pick)
            return Label(self._style, tag=f"{name}_{index}_name")

    def show(self, lines: Sequence[Sequence[Cell]], *, fresh: bool = True, curves: Sequence[Sequence[float]] = ()) -> None:
        """Show one line of cells per row, stale ones in grey; ``curves`` fill the column of sparks."""
        count = min(len(lines), len(self._rows))
        for index in range(count):
            for column, cell, (text, tone) in zip(self._columns, self._cells[index], lines[index], strict=True):
                shown = tone if fresh else Tone.DIM
                if isinstance(cell, Spark):
                    cell.show(curves[index], shown)
                else:
                    cell.show(column.fit(text), shown)
        self._show_rows(count)

    def pick(self, row: int) -> None:
        """Mark one row as the selected one; -1 for none."""
        for index, item in enumerate(self._picks):
            if dpg.get_value(item) != (index == row):
                dpg.set_value(item, index == row)

    def _show_rows(self, count: int) -> None:
        for index in range(min(count, self._shown), max(count, self._shown)):
            dpg.configure_item(self._rows[index], show=index < count)
        self._shown = count
