"""What the human can ask for: each action builds a request, and asks first where risk rises or nothing can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dashboard.config_view import ENABLED_FIELD, MANUAL_OVERRIDE, TRADING_ENABLED, TUNE_NOW, TUNER_MODE
from dashboard.model import DashboardView
from dashboard.wishes import Request, describe_changes
from shared.events import CommandKind, TunerMode

Send = Callable[[Request], None]
Ask = Callable[[str, str, str, Callable[[], None]], None]


class Controls:
    """The actions of the window.

    Parameters
    ----------
    send
        Takes a request; returns at once.
    ask
        Opens a question ``(title, text, confirm label, action)``.
    """

    def __init__(self, send: Send, ask: Ask) -> None:
        self._send = send
        self._ask = ask
        self._view: DashboardView | None = None

    def show(self, view: DashboardView) -> None:
        """Take the view that the next action starts from."""
        self._view = view

    def emergency_exit(self) -> None:
        """Ask, then close every position at market."""
        held = [p for p in self._view.positions if p.qty] if self._view else []
        listed = ", ".join(f"{p.symbol} {p.qty:+.6g}" for p in held) or "none is open now"
        self._ask(
            "EMERGENCY EXIT",
            f"Closes {len(held)} position(s) at market, which cannot be undone: {listed}.\n"
            "Every symbol stays paused until it is resumed.",
            "CLOSE EVERYTHING",
            lambda: self._send(Request(label="emergency exit", command=CommandKind.EMERGENCY_EXIT)),
        )

    def set_override(self, on: bool) -> None:
        """Take the wheel at once; ask before giving it back."""
        request = _control("manual override " + ("on" if on else "off"), MANUAL_OVERRIDE, float(on))
        if on:
            self._send(request)
            return
        text = "The AI tuner may change parameters, pause and resume symbols again."
        self._ask("LEAVE MANUAL OVERRIDE", text, "LEAVE OVERRIDE", lambda: self._send(request))

    def toggle_override(self) -> None:
        """Turn the manual override round."""
        if self._view:
            self.set_override(not self._view.config.manual_override)

    def set_tuner(self, on: bool) -> None:
        """Switch the tuner off at once; ask before it is switched on."""
        request = _control("AI tuner " + ("on" if on else "off"), TUNER_MODE, float(TunerMode.ON if on else TunerMode.OFF))
        if not on:
            self._send(request)
            return
        text = "The AI tuner will change parameters within the guard's limits. Every change is shown and can be undone."
        self._ask("SWITCH THE AI TUNER ON", text, "SWITCH ON", lambda: self._send(request))

    def toggle_tuner(self) -> None:
        """Turn the tuner on or off."""
        if self._view:
            self.set_tuner(self._view.config.tuner_mode != TunerMode.ON)

    def set_trading(self, on: bool) -> None:
        """Stop new entries at once; ask before they are allowed again."""
        request = _control("new entries " + ("allowed" if on else "paused"), TRADING_ENABLED, float(on))
        if not on:
            self._send(request)
            return
        text = "New positions may be opened again in every symbol that is not paused by itself."
        self._ask("ALLOW NEW ENTRIES", text, "ALLOW ENTRIES", lambda: self._send(request))

    def toggle_trading(self) -> None:
        """Pause or allow new entries."""
        if self._view:
            self.set_trading(not self._view.config.trading_enabled)

    def toggle_symbol(self) -> None:
        """Pause the selected symbol at once; ask before it is resumed."""
        if self._view and self._view.config.symbol:
            config = self._view.config
            if config.enabled:
                self.apply({ENABLED_FIELD: 0.0}, f"pause {config.symbol}")
                return
            text = f"New positions may be opened in {config.symbol} again."
            resume = f"resume {config.symbol}"
            self._ask("RESUME SYMBOL", text, resume.upper(), lambda: self.apply({ENABLED_FIELD: 1.0}, resume))

    def tune_now(self) -> None:
        """Make the tuner run at once."""
        if self._view:
            self._send(_control("tune now", TUNE_NOW, float(self._view.config.tune_now + 1)))

    def apply(self, changes: Mapping[int, float], label: str = "") -> None:
        """Send a patch of the selected symbol."""
        if self._view and changes and self._view.config.symbol:
            config = self._view.config
            words = label or f"{config.symbol} {describe_changes(changes)}"
            self._send(Request(label=words, changes=dict(changes), symbol=config.symbol_index))

    def undo(self) -> None:
        """Put back what the last change of the selected symbol replaced."""
        if self._view:
            config = self._view.config
            self.apply(
                {i: s.previous for i, s in enumerate(config.settings) if s.changed}, f"undo last change of {config.symbol}"
            )


def _control(label: str, field: int, value: float) -> Request:
    return Request(label=label, changes={field: value})
