"""The live events: a bounded list that follows its end, with a filter."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from dashboard.desktop.labels import Label
from dashboard.desktop.theme import Style
from dashboard.event_log import LINES
from dashboard.model import DashboardView, EventLine
from shared.events import GREY

FILTER = "events_filter"
FOLLOW = "events_follow"
ONLY_AI = "events_ai"


class EventsPanel:
    """Adds what is new, drops what is old; adding and deleting single lines does not leak.

    Parameters
    ----------
    style
        Fonts and themes.
    """

    def __init__(self, style: Style) -> None:
        self._number = 0
        self._items: list[tuple[EventLine, int]] = []
        self._scroll_frames = 0
        with dpg.group(horizontal=True):
            Label("LIVE EVENTS", GREY)
            dpg.add_input_text(tag=FILTER, hint="filter, e.g. BTC or stop or -signal", width=style.px(260), callback=self._filter)
            dpg.add_checkbox(label="AI only", tag=ONLY_AI, callback=self._filter)
            dpg.add_checkbox(label="follow", tag=FOLLOW, default_value=True)
            self._count = Label("", GREY)
        self._body = dpg.add_child_window(border=False)

    def show(self, view: DashboardView) -> None:
        """Append the lines that came since the last view."""
        new = [line for line in view.events if line.number > self._number]
        for line in new:
            self._add(line)
        while len(self._items) > LINES:
            dpg.delete_item(self._items.pop(0)[1])
        if new:
            self._number = new[-1].number
            self._count.show(f"last {len(self._items)} events", GREY)
            self._scroll_frames = 3  # the list knows its new height only after it was drawn
        if self._scroll_frames and dpg.get_value(FOLLOW):
            self._scroll_frames -= 1
            dpg.set_y_scroll(self._body, -1.0)

    def _add(self, line: EventLine) -> None:
        words = f"{line.time}  {line.text}"
        item = dpg.add_text(words, color=line.colour, parent=self._body, wrap=0, show=self._wanted(line))
        self._items.append((line, item))

    def _wanted(self, line: EventLine) -> bool:
        return matches(line, str(dpg.get_value(FILTER)), only_ai=bool(dpg.get_value(ONLY_AI)))

    def _filter(self) -> None:
        for line, item in self._items:
            dpg.configure_item(item, show=self._wanted(line))
        self._scroll_frames = 3


def matches(line: EventLine, typed: str, *, only_ai: bool) -> bool:
    """Say whether a line passes: every typed word must be in it, every word after a ``-`` must not."""
    if only_ai and not line.ai:
        return False
    text = f"{line.time} {line.text}".lower()
    return all(_passes(word, text) for word in typed.lower().split())


def _passes(word: str, text: str) -> bool:
    if word.startswith("-"):
        return word == "-" or word[1:] not in text  # a minus alone is a word still being typed
    return word in text
