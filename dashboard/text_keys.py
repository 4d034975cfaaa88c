"""The keys of the terminal dashboard: a letter acts, and what raises risk or cannot be undone asks for a ``y`` first."""

from __future__ import annotations

import os
import select
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from dashboard.actions import Actions
from dashboard.model import DashboardView
from dashboard.wishes import Request, WishWorker

HELP = (
    "m override · space pause entries · f flatten · c cancel orders · x close · a tuner · t tune now · u undo AI · 1-9 symbol · q"
)


class TextKeys:
    """Turns letters into actions.

    Parameters
    ----------
    worker
        Carries the requests out.

    Attributes
    ----------
    selected
        Index of the chosen symbol.
    message
        The open question, or what became of the last act.
    """

    def __init__(self, worker: WishWorker) -> None:
        self._worker = worker
        self.actions = Actions(self._send, self._ask)
        self.selected = 0
        self.message = ""
        self._pending: Callable[[], None] | None = None
        self._input: int | None = None
        self._keys: dict[str, Callable[[], None]] = {
            "m": self.actions.toggle_override,
            " ": self.actions.toggle_trading,
            "f": self.actions.flatten,
            "c": self.actions.cancel_all,
            "x": self.actions.close_symbol,
            "a": self.actions.toggle_tuner,
            "t": self.actions.tune_now,
            "u": self.actions.undo_ai,
            "r": self.actions.resume,
        }

    def show(self, view: DashboardView) -> None:
        """Take the view that the next key acts on, and the answers that came."""
        self.actions.show(view)
        for answer in self._worker.answers():
            self.message = answer.text

    def press(self, key: str) -> bool:
        """Act on a key; False if it ends the program."""
        if self._pending is not None:
            action, self._pending = self._pending, None
            self.message = ""
            if key in ("y", "Y"):
                action()
            return True
        if key == "q":
            return False
        if key in "123456789":
            self.selected = int(key) - 1
        elif key in self._keys:
            self._keys[key]()
        return True

    @contextmanager
    def listening(self, stream: TextIO) -> Iterator[None]:
        """Read single keys from a terminal, without echo; restored afterwards."""
        number = stream.fileno()
        if not os.isatty(number):
            yield
            return
        before = termios.tcgetattr(number)
        self._input = number
        try:
            tty.setcbreak(number, termios.TCSADRAIN)  # the default would throw away keys pressed before now
            yield
        finally:
            self._input = None
            termios.tcsetattr(number, termios.TCSADRAIN, before)

    def wait(self, seconds: float) -> bool:
        """Wait for keys at most so long and act on them; False if one ends the program."""
        waiting = [self._input] if self._input is not None else []
        ready, _, _ = select.select(waiting, [], [], seconds)
        if not ready or self._input is None:
            return True
        pressed = os.read(self._input, 64).decode(errors="ignore")
        going_on = [self.press(key) for key in pressed]
        return all(going_on)

    def _send(self, request: Request) -> None:
        self.message = f"… {request.label}"
        self._worker.send(request)

    def _ask(self, title: str, text: str, confirm: str, action: Callable[[], None]) -> None:
        self._pending = action
        self.message = f"{title}: {text.replace(chr(10), ' ')}  [y = {confirm.lower()}, any other key = cancel]"
