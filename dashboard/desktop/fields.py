"""A table of values to set: name with range and default, a slider, who set it and when. What is moved is a draft until Apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import dearpygui.dearpygui as dpg

from dashboard.desktop.labels import Label, small
from dashboard.desktop.theme import Style
from dashboard.model import Setting, Tone
from shared.params import Param


def slider_tag(name: str) -> str:
    """Return the tag of a value's slider."""
    return f"slider_{name}"


class FieldTable:
    """Sliders for some fields of a registry.

    Parameters
    ----------
    fields
        The registry.
    indices
        Which of its fields, in order.
    apply
        Takes the draft: field index to value.
    name
        Prefix of the tags of the buttons, e.g. ``limits`` for ``limits_apply``.
    """

    def __init__(
        self,
        style: Style,
        fields: Sequence[Param],
        indices: Sequence[int],
        apply: Callable[[Mapping[int, float]], None],
        name: str,
    ) -> None:
        self._style, self._fields, self._indices, self._send = style, fields, indices, apply
        self._draft: dict[int, float] = {}
        self._values: dict[int, Label] = {}
        px = style.px
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingFixedFit):
            dpg.add_table_column(init_width_or_weight=px(172), width_fixed=True)
            dpg.add_table_column(width_stretch=True, init_width_or_weight=1)
            dpg.add_table_column(init_width_or_weight=px(118), width_fixed=True)
            for index in indices:
                self._add_row(index)
        with dpg.group(horizontal=True):
            dpg.add_button(tag=f"{name}_apply", label="Apply", width=px(70), callback=self.apply)
            dpg.add_button(tag=f"{name}_revert", label="Revert", width=px(70), callback=self.revert)
        dpg.bind_item_theme(f"{name}_apply", style.primary)

    def _add_row(self, index: int) -> None:
        field = self._fields[index]
        with dpg.table_row():
            with dpg.group(horizontal=True, horizontal_spacing=self._style.px(5)):
                name = Label(self._style, field.name, Tone.GREY)
            with dpg.tooltip(name.item):
                words = f"{field.description}\n{field.minimum:g} to {field.maximum:g} {field.unit}, default {field.default:g}"
                dpg.add_text(words, wrap=self._style.px(340))
            dpg.add_slider_float(
                tag=slider_tag(field.name), width=-1, default_value=field.default,
                min_value=field.minimum, max_value=field.maximum, clamped=True,
                format="%.0f" if field.integer or field.unit == "ms" else "%.2f", callback=self._moved, user_data=index,
            )  # fmt: skip
            self._values[index] = Label(self._style, tag=f"applied_{field.name}")
            small(self._style, self._values[index].item)

    @property
    def typing(self) -> bool:
        """Say whether a slider is being typed into or dragged."""
        return any(dpg.is_item_active(slider_tag(self._fields[index].name)) for index in self._indices)

    def show(self, settings: Sequence[Setting], *, fresh: bool) -> None:
        """Show what is in force; drafts stay as they are."""
        if not settings:
            return
        for index in self._indices:
            self._show_setting(index, settings[index], fresh=fresh)

    def _show_setting(self, index: int, setting: Setting, *, fresh: bool) -> None:
        field, label = self._fields[index], self._values[index]
        if self._draft.get(index) == setting.value:
            del self._draft[index]
        if index in self._draft:
            label.show(f"{field.shown(setting.value)} → {field.shown(self._draft[index])}", Tone.WARN)
            return
        tag = slider_tag(field.name)
        if not dpg.is_item_active(tag) and dpg.get_value(tag) != setting.value:
            dpg.set_value(tag, setting.value)
        label.show(setting_words(field, setting), setting_tone(setting) if fresh else Tone.DIM)

    def revert(self) -> None:
        """Forget the draft."""
        self._draft.clear()

    def apply(self) -> None:
        """Send the draft."""
        self._send(dict(self._draft))
        self._draft.clear()

    def _moved(self, _sender: object, value: float, index: int) -> None:
        field = self._fields[index]
        self._draft[index] = float(round(value)) if field.integer or field.unit == "ms" else round(value, 2)


def setting_words(field: Param, setting: Setting) -> str:
    """Return range and default, or who set it, when, and from what: ``0.5–5, 1`` or ``1.00→0.80 AI 21:04``."""
    if not setting.who:
        return f"{field.minimum:g}–{field.maximum:g}, default"
    before = f"{field.shown(setting.previous)}→" if setting.changed else ""
    return f"{before}{field.shown(setting.value)} {setting.who} {setting.when}".rstrip()


def setting_tone(setting: Setting) -> Tone:
    """Return purple for what the AI set, white for what a human did."""
    return Tone.AI if setting.by_ai else Tone.PLAIN if setting.who else Tone.DIM
