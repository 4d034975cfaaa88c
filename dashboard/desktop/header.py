"""The header panel: badges, ages, mode, equity, the alert line with Acknowledge, and the buttons for an emergency."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from dashboard import figures
from dashboard.actions import Actions
from dashboard.desktop.keys import SHORT_HELP
from dashboard.desktop.labels import Label, Shown
from dashboard.desktop.theme import Style
from dashboard.model import Alert, Badge, DashboardView, Level, Tone
from dashboard.palette import LEVEL_TONES
from dashboard.tuner_view import state_line

EMERGENCY, CANCEL_ALL, PAUSE_ALL, KILL = "emergency", "cancel_all", "pause_all", "kill"
ACKNOWLEDGE, RESUME, BANNER = "acknowledge", "resume_trading", "banner"
_BADGES = 7
_BUTTONS = ((PAUSE_ALL, 128), (CANCEL_ALL, 108), (EMERGENCY, 116), (KILL, 48))


class HeaderPanel:
    """Two lines, an alert line, and the buttons at the right.

    Parameters
    ----------
    actions
        What the buttons do.
    """

    def __init__(self, style: Style, actions: Actions) -> None:
        self._style = style
        self._badges_shown: tuple[Badge, ...] | None = None
        self._alerts: tuple[Alert, ...] = ()
        self._acknowledged: set[str] = set()
        self._pause_label = ""
        with dpg.group(horizontal=True, horizontal_spacing=style.px(10)):
            title = Label(style, "TRADER", Tone.INFO)
            self._badges = [dpg.add_button(label="", show=False) for _ in range(_BADGES)]
            self._state = Label(style, tag="state")
            self._ages = [Label(style, tag=f"age_{name}") for name in ("trader", "feed", "tuner")]
            self._mode = Label(style, tag="mode")
        with dpg.group(horizontal=True, horizontal_spacing=style.px(14)):
            self._equity = Label(style, tag="equity_figure")
            self._pnl = Label(style, tag="pnl_figure")
            self._facts = self._lower(tag="facts")
        banner = dpg.child_window(tag=BANNER, border=False, height=style.px(26), no_scrollbar=True, width=-1)
        with banner, dpg.group(horizontal=True):
            dpg.add_button(label="Acknowledge", tag=ACKNOWLEDGE, show=False, callback=self.acknowledge)
            dpg.add_button(label="Resume …", tag=RESUME, show=False, callback=actions.resume)
            self._line = Label(style, "", Tone.GREY, tag="alert")
        with dpg.tooltip(BANNER, delay=0.4):
            self._full = Label(style, wrap=style.px(700))  # all of it, where the line is too long for the window
        self._shows = {tag: Shown(tag, shown=False) for tag in (ACKNOWLEDGE, RESUME)}
        self._add_buttons(actions)
        self._banner = ""
        for big in (title, self._equity, self._pnl):
            if style.big:
                dpg.bind_item_font(big.item, style.big)

    def _add_buttons(self, actions: Actions) -> None:
        callbacks = {
            PAUSE_ALL: actions.toggle_trading,
            CANCEL_ALL: actions.cancel_all,
            EMERGENCY: actions.flatten,
            KILL: actions.kill,
        }
        labels = {PAUSE_ALL: "Pause entries", CANCEL_ALL: "Cancel all F7", EMERGENCY: "FLATTEN  F6", KILL: "KILL"}
        for tag, _ in _BUTTONS:
            dpg.add_button(label=labels[tag], tag=tag, callback=callbacks[tag])
        for tag in (EMERGENCY, KILL):
            dpg.bind_item_theme(tag, self._style.danger)

    def _lower(self, tag: str) -> Label:
        """Add a label of the text font a little lower, so that it stands on the line of the big one."""
        with dpg.group():
            dpg.add_spacer(height=0)  # the spacing after it is the drop that is wanted
            return Label(self._style, tag=tag)

    def place(self, width: int) -> None:
        """Keep the buttons at the right end of a header of this width, px."""
        px = self._style.px
        x = width - px(8)
        for tag, wide in reversed(_BUTTONS):
            x -= px(wide)
            dpg.configure_item(tag, width=px(wide), height=px(26), pos=(x, px(30)))
            x -= px(6)

    def attach(self, *, attached: bool) -> None:
        """Show the buttons when there is a trader to take them."""
        for tag, _ in _BUTTONS:
            dpg.configure_item(tag, show=attached)

    def acknowledge(self) -> None:
        """Take note of every alert shown: the line goes dim until something new is wrong."""
        self._acknowledged |= {alert.key for alert in self._alerts}

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        head = view.header
        self._show_badges(head.badges)
        self._state.show(f"{head.level.sign} {head.state}", LEVEL_TONES[head.level])
        for label, age in zip(self._ages, (head.trader, head.feed, view.tuner.age), strict=True):
            label.show(age.text, LEVEL_TONES[age.level])
        self._mode.show(f"mode {head.mode}" if head.mode else "", head.mode_tone)
        self._show_money(view)
        self._show_alerts(view)
        words = "Pause entries" if view.config.trading_enabled else "Allow entries"
        if words != self._pause_label:
            self._pause_label = words
            dpg.configure_item(PAUSE_ALL, label=words)

    def _show_money(self, view: DashboardView) -> None:
        head, account = view.header, view.account
        if not view.attached:
            self._equity.show("", Tone.DIM)
            self._pnl.show("", Tone.DIM)
            self._facts.show("", Tone.GREY)
            return
        self._equity.show(f"Equity {figures.usd(account.equity_usd)}", Tone.PLAIN if view.fresh else Tone.DIM)
        gain = figures.gain(account.pnl_usd) if view.fresh else Tone.DIM
        self._pnl.show(f"{figures.signed_usd(account.pnl_usd)} ({figures.signed_pct(account.pnl_pct)})", gain)
        trades = f"{account.trades} trades ✓ {account.wins} ✗ {account.losses}"
        money = f"drawdown {account.drawdown_pct:.2f} %   {trades}   {head.venue}"
        self._facts.show(f"{money}   {head.facts}".rstrip(), Tone.GREY if view.fresh else Tone.DIM)

    def _show_alerts(self, view: DashboardView) -> None:
        self._alerts = view.header.alerts
        self._acknowledged &= {alert.key for alert in self._alerts}  # what ended and comes back is new
        new = [alert for alert in self._alerts if alert.key not in self._acknowledged]
        level = max((alert.level for alert in new if alert.level in (Level.AMBER, Level.RED)), default=Level.OK)
        banner = {Level.RED: "red", Level.AMBER: "amber"}.get(level, "calm")
        if banner != self._banner:
            self._banner = banner
            dpg.bind_item_theme(BANNER, self._style.banners[banner])
        self._shows[ACKNOWLEDGE].show(bool(new))
        self._shows[RESUME].show(view.header.halted and view.fresh)
        self._full.show("\n".join(f"{alert.level.sign} {alert.text}" for alert in self._alerts) or SHORT_HELP)
        if not self._alerts:
            self._line.show(SHORT_HELP if view.attached else state_line(view.tuner)[0], Tone.DIM)
            return
        text = " · ".join(f"{alert.level.sign} {alert.text}" for alert in self._alerts)
        self._line.show(text, Tone.PLAIN if new else LEVEL_TONES[view.header.alert_level])

    def _show_badges(self, badges: tuple[Badge, ...]) -> None:
        if badges == self._badges_shown:
            return
        self._badges_shown = badges
        for index, item in enumerate(self._badges):
            shown = index < len(badges)
            dpg.configure_item(item, show=shown, label=badges[index].text if shown else "")
            if shown:
                dpg.bind_item_theme(item, self._style.badges[badges[index].tone])
