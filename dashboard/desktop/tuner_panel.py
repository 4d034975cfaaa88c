"""TUNER: state and countdown, who advises, the budget, the last decision in full, and the two buttons."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from dashboard.actions import Actions
from dashboard.desktop.labels import Label, Shown, small
from dashboard.desktop.theme import Style
from dashboard.model import DashboardView, Decision, Tone
from dashboard.tuner_view import account_line, state_line, trouble_line, who_line

TUNE, UNDO_AI = "tune_now", "undo_ai"
_STEPS = 10


class TunerPanel:
    """What the AI does, did last, and why.

    Parameters
    ----------
    actions
        What the buttons do.
    """

    def __init__(self, style: Style, actions: Actions) -> None:
        with dpg.group(horizontal=True):
            Label(style, "AI TUNER", Tone.GREY)
            dpg.add_button(tag=TUNE, label="Tune now  T", callback=actions.tune_now)
            dpg.add_button(tag=UNDO_AI, label="Undo last AI change", callback=actions.undo_ai)
        self._state = Label(style, tag="tuner_state", wrap=0)
        self._who = Label(style, tag="tuner_who", wrap=0)
        self._account = Label(style, tag="tuner_account", wrap=0)
        self._budget = Label(style, tag="tuner_budget", wrap=0)
        self._trouble = Label(style, tag="tuner_trouble", wrap=0)
        dpg.add_separator()
        self._none = Label(style, "no decision yet", Tone.DIM, tag="decision_none")
        with dpg.group(show=False) as body:
            self._head = Label(style, tag="decision_head", wrap=0)
            self._verdict = Label(style, tag="decision_verdict", wrap=0)
            self._changes = Label(style, tag="decision_changes", wrap=0)
            self._reasoning = Label(style, tag="decision_reasoning", wrap=0)
            self._steps = [Label(style, tag=f"decision_step_{i}", wrap=0) for i in range(_STEPS)]
            self._bill = Label(style, tag="decision_bill", wrap=0)
        for label in (self._account, self._budget, self._bill, *self._steps):
            small(style, label.item)
        self._shown, self._hidden = Shown(body, shown=False), Shown(self._none.item)
        self._lines = {
            label: Shown(label.item)
            for label in (self._budget, self._trouble, self._who, self._account, self._changes, self._reasoning, *self._steps)
        }

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        tuner = view.tuner
        self._state.show(*state_line(tuner))
        self._line(self._who, who_line(tuner), Tone.PLAIN if tuner.alive else Tone.GREY)
        self._line(self._account, account_line(tuner), Tone.GREY)
        self._line(self._budget, tuner.budget, Tone.GREY)
        self._line(self._trouble, trouble_line(tuner), Tone.WARN)
        self._shown.show(tuner.decision is not None)
        self._hidden.show(tuner.decision is None)
        if tuner.decision is not None:
            self._show_decision(tuner.decision)

    def _show_decision(self, made: Decision) -> None:
        self._head.show(f"{made.time}  {made.symbol}  {made.action}  [{made.confidence_pct:.0f} %]", Tone.AI)
        self._verdict.show(made.verdict, made.verdict_tone)
        self._line(self._changes, made.changes, Tone.AI)
        self._line(self._reasoning, made.reasoning, Tone.PLAIN)
        for number, label in enumerate(self._steps):
            step = made.steps[number] if number < len(made.steps) else None
            self._line(label, f"{step.name}: {step.text}" if step else "", step.tone if step else Tone.GREY)
        self._bill.show(made.bill, Tone.GREY)

    def _line(self, label: Label, text: str, tone: Tone) -> None:
        label.show(text, tone)
        self._lines[label].show(bool(text))
