"""From the applied values in shared memory to the config panel: parameters, generation, who set them, who has the wheel."""

from __future__ import annotations

from typing import Any

from dashboard.model import Config, Setting
from shared.clock import clock_time
from shared.events import Source, TunerMode
from shared.params import CONTROLS, ENABLED, PARAMS, SYMBOL_FIELDS, index_of

TRADING_ENABLED = index_of(CONTROLS, "trading_enabled")
MANUAL_OVERRIDE = index_of(CONTROLS, "manual_override")
TUNER_MODE = index_of(CONTROLS, "tuner_mode")
TUNE_NOW = index_of(CONTROLS, "tune_now")
ENABLED_FIELD = index_of(SYMBOL_FIELDS, ENABLED.name)

_WHO = {Source.OPERATOR: "operator", Source.TUNER: "AI", Source.DASHBOARD: "dashboard", Source.ENGINE: "trader"}


def config(symbol: str, index: int, applied: Any, controls: Any, wheel: tuple[str, bool]) -> Config:
    """Return the config panel.

    Parameters
    ----------
    applied, controls
        Records of ``APPLIED``: the symbol's and the global one.
    wheel
        What :func:`wheel_of` says.
    """
    values = controls["values"]
    source = int(applied["source"])
    return Config(
        symbol=symbol,
        symbol_index=index,
        settings=tuple(
            Setting(name=param.name, value=float(applied["values"][i]), previous=float(applied["previous"][i]))
            for i, param in enumerate(PARAMS)
        ),
        enabled=bool(applied["values"][ENABLED_FIELD]),
        generation=int(applied["observed_generation"]),
        revision=int(applied["revision"]),
        who=_WHO.get(Source(source), "defaults") if source in list(Source) else f"source {source}",
        by_ai=source == Source.TUNER,
        updated=clock_time(int(applied["updated_ns"])) if applied["updated_ns"] else "",
        trading_enabled=bool(values[TRADING_ENABLED]),
        manual_override=bool(values[MANUAL_OVERRIDE]),
        tuner_mode=int(values[TUNER_MODE]),
        tune_now=int(values[TUNE_NOW]),
        wheel=wheel[0],
        wheel_ai=wheel[1],
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
