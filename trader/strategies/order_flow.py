"""The order-flow strategy: goes with those who trade aggressively, if the book agrees and the spread is small."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Strategy
from trader.signals.order_flow import book_score, large_trade_score, spread_score, tape_score
from trader.strategies.opinion import agreeing, say

CODE = int(Strategy.ORDER_FLOW)


@compiled
def order_flow(state: Any, index: int) -> None:
    """Follow tape, large trades and book; a wide spread silences them."""
    symbol = state.symbols[index]
    tape, large, book = tape_score(symbol), large_trade_score(symbol), book_score(symbol)
    cheap = spread_score(symbol.bid_price_usd, symbol.ask_price_usd)
    score = max(cheap, 0.0) * (tape + large + book) / 3.0
    strength = agreeing(score, tape, large, book) if cheap > 0.0 else 0
    say(state, index, symbol.opinions[CODE], score, strength)
