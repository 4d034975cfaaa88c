"""How numbers, signs and levels are written and coloured, in the window as on the terminal."""

from __future__ import annotations

from dashboard.model import Colour, Level
from shared.events import CYAN, GREEN, GREY, ORANGE, RED, YELLOW, Regime
from shared.params import STRATEGY_NAMES

WHITE: Colour = (222, 228, 235)
DIM: Colour = (96, 106, 118)

LEVEL_COLOURS: dict[Level, Colour] = {Level.OK: GREEN, Level.AMBER: ORANGE, Level.RED: RED, Level.OFF: GREY}

REGIMES: dict[Regime, tuple[str, Colour]] = {
    Regime.UNKNOWN: ("? UNKN", GREY),
    Regime.TRENDING_UP: ("▲ UP", GREEN),
    Regime.TRENDING_DOWN: ("▼ DOWN", RED),
    Regime.RANGING: ("↔ RANGE", YELLOW),
    Regime.HIGH_VOLATILITY: ("⚡ H.VOL", ORANGE),
    Regime.LOW_VOLATILITY: ("~ L.VOL", CYAN),
    Regime.SPIKE: ("! SPIKE", RED),
}


def regime_text(code: int) -> tuple[str, Colour]:
    """Return sign and short name of a regime, and its colour."""
    return REGIMES.get(Regime(code), REGIMES[Regime.UNKNOWN]) if code in list(Regime) else (f"? {code}", GREY)


def strategy_text(code: int) -> str:
    """Return the name of a strategy."""
    return STRATEGY_NAMES[code - 1].upper() if 0 < code <= len(STRATEGY_NAMES) else "NONE" if code == 0 else f"#{code}"


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


def quantity(value: float) -> str:
    """Write a signed position; ``–`` when flat."""
    return f"{value:+.6g}" if value else "–"


def gain_colour(value: float) -> Colour:
    """Return green for a gain, red for a loss, white for nothing."""
    if abs(value) < 0.005:
        return WHITE
    return GREEN if value > 0 else RED


def side_text(side: int) -> tuple[str, Colour]:
    """Return sign, word and colour of a side."""
    return {1: ("▲ LONG", GREEN), -1: ("▼ SHORT", RED)}.get(side, ("–", GREY))


def strength_text(strength: int) -> tuple[str, Colour]:
    """Return a signal's direction and how many of the three detectors agree, e.g. ``▲ ■■□``."""
    count = min(abs(strength), 3)
    blocks = "■" * count + "□" * (3 - count)
    if strength == 0:
        return f"  {blocks}", GREY
    return f"{'▲' if strength > 0 else '▼'} {blocks}", CYAN
