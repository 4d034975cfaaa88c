"""SCALPER'S READ: what a scalper makes of the chosen symbol, as bars, an action and a sentence."""

from __future__ import annotations

from typing import Any

from dashboard.model import Scalper, ScalperBar, Tone, age_text
from shared.clock import NS_PER_S

OLD_S = 60.0

_ACTIONS = {1: ("▲ BUY", Tone.UP), -1: ("▼ SELL", Tone.DOWN), 0: ("WAIT", Tone.GREY)}


def scalper(symbol: str, read: Any, now_ns: int) -> Scalper:
    """Return the panel of one symbol; ``read`` is its ``SCALPER_READ``, or None where no tuner has run."""
    if read is None or not read["time_ns"]:
        return Scalper(symbol=symbol)
    seconds = max((now_ns - int(read["time_ns"])) / NS_PER_S, 0.0)
    action, tone = _ACTIONS.get(int(read["action"]), ("?", Tone.GREY))
    return Scalper(
        symbol=symbol,
        bars=(
            _signed("Momentum", float(read["momentum"])),
            _signed("Pressure", float(read["pressure"])),
            _share("Continuation", float(read["continuation"])),
            _share("Freshness", float(read["freshness"])),
        ),
        action=action,
        action_tone=tone,
        quote=bytes(read["quote"]).decode("utf-8", "replace").strip("\0 \n"),
        age=f"{age_text(seconds)} ago",
        old=seconds >= OLD_S,
    )


def _signed(name: str, value: float) -> ScalperBar:
    """Return a bar for -1 to 1: its length is how much, its tone and sign which way."""
    value = max(-1.0, min(value, 1.0))
    tone = Tone.UP if value > 0 else Tone.DOWN if value < 0 else Tone.GREY
    arrow = "▲ " if value > 0 else "▼ " if value < 0 else ""
    return ScalperBar(name, abs(value), f"{arrow}{100 * value:+.0f} %", tone)


def _share(name: str, value: float) -> ScalperBar:
    value = max(0.0, min(value, 1.0))
    return ScalperBar(name, value, f"{100 * value:.0f} %", Tone.INFO)
