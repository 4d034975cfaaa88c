"""The lower panels of the left column: WHY NO TRADE, SCALPER'S READ, COSTS."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from dashboard.desktop.labels import Column, Label, Shown, Table, small
from dashboard.desktop.theme import Style
from dashboard.model import Check, DashboardView, Tone
from dashboard.money_view import books_line, cost_lines
from shared.layout import MAX_CHECKS

_BARS = 4
_CHECK_COLUMNS = (Column("Check", 21), Column("Value", 12, right=True), Column("Needs", 14, right=True))


class WhyPanel:
    """The checks before an entry of the chosen symbol, failed ones first."""

    def __init__(self, style: Style) -> None:
        self._title = Label(style, "WHY NO TRADE", Tone.GREY)
        self._verdict = Label(style, tag="why_verdict", wrap=0)
        self._advice = Label(style, tag="why_advice", wrap=0)
        self._blocked = Label(style, tag="why_blocked", wrap=0)
        small(style, self._blocked.item)
        self._table = Table(style, _CHECK_COLUMNS, MAX_CHECKS, "why")

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        why = view.why
        self._title.show(f"WHY NO TRADE   {why.symbol}", Tone.GREY)
        self._verdict.show(why.verdict, why.tone if view.fresh else Tone.DIM)
        self._advice.show(why.advice, Tone.PLAIN if view.fresh else Tone.DIM)
        shares = ", ".join(f"{name} {share:.0f} %" for name, _, share in why.blocked)
        self._blocked.show(f"so far, all symbols: {shares}" if shares else "", Tone.GREY)
        self._table.show([self._cells(check) for check in why.checks], fresh=view.fresh)

    @staticmethod
    def _cells(check: Check) -> tuple[tuple[str, Tone], ...]:
        quiet = Tone.GREY if check.passed else Tone.PLAIN
        return (f"{check.sign} {check.name}", check.tone), (check.value, quiet), (check.needs, Tone.GREY)


class ScalperPanel:
    """Bars of a scalper's read, or the sentence that there is none."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._title = Label(style, "SCALPER'S READ", Tone.GREY, tag="scalper_title")
        self._empty = Label(style, "no scalper has read this symbol yet", Tone.DIM, wrap=0)
        self._names: list[Label] = []
        self._bars: list[int] = []
        self._tones: list[Tone | None] = [None] * _BARS
        with dpg.group(show=False) as self._body:
            for number in range(_BARS):
                with dpg.group(horizontal=True):
                    self._names.append(Label(style, "".ljust(13), Tone.GREY))
                    self._bars.append(dpg.add_progress_bar(width=-1, height=style.px(15), tag=f"scalper_bar_{number}"))
            self._quote = Label(style, tag="scalper_quote", wrap=0)
        self._shown = Shown(self._body, shown=False)
        self._hidden = Shown(self._empty.item)

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        scalper = view.scalper
        alive = bool(scalper.bars)
        self._shown.show(alive)
        self._hidden.show(not alive)
        if not alive:
            self._title.show("SCALPER'S READ", Tone.GREY)
            return
        tone = Tone.DIM if scalper.old else scalper.action_tone
        self._title.show(f"SCALPER'S READ   {scalper.symbol}   {scalper.action}   {scalper.age}", tone)
        for number, bar in enumerate(scalper.bars):
            self._names[number].show(bar.name.ljust(13), Tone.GREY)
            dpg.set_value(self._bars[number], bar.share)
            dpg.configure_item(self._bars[number], overlay=bar.text)
            wanted = Tone.DIM if scalper.old else bar.tone
            if wanted is not self._tones[number]:
                self._tones[number] = wanted
                dpg.bind_item_theme(self._bars[number], self._style.bars[wanted])
        self._quote.show(f"“{scalper.quote}”" if scalper.quote else "", Tone.DIM if scalper.old else Tone.AI)


class CostsPanel:
    """What the result is made of, and the line that reconciles the books."""

    def __init__(self, style: Style) -> None:
        Label(style, "COSTS   USD", Tone.GREY)
        self._books = Label(style, tag="reconciliation", wrap=0)
        small(style, self._books.item)
        self._lines: list[tuple[Label, Label]] = []
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingStretchProp):
            for weight in (11, 9, 13, 9):
                dpg.add_table_column(init_width_or_weight=weight)
            for _ in range(4):
                with dpg.table_row():
                    self._lines += [(Label(style, "", Tone.GREY), Label(style)) for _ in range(2)]

    def show(self, view: DashboardView) -> None:
        """Show a view; the left column adds up, the right one stands beside."""
        lines = cost_lines(view.account)
        for place, (name, (text, tone)) in zip((0, 2, 4, 6, 1, 3, 5, 7), lines, strict=True):
            self._lines[place][0].show(name, Tone.GREY)
            self._lines[place][1].show(text.rjust(11) if view.attached else "", tone if view.fresh else Tone.DIM)
        text, tone = books_line(view.account)
        self._books.show(text if view.attached else "", tone if view.fresh else Tone.DIM)
