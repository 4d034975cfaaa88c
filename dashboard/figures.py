"""How numbers, signs and levels are written and toned, in the window as on the terminal."""

from __future__ import annotations

from dashboard.model import Cell, Tone
from shared.events import Regime
from shared.params import STRATEGY_NAMES

REGIMES: dict[Regime, Cell] = {
    Regime.UNKNOWN: ("? UNKN", Tone.GREY),
    Regime.TRENDING_UP: ("▲ UP", Tone.UP),
    Regime.TRENDING_DOWN: ("▼ DOWN", Tone.DOWN),
    Regime.RANGING: ("↔ RANGE", Tone.YELLOW),
    Regime.HIGH_VOLATILITY: ("⚡ H.VOL", Tone.WARN),
    Regime.LOW_VOLATILITY: ("~ L.VOL", Tone.INFO),
    Regime.SPIKE: ("! SPIKE", Tone.BAD),
}
_BY_CODE = {int(regime): cell for regime, cell in REGIMES.items()}
_SHORT_STRATEGIES = {
    "technical": "TECH",
    "momentum": "MOMENT",
    "fair_value": "FAIR V",
    "market_maker": "MAKER",
    "order_flow": "FLOW",
}


def regime_text(code: int) -> Cell:
    """Return sign and short name of a regime, and its tone."""
    known = _BY_CODE.get(code)
    return known if known is not None else (f"? {code}", Tone.GREY)


def strategy_text(code: int) -> str:
    """Return the short name of a strategy, at most six letters."""
    if not 0 < code <= len(STRATEGY_NAMES):
        return "NONE" if code == 0 else f"#{code}"
    name = STRATEGY_NAMES[code - 1]
    return _SHORT_STRATEGIES.get(name, name.upper()[:6])


def price(value: float) -> str:
    """Write a price with the digits that matter at its size; ``–`` for none."""
    if value <= 0:
        return "–"
    if value >= 1000:
        return f"{value:,.2f}"
    return f"{value:.3f}" if value >= 10 else f"{value:.4f}" if value >= 0.1 else f"{value:.6f}"


def usd(value: float) -> str:
    """Write an amount of money with two digits; never a negative zero."""
    return f"{value if abs(value) >= 0.005 else 0.0:,.2f}"


def signed_usd(value: float) -> str:
    """Write a profit or loss with its sign and arrow: ``▲ +12.30``, ``▼ -4.00``, ``0.00``."""
    if abs(value) < 0.005:
        return "0.00"
    return f"{'▲' if value > 0 else '▼'} {value:+,.2f}"


def signed_pct(value: float) -> str:
    """Write a percentage with its sign."""
    return f"{value if abs(value) >= 0.005 else 0.0:+.2f} %"


def change(value: float | None) -> Cell:
    """Write a change in percent with arrow and sign, ``–`` where it is not known."""
    if value is None:
        return "–", Tone.GREY
    if abs(value) < 0.005:
        return "0.00", Tone.PLAIN
    return f"{'▲' if value > 0 else '▼'} {value:+.2f}", Tone.UP if value > 0 else Tone.DOWN


def quantity(value: float) -> str:
    """Write a signed position; ``–`` when flat."""
    return f"{value:+.6g}" if value else "–"


def gain(value: float) -> Tone:
    """Return the tone of a gain, a loss, or nothing."""
    if abs(value) < 0.005:
        return Tone.PLAIN
    return Tone.UP if value > 0 else Tone.DOWN


def side_text(side: int) -> Cell:
    """Return sign, word and tone of a side."""
    return {1: ("▲ LONG", Tone.UP), -1: ("▼ SHORT", Tone.DOWN)}.get(side, ("–", Tone.GREY))


def strength_text(strength: int) -> Cell:
    """Return a signal's direction and how many of the three detectors agree, e.g. ``▲ ■■□``."""
    count = min(abs(strength), 3)
    blocks = "■" * count + "□" * (3 - count)
    if strength == 0:
        return f"  {blocks}", Tone.GREY
    return f"{'▲' if strength > 0 else '▼'} {blocks}", Tone.INFO


def distances(target_pct: float | None, stop_pct: float | None) -> str:
    """Write how far target and stop are: ``1.20/0.80 %``."""
    if target_pct is None and stop_pct is None:
        return "–"
    return "/".join("–" if far is None else f"{far:.2f}" for far in (target_pct, stop_pct)) + " %"


def countdown(seconds: float | None) -> str:
    """Write the time until something: ``0:07``, ``12:30``, ``1:02:03``; ``""`` where there is none."""
    if seconds is None:
        return ""
    whole = max(int(seconds), 0)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
