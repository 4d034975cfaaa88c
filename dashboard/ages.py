"""When a figure is old: the one place that holds the thresholds of age."""

from __future__ import annotations

from dashboard.model import Age, Level
from shared.clock import NS_PER_S

# Amber at 20 s and red at 30 s for what may be quiet for a while: a market, an AI between two decisions. The engine publishes
# many times a second whatever the market does, and a killed one must be seen as such within 2 s: its limits are stricter.
TRADER_LIMITS_S = (2.0, 5.0)
FEED_LIMITS_S = (20.0, 30.0)
TUNER_LIMITS_S = (20.0, 30.0)
TUNER_WORKING_LIMITS_S = (30.0, 60.0)  # a model may think that long before its loop turns again


def level_of(seconds: float, limits_s: tuple[float, float]) -> Level:
    """Return the level of an age: amber from the first limit on, red from the second."""
    amber_s, red_s = limits_s
    return Level.RED if seconds >= red_s else Level.AMBER if seconds >= amber_s else Level.OK


def aged(name: str, then_ns: int, now_ns: int, limits_s: tuple[float, float], *, alive: bool = True) -> Age:
    """Return the age of something last heard of at ``then_ns`` (0: never heard of)."""
    if then_ns <= 0:
        return Age(name=name, seconds=None, level=Level.OFF)
    seconds = max((now_ns - then_ns) / NS_PER_S, 0.0)
    return Age(name=name, seconds=seconds, level=level_of(seconds, limits_s) if alive else Level.RED)


def tuner_limits(*, calling: bool) -> tuple[float, float]:
    """Return the limits of a tuner: longer while it waits for a model."""
    return TUNER_WORKING_LIMITS_S if calling else TUNER_LIMITS_S
