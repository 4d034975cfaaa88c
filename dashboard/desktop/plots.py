"""The chart of the chosen symbol, and equity with its drawdown. x counts candles or seconds: small numbers for float32."""

from __future__ import annotations

from contextlib import AbstractContextManager

import dearpygui.dearpygui as dpg

from dashboard import figures
from dashboard.actions import Actions
from dashboard.chart_view import CANDLE_S
from dashboard.desktop.labels import Label
from dashboard.desktop.theme import Style, line_theme
from dashboard.model import Candle, Chart, DashboardView, Mark, Tone
from shared.layout import EQUITY_HISTORY, PRICE_HISTORY

BUY, SELL, CLOSE, SIZE = "manual_buy", "manual_sell", "close_symbol", "manual_usd"
_MARGIN = 0.10  # of the range, above and below
_NEAR = 1.0  # a line further away than this many heights of the candles would flatten them
_CANDLES = PRICE_HISTORY // CANDLE_S + 1
_NOTES = 5  # words beside the newest AI changes
_VOLUME_SHARE = 5.0  # the highest volume bar takes this part of the height


class PricePanel:
    """Candles with volume, the slow average, fills (▲ ▼), AI changes in purple, and the lines of the open position."""

    def __init__(self, style: Style, actions: Actions) -> None:
        self._style = style
        self._actions = actions
        with dpg.group(horizontal=True):
            self._title = Label(style, tag="price_title")
            self._change = Label(style, tag="price_change")
            self._held = Label(style, tag="price_held")
            self._add_buttons(actions)
        with _plot("price_plot"):
            self._x = dpg.add_plot_axis(dpg.mvXAxis)
            self._volume_y = dpg.add_plot_axis(dpg.mvYAxis, no_tick_labels=True, no_gridlines=True, no_tick_marks=True)
            self._volume = dpg.add_bar_series([], [], weight=0.6, parent=self._volume_y)
            with dpg.plot_axis(dpg.mvYAxis2, opposite=True, tick_format="%.10g") as self._y:
                self._add_series()
            self._tag = dpg.add_axis_tag(parent=self._y, color=(*style.colour(Tone.INFO), 255), show=False)
            self._notes = [
                dpg.add_plot_annotation(
                    label="", show=False, color=(*style.colour(Tone.AI), 200), offset=(6, -14 - 16 * i), clamped=True
                )
                for i in range(_NOTES)
            ]
        self._theme()
        minutes = PRICE_HISTORY // 60
        ticks = [(f"-{ago} min" if ago else "now", (PRICE_HISTORY - 60 * ago) / CANDLE_S) for ago in range(minutes, -1, -1)]
        dpg.set_axis_ticks(self._x, tuple(ticks))

    def _add_buttons(self, actions: Actions) -> None:
        px = self._style.px
        dpg.add_input_float(tag=SIZE, width=px(86), step=0, format="%.0f USD", min_value=0.0, min_clamped=True)
        with dpg.tooltip(SIZE):
            dpg.add_text("size of a manual trade; 0 takes the symbol's own (base_position_pct)")
        dpg.add_button(tag=BUY, label="▲ Buy", callback=lambda: actions.trade(1, self.usd))
        dpg.add_button(tag=SELL, label="▼ Sell", callback=lambda: actions.trade(-1, self.usd))
        dpg.add_button(tag=CLOSE, label="■ Close", callback=actions.close_symbol)
        dpg.bind_item_theme(BUY, self._style.buy)
        dpg.bind_item_theme(SELL, self._style.sell)

    def _add_series(self) -> None:
        palette = self._style.palette
        self._candles = dpg.add_candle_series(
            [], [], [], [], [], bull_color=(*palette.up, 255), bear_color=(*palette.down, 255), weight=0.3, tooltip=False
        )
        self._ema = dpg.add_line_series([], [], label="average 60 s")
        self._closes = dpg.add_line_series([], [], label="old closes")
        self._ai = dpg.add_inf_line_series([], label="AI change")
        self._entry = dpg.add_line_series([], [], label="entry")
        self._target = dpg.add_line_series([], [], label="target")
        self._stop = dpg.add_line_series([], [], label="stop")
        self._buys = dpg.add_scatter_series([], [], label="buy")
        self._sells = dpg.add_scatter_series([], [], label="sell")

    def _theme(self) -> None:
        colour = self._style.colour
        self._themes = {
            self._ema: line_theme(colour(Tone.YELLOW), 1.2),
            self._closes: line_theme(colour(Tone.DIM), 1.5),
            self._ai: line_theme(colour(Tone.AI), 1.0),
            self._entry: line_theme(colour(Tone.WARN), 1.0),
            self._target: line_theme(colour(Tone.UP), 1.0),
            self._stop: line_theme(colour(Tone.DOWN), 1.0),
            self._buys: line_theme(colour(Tone.UP), marker=dpg.mvPlotMarker_Up),
            self._sells: line_theme(colour(Tone.DOWN), marker=dpg.mvPlotMarker_Down),
            self._volume: line_theme((70, 84, 102), fill_alpha=150),
        }
        for series, theme in self._themes.items():
            dpg.bind_item_theme(series, theme)

    @property
    def usd(self) -> float:
        """The size asked for, 0 for the symbol's own."""
        return float(dpg.get_value(SIZE))

    @property
    def typing(self) -> bool:
        """Say whether the size has the keyboard."""
        return bool(dpg.is_item_active(SIZE))

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        chart = view.chart
        self._show_title(chart, fresh=view.fresh)
        candles = chart.candles
        xs = [float(i) for i in range(len(candles))]
        series = [[getattr(c, name) for c in candles] for name in ("open", "close", "low", "high")]
        dpg.set_value(self._candles, [xs, *series])
        dpg.configure_item(self._candles, show=view.fresh)  # old candles are not drawn as if they were live
        dpg.set_value(self._closes, [[], []] if view.fresh else [xs, [candle.close for candle in candles]])
        dpg.set_value(self._ema, [xs, list(chart.ema_usd)] if view.fresh else [[], []])
        dpg.set_value(self._volume, [xs, [candle.volume for candle in candles]])
        most = max((candle.volume for candle in candles), default=0.0) or 1.0
        dpg.set_axis_limits(self._volume_y, 0.0, most * _VOLUME_SHARE)
        _show_marks(self._buys, chart.buys)
        _show_marks(self._sells, chart.sells)
        for line, level in ((self._entry, chart.entry_usd), (self._target, chart.target_usd), (self._stop, chart.stop_usd)):
            dpg.set_value(line, [[-1.0, float(_CANDLES)], [level, level]] if level else [[], []])
        live = view.fresh and bool(candles)
        dpg.configure_item(self._tag, show=live, default_value=chart.price_usd, label=figures.price(chart.price_usd))
        shown = _prices(chart)
        low, high = _limits(shown)
        self._show_ai(chart.ai, high)
        dpg.set_axis_limits(self._x, -1.0, _CANDLES + 1.0)
        dpg.set_axis_limits(self._y, low, high)

    def _show_title(self, chart: Chart, *, fresh: bool) -> None:
        change, tone = figures.change(chart.change_1m_pct)
        text = f"{chart.symbol}  {figures.price(chart.price_usd)}" if chart.symbol else "CHART"
        self._title.show(text, Tone.PLAIN if fresh else Tone.DIM)
        self._change.show(f"{change} % 1m" if chart.symbol else "", tone if fresh else Tone.DIM)
        held = f"held {chart.qty:+.6g}  " if chart.qty else ""
        self._held.show(
            f"{held}{chart.candle_s} s" if fresh else "OLD" if chart.symbol else "", Tone.GREY if fresh else Tone.WARN
        )

    def _show_ai(self, marks: tuple[Mark, ...], high: float) -> None:
        dpg.set_value(self._ai, [[mark.x for mark in marks], []])
        newest = marks[-_NOTES:]
        for note, mark in zip(self._notes, (*newest, *[None] * (_NOTES - len(newest))), strict=True):
            if mark is None:
                dpg.configure_item(note, show=False)
            else:
                dpg.configure_item(note, show=True, label=f"AI {mark.text}", default_value=(mark.x, high))


class EquityPanel:
    """Equity over the last minutes, where it started, and below it how far it was from its peak."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._title = Label(style, tag="equity_title")
        with _plot("equity_plot"):
            self._x = _time_axis(EQUITY_HISTORY, 120)
            self._down_y = dpg.add_plot_axis(dpg.mvYAxis, tick_format="%.2f%%", no_gridlines=True)
            self._drawdown = dpg.add_shade_series([], [], y2=[], parent=self._down_y)
            with dpg.plot_axis(dpg.mvYAxis2, opposite=True, tick_format="%.10g") as self._y:
                self._line = dpg.add_line_series([], [])
                self._start = dpg.add_line_series([], [])
        dim = style.colour(Tone.DIM)
        self._live, self._old = line_theme((80, 150, 215)), line_theme(dim)
        self._theme = 0
        dpg.bind_item_theme(self._start, line_theme(dim, 1.0))
        dpg.bind_item_theme(self._drawdown, line_theme(style.colour(Tone.DOWN), fill_alpha=70))

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        curve = view.equity
        equity, down = list(curve.equity_usd), list(curve.drawdown_pct)
        worst = f"   deepest drawdown {curve.worst_pct:.2f} %" if equity else ""
        old = "" if view.fresh or not view.attached else "   OLD"
        self._title.show(f"EQUITY AND DRAWDOWN   last {EQUITY_HISTORY // 60} min{worst}{old}", Tone.GREY)
        x = [float(i) for i in range(1 - len(equity), 1)]
        dpg.set_value(self._line, [x, equity])
        dpg.set_value(self._drawdown, [x, down, [0.0] * len(down)])
        start = curve.start_equity_usd
        near = equity and min(equity) - abs(start) * 0.002 <= start <= max(equity) + abs(start) * 0.002
        dpg.set_value(self._start, [[-float(EQUITY_HISTORY), 0.0], [start, start]] if near else [[], []])
        self._theme = _restyle(self._line, self._theme, self._live if view.fresh else self._old)
        dpg.set_axis_limits(self._x, -float(EQUITY_HISTORY), EQUITY_HISTORY * 0.01)
        dpg.set_axis_limits(self._y, *_limits([*equity, start] if near else equity))
        dpg.set_axis_limits(self._down_y, min(curve.worst_pct * 2.5, -0.05), 0.0)


def _plot(tag: str) -> AbstractContextManager[int]:
    plot: AbstractContextManager[int] = dpg.plot(tag=tag, width=-1, height=-1, no_menus=True, no_title=True, no_box_select=True)
    return plot


def _time_axis(seconds: int, every_s: int) -> int:
    axis = dpg.add_plot_axis(dpg.mvXAxis)
    ticks = [(f"-{ago // 60} min" if ago else "now", -float(ago)) for ago in range(seconds - every_s, -1, -every_s)]
    dpg.set_axis_ticks(axis, tuple(ticks))
    return int(axis)


def _show_marks(series: int, marks: tuple[Mark, ...]) -> None:
    dpg.set_value(series, [[mark.x for mark in marks], [mark.price_usd for mark in marks]])


def _restyle(series: int, now: int, wanted: int) -> int:
    if now != wanted:
        dpg.bind_item_theme(series, wanted)
    return wanted


def _prices(chart: Chart) -> list[float]:
    """Return every price the axis should hold: all candles, and the lines and fills that are near them."""
    candles: tuple[Candle, ...] = chart.candles
    shown = [price for candle in candles for price in (candle.low, candle.high)]
    lines = [chart.entry_usd, chart.target_usd, chart.stop_usd, *(mark.price_usd for mark in (*chart.buys, *chart.sells))]
    if not shown:
        return []
    low, high = min(shown), max(shown)
    reach = _NEAR * max(high - low, high * 1e-4)
    return shown + [line for line in lines if line and low - reach <= line <= high + reach]


def _limits(values: list[float]) -> tuple[float, float]:
    """Return the range of an axis: all values and a margin; never empty."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    span = max(high - low, abs(high) * 2e-5, 1e-9)
    return low - _MARGIN * span, high + _MARGIN * span
