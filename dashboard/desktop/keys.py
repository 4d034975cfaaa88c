"""The keyboard. A held key fires again and again, so each one is latched until it is released."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import dearpygui.dearpygui as dpg

HELP = """F6      flatten: close everything (Enter confirms, Escape cancels)
F7      cancel all resting orders, at once
Space   pause entries, or allow them again
M       manual override: take the wheel, or give it back
A       AI tuner on or off
T       tune now
/       filter the events (Enter leaves the field)
1 to 9  choose a symbol
?       this help

F6 and F7 work while typing, all others do not. What raises risk or cannot
be undone asks once; what lowers risk never asks."""

SHORT_HELP = (
    "F6 flatten · F7 cancel all · Space pause entries · M override · A AI tuner · T tune now · / filter · 1-9 symbol · ? keys"
)


class Keys:
    """Runs an action once a press.

    Parameters
    ----------
    always
        Actions by key code that work even while typing.
    plain
        Actions by key code that do not.
    typing
        Says whether a text field has the keyboard.
    """

    def __init__(
        self, always: Mapping[int, Callable[[], None]], plain: Mapping[int, Callable[[], None]], typing: Callable[[], bool]
    ) -> None:
        self._always, self._plain, self._typing = always, plain, typing
        self._down: set[int] = set()
        with dpg.handler_registry():
            dpg.add_key_press_handler(callback=self.pressed)
            dpg.add_key_release_handler(callback=self.released)

    @property
    def held(self) -> bool:
        """Say whether a key is down."""
        return bool(self._down)

    def pressed(self, _sender: object, key: int) -> None:
        """Act on a key, unless it is down already."""
        if key in self._down:
            return
        self._down.add(key)
        action = self._always.get(key) or (None if self._typing() else self._plain.get(key))
        if action is not None:
            action()

    def released(self, _sender: object, key: int) -> None:
        """Let a key act again."""
        self._down.discard(key)
