"""LIVE EVENTS: a bounded list, newest first, filtered by text, type and symbol; it can be copied and exported.

Newest first is also quickest: a line at the end would be seen only a frame later, when the list has learnt its new height.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dearpygui.dearpygui as dpg

from dashboard.desktop.labels import Label
from dashboard.desktop.theme import Style
from dashboard.event_log import KINDS, LINES, as_csv, as_text, matches
from dashboard.model import DashboardView, EventLine, Tone

FILTER, FOLLOW, KIND, SYMBOL = "events_filter", "events_follow", "events_kind", "events_symbol"
COPY, EXPORT = "events_copy", "events_csv"
_ALL_KINDS, _ALL_SYMBOLS = "all types", "all symbols"


class EventsPanel:
    """Adds what is new on top, drops what is old; adding and deleting single lines does not leak.

    Parameters
    ----------
    export_to
        Returns the file a CSV goes to.
    tell
        Takes a sentence about what was copied or exported.
    """

    def __init__(self, style: Style, export_to: Callable[[], Path], tell: Callable[[str], None]) -> None:
        self._style, self._export_to, self._tell = style, export_to, tell
        self._number = 0
        self._items: list[tuple[EventLine, int]] = []
        self._symbols: list[str] = []
        px = style.px
        with dpg.group(horizontal=True):
            dpg.add_input_text(tag=FILTER, hint="filter  /   e.g. stop -signal", width=px(160), callback=self._filter)
            dpg.add_combo([_ALL_KINDS, *KINDS], tag=KIND, default_value=_ALL_KINDS, width=px(92), callback=self._filter)
            dpg.add_combo([_ALL_SYMBOLS], tag=SYMBOL, default_value=_ALL_SYMBOLS, width=px(108), callback=self._filter)
            dpg.add_checkbox(label="follow", tag=FOLLOW, default_value=True)
            dpg.add_button(label="Copy", tag=COPY, callback=self.copy)
            dpg.add_button(label="CSV", tag=EXPORT, callback=self.export)
            self._count = Label(style, "", Tone.GREY, tag="events_count")
        self._body = dpg.add_child_window(border=False, tag="events_body")

    def show(self, view: DashboardView) -> None:
        """Append the lines that came since the last view."""
        symbols = [market.symbol for market in view.markets]
        if symbols and symbols != self._symbols:
            self._symbols = symbols
            dpg.configure_item(SYMBOL, items=[_ALL_SYMBOLS, *symbols])
        new = [line for line in view.events if line.number > self._number]
        passes = self._filter_now()
        for line in new:
            self._add(line, shown=passes(line))
        while len(self._items) > LINES:
            dpg.delete_item(self._items.pop(0)[1])
        if new:
            self._number = new[-1].number
            self._show_count()
            if dpg.get_value(FOLLOW):
                dpg.set_y_scroll(self._body, 0.0)

    @property
    def typing(self) -> bool:
        """Say whether the filter has the keyboard."""
        return bool(dpg.is_item_active(FILTER))

    @property
    def kind(self) -> str:
        """The chosen type, "" for all."""
        chosen = str(dpg.get_value(KIND))
        return "" if chosen == _ALL_KINDS else chosen

    def choose_kind(self, kind: str) -> None:
        """Show one type only, or all for ""."""
        if kind in ("", *KINDS):
            dpg.set_value(KIND, kind or _ALL_KINDS)
            self._filter()

    def wanted(self) -> list[EventLine]:
        """Return the lines that pass the filter, oldest first."""
        passes = self._filter_now()
        return [line for line, _ in self._items if passes(line)]

    def copy(self) -> None:
        """Put the lines that pass the filter on the clipboard."""
        lines = self.wanted()
        dpg.set_clipboard_text(as_text(lines))
        self._tell(f"✓ {len(lines)} events copied")

    def export(self) -> None:
        """Write the lines that pass the filter to a CSV file."""
        lines, path = self.wanted(), self._export_to()
        try:
            path.write_text(as_csv(lines))
        except OSError as error:
            self._tell(f"✗ export: {error}")
            return
        self._tell(f"✓ {len(lines)} events in {path}")

    def _add(self, line: EventLine, *, shown: bool) -> None:
        words = f"{line.time}  {line.text}"
        colour = self._style.colour(line.tone)
        above = self._items[-1][1] if self._items else 0
        item = dpg.add_text(words, color=colour, parent=self._body, before=above, wrap=0, show=shown)
        self._items.append((line, item))

    def _filter_now(self) -> Callable[[EventLine], bool]:
        """Return the test a line must pass, as the three fields stand now."""
        typed, kind, chosen = str(dpg.get_value(FILTER)), self.kind, str(dpg.get_value(SYMBOL))
        symbol = "" if chosen == _ALL_SYMBOLS else chosen
        return lambda line: matches(line, typed, kind=kind, symbol=symbol)

    def _filter(self) -> None:
        passes = self._filter_now()
        for line, item in self._items:
            dpg.configure_item(item, show=passes(line))
        self._show_count()

    def _show_count(self) -> None:
        shown = len(self.wanted())
        self._count.show(f"{shown}" if shown == len(self._items) else f"{shown} of {len(self._items)}", Tone.GREY)
