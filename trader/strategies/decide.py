"""Asks the acting strategy of a symbol what it wants, once a closed second."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Strategy
from shared.layout import PRICE_HISTORY
from trader.market.tape import mark_price
from trader.signals.technical import technical_signal
from trader.strategies.technical import entry_objection

_TECHNICAL = int(Strategy.TECHNICAL)


@compiled
def decide(state: Any, index: int) -> None:
    """Set the symbol's score, strength, strategy, objection, expected move and quotes from its closed bars."""
    symbol = state.symbols[index]
    technical_signal(symbol, symbol.closes_usd[int((symbol.bars - 1) % PRICE_HISTORY)])
    symbol.strategy = _TECHNICAL
    symbol.objection = entry_objection(symbol, mark_price(symbol))
    symbol.expected_bps = 1e9
