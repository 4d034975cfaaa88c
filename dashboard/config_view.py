"""STRATEGY CONFIG: parameters and controls, who set them and when, who has the wheel, what a trade must win to pay its costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dashboard.model import Config, Setting, Undo
from shared.clock import clock_time
from shared.events import CONTROL_FIELDS, EventKind, Source, TunerMode
from shared.params import CONTROLS, ENABLED, PARAMS, STRATEGY_NAMES, SYMBOL_FIELDS, Param, index_of

TRADING_ENABLED = index_of(CONTROLS, "trading_enabled")
MANUAL_OVERRIDE = index_of(CONTROLS, "manual_override")
TUNER_MODE = index_of(CONTROLS, "tuner_mode")
TUNE_NOW = index_of(CONTROLS, "tune_now")
ENABLED_FIELD = index_of(SYMBOL_FIELDS, ENABLED.name)
STRATEGY_MAP = tuple(i for i, control in enumerate(CONTROLS) if control.name.startswith("strategy_"))
PAPER_COSTS = tuple(
    index_of(CONTROLS, name) for name in ("slippage_bps", "commission_bps", "maker_bps", "latency_ms", "latency_jitter_ms")
)
_SWITCHES = (TRADING_ENABLED, MANUAL_OVERRIDE, TUNER_MODE, TUNE_NOW)
LIMITS = tuple(i for i in range(len(CONTROLS)) if i not in (*_SWITCHES, *STRATEGY_MAP, *PAPER_COSTS))
"""Indices of the controls that are limits of risk."""

_SLIPPAGE, _COMMISSION = index_of(CONTROLS, "slippage_bps"), index_of(CONTROLS, "commission_bps")
_TARGET, _STOP = index_of(PARAMS, "target_pct"), index_of(PARAMS, "stop_pct")
_WHO = {Source.OPERATOR: "operator", Source.TUNER: "AI", Source.DASHBOARD: "you", Source.ENGINE: "trader"}

_TECHNICAL, _MOMENTUM, _FAIR, _MAKER = (
    STRATEGY_NAMES.index(n) + 1 for n in ("technical", "momentum", "fair_value", "market_maker")
)
_IN_ORDER = ("trending_up", "trending_down", "ranging", "high_volatility", "low_volatility", "spike", "unknown")
PRESETS: dict[str, dict[str, int]] = {
    "Default": {f"strategy_{name}": int(CONTROLS[index_of(CONTROLS, f"strategy_{name}")].default) for name in _IN_ORDER},
    "Conservative": dict(zip((f"strategy_{n}" for n in _IN_ORDER), (_TECHNICAL, 0, _FAIR, 0, _FAIR, 0, 0), strict=True)),
    "Technical": {f"strategy_{name}": _TECHNICAL for name in _IN_ORDER},
}
"""Ready maps from regime to strategy."""

SetTimes = Mapping[tuple[int, int], int]


def config(
    symbols: Sequence[str], index: int, rows: Sequence[Any], controls: Any, wheel: tuple[str, bool], times: SetTimes
) -> Config:
    """Return the config panel.

    Parameters
    ----------
    rows, controls
        Records of ``APPLIED``: every symbol's, and the global one.
    wheel
        What :func:`wheel_of` says.
    times
        When each field was last set, ns, by ``(symbol, field)``; symbol -1 for the controls.
    """
    applied, values = rows[index], controls["values"]
    params = _settings(PARAMS, applied, index, times)
    round_trip = round_trip_bps(float(values[_SLIPPAGE]), float(values[_COMMISSION]))
    target, stop = params[_TARGET].value, params[_STOP].value
    source = int(applied["source"])
    return Config(
        symbol=symbols[index],
        symbol_index=index,
        settings=params,
        controls=_settings(CONTROLS, controls, -1, times),
        enabled=bool(applied["values"][ENABLED_FIELD]),
        generation=int(applied["observed_generation"]),
        revision=int(applied["revision"]),
        who=who_text(source) or "defaults",
        by_ai=source == Source.TUNER,
        updated=clock_time(int(applied["updated_ns"])) if applied["updated_ns"] else "",
        trading_enabled=bool(values[TRADING_ENABLED]),
        manual_override=bool(values[MANUAL_OVERRIDE]),
        tuner_mode=int(values[TUNER_MODE]),
        tune_now=int(values[TUNE_NOW]),
        wheel=wheel[0],
        wheel_ai=wheel[1],
        reward_risk=target / stop if stop else 0.0,
        break_even_pct=break_even_pct(target, stop, round_trip),
        round_trip_bps=round_trip,
        undo=undo_of(symbols[index], index, applied),
        undo_ai=last_ai_undo(symbols, rows),
    )


def _settings(fields: Sequence[Param], applied: Any, symbol: int, times: SetTimes) -> tuple[Setting, ...]:
    return tuple(
        Setting(
            name=field.name,
            value=float(applied["values"][i]),
            previous=float(applied["previous"][i]),
            default=field.default,
            who=who_text(int(applied["sources"][i])),
            by_ai=int(applied["sources"][i]) == Source.TUNER,
            when=clock_time(times[symbol, i])[:5] if (symbol, i) in times else "",
        )
        for i, field in enumerate(fields)
    )


def who_text(source: int) -> str:
    """Return who set a value, ``""`` for nobody."""
    if source in list(Source):
        return _WHO.get(Source(source), "")
    return f"source {source}"


def set_times(events: Iterable[Any]) -> dict[tuple[int, int], int]:
    """Return when each field was set, ns, by ``(symbol, field)``, from trade events in order."""
    times: dict[tuple[int, int], int] = {}
    for event in events:
        if int(event["kind"]) in (EventKind.CONFIG_APPLIED, EventKind.TUNER_CONFIG):
            field = int(event["field"])
            control = CONTROL_FIELDS <= field < CONTROL_FIELDS + len(CONTROLS)
            times[-1 if control else int(event["symbol"]), field - CONTROL_FIELDS if control else field] = int(event["time_ns"])
    return times


def round_trip_bps(slippage_bps: float, commission_bps: float) -> float:
    """Return what it costs to enter and leave at market on paper, without the spread, bps."""
    return 2.0 * (slippage_bps + commission_bps)


def break_even_pct(target_pct: float, stop_pct: float, round_trip: float) -> float:
    """Return the share of trades, %, that must reach the target rather than the stop to pay the costs; 100 at most."""
    cost_pct = round_trip / 100.0
    win, loss = target_pct - cost_pct, stop_pct + cost_pct
    return 100.0 * loss / (win + loss) if win > 0 else 100.0


def undo_of(symbol: str, index: int, applied: Any) -> Undo | None:
    """Return what takes back the last change of a symbol; None if there was none."""
    old, new = applied["previous"], applied["values"]
    changes = {i: float(old[i]) for i in range(len(SYMBOL_FIELDS)) if old[i] != new[i]}
    if not changes or not applied["revision"]:
        return None
    words = ", ".join(f"{SYMBOL_FIELDS[i].name} {new[i]:g} → {old[i]:g}" for i in changes)
    raises = raises_risk(SYMBOL_FIELDS, changes, [float(value) for value in new])
    return Undo(symbol=symbol, symbol_index=index, changes=changes, words=words, raises=raises)


def last_ai_undo(symbols: Sequence[str], rows: Sequence[Any]) -> Undo | None:
    """Return what takes back the AI's last change, where nobody has changed that symbol since; None otherwise."""
    by_ai = [i for i, row in enumerate(rows) if int(row["source"]) == Source.TUNER]
    if not by_ai:
        return None
    latest = max(by_ai, key=lambda i: int(rows[i]["updated_ns"]))
    return undo_of(symbols[latest], latest, rows[latest])


def raises_risk(fields: Sequence[Param], changes: Mapping[int, float], current: Sequence[float]) -> tuple[str, ...]:
    """Return, in words, which of these changes raise risk: ``stop_pct 1.00 → 1.50``."""
    return tuple(
        f"{fields[i].name} {fields[i].shown(current[i])} → {fields[i].shown(value)}"
        for i, value in sorted(changes.items())
        if fields[i].risk * (value - current[i]) > 0
    )


def wheel_of(controls: Any, *, tuner_alive: bool, dry_run: bool) -> tuple[str, bool]:
    """Return who steers, in words, and whether it is the AI (a dry-running tuner steers nothing)."""
    values = controls["values"]
    if values[MANUAL_OVERRIDE]:
        return "[MANUAL] override on", False
    mode = int(values[TUNER_MODE])
    if mode != TunerMode.ON:
        return ("[MANUAL] AI tuner off" if mode == TunerMode.OFF else "[MANUAL] AI tuner paused"), False
    if not tuner_alive:
        return "[MANUAL] no tuner is running", False
    return ("[MANUAL] AI tuner in DRY RUN", False) if dry_run else ("[AI TUNER]", True)
