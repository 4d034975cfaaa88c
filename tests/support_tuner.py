"""Facts and decisions for tests of the tuner: an ordinary situation, changed by keyword where a test cares."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from shared.events import Action, Reason, Regime, Source, TunerMode
from shared.params import PARAMS, index_of
from tuner.decision import Decision
from tuner.snapshot import AccountFacts, ControlFacts, Snapshot, SymbolFacts

NOW_NS = 1_780_000_000_000_000_000
DEFAULTS = tuple(param.default for param in PARAMS)

_FACTS = SymbolFacts(
    symbol="BTCUSDT", index=0, price_usd=60_000.0, bid_price_usd=59_999.5, ask_price_usd=60_000.5, ema_slow_usd=59_900.0,
    regime=Regime.RANGING, volatility_pct=0.01, trend_pct=0.0, rsi=50.0, efficiency=0.1, high_60s_usd=60_050.0,
    low_60s_usd=59_950.0, bars=300, stale=False, feed_age_ms=10.0, position_qty=0.0, entry_price_usd=0.0, held_s=0.0,
    unrealised_usd=0.0, realised_usd=0.0, fees_usd=0.0, trades=20, wins=10, losses=10, loss_streak=0, win_streak=0,
    why=Reason.NONE, recent=(), params=DEFAULTS, previous=DEFAULTS, sources=(Source.NOBODY,) * len(PARAMS), enabled=True,
    enabled_by=Source.NOBODY, revision=1, set_by=Source.NOBODY, set_age_s=float("inf"), decision_id=0,
)  # fmt: skip

_ACCOUNT = AccountFacts(
    start_equity_usd=100_000.0, equity_usd=100_000.0, cash_usd=100_000.0, peak_equity_usd=100_000.0, drawdown_pct=0.0,
    realised_usd=0.0, unrealised_usd=0.0, fees_usd=0.0, slippage_usd=0.0, trades=20, wins=10, losses=10,
)  # fmt: skip

_CONTROLS = ControlFacts(
    trading_enabled=True, manual_override=False, override_epoch=0, tuner_mode=TunerMode.ON, tune_now=0, slippage_bps=5.0,
    commission_bps=10.0, max_gross_pct=60.0, max_drawdown_pct=10.0,
)  # fmt: skip


def make_facts(**changes: Any) -> SymbolFacts:
    """Return an ordinary symbol with these fields changed; names of parameters change ``params``."""
    values = dict(zip((param.name for param in PARAMS), DEFAULTS, strict=True))
    values |= {name: changes.pop(name) for name in list(changes) if name in values}
    return msgspec.structs.replace(_FACTS, **{"params": tuple(values.values()), **changes})


def make_snapshot(*symbols: SymbolFacts, **changes: Any) -> Snapshot:
    """Return an ordinary snapshot; ``account_`` and ``controls_`` before a name change those parts."""
    account = {k.removeprefix("account_"): changes.pop(k) for k in list(changes) if k.startswith("account_")}
    controls = {k.removeprefix("controls_"): changes.pop(k) for k in list(changes) if k.startswith("controls_")}
    values: dict[str, Any] = {
        "taken_ns": NOW_NS, "epoch": 7, "heartbeat_age_ms": 20.0, "published_age_ms": 20.0, "venue": "sim", "live": False,
        "simulated": True, "connected": True, "stale": False, "halted": False,
        "account": msgspec.structs.replace(_ACCOUNT, **account),
        "controls": msgspec.structs.replace(_CONTROLS, **controls),
        "symbols": symbols or (_FACTS,),
    }  # fmt: skip
    return Snapshot(**(values | changes))


def make_decision(action: Action = Action.UPDATE_CONFIG, confidence_pct: float = 90.0, **params: float) -> Decision:
    """Return a decision about BTCUSDT that names these parameters."""
    values: list[float | None] = [None] * len(PARAMS)
    for name, value in params.items():
        values[index_of(PARAMS, name)] = value
    return Decision(
        action=action, symbol="BTCUSDT", params=tuple(values), confidence_pct=confidence_pct, reasoning="because of the facts"
    )


def reply_object(action: str = "HOLD", symbol: str = "BTCUSDT", confidence: Any = 80, **params: Any) -> dict[str, Any]:
    """Return a valid reply of an advisor."""
    return {
        "action": action,
        "symbol": symbol,
        "params": {param.name: params.get(param.name) for param in PARAMS},
        "confidence_pct": confidence,
        "reasoning": "because of the facts",
        "cited": [],
    }


def reply_text(action: str = "HOLD", symbol: str = "BTCUSDT", confidence: Any = 80, **params: Any) -> str:
    """Return a valid reply of an advisor as text."""
    return json.dumps(reply_object(action, symbol, confidence, **params))
