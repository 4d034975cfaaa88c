"""The keyboard. A held key fires again and again, so each one is latched until it is released."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import dearpygui.dearpygui as dpg

HELP = """F6      emergency exit (Enter confirms, Escape cancels)
Space   pause or allow new entries
M       manual override
A       AI tuner
T       tune now
/       filter the events
1 to 9  choose a symbol
?       this help"""

SHORT_HELP = "F6 exit all · Space pause entries · M override · A AI tuner · T tune now · / filter · 1-9 symbol · ? keys"


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
            dpg.add_key_press_handler(callback=self._pressed)
            dpg.add_key_release_handler(callback=self._released)

    @property
    def held(self) -> bool:
        """Say whether a key is down."""
        return bool(self._down)

    def _pressed(self, _sender: object, key: int) -> None:
        if key in self._down:
            return
        self._down.add(key)
        action = self._always.get(key) or (None if self._typing() else self._plain.get(key))
        if action is not None:
            action()

    def _released(self, _sender: object, key: int) -> None:
        self._down.discard(key)
