"""STRATEGY CONFIG: who has the wheel, the switches, and four pages: parameters, strategies, limits, paper costs."""

from __future__ import annotations

from collections.abc import Callable

import dearpygui.dearpygui as dpg

from dashboard.actions import Actions
from dashboard.config_view import LIMITS, PAPER_COSTS, PRESETS, STRATEGY_MAP
from dashboard.desktop.fields import FieldTable
from dashboard.desktop.labels import Label, small
from dashboard.desktop.theme import Style
from dashboard.model import Config, DashboardView, Tone
from dashboard.wishes import Answer
from shared.events import TunerMode
from shared.params import CONTROLS, PARAMS, STRATEGY_NAMES

TUNER, OVERRIDE, TRADING = "tuner_toggle", "override_toggle", "trading_toggle"
SYMBOL, PAUSE, UNDO, MESSAGE = "symbol_combo", "pause_symbol", "undo", "message"
_STRATEGIES = ("nothing", *STRATEGY_NAMES)


class ConfigPanel:
    """Shows what is in force; what the human moves is a draft until Apply.

    Parameters
    ----------
    actions
        What switches, buttons and lists do.
    on_select
        Called with the index of the symbol chosen in the list.
    """

    def __init__(self, style: Style, actions: Actions, on_select: Callable[[int], None]) -> None:
        self._style = style
        self._actions = actions
        self._on_select = on_select
        self._shown: Config = Config()
        self._symbols: list[str] = []
        self._waiting = 0
        self._build_switches()
        with dpg.tab_bar(tag="config_tabs"):
            with dpg.tab(label="PARAMETERS", tag="tab_parameters"):
                self._build_parameters()
            with dpg.tab(label="STRATEGIES", tag="tab_strategies"):
                self._build_strategies()
            with dpg.tab(label="LIMITS", tag="tab_limits"):
                self._limits = FieldTable(style, CONTROLS, LIMITS, actions.apply_controls, "limits")
            with dpg.tab(label="PAPER COSTS", tag="tab_costs"):
                self._costs = FieldTable(style, CONTROLS, PAPER_COSTS, actions.apply_controls, "costs")
                self._round_trip = Label(style, tag="round_trip", wrap=0)

    @property
    def typing(self) -> bool:
        """Say whether a field has the keyboard."""
        return self._params.typing or self._limits.typing or self._costs.typing

    def _build_switches(self) -> None:
        with dpg.group(horizontal=True):
            Label(self._style, "STRATEGY CONFIG", Tone.GREY)
            self._wheel = Label(self._style, tag="wheel")
        with dpg.group(horizontal=True, horizontal_spacing=self._style.px(14)):
            dpg.add_checkbox(label="AI tuner", tag=TUNER, callback=lambda: self._actions.set_tuner(bool(dpg.get_value(TUNER))))
            dpg.add_checkbox(
                label="Manual override", tag=OVERRIDE, callback=lambda: self._actions.set_override(bool(dpg.get_value(OVERRIDE)))
            )
            dpg.add_checkbox(
                label="Entries", tag=TRADING, callback=lambda: self._actions.set_trading(bool(dpg.get_value(TRADING)))
            )
        self._message = Label(self._style, tag=MESSAGE, wrap=0)
        with dpg.group(horizontal=True):
            dpg.add_combo(tag=SYMBOL, width=self._style.px(150), callback=self._choose)
            dpg.add_button(tag=PAUSE, label="Pause symbol", callback=self._actions.toggle_symbol)
            dpg.add_button(tag=UNDO, label="Undo last change", callback=self._actions.undo)

    def _build_parameters(self) -> None:
        self._who = Label(self._style, tag="config_who", wrap=0)
        small(self._style, self._who.item)
        self._params = FieldTable(self._style, PARAMS, range(len(PARAMS)), self._actions.apply, "params")
        self._reward = Label(self._style, tag="reward_risk", wrap=0)

    def _build_strategies(self) -> None:
        Label(self._style, "what trades in each regime", Tone.GREY)
        for index in STRATEGY_MAP:
            with dpg.group(horizontal=True):
                regime = CONTROLS[index].name.removeprefix("strategy_").replace("_", " ")
                Label(self._style, regime.ljust(16), Tone.GREY)
                dpg.add_combo(
                    list(_STRATEGIES), tag=CONTROLS[index].name, width=self._style.px(170), user_data=index, callback=self._mapped
                )
        with dpg.group(horizontal=True):
            Label(self._style, "presets", Tone.GREY)
            for name in PRESETS:
                dpg.add_button(label=name, tag=f"preset_{name.lower()}", user_data=name, callback=self._preset)

    def show(self, view: DashboardView) -> None:
        """Show a view; drafts stay as they are until another symbol is chosen."""
        config = view.config
        if config.symbol != self._shown.symbol:
            self._params.revert()
        self._shown = config
        self._show_switches(view)
        self._show_words(config, fresh=view.fresh)
        self._params.show(config.settings, fresh=view.fresh)
        self._limits.show(config.controls, fresh=view.fresh)
        self._costs.show(config.controls, fresh=view.fresh)
        for index in STRATEGY_MAP:
            if config.controls and not dpg.is_item_active(CONTROLS[index].name):
                code = int(config.controls[index].value)
                _set(CONTROLS[index].name, _STRATEGIES[code] if code < len(_STRATEGIES) else f"#{code}")

    def _show_words(self, config: Config, *, fresh: bool) -> None:
        who = f"{config.symbol}: generation {config.generation}, last set by {config.who} {config.updated}".strip()
        tone = Tone.AI if config.by_ai else Tone.GREY
        self._who.show(who if config.symbol else "", tone if fresh else Tone.DIM)
        text = f"Risk:Reward 1:{config.reward_risk:.2f}   break-even win rate {config.break_even_pct:.0f} % with costs"
        self._reward.show(
            text if config.symbol else "", (Tone.GOOD if config.reward_risk >= 1 else Tone.WARN) if fresh else Tone.DIM
        )
        costs = f"round trip {config.round_trip_bps:g} bps of the position, before the spread: 2 × (commission + slippage)"
        self._round_trip.show(costs if config.symbol else "", Tone.PLAIN if fresh else Tone.DIM)

    def _show_switches(self, view: DashboardView) -> None:
        config = view.config
        self._wheel.show(
            config.wheel if view.attached else "", (Tone.AI if config.wheel_ai else Tone.WARN) if view.fresh else Tone.DIM
        )
        if not self._waiting:  # what was clicked stays until the trader has answered
            _set(TUNER, config.tuner_mode == TunerMode.ON and view.attached)
            _set(OVERRIDE, config.manual_override)
            _set(TRADING, config.trading_enabled and view.attached)
        symbols = [market.symbol for market in view.markets]
        if symbols != self._symbols:
            self._symbols = symbols
            dpg.configure_item(SYMBOL, items=symbols)
        _set(SYMBOL, config.symbol)
        _relabel(PAUSE, "■ Pause symbol" if config.enabled else "▶ Resume symbol")

    def sent(self, label: str) -> None:
        """Say that a request is on its way."""
        self._waiting += 1
        self._message.show(f"… {label}", Tone.GREY)

    def tell(self, text: str) -> None:
        """Say what was done here, without the trader."""
        self._message.show(text, Tone.GOOD if text.startswith("✓") else Tone.WARN)

    def answered(self, answer: Answer) -> None:
        """Say what became of a request."""
        self._waiting = max(self._waiting - 1, 0)
        self._message.show(answer.text, Tone.GOOD if answer.ok else Tone.WARN)

    def _choose(self) -> None:
        chosen = dpg.get_value(SYMBOL)
        if chosen in self._symbols:
            self._on_select(self._symbols.index(chosen))

    def _mapped(self, _sender: object, chosen: str, index: int) -> None:
        self._actions.apply_controls({index: float(_STRATEGIES.index(chosen))})

    def _preset(self, _sender: object, _value: object, name: str) -> None:
        self._actions.apply_preset(name)


def _set(tag: str, value: object) -> None:
    if dpg.get_value(tag) != value:
        dpg.set_value(tag, value)


def _relabel(tag: str, label: str) -> None:
    if dpg.get_item_label(tag) != label:
        dpg.configure_item(tag, label=label)
