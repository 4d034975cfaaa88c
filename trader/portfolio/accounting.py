"""The one accounting. Equity = cash + sum of quantity x mark, for spot and perpetuals alike.

Identity, held by a property test after every fill: equity change = realised + unrealised - fees.
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
