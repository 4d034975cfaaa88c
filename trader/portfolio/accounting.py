"""The one accounting. Equity = cash + sum of quantity x mark, for spot and perpetuals alike.

A perpetual is booked like spot that may be short: cash then carries the notional, equity comes to the same, and margin is a
question of limits (buying power, liquidation), not of money.

Identity, held after every fill: equity change = realised + unrealised - fees - funding.
"""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from trader.market.tape import mark_price


@compiled
def equity_usd(state: Any) -> float:
    """Return equity, USD."""
    total = float(state.cash_usd)
    for i in range(state.n_symbols):
        symbol = state.symbols[i]
        if symbol.position_qty != 0.0:
            total += symbol.position_qty * mark_price(symbol)
    return total


@compiled
def gross_usd(state: Any) -> float:
    """Return the sum of the absolute values of all positions, USD."""
    total = 0.0
    for i in range(state.n_symbols):
        symbol = state.symbols[i]
        total += abs(symbol.position_qty) * mark_price(symbol)
    return total


@compiled
def unrealised_usd(symbol: Any) -> float:
    """Return the open position's gain at the mark, before fees, USD."""
    return float(symbol.position_qty * (mark_price(symbol) - symbol.entry_price_usd)) if symbol.position_qty != 0.0 else 0.0


@compiled
def apply_fill(state: Any, symbol: Any, signed_qty: float, price_usd: float, fee_usd: float) -> float:
    """Book a fill; return the realised gain before fees, USD.

    ``signed_qty`` is positive for a buy. A fill against the position closes it first; what is left opens the other way.
    """
    before = symbol.position_qty
    state.cash_usd -= signed_qty * price_usd + fee_usd
    symbol.fees_usd += fee_usd
    realised = 0.0
    if before * signed_qty >= 0.0:
        total = before + signed_qty
        symbol.entry_price_usd = (before * symbol.entry_price_usd + signed_qty * price_usd) / total
        symbol.position_qty = total
        return realised
    closed = math.copysign(min(abs(signed_qty), abs(before)), before)
    realised = closed * (price_usd - symbol.entry_price_usd)
    symbol.realised_usd += realised
    after = before + signed_qty
    if abs(after) <= 1e-12 * abs(before):  # what floating point leaves of a full close
        after = 0.0
    symbol.position_qty = after
    if after == 0.0:
        symbol.entry_price_usd = 0.0
    elif after * before < 0.0:
        symbol.entry_price_usd = price_usd
    return float(realised)


@compiled
def count_trade(symbol: Any, net_usd: float) -> None:
    """Count a closed trade by its result after both fees."""
    symbol.trades += 1
    if net_usd > 0.0:
        symbol.wins += 1
        symbol.win_streak += 1
        symbol.loss_streak = 0
    else:
        symbol.losses += 1
        symbol.loss_streak += 1
        symbol.win_streak = 0


MAINTENANCE_MARGIN = 0.005  # share of the notional a venue wants to see left


@compiled
def venue_mark(symbol: Any) -> float:
    """Return the price the venue settles and liquidates at: its own mark where it tells one, else ours."""
    return float(symbol.venue_mark_usd) if symbol.venue_mark_usd > 0.0 else mark_price(symbol)


@compiled
def liquidation_usd(symbol: Any, leverage: float) -> float:
    """Return the mark price at which the venue closes the position, 0.0 for none.

    Isolated margin: entry x (1 - side x (1 / leverage - maintenance margin)); spot and leverage 1 long are never liquidated.
    """
    if symbol.position_qty == 0.0 or not symbol.perpetual:
        return 0.0
    side = 1.0 if symbol.position_qty > 0.0 else -1.0
    room = 1.0 / leverage - MAINTENANCE_MARGIN
    return float(max(symbol.entry_price_usd * (1.0 - side * room), 0.0)) if room < 1.0 - MAINTENANCE_MARGIN or side < 0.0 else 0.0


@compiled
def settle_funding(state: Any, symbol: Any) -> float:
    """Pay (or receive) funding of a perpetual: quantity x the venue's mark x rate, USD. Longs pay a positive rate."""
    paid = float(symbol.position_qty * venue_mark(symbol) * symbol.funding_rate)
    state.cash_usd -= paid
    symbol.funding_usd += paid
    symbol.trade_funding_usd += paid
    return paid


@compiled
def reconciliation_usd(state: Any) -> float:
    """Return what the identity leaves over: equity change - (realised + unrealised - fees - funding); rounding only."""
    explained = 0.0
    for i in range(state.n_symbols):
        symbol = state.symbols[i]
        explained += symbol.realised_usd + unrealised_usd(symbol) - symbol.fees_usd - symbol.funding_usd
    return float(equity_usd(state) - state.start_equity_usd - explained)
