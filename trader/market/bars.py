"""Time bars of one second and one minute. A second without a trade is a flat bar; a long silence starts the chain anew."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from trader.market.indicators import indicators_step

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


@compiled
def start_bar(bar: Any, start_ns: int, price_usd: float) -> None:
    """Open a bar at a price."""
    bar.start_ns = start_ns
    bar.open = price_usd
    bar.high = price_usd
    bar.low = price_usd
    bar.close = price_usd
    bar.volume = 0.0
    bar.trades = 0


@compiled
def trade_into_bar(bar: Any, price_usd: float, qty: float) -> None:
    """Add a trade to the forming bar."""
    bar.high = max(bar.high, price_usd)
    bar.low = min(bar.low, price_usd)
    bar.close = price_usd
    bar.volume += qty
    bar.trades += 1


@compiled
def close_second(symbol: Any, end_ns: int) -> bool:
    """Close the 1 s bar that ends at ``end_ns`` and open the next; False while no price is known."""
    if symbol.last_price_usd <= 0.0:
        return False
    bar = symbol.second
    if bar.start_ns == 0:
        start_bar(bar, end_ns, symbol.last_price_usd)
        start_bar(symbol.minute, end_ns - end_ns % MINUTE_NS, symbol.last_price_usd)
        return False
    slot = int(symbol.bars % len(symbol.closes_usd))
    symbol.closes_usd[slot] = bar.close
    symbol.highs_usd[slot] = bar.high
    symbol.lows_usd[slot] = bar.low
    symbol.volumes[slot] = bar.volume
    symbol.bars += 1
    indicators_step(symbol.fast, bar.high, bar.low, bar.close, symbol.closes_usd)
    _into_minute(symbol, bar, end_ns)
    start_bar(bar, end_ns, bar.close)
    return True


@compiled
def _into_minute(symbol: Any, bar: Any, end_ns: int) -> None:
    minute = symbol.minute
    minute.high = max(minute.high, bar.high)
    minute.low = min(minute.low, bar.low)
    minute.close = bar.close
    minute.volume += bar.volume
    minute.trades += bar.trades
    if end_ns - minute.start_ns >= MINUTE_NS:
        close_minute(symbol, minute.high, minute.low, minute.close)
        start_bar(minute, end_ns - end_ns % MINUTE_NS, bar.close)


@compiled
def close_minute(symbol: Any, high: float, low: float, close: float) -> None:
    """Record a closed minute and advance its indicators."""
    symbol.minute_closes_usd[int(symbol.minute_bars % len(symbol.minute_closes_usd))] = close
    symbol.minute_bars += 1
    indicators_step(symbol.slow, high, low, close, symbol.minute_closes_usd)
