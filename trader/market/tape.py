"""The tape and the touch: last trade, best bid and ask, mark price."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from trader.market.bars import trade_into_bar


@compiled
def on_trade(symbol: Any, price_usd: float, qty: float, taker_sold: int) -> None:
    """Take a public trade; ``taker_sold`` is 1 if the aggressor sold."""
    symbol.last_price_usd = price_usd
    flow = symbol.flow
    large = 0.0 < flow.large_from_qty < qty
    flow.trades += 1
    if taker_sold:
        flow.sell_qty += qty
        if large:
            flow.large_sell_qty += qty
    else:
        flow.buy_qty += qty
        if large:
            flow.large_buy_qty += qty
    if symbol.second.start_ns != 0:
        trade_into_bar(symbol.second, price_usd, qty)


@compiled
def on_quote(symbol: Any, bid_usd: float, bid_qty: float, ask_usd: float, ask_qty: float) -> None:
    """Take the best bid and ask."""
    symbol.bid_price_usd = bid_usd
    symbol.bid_qty = bid_qty
    symbol.ask_price_usd = ask_usd
    symbol.ask_qty = ask_qty


@compiled
def mark_price(symbol: Any) -> float:
    """Return the price a position is valued at: the middle of the touch, else the last trade, else 0."""
    if 0.0 < symbol.bid_price_usd < symbol.ask_price_usd:
        return float(0.5 * (symbol.bid_price_usd + symbol.ask_price_usd))
    return float(symbol.last_price_usd)


@compiled
def exit_price(symbol: Any) -> float:
    """Return the price at which the open position could be closed now: the bid for a long, the ask for a short."""
    if not 0.0 < symbol.bid_price_usd < symbol.ask_price_usd:
        return float(symbol.last_price_usd)
    return float(symbol.bid_price_usd if symbol.position_qty > 0.0 else symbol.ask_price_usd)
