"""What the window shows while there is no trader to look at: why, and what to type. It finds one by itself."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from dashboard.desktop.labels import Label
from dashboard.desktop.theme import Style
from dashboard.model import DashboardView, Level, Tone
from dashboard.tuner_view import state_line

_STEPS = (
    ("everything at once, offline, on a simulated market", "make demo          (or trader_demo)"),
    ("a paper trader on live prices", "trader --paper"),
    ("the AI that tunes it, in a second terminal", "trader_tuner"),
    ("what is wrong, if one of them does not start", "trader_control doctor"),
)


class WelcomePanel:
    """A page in the middle of the window."""

    def __init__(self, style: Style) -> None:
        dpg.add_spacer(height=style.px(28))
        self._title = Label(style, "No trader yet", tag="welcome_title")
        dpg.add_spacer(height=style.px(6))
        self._text = Label(style, tag="welcome_text", wrap=0)
        dpg.add_spacer(height=style.px(14))
        for what, command in _STEPS:
            Label(style, what, Tone.GREY)
            Label(style, f"    {command}", Tone.INFO)
            dpg.add_spacer(height=style.px(4))
        dpg.add_spacer(height=style.px(10))
        self._where = Label(style, tag="welcome_where", tone=Tone.GREY, wrap=0)
        self._tuner = Label(style, tag="welcome_tuner", tone=Tone.GREY, wrap=0)
        if style.big:
            dpg.bind_item_font(self._title.item, style.big)

    def show(self, view: DashboardView) -> None:
        """Show a view that has no trader."""
        if view.attached:
            return
        broken = view.header.level is Level.RED
        self._title.show("The trader cannot be read" if broken else "No trader yet", Tone.BAD if broken else Tone.PLAIN)
        wait = "Nothing runs in this instance. This window finds a trader by itself within a second of its start."
        self._text.show(view.header.alert if broken else wait, Tone.WARN if broken else Tone.PLAIN)
        name = view.header.instance or "(the unnamed one)"
        self._where.show(f"instance {name}; another is chosen by --instance NAME or TRADER_INSTANCE", Tone.GREY)
        self._tuner.show(f"tuner: {state_line(view.tuner)[0]}", Tone.GREY)
