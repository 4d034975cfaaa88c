"""What the human can ask for: each action builds a request, and asks first where risk rises or nothing can be taken back.

What lowers risk never asks: override on, pause, tuner off, cancel, close one position, a tighter stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dashboard import figures
from dashboard.config_view import (
    ENABLED_FIELD,
    MANUAL_OVERRIDE,
    PRESETS,
    TRADING_ENABLED,
    TUNE_NOW,
    TUNER_MODE,
    raises_risk,
)
from dashboard.model import Config, DashboardView, Undo
from dashboard.wishes import Request, describe_changes
from shared.events import CommandKind, TunerMode
from shared.params import CONTROLS, PARAMS, index_of

Send = Callable[[Request], None]
Ask = Callable[[str, str, str, Callable[[], None]], None]

_BASE, _STOP = index_of(PARAMS, "base_position_pct"), index_of(PARAMS, "stop_pct")


class Actions:
    """The actions of a dashboard, the same for window and terminal.

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

    @property
    def _config(self) -> Config:
        return self._view.config if self._view else Config()

    def flatten(self) -> None:
        """Ask, then close every position at market."""
        held = self._view.positions if self._view else ()
        listed = ", ".join(f"{p.symbol} {p.qty:+.6g} ({figures.signed_usd(p.pnl_usd)})" for p in held) or "none is open now"
        self._ask(
            "FLATTEN: CLOSE EVERYTHING",
            f"Closes {len(held)} position(s) at market, which cannot be undone: {listed}.\n"
            "Every symbol stays paused until it is resumed.",
            "CLOSE EVERYTHING",
            lambda: self._send(Request(label="flatten", command=CommandKind.EMERGENCY_EXIT)),
        )

    def kill(self) -> None:
        """Ask, then make the kill file."""
        self._ask(
            "KILL SWITCH",
            "Makes the kill file: every position is closed at market and nothing is opened while the file exists, whatever\n"
            "is restarted. It works without shared memory. Only trader_control kill --clear and allowing entries end it.",
            "KILL",
            lambda: self._send(Request(label="kill", kill=True)),
        )

    def cancel_all(self) -> None:
        """Cancel every resting order at once; positions stay."""
        self._send(Request(label="cancel all orders", command=CommandKind.CANCEL_ALL))

    def set_override(self, on: bool) -> None:
        """Take the wheel at once; ask before giving it back."""
        request = _control("manual override " + ("on" if on else "off"), MANUAL_OVERRIDE, float(on))
        text = "The AI tuner may change parameters, pause and resume symbols again."
        self._send_or_ask(request, not on, "LEAVE MANUAL OVERRIDE", text, "LEAVE OVERRIDE")

    def toggle_override(self) -> None:
        """Turn the manual override round."""
        if self._attached:
            self.set_override(not self._config.manual_override)

    def set_tuner(self, on: bool) -> None:
        """Switch the tuner off at once; ask before it is switched on."""
        request = _control("AI tuner " + ("on" if on else "off"), TUNER_MODE, float(TunerMode.ON if on else TunerMode.OFF))
        text = "The AI tuner will change parameters within the guard's limits. Every change is shown and can be undone."
        self._send_or_ask(request, on, "SWITCH THE AI TUNER ON", text, "SWITCH ON")

    def toggle_tuner(self) -> None:
        """Turn the tuner on or off."""
        if self._attached:
            self.set_tuner(self._config.tuner_mode != TunerMode.ON)

    def set_trading(self, on: bool) -> None:
        """Stop new entries at once; ask before they are allowed again."""
        request = _control("new entries " + ("allowed" if on else "paused"), TRADING_ENABLED, float(on))
        text = "New positions may be opened again in every symbol that is not paused by itself."
        self._send_or_ask(request, on, "ALLOW NEW ENTRIES", text, "ALLOW ENTRIES")

    def toggle_trading(self) -> None:
        """Pause or allow new entries."""
        if self._attached:
            self.set_trading(not self._config.trading_enabled)

    def resume(self) -> None:
        """Ask, then end a risk halt: losses and drawdown are counted anew from here."""
        if self._view:
            halts = " · ".join(alert.text for alert in self._view.header.alerts if alert.key.startswith("halt"))
            text = f"{halts}\nEntries are allowed again; drawdown and the day's loss are counted anew from this equity."
            request = _control("trading resumed", TRADING_ENABLED, 1.0)
            self._ask("RESUME AFTER A RISK HALT", text, "RESUME TRADING", lambda: self._send(request))

    def toggle_symbol(self) -> None:
        """Pause the selected symbol at once; ask before it is resumed."""
        config = self._config
        if not config.symbol:
            return
        if config.enabled:
            self._patch({ENABLED_FIELD: 0.0}, f"pause {config.symbol}")
            return
        text = f"New positions may be opened in {config.symbol} again."
        resume = f"resume {config.symbol}"
        self._ask("RESUME SYMBOL", text, resume.upper(), lambda: self._patch({ENABLED_FIELD: 1.0}, resume))

    def tune_now(self) -> None:
        """Make the tuner run at once."""
        if self._attached:
            self._send(_control("tune now", TUNE_NOW, float(self._config.tune_now + 1)))

    def trade(self, side: int, notional_usd: float = 0.0) -> None:
        """Ask, then buy (+1) or sell (-1) the selected symbol at market; 0 USD takes the symbol's own size."""
        config = self._config
        if not config.symbol or self._view is None:
            return
        usd = notional_usd or self._view.account.equity_usd * config.settings[_BASE].value / 100.0
        risk = usd * (config.settings[_STOP].value + config.round_trip_bps / 100.0) / 100.0
        word, kind = ("buy", CommandKind.MANUAL_BUY) if side > 0 else ("sell", CommandKind.MANUAL_SELL)
        size = f"{figures.usd(usd)} USD" + ("" if notional_usd else f" (base_position_pct {config.settings[_BASE].value:g} %)")
        request = Request(label=f"{word} {config.symbol}", symbol=config.symbol_index, command=kind, notional_usd=notional_usd)
        self._ask(
            f"MANUAL {word.upper()} {config.symbol}",
            f"{word.capitalize()}s about {size} of {config.symbol} at market. Its stop at {config.settings[_STOP].value:g} % "
            f"would lose about {figures.usd(risk)} USD with costs.\n"
            "The trade is marked manual in the ledger; stop and target guard it.",
            f"{word.upper()} {config.symbol}",
            lambda: self._send(request),
        )

    def close_symbol(self) -> None:
        """Close the position of the selected symbol at once."""
        config = self._config
        if config.symbol:
            self._send(Request(label=f"close {config.symbol}", symbol=config.symbol_index, command=CommandKind.CLOSE))

    def apply(self, changes: Mapping[int, float]) -> None:
        """Send a patch of the selected symbol; ask first if it raises risk."""
        config = self._config
        if not changes or not config.symbol:
            return
        current = [setting.value for setting in config.settings]
        raised = raises_risk(PARAMS, changes, current)
        label = f"{config.symbol} {describe_changes(changes)}"
        self._ask_if(raised, f"{config.symbol}: MORE RISK", lambda: self._patch(changes, label))

    def apply_controls(self, changes: Mapping[int, float]) -> None:
        """Send a patch of the global controls; ask first if it raises a limit."""
        if not changes or not self._attached:
            return
        raised = raises_risk(CONTROLS, changes, [setting.value for setting in self._config.controls])
        request = Request(label=describe_changes(changes, control=True), changes=dict(changes))
        self._ask_if(raised, "RAISE A LIMIT", lambda: self._send(request))

    def apply_preset(self, name: str) -> None:
        """Put a ready map from regime to strategy in force."""
        changes = {index_of(CONTROLS, control): float(code) for control, code in PRESETS[name].items()}
        if self._attached:
            self._send(Request(label=f"strategies: {name}", changes=changes))

    def undo(self) -> None:
        """Put back what the last change of the selected symbol replaced."""
        self._undo(self._config.undo)

    def undo_ai(self) -> None:
        """Put back what the AI's last change replaced, in whatever symbol it was."""
        self._undo(self._config.undo_ai)

    def _undo(self, undo: Undo | None) -> None:
        if undo is None:
            return
        request = Request(label=f"undo {undo.symbol} {undo.words}", changes=dict(undo.changes), symbol=undo.symbol_index)
        self._ask_if(undo.raises, f"UNDO IN {undo.symbol}: MORE RISK", lambda: self._send(request))

    @property
    def _attached(self) -> bool:
        return self._view is not None and self._view.attached

    def _patch(self, changes: Mapping[int, float], label: str) -> None:
        self._send(Request(label=label, changes=dict(changes), symbol=self._config.symbol_index))

    def _send_or_ask(self, request: Request, ask: bool, title: str, text: str, confirm: str) -> None:
        """Ask about the direction of a switch that raises risk; do the other at once."""
        if ask:
            self._ask(title, text, confirm, lambda: self._send(request))
        else:
            self._send(request)

    def _ask_if(self, raised: tuple[str, ...], title: str, action: Callable[[], None]) -> None:
        """Ask about what raises risk; do the rest at once."""
        if not raised:
            action()
            return
        self._ask(title, "This raises risk: " + ", ".join(raised) + ".", "APPLY", action)


def _control(label: str, field: int, value: float) -> Request:
    return Request(label=label, changes={field: value})
