"""The momentum strategy: goes with a move that is strong, still under way and fresh, over 15 s, 1 min and 4 min."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Strategy
from trader.signals.momentum import WINDOWS_S, window_score
from trader.strategies.opinion import agreeing, say

CODE = int(Strategy.MOMENTUM)


@compiled
def momentum(state: Any, index: int) -> None:
    """Follow the mean move of three windows."""
    symbol = state.symbols[index]
    short = window_score(symbol, WINDOWS_S[0])
    middle = window_score(symbol, WINDOWS_S[1])
    long = window_score(symbol, WINDOWS_S[2])
    score = (short + middle + long) / 3.0
    say(state, index, symbol.opinions[CODE], score, agreeing(score, short, middle, long))
