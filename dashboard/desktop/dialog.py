"""One question at a time before something that cannot be undone or that raises risk."""

from __future__ import annotations

from collections.abc import Callable

import dearpygui.dearpygui as dpg

from dashboard.desktop.labels import Label
from dashboard.desktop.theme import Style

DIALOG = "dialog"
CONFIRM = "dialog_confirm"
CANCEL = "dialog_cancel"
_WIDTH = 560


class Dialog:
    """A modal window with a title, an explanation, and two buttons. Enter confirms, Escape cancels."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._action: Callable[[], None] | None = None
        width = style.px(_WIDTH)
        with dpg.window(
            tag=DIALOG, modal=True, show=False, no_move=True, no_resize=True, no_close=True, no_collapse=True,
            width=width, autosize=True, no_saved_settings=True, no_scrollbar=True,
        ):  # fmt: skip
            dpg.add_spacer(width=width - style.px(24))  # holds the width, the height follows the text
            self._text = Label(style, tag="dialog_text", wrap=width - style.px(24))
            dpg.add_spacer(height=style.px(8))
            with dpg.group(horizontal=True):
                dpg.add_button(tag=CONFIRM, width=style.px(260), height=style.px(30), callback=self.confirm)
                dpg.add_button(tag=CANCEL, label="Cancel (Esc)", width=style.px(140), height=style.px(30), callback=self.cancel)
        dpg.bind_item_theme(CONFIRM, style.danger)

    @property
    def open(self) -> bool:
        """Say whether a question waits for its answer."""
        return self._action is not None

    def ask(self, title: str, text: str, confirm: str, action: Callable[[], None]) -> None:
        """Open with a question; ``action`` runs on confirmation. A question already open stays."""
        if self.open:
            return
        self._action = action
        dpg.configure_item(DIALOG, label=title)
        self._text.show(text)
        dpg.configure_item(CONFIRM, label=f"{confirm} (Enter)")
        width, height = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
        corner = ((width - self._style.px(_WIDTH)) // 2, (height - self._style.px(210)) // 2)
        dpg.configure_item(DIALOG, show=True, pos=corner)

    def confirm(self) -> None:
        """Do what was asked about."""
        action = self._action
        self.cancel()
        if action is not None:
            action()

    def cancel(self) -> None:
        """Close without doing anything."""
        self._action = None
        dpg.configure_item(DIALOG, show=False)
