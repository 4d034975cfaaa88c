"""Price and equity over the last minutes. x is seconds before now: small numbers, because plots compute in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager

import dearpygui.dearpygui as dpg

from dashboard import figures
from dashboard.desktop.labels import Label
from dashboard.desktop.theme import Style, line_theme
from dashboard.figures import DIM
from dashboard.model import Colour, DashboardView, Mark
from shared.events import CYAN, GREEN, GREY, ORANGE, PURPLE, RED
from shared.layout import EQUITY_HISTORY, PRICE_HISTORY

_MARGIN = 0.12  # of the range, above and below
_NEAR = 0.01  # an entry further away than this would flatten the line of prices
_EQUITY_COLOUR: Colour = (80, 140, 200)


class PricePlot:
    """The last closes of the selected symbol, with fills (▲ ▼), AI changes (purple lines) and the entry price."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._title = Label(tag="price_title")
        with _plot("price_plot"):
            self._x = _time_axis(PRICE_HISTORY, 60)
            with dpg.plot_axis(dpg.mvYAxis, opposite=True, tick_format="%.10g") as self._y:
                self._ai = dpg.add_inf_line_series([], label="AI change")
                self._entry = dpg.add_line_series([], [], label="entry")
                self._line = dpg.add_line_series([], [], label="close 1 s")
                self._buys = dpg.add_scatter_series([], [], label="buy")
                self._sells = dpg.add_scatter_series([], [], label="sell")
            self._tag = dpg.add_axis_tag(parent=self._y, color=(*CYAN, 255), show=False)
        self._live, self._old = line_theme(CYAN), line_theme(DIM)
        self._theme = 0
        dpg.bind_item_theme(self._ai, line_theme(PURPLE, 1.0))
        dpg.bind_item_theme(self._entry, line_theme(ORANGE, 1.0))
        dpg.bind_item_theme(self._buys, line_theme(GREEN, marker=dpg.mvPlotMarker_Up))
        dpg.bind_item_theme(self._sells, line_theme(RED, marker=dpg.mvPlotMarker_Down))

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        chart = view.chart
        closes = list(chart.closes_usd)
        last = closes[-1] if closes else 0.0
        text = f"{chart.symbol}  {figures.price(last)}" if chart.symbol else "PRICE"
        self._title.show(f"{text}   last {PRICE_HISTORY // 60} min, 1 s closes" + ("" if view.fresh else "   (old)"), GREY)
        dpg.set_value(self._line, [_ago(len(closes)), closes])
        _show_marks(self._buys, chart.buys)
        _show_marks(self._sells, chart.sells)
        dpg.set_value(self._ai, [[mark.x_s for mark in chart.ai], []])
        entry = chart.entry_usd
        dpg.set_value(self._entry, [[-float(PRICE_HISTORY), 0.0], [entry, entry]] if entry else [[], []])
        dpg.configure_item(self._tag, show=bool(closes), default_value=last, label=figures.price(last))
        self._theme = _restyle(self._line, self._theme, self._live if view.fresh else self._old)
        shown = [mark.price_usd for mark in (*chart.buys, *chart.sells)]
        shown += [entry] if entry and abs(entry / max(last, 1e-9) - 1) < _NEAR else []
        _fit(self._x, self._y, PRICE_HISTORY, closes + shown)


class EquityPlot:
    """Equity over the last minutes, and where it started."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._title = Label(tag="equity_title")
        with _plot("equity_plot"):
            self._x = _time_axis(EQUITY_HISTORY, 120)
            with dpg.plot_axis(dpg.mvYAxis, opposite=True, tick_format="%.10g") as self._y:
                self._shade = dpg.add_shade_series([], [], y2=[])
                self._line = dpg.add_line_series([], [])
                self._start = dpg.add_line_series([], [])
        self._live, self._old = line_theme(_EQUITY_COLOUR, fill_alpha=70), line_theme(DIM, fill_alpha=40)
        self._theme = 0
        dpg.bind_item_theme(self._start, line_theme(DIM, 1.0))

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        equity, start = list(view.chart.equity_usd), view.chart.start_equity_usd
        self._title.show(f"EQUITY   last {EQUITY_HISTORY // 60} min, USD" + ("" if view.fresh else "   (old)"), GREY)
        x = _ago(len(equity))
        low, _ = _limits([*equity, start] if equity else equity)
        dpg.set_value(self._line, [x, equity])
        dpg.set_value(self._shade, [x, equity, [low] * len(equity)])
        dpg.set_value(self._start, [[-float(EQUITY_HISTORY), 0.0], [start, start]] if start else [[], []])
        theme = self._live if view.fresh else self._old
        _restyle(self._shade, self._theme, theme)
        self._theme = _restyle(self._line, self._theme, theme)
        _fit(self._x, self._y, EQUITY_HISTORY, [*equity, start] if equity else equity)


def _plot(tag: str) -> AbstractContextManager[int]:
    plot: AbstractContextManager[int] = dpg.plot(tag=tag, width=-1, height=-1, no_menus=True, no_title=True, no_box_select=True)
    return plot


def _time_axis(seconds: int, every_s: int) -> int:
    axis = dpg.add_plot_axis(dpg.mvXAxis)
    ticks = [(f"-{ago // 60} min" if ago else "now", -float(ago)) for ago in range(seconds - every_s, -1, -every_s)]
    dpg.set_axis_ticks(axis, tuple(ticks))
    dpg.set_axis_limits(axis, -float(seconds), 0.0)
    return int(axis)


def _ago(count: int) -> list[float]:
    return [float(i) for i in range(1 - count, 1)]


def _show_marks(series: int, marks: tuple[Mark, ...]) -> None:
    dpg.set_value(series, [[mark.x_s for mark in marks], [mark.price_usd for mark in marks]])


def _restyle(series: int, now: int, wanted: int) -> int:
    if now != wanted:
        dpg.bind_item_theme(series, wanted)
    return wanted


def _limits(values: list[float]) -> tuple[float, float]:
    """Return the range of an axis: all values and a margin; never empty."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    span = max(high - low, abs(high) * 2e-5, 1e-9)
    return low - _MARGIN * span, high + _MARGIN * span


def _fit(x_axis: int, y_axis: int, seconds: int, values: list[float]) -> None:
    dpg.set_axis_limits(x_axis, -float(seconds), seconds * 0.01)
    dpg.set_axis_limits(y_axis, *_limits(values))
