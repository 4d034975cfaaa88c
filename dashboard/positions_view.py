"""POSITIONS: what is open, how far its target and its stop are, and the trades that were closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dashboard import figures
from dashboard.markets_view import reason_text
from dashboard.model import Position, Trade
from shared.clock import clock_time

SPARK_POINTS = 40
TRADES = 50


def positions(view: Any, symbols: Sequence[str], *, tuner_active: bool) -> tuple[Position, ...]:
    """Return one line an open position, in the configured order of the symbols."""
    rows = view["rows"]
    held = [i for i in range(len(symbols)) if rows[i]["position_qty"]]
    return tuple(_position(rows[i], i, symbols[i], tuner_active=tuner_active) for i in held)


def _position(row: Any, index: int, symbol: str, *, tuner_active: bool) -> Position:
    qty, entry, last = float(row["position_qty"]), float(row["entry_price_usd"]), float(row["last_price_usd"])
    side = 1 if qty > 0 else -1
    regime, tone = figures.regime_text(int(row["regime"]))
    pnl = float(row["unrealised_usd"])
    return Position(
        symbol=symbol,
        index=index,
        side=side,
        regime=regime,
        regime_tone=tone,
        strategy="MANUAL" if row["manual"] else "SMART" if tuner_active else figures.strategy_text(int(row["strategy"])),
        smart=tuner_active and not row["manual"],
        manual=bool(row["manual"]),
        qty=qty,
        entry_usd=entry,
        last_usd=last,
        pnl_usd=pnl,
        pnl_pct=100.0 * pnl / abs(qty * entry) if entry else 0.0,
        target_pct=distance_pct(float(row["target_price_usd"]), last, side),
        stop_pct=distance_pct(float(row["stop_price_usd"]), last, -side),
        liquidation_usd=float(row["liquidation_usd"]),
        spark=spark(row["closes_usd"]),
    )


def distance_pct(level_usd: float, last_usd: float, side: int) -> float | None:
    """Return how far the price must move towards ``side`` to reach a level, %; None where there is no level."""
    if level_usd <= 0 or last_usd <= 0:
        return None
    return side * 100.0 * (level_usd / last_usd - 1.0)


def spark(closes: Any) -> tuple[float, ...]:
    """Return at most :data:`SPARK_POINTS` of the closes known so far, the newest always among them."""
    known = closes[closes > 0]
    step = max(len(known) // SPARK_POINTS, 1)
    return tuple(known[::-1][::step][:SPARK_POINTS][::-1].tolist())


def trades(view: Any, symbols: Sequence[str], limit: int = TRADES) -> tuple[Trade, ...]:
    """Return the closed trades still in the published ring, newest first."""
    recent = view["recent"]
    order = [i for i in np.argsort(recent["trade_id"])[::-1] if recent["trade_id"][i] > 0]
    return tuple(_trade(recent[i], symbols) for i in order[:limit])


def _trade(row: Any, symbols: Sequence[str]) -> Trade:
    index = int(row["symbol"])
    return Trade(
        time=clock_time(int(row["exit_ns"])),
        symbol=symbols[index] if index < len(symbols) else f"#{index}",
        side=int(row["side"]),
        qty=float(row["qty"]),
        entry_usd=float(row["entry_price_usd"]),
        exit_usd=float(row["exit_price_usd"]),
        pnl_usd=float(row["pnl_usd"]),
        reason=reason_text(int(row["reason"])),
    )
