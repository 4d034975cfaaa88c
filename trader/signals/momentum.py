"""Momentum detectors: rate of change over a window of time, with follow-through and freshness. Each is a score in [-1, 1].

A move counts only while it lasts: its last third must go on in the same direction (follow-through) and at least
``FRESH_SHARE`` of it must lie in the younger half of the window (freshness). A move that has stopped or turned scores 0.
"""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from trader.signals.technical import clip

WINDOWS_S = (15, 60, 240)
FULL_MOVE = 2.0  # moves of this many usual moves of the window score 1
FRESH_SHARE = 0.3


@compiled
def move_score(start_usd: float, half_usd: float, third_usd: float, now_usd: float, usual_move: float) -> float:
    """Score a move from the prices at its start, at half of its time, a third before its end and at its end.

    ``usual_move`` is the absolute move, as a fraction, that is usual over the window.
    """
    if start_usd <= 0.0 or not usual_move > 0.0:
        return 0.0
    move_usd = now_usd - start_usd
    follows_through = (now_usd - third_usd) * move_usd > 0.0
    fresh = (now_usd - half_usd) * move_usd >= FRESH_SHARE * move_usd * move_usd
    return clip(move_usd / start_usd / (FULL_MOVE * usual_move)) if follows_through and fresh else 0.0


@compiled
def close_before(symbol: Any, bars_ago: int) -> float:
    """Return the 1 s close of so many bars ago, 0 being the last."""
    return float(symbol.closes_usd[int((symbol.bars - 1 - bars_ago) % len(symbol.closes_usd))])


@compiled
def window_score(symbol: Any, window_s: int) -> float:
    """Score the move of the last ``window_s`` closed seconds, 0.0 while fewer are known."""
    if symbol.bars <= window_s:
        return 0.0
    usual_move = symbol.volatility_long * math.sqrt(window_s)
    start, half, third = close_before(symbol, window_s), close_before(symbol, window_s // 2), close_before(symbol, window_s // 3)
    return move_score(start, half, third, close_before(symbol, 0), usual_move)
