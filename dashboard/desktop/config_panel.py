"""STRATEGY CONFIG: who has the wheel, the switches, the ten parameters with Apply and Revert."""

from __future__ import annotations

from collections.abc import Callable

import dearpygui.dearpygui as dpg

from dashboard.desktop.controls import Controls
from dashboard.desktop.labels import Label
from dashboard.desktop.theme import Style
from dashboard.figures import DIM, WHITE
from dashboard.model import Colour, Config, DashboardView, Setting, Tuner, age_text
from dashboard.wishes import Answer
from shared.events import GREEN, GREY, ORANGE, PURPLE, TunerMode
from shared.params import PARAMS, Param

TUNER = "tuner_toggle"
OVERRIDE = "override_toggle"
TRADING = "trading_toggle"
SYMBOL = "symbol_combo"
APPLY = "apply"
REVERT = "revert"
UNDO = "undo"
TUNE = "tune_now"
PAUSE = "pause_symbol"
MESSAGE = "message"
_TUNER_LINES = 3


def slider_tag(param: Param) -> str:
    """Return the tag of a parameter's slider."""
    return f"slider_{param.name}"


class ConfigPanel:
    """Shows what is in force; what the human moves is a draft until Apply.

    Parameters
    ----------
    style
        Fonts and themes.
    controls
        The actions behind the buttons.
    on_select
        Called with the index of the symbol chosen in the list.
    """

    def __init__(self, style: Style, controls: Controls, on_select: Callable[[int], None]) -> None:
        self._style = style
        self._controls = controls
        self._on_select = on_select
        self._draft: dict[int, float] = {}
        self._shown: Config = Config()
        self._symbols: list[str] = []
        self._waiting = 0
        self._build_switches()
        self._build_sliders()
        self._build_buttons()

    @property
    def typing(self) -> bool:
        """Say whether a field has the keyboard."""
        return any(dpg.is_item_active(slider_tag(param)) for param in PARAMS)

    def _build_switches(self) -> None:
        with dpg.group(horizontal=True):
            Label("STRATEGY CONFIG", GREY)
            self._wheel = Label(tag="wheel")
        with dpg.group(horizontal=True, horizontal_spacing=self._style.px(12)):
            dpg.add_checkbox(label="AI tuner", tag=TUNER, callback=lambda: self._controls.set_tuner(bool(dpg.get_value(TUNER))))
            dpg.add_checkbox(
                label="Manual override", tag=OVERRIDE, callback=lambda: self._controls.set_override(bool(dpg.get_value(OVERRIDE)))
            )
            dpg.add_checkbox(
                label="Entries", tag=TRADING, callback=lambda: self._controls.set_trading(bool(dpg.get_value(TRADING)))
            )
        with dpg.group(horizontal=True):
            dpg.add_combo(tag=SYMBOL, width=self._style.px(150), callback=self._choose)
            dpg.add_button(tag=PAUSE, label="Pause symbol", width=-1, callback=self._controls.toggle_symbol)
        self._who = Label(tag="config_who")

    def _build_sliders(self) -> None:
        self._values: list[Label] = []
        px = self._style.px
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingFixedFit):
            dpg.add_table_column(init_width_or_weight=px(148), width_fixed=True)
            dpg.add_table_column(width_stretch=True, init_width_or_weight=1)
            dpg.add_table_column(init_width_or_weight=px(80), width_fixed=True)
            for index, param in enumerate(PARAMS):
                with dpg.table_row():
                    name = Label(param.name, GREY)
                    with dpg.tooltip(name.item):
                        dpg.add_text(f"{param.description} ({param.minimum:g} to {param.maximum:g} {param.unit})", wrap=px(320))
                    dpg.add_slider_float(
                        tag=slider_tag(param), width=-1, min_value=param.minimum, max_value=param.maximum, clamped=True,
                        format="%.0f" if param.integer or param.unit == "ms" else "%.2f", callback=self._moved, user_data=index,
                    )  # fmt: skip
                    self._values.append(Label(tag=f"applied_{param.name}"))

    def _build_buttons(self) -> None:
        px = self._style.px
        with dpg.group(horizontal=True):
            dpg.add_button(tag=APPLY, label="Apply", width=px(70), callback=self._apply)
            dpg.add_button(tag=REVERT, label="Revert", width=px(70), callback=self._revert)
            dpg.add_button(tag=UNDO, label="Undo last", width=px(90), callback=self._controls.undo)
            dpg.add_button(tag=TUNE, label="Force tune", width=-1, callback=self._controls.tune_now)
        dpg.bind_item_theme(APPLY, self._style.primary)
        self._message = Label(tag=MESSAGE, wrap=0)
        dpg.add_separator()
        self._tuner = [Label("", GREY, wrap=0) for _ in range(_TUNER_LINES)]

    def show(self, view: DashboardView) -> None:
        """Show a view; drafts stay as they are."""
        config = view.config
        if config.symbol != self._shown.symbol:
            self._draft.clear()
        self._shown = config
        self._show_switches(view)
        who = f"generation {config.generation} · set by {config.who} {config.updated}".strip()
        self._who.show(who if config.symbol else "", PURPLE if config.by_ai else GREY)
        for index, (param, setting) in enumerate(zip(PARAMS, config.settings, strict=False)):
            self._show_setting(index, param, setting, fresh=view.fresh)

        for line, (words, colour) in zip(self._tuner, tuner_lines(view.tuner), strict=True):
            line.show(words, colour)

    def _show_switches(self, view: DashboardView) -> None:
        config = view.config
        self._wheel.show(config.wheel, PURPLE if config.wheel_ai else ORANGE)
        if not self._waiting:  # what was clicked stays until the trader has answered
            _set(TUNER, config.tuner_mode == TunerMode.ON)
            _set(OVERRIDE, config.manual_override)
            _set(TRADING, config.trading_enabled)
        symbols = [position.symbol for position in view.positions]
        if symbols != self._symbols:
            self._symbols = symbols
            dpg.configure_item(SYMBOL, items=symbols)
        _set(SYMBOL, config.symbol)
        label = "▶ Resume symbol" if not config.enabled else "■ Pause symbol"
        if dpg.get_item_label(PAUSE) != label:
            dpg.configure_item(PAUSE, label=label)

    def _show_setting(self, index: int, param: Param, setting: Setting, *, fresh: bool) -> None:
        label, shown = self._values[index], param.shown(setting.value)
        if self._draft.get(index) == setting.value:
            del self._draft[index]
        if index in self._draft:
            label.show(f"{shown}→{param.shown(self._draft[index])}", ORANGE)
            return
        if not dpg.is_item_active(slider_tag(param)):
            _set(slider_tag(param), setting.value)
        if setting.changed and self._shown.revision:
            label.show(f"{param.shown(setting.previous)}→{shown}", PURPLE if self._shown.by_ai else GREEN)
        else:
            label.show(shown, WHITE if fresh else DIM)

    def sent(self, label: str) -> None:
        """Say that a request is on its way."""
        self._waiting += 1
        self._message.show(f"… {label}", GREY)

    def answered(self, answer: Answer) -> None:
        """Say what became of a request."""
        self._waiting = max(self._waiting - 1, 0)
        self._message.show(answer.text, GREEN if answer.ok else ORANGE)

    def _moved(self, _sender: object, value: float, index: int) -> None:
        self._draft[index] = float(round(value)) if PARAMS[index].integer else round(value, 2)
        if PARAMS[index].unit == "ms":
            self._draft[index] = float(round(value))

    def _revert(self) -> None:
        self._draft.clear()

    def _apply(self) -> None:
        self._controls.apply(dict(self._draft))
        self._draft.clear()

    def _choose(self) -> None:
        chosen = dpg.get_value(SYMBOL)
        if chosen in self._symbols:
            self._on_select(self._symbols.index(chosen))


def tuner_lines(tuner: Tuner) -> tuple[tuple[str, Colour], ...]:
    """Return what the tuner is and has done, in lines of at most 46 characters."""
    if not tuner.advisor:
        return ("AI tuner: none has run in this instance", GREY), ("start it with: trader_tuner", GREY), ("", GREY)
    who = f"AI: {tuner.advisor}" + (f" ({tuner.model})" if tuner.model else "") + (" DRY RUN" if tuner.dry_run else "")
    when = "" if tuner.next_s is None else f", next in {age_text(tuner.next_s)}"
    did = f"✓ {tuner.applied} applied  ✗ {tuner.refused} refused  {tuner.held} held"
    cost = f"{tuner.cycles} cycles, last {tuner.latency_ms / 1000:.1f} s, {tuner.cost_usd:.4f} USD"
    if tuner.last_error:
        cost = f"⚠ {tuner.failures} failures: {tuner.last_error}"
    colour = PURPLE if tuner.alive else GREY
    return (f"{who} {tuner.doing}{when}", colour), (did, colour), (cost, ORANGE if tuner.last_error else GREY)


def _set(tag: str, value: object) -> None:
    if dpg.get_value(tag) != value:
        dpg.set_value(tag, value)
