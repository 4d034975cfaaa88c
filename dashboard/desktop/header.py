"""The header panel: badges, state, ages, equity, the reconciliation line and the emergency exit."""

from __future__ import annotations

from collections.abc import Callable

import dearpygui.dearpygui as dpg

from dashboard import figures
from dashboard.desktop.keys import SHORT_HELP
from dashboard.desktop.labels import Label
from dashboard.desktop.theme import Style
from dashboard.figures import DIM, LEVEL_COLOURS
from dashboard.model import Badge, DashboardView
from shared.events import CYAN, GREY, PURPLE

_BADGES = 6


class HeaderPanel:
    """Two lines and an alert.

    Parameters
    ----------
    on_emergency
        Called when the red button is pressed.
    """

    def __init__(self, style: Style, on_emergency: Callable[[], None]) -> None:
        self._style = style
        self._badges_shown: tuple[Badge, ...] | None = None
        with dpg.group(horizontal=True, horizontal_spacing=style.px(10)):
            title = Label("TRADER", CYAN)
            self._badges = [dpg.add_button(label="", show=False) for _ in range(_BADGES)]
            self._state = Label(tag="state")
            self._ages = [Label(tag=f"age_{name}") for name in ("trader", "feed", "tuner")]
            self._tuner = Label()
        with dpg.group(horizontal=True, horizontal_spacing=style.px(14)):
            self._equity = Label(tag="equity_figure")
            self._pnl = Label(tag="pnl_figure")
            self._facts = self._small()
        self._line = Label("", GREY, tag="alert")
        self._button = dpg.add_button(label="EMERGENCY EXIT  F6", tag="emergency", callback=on_emergency)
        dpg.bind_item_theme(self._button, style.danger)
        for big in (title, self._equity, self._pnl):
            if style.big:
                dpg.bind_item_font(big.item, style.big)

    @staticmethod
    def _small(tag: str | int = 0) -> Label:
        """Add a label of the text font a little lower, so that it stands on the line of the big one."""
        with dpg.group():
            dpg.add_spacer(height=0)  # the spacing after it is the drop that is wanted
            return Label(tag=tag)

    def place(self, width: int) -> None:
        """Keep the red button at the right end of a header of this width, px."""
        button = self._style.px(170)
        dpg.configure_item(
            self._button, width=button, height=self._style.px(34), pos=(width - button - self._style.px(10), self._style.px(40))
        )

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        head, account = view.header, view.account
        self._show_badges(head.badges)
        self._state.show(f"{head.level.sign} {head.state}", LEVEL_COLOURS[head.level])
        for label, age in zip(self._ages, (head.trader, head.feed, view.tuner.age), strict=True):
            label.show(age.text, LEVEL_COLOURS[age.level])
        self._tuner.show(f"{view.tuner.advisor} {view.tuner.doing}".strip(), PURPLE if view.tuner.alive else GREY)
        if not view.attached:
            self._equity.show("Equity –", DIM)
            self._pnl.show("", DIM)
            self._facts.show("", GREY)
        else:
            colour = figures.WHITE if view.fresh else DIM
            self._equity.show(f"Equity {figures.usd(account.equity_usd)}", colour)
            gain = figures.gain_colour(account.pnl_usd) if view.fresh else DIM
            self._pnl.show(f"{figures.signed_usd(account.pnl_usd)} ({figures.signed_pct(account.pnl_pct)})", gain)
            money = f"drawdown {account.drawdown_pct:.2f} %   fees {figures.usd(account.fees_usd)}"
            self._facts.show(f"{money}   venue {head.venue}", GREY)
        if head.alert:
            self._line.show(f"{head.alert_level.sign} {head.alert}", LEVEL_COLOURS[head.alert_level])
        else:
            self._line.show(SHORT_HELP, DIM)

    def _show_badges(self, badges: tuple[Badge, ...]) -> None:
        if badges == self._badges_shown:
            return
        self._badges_shown = badges
        for index, item in enumerate(self._badges):
            shown = index < len(badges)
            dpg.configure_item(item, show=shown, label=badges[index].text if shown else "")
            if shown:
                dpg.bind_item_theme(item, self._style.badges[badges[index].colour])
