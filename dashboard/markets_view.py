"""MARKETS: price, change over a minute, spread, regime with its confidence, age of the data. One line a symbol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard import figures
from dashboard.ages import FEED_LIMITS_S, aged
from dashboard.model import Market
from shared.events import Reason, words

MINUTE_S = 60
_REASONS = {int(code): words(code) if code else "" for code in Reason}


def markets(view: Any, symbols: Sequence[str], now_ns: int) -> tuple[Market, ...]:
    """Return one line a symbol, in the configured order, from a ``PORTFOLIO_VIEW`` record."""
    engine_now_ns = now_ns - (int(view["published_ns"]) - int(view["time_ns"]))
    return tuple(_market(view["rows"][i], i, symbol, engine_now_ns) for i, symbol in enumerate(symbols))


def _market(row: Any, index: int, symbol: str, engine_now_ns: int) -> Market:
    regime, tone = figures.regime_text(int(row["regime"]))
    return Market(
        symbol=symbol,
        index=index,
        price_usd=float(row["last_price_usd"]),
        change_1m_pct=change_1m_pct(row),
        spread_bps=spread_bps(float(row["bid_price_usd"]), float(row["ask_price_usd"])),
        regime=regime,
        regime_tone=tone,
        confidence_pct=100.0 * float(row["regime_confidence"]),
        strength=int(row["strength"]),
        feed=aged("feed", int(row["last_market_ns"]), engine_now_ns, FEED_LIMITS_S, alive=not row["stale"]),
        enabled=bool(row["enabled"]),
        why=reason_text(int(row["why"])),
    )


def change_1m_pct(row: Any) -> float | None:
    """Return the change of the price over the last minute, %; None while less than that is known."""
    then, now = float(row["closes_usd"][-MINUTE_S]), float(row["last_price_usd"])
    return 100.0 * (now / then - 1.0) if then > 0 and now > 0 else None


def spread_bps(bid_usd: float, ask_usd: float) -> float | None:
    """Return the spread in basis points of the middle; None without both sides."""
    if not 0.0 < bid_usd <= ask_usd:
        return None
    return 1e4 * (ask_usd - bid_usd) / (0.5 * (ask_usd + bid_usd))


def reason_text(code: int) -> str:
    """Return a reason in words, ``""`` for none."""
    return _REASONS.get(code, f"reason {code}")
