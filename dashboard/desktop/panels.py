"""All panels of the window: built once, shown a view, kept in their places, and joined to keys, dialog and actions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import dearpygui.dearpygui as dpg

from dashboard.actions import Actions
from dashboard.desktop.config_panel import ConfigPanel
from dashboard.desktop.dialog import Dialog
from dashboard.desktop.events_panel import FILTER, EventsPanel
from dashboard.desktop.grid import Columns, Rect, grid
from dashboard.desktop.header import HeaderPanel
from dashboard.desktop.keys import HELP, Keys
from dashboard.desktop.plots import EquityPanel, PricePanel
from dashboard.desktop.remembered import Remembered
from dashboard.desktop.side_panels import CostsPanel, ScalperPanel, WhyPanel
from dashboard.desktop.splitters import Splitters
from dashboard.desktop.tables import MarketsPanel, PositionsPanel, TradesPanel
from dashboard.desktop.theme import Style
from dashboard.desktop.tuner_panel import TunerPanel
from dashboard.desktop.welcome import WelcomePanel
from dashboard.model import DashboardView
from dashboard.views import Viewer
from dashboard.wishes import Answer, Request
from shared.clock import Clock, iso_utc
from shared.paths import home_dir

ROOT, WELCOME = "root", "welcome"
PANELS = ("header", "markets", "why", "scalper", "costs", "price", "equity", "positions", "events", "config", "tuner")
_SCROLLING = ("config", "tuner", "why", "scalper")


class Panels:
    """Everything inside the window.

    Parameters
    ----------
    remembered
        Columns and filter as they were left.
    send
        Takes what the human asks for.
    select
        Takes the index of a chosen symbol.
    viewer
        Asked for its symbols when the grid is laid out.
    """

    def __init__(
        self,
        style: Style,
        instance: str,
        clock: Clock,
        remembered: Remembered,
        send: Callable[[Request], None],
        select: Callable[[int], None],
        viewer: Viewer,
    ) -> None:
        self._style, self._instance, self._clock, self._viewer = style, instance, clock, viewer
        self._select = select
        self._size: tuple[object, ...] = ()
        self._attached: bool | None = None
        self.dialog = Dialog(style)
        self.actions = Actions(send, self.dialog.ask)
        self._build()
        self._splitters = Splitters(Columns(left=remembered.left, right=remembered.right).clamped(), style.scale)
        self._events.choose_kind(remembered.kind)
        self._keys = self._make_keys()

    @property
    def columns(self) -> Columns:
        """Widths of the outer columns now."""
        return self._splitters.columns

    @property
    def kind(self) -> str:
        """Type of event that is shown, "" for all."""
        return self._events.kind

    @property
    def key_held(self) -> bool:
        """Say whether a key is down."""
        return self._keys.held

    def show(self, view: DashboardView) -> None:
        """Show a view in every panel."""
        self.actions.show(view)
        self._welcome.show(view)
        for panel in self._all:
            panel.show(view)
        self._attach(attached=view.attached)

    def _attach(self, *, attached: bool) -> None:
        """Show the panels when there is a trader, the page that waits while there is none."""
        if attached == self._attached:
            return
        self._attached = attached
        for name in PANELS:
            if name != "header":
                dpg.configure_item(f"panel_{name}", show=attached)
        self._header.attach(attached=attached)
        dpg.configure_item(WELCOME, show=not attached)

    def sent(self, request: Request) -> None:
        """Say that a request is on its way."""
        self._config.sent(request.label)

    def answered(self, answer: Answer) -> None:
        """Say what became of a request."""
        self._config.answered(answer)

    def place(self) -> None:
        """Lay the panels out again when the window, the columns or the number of symbols changed."""
        width, height = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
        self._splitters.drag(width)
        size = (width, height, len(self._viewer.symbols), self.columns)
        if size == self._size or min(width, height) <= 0:
            return
        self._size = size
        placed = grid(width, height, self._style.scale, len(self._viewer.symbols), self.columns)
        self._splitters.placed(placed)
        px, top = self._style.px, placed["markets"].y
        corner = ((width - px(640)) // 2, top + max((height - top - px(420)) // 3, 0))
        dpg.configure_item(WELCOME, pos=corner, width=px(640), height=px(420))
        for name, rect in placed.items():
            _put(f"panel_{name}", rect)
            if name == "header":
                self._header.place(rect.w)

    def _build(self) -> None:
        style, actions = self._style, self.actions
        with dpg.window(tag=ROOT, no_scrollbar=True, no_scroll_with_mouse=True):
            with _panel("header"):
                self._header = HeaderPanel(style, actions)
            with _panel("markets"):
                markets = MarketsPanel(style, self._select)
            with _panel("why"):
                why = WhyPanel(style)
            with _panel("scalper"):
                scalper = ScalperPanel(style)
            with _panel("costs"):
                costs = CostsPanel(style)
            with _panel("price"):
                self._price = PricePanel(style, actions)
            with _panel("equity"):
                equity = EquityPanel(style)
            with _panel("positions"):
                positions = PositionsPanel(style, self._select)
            with _panel("events"):
                dpg.add_spacer(height=1)  # takes the width that the last curve of the table asked for: it would stretch a tab
                with dpg.tab_bar(tag="events_tabs"):
                    with dpg.tab(label="LIVE EVENTS", tag="tab_events"):
                        self._events = EventsPanel(style, self._export_file, self._tell)
                    with dpg.tab(label="CLOSED TRADES", tag="tab_trades"):
                        trades = TradesPanel(style)
            with _panel("config"):
                self._config = ConfigPanel(style, actions, self._select)
            with _panel("tuner"):
                tuner = TunerPanel(style, actions)
        self._all = (
            self._header, markets, why, scalper, costs, self._price, equity, positions, self._events, trades, self._config, tuner,
        )  # fmt: skip
        with dpg.window(tag=WELCOME, show=False, no_title_bar=True, no_move=True, no_resize=True, no_scrollbar=True):
            self._welcome = WelcomePanel(style)
        dpg.set_primary_window(ROOT, True)
        dpg.configure_item(ROOT, no_scrollbar=True, no_scroll_with_mouse=True)  # becoming the primary window forgot them

    def _make_keys(self) -> Keys:
        actions, dialog = self.actions, self.dialog
        always = {
            dpg.mvKey_F6: actions.flatten,
            dpg.mvKey_F7: actions.cancel_all,
            dpg.mvKey_Escape: dialog.cancel,
            dpg.mvKey_Return: dialog.confirm,
            dpg.mvKey_NumPadEnter: dialog.confirm,
        }
        plain = {
            dpg.mvKey_Spacebar: actions.toggle_trading,
            dpg.mvKey_M: actions.toggle_override,
            dpg.mvKey_A: actions.toggle_tuner,
            dpg.mvKey_T: actions.tune_now,
            dpg.mvKey_Slash: self._slash,
        }
        plain |= {dpg.mvKey_1 + i: lambda i=i: self._select(i) for i in range(9)}
        return Keys(always, plain, lambda: self._events.typing or self._config.typing or self._price.typing or dialog.open)

    def _slash(self) -> None:
        if dpg.is_key_down(dpg.mvKey_ModShift):
            self.dialog.ask("KEYS", HELP, "OK", lambda: None)
        else:
            dpg.focus_item(FILTER)

    def _export_file(self) -> Path:
        stamp = iso_utc(self._clock.now_ns())[:19].replace(" ", "_").replace(":", "")
        return home_dir(self._instance) / f"events_{stamp}.csv"

    def _tell(self, text: str) -> None:
        self._config.tell(text)


def _panel(name: str) -> AbstractContextManager[int]:
    scrolls = name in _SCROLLING
    panel: AbstractContextManager[int] = dpg.child_window(
        tag=f"panel_{name}", border=True, no_scrollbar=not scrolls, no_scroll_with_mouse=not scrolls
    )
    return panel


def _put(tag: str, rect: Rect) -> None:
    dpg.configure_item(tag, pos=(rect.x, rect.y), width=rect.w, height=rect.h)
