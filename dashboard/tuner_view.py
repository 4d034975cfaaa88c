"""TUNER: its age, its state in words and why, who advises, the budget, and its running account."""

from __future__ import annotations

from typing import Any

from dashboard.ages import aged, tuner_limits
from dashboard.figures import countdown
from dashboard.model import Age, Alert, Cell, Decision, Level, Tone, Tuner, age_text
from shared.clock import NS_PER_S
from shared.events import TunerStatus, words

_TONES = {
    TunerStatus.ACTIVE: Tone.AI,
    TunerStatus.DRY_RUN: Tone.AI,
    TunerStatus.DEGRADED: Tone.WARN,
    TunerStatus.BUDGET: Tone.WARN,
    TunerStatus.OVERRIDE: Tone.YELLOW,
    TunerStatus.PAUSED: Tone.YELLOW,
}


_TROUBLED = tuple(words(status) for status in (TunerStatus.DEGRADED, TunerStatus.BUDGET))


def tuner(
    status: Any, heartbeat_ns: int, now_ns: int, *, alive: bool, decision: Decision | None = None, problem: str = ""
) -> Tuner:
    """Return the tuner's panel.

    Parameters
    ----------
    status
        A ``TUNER_VIEW`` record, or None when no tuner has ever run or ``problem`` says why it cannot be read.
    heartbeat_ns
        Last turn of the tuner's loop.
    decision
        The last one it made.
    """
    if status is None:
        return Tuner(age=Age(name="tuner", seconds=None, level=Level.OFF), last_error=problem)
    code = int(status["status"])
    running = alive and code != TunerStatus.STOPPED
    age = aged("tuner", heartbeat_ns, now_ns, tuner_limits(calling=bool(status["calling"])))
    doing = words(TunerStatus(code)) if code in list(TunerStatus) else f"state {code}"
    next_s = (int(status["next_cycle_ns"]) - now_ns) / NS_PER_S
    until_s = (int(status["until_ns"]) - now_ns) / NS_PER_S
    return Tuner(
        age=age if running else Age(name="tuner", seconds=age.seconds, level=Level.OFF),
        alive=running,
        doing=doing if running else "not running",
        why=_text(status["why"]) if running else "",
        tone=_TONES.get(TunerStatus(code), Tone.GREY) if running and code in list(TunerStatus) else Tone.GREY,
        advisor=_text(status["advisor"]) or "AI",
        model=_text(status["model"]),
        chain=_text(status["chain"]),
        budget=_budget(status),
        dry_run=running and bool(status["dry_run"]),
        calling=running and bool(status["calling"]),
        cycles=int(status["cycles"]),
        applied=int(status["applied"]),
        refused=int(status["refused"]),
        held=int(status["held"]),
        dry_runs=int(status["dry_runs"]),
        failures=int(status["failures"]),
        next_s=max(next_s, 0.0) if running and status["next_cycle_ns"] > 0 else None,
        until_s=max(until_s, 0.0) if running and status["until_ns"] > 0 else None,
        latency_ms=float(status["last_latency_ms"]),
        cost_usd=float(status["cost_usd"]),
        last_error=_text(status["last_error"]),
        decision=decision,
    )


def state_line(tuner: Tuner) -> Cell:
    """Return the state, why it is so, and when it ends or the next decision is due."""
    if not tuner.advisor:
        if tuner.last_error:
            return tuner.last_error, Tone.WARN
        return "no tuner has run in this instance; start one: trader_tuner", Tone.GREY
    if not tuner.alive:
        return "not running; the trader keeps the last parameters. Start it: trader_tuner", Tone.GREY
    parts = ["thinking …" if tuner.calling else tuner.doing.upper()]
    if tuner.why:
        parts.append(tuner.why)
    if tuner.until_s is not None:
        parts.append(f"until {countdown(tuner.until_s)} from now")
    elif tuner.next_s is not None and not tuner.calling:
        parts.append(f"next in {countdown(tuner.next_s)}")
    return " · ".join(parts), tuner.tone if tuner.age.level is Level.OK else Tone.WARN


def tuner_alerts(tuner: Tuner) -> tuple[Alert, ...]:
    """Return what the operator should know of the AI at once; trading goes on without it, so never more than amber."""
    if not tuner.alive:
        return ()
    if tuner.age.level in (Level.AMBER, Level.RED):
        text = f"AI SILENT: the tuner has not moved for {age_text(tuner.age.seconds)}; the last parameters stay"
        return (Alert(key="tuner silent", level=Level.AMBER, text=text),)
    if tuner.doing in _TROUBLED:
        text = f"AI {tuner.doing.upper()}" + (f": {tuner.why}" if tuner.why else "")
        return (Alert(key=f"tuner {tuner.doing}", level=Level.AMBER, text=text),)
    return ()


def who_line(tuner: Tuner) -> str:
    """Return who advises: ``claude (opus), then ollama, rules``."""
    if not tuner.advisor:
        return ""
    name = f"advisor {tuner.advisor}" + (f" ({tuner.model})" if tuner.model and tuner.model != tuner.advisor else "")
    rest = [part.strip() for part in tuner.chain.split(",") if part.strip() and part.strip() != tuner.advisor]
    return name + (f", then {', '.join(rest)}" if rest else "") + ("   DRY RUN" if tuner.dry_run else "")


def account_line(tuner: Tuner) -> str:
    """Return what it has done so far and what that cost."""
    if not tuner.advisor:
        return ""
    did = f"✓ {tuner.applied} applied  ✗ {tuner.refused} refused  {tuner.held} held"
    did += f"  {tuner.dry_runs} dry" if tuner.dry_runs else ""
    return f"{did}  {tuner.cost_usd:.4f} USD"


def trouble_line(tuner: Tuner) -> str:
    """Return what went wrong last, ``""`` if nothing did."""
    if tuner.alive and tuner.age.level in (Level.AMBER, Level.RED):
        return f"⚠ silent for {age_text(tuner.age.seconds)}"
    if not tuner.last_error:
        return ""
    count = f"{tuner.failures} failures, last: " if tuner.failures else ""
    return f"⚠ {count}{tuner.last_error}"


def _budget(status: Any) -> str:
    parts = []
    for span in ("hour", "day"):
        if limit := int(status[f"calls_{span}_limit"]):
            parts.append(f"{int(status[f'calls_{span}'])}/{limit} calls/{span}")
        if most := float(status[f"cost_{span}_limit_usd"]):
            parts.append(f"{float(status[f'cost_{span}_usd']):.2f}/{most:.2f} USD/{span}")
    return "  ".join(parts)


def _text(raw: bytes) -> str:
    return bytes(raw).decode("utf-8", "replace").strip("\0")
