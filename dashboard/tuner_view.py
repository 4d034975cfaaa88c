"""What the tuner is doing: its age, its state in words, and its running account."""

from __future__ import annotations

from typing import Any

from dashboard.ages import aged, tuner_limits
from dashboard.model import Age, Level, Tuner
from shared.clock import NS_PER_S
from shared.events import TunerStatus, words


def tuner(status: Any, heartbeat_ns: int, now_ns: int, *, alive: bool) -> Tuner:
    """Return the tuner's panel; ``status`` is a ``TUNER_VIEW`` record, or None when no tuner has ever run."""
    if status is None:
        return Tuner(age=Age(name="tuner", seconds=None, level=Level.OFF))
    code = int(status["status"])
    running = alive and code != TunerStatus.STOPPED
    age = aged("tuner", heartbeat_ns, now_ns, tuner_limits(calling=bool(status["calling"])))
    doing = words(TunerStatus(code)) if code in list(TunerStatus) else f"state {code}"
    next_s = (int(status["next_cycle_ns"]) - now_ns) / NS_PER_S
    return Tuner(
        age=age if running else Age(name="tuner", seconds=age.seconds, level=Level.OFF),
        alive=running,
        doing=doing if running else "not running",
        advisor=_text(status["advisor"]) or "AI",
        model=_text(status["model"]),
        dry_run=running and bool(status["dry_run"]),
        cycles=int(status["cycles"]),
        applied=int(status["applied"]),
        refused=int(status["refused"]),
        held=int(status["held"]),
        dry_runs=int(status["dry_runs"]),
        failures=int(status["failures"]),
        next_s=max(next_s, 0.0) if running and status["next_cycle_ns"] > 0 else None,
        latency_ms=float(status["last_latency_ms"]),
        cost_usd=float(status["cost_usd"]),
        last_error=_text(status["last_error"]),
    )


def _text(raw: bytes) -> str:
    return bytes(raw).decode("utf-8", "replace")
