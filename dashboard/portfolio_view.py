"""From the trader's published state to account, positions, closed trades and chart. Pure functions of a private copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dashboard import figures
from dashboard.ages import FEED_LIMITS_S, aged
from dashboard.model import Account, Chart, Mark, Position, Trade
from shared.clock import NS_PER_S, clock_time
from shared.events import PURPLE, EventKind, Reason, Source, words


def account(view: Any, ai_cost_usd: float) -> Account:
    """Return the account of a ``PORTFOLIO_VIEW`` record."""
    return Account(
        start_equity_usd=float(view["start_equity_usd"]),
        equity_usd=float(view["equity_usd"]),
        cash_usd=float(view["cash_usd"]),
        peak_equity_usd=float(view["peak_equity_usd"]),
        drawdown_pct=float(view["drawdown_pct"]),
        realised_usd=float(view["realised_usd"]),
        unrealised_usd=float(view["unrealised_usd"]),
        fees_usd=float(view["fees_usd"]),
        slippage_usd=float(view["slippage_usd"]),
        ai_cost_usd=ai_cost_usd,
        trades=int(view["trades"]),
        wins=int(view["wins"]),
        losses=int(view["losses"]),
    )


def positions(view: Any, symbols: Sequence[str], now_ns: int, *, tuner_active: bool) -> tuple[Position, ...]:
    """Return one line a symbol, in the configured order."""
    engine_to_machine_ns = int(view["published_ns"]) - int(view["time_ns"])
    return tuple(
        _position(view["rows"][i], symbol, now_ns - engine_to_machine_ns, tuner_active=tuner_active)
        for i, symbol in enumerate(symbols)
    )


def _position(row: Any, symbol: str, engine_now_ns: int, *, tuner_active: bool) -> Position:
    regime, regime_colour = figures.regime_text(int(row["regime"]))
    feed = aged("feed", int(row["last_market_ns"]), engine_now_ns, FEED_LIMITS_S, alive=not row["stale"])
    return Position(
        symbol=symbol,
        enabled=bool(row["enabled"]),
        regime=regime,
        regime_colour=regime_colour,
        strategy="SMART" if tuner_active else figures.strategy_text(int(row["strategy"])),
        strategy_colour=PURPLE if tuner_active else figures.WHITE,
        qty=float(row["position_qty"]),
        entry_usd=float(row["entry_price_usd"]),
        last_usd=float(row["last_price_usd"]),
        pnl_usd=float(row["unrealised_usd"]),
        strength=int(row["strength"]),
        score=float(row["score"]),
        feed=feed,
        why=reason_text(int(row["why"])),
    )


def reason_text(code: int) -> str:
    """Return a reason in words, ``""`` for none."""
    if code == Reason.NONE:
        return ""
    return words(Reason(code)) if code in list(Reason) else f"reason {code}"


def trades(view: Any, symbols: Sequence[str], limit: int = 50) -> tuple[Trade, ...]:
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


def chart(view: Any, symbols: Sequence[str], index: int, marks: Iterable[Any]) -> Chart:
    """Return the series of the selected symbol.

    Parameters
    ----------
    marks
        Trade events kept for the chart: fills and AI changes.
    """
    row = view["rows"][index]
    closes = row["closes_usd"]
    equity = view["equity_usd_1s"]
    buys, sells, ai = _marks(marks, index, int(view["time_ns"]), float(row["last_price_usd"]), len(closes))
    return Chart(
        symbol=symbols[index],
        closes_usd=tuple(closes[closes > 0].tolist()),
        equity_usd=tuple(equity[equity > 0].tolist()),
        start_equity_usd=float(view["start_equity_usd"]),
        entry_usd=float(row["entry_price_usd"]) if row["position_qty"] else 0.0,
        buys=buys,
        sells=sells,
        ai=ai,
    )


def _marks(
    events: Iterable[Any], index: int, now_ns: int, last_usd: float, window_s: int
) -> tuple[tuple[Mark, ...], tuple[Mark, ...], tuple[Mark, ...]]:
    buys: list[Mark] = []
    sells: list[Mark] = []
    ai: list[Mark] = []
    for event in events:
        x_s = (int(event["time_ns"]) - now_ns) / NS_PER_S
        if x_s < -window_s or int(event["symbol"]) not in (index, -1):
            continue
        if int(event["kind"]) == EventKind.FILL:
            (buys if event["side"] > 0 else sells).append(Mark(x_s, float(event["price_usd"])))
        elif int(event["source"]) == Source.TUNER:
            ai.append(Mark(x_s, last_usd))
    return tuple(buys), tuple(sells), tuple(ai)
