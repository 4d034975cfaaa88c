"""The hours before the start, as one-minute bars that end at the opening price."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from trader.simulator.flow import Floats, LatentMarket
from trader.simulator.klines import MINUTE_MS, Bar, quote_value

if TYPE_CHECKING:
    from numpy.random import Generator

    from trader.simulator.spec import SymbolSpec

HISTORY_MINUTES = 240
_STEPS_PER_MINUTE = 12


def latent_paths(latent: LatentMarket, symbols: int) -> tuple[Floats, Floats]:
    """Walk the latent market through the history.

    Returns
    -------
    tuple
        Log prices relative to the end, float64 of shape (minutes, steps + 1, symbols): the first step of a minute is
        the last of the one before; and the activity of each minute, shape (minutes,).
    """
    moves = np.zeros((HISTORY_MINUTES * _STEPS_PER_MINUTE, symbols))
    activity = np.zeros(HISTORY_MINUTES)
    for row in range(moves.shape[0]):
        moves[row] = latent.step(60.0 / _STEPS_PER_MINUTE)
        activity[row // _STEPS_PER_MINUTE] += latent.regime.activity / _STEPS_PER_MINUTE
    path = np.concatenate([np.zeros((1, symbols)), np.cumsum(moves, axis=0)])
    path -= path[-1]
    starts = np.arange(HISTORY_MINUTES)[:, None] * _STEPS_PER_MINUTE + np.arange(_STEPS_PER_MINUTE + 1)[None, :]
    return path[starts], activity


def history_bars(rng: Generator, spec: SymbolSpec, price: float, past: tuple[Floats, Floats], start_ms: int) -> list[Bar]:
    """Turn one symbol's path, shape (minutes, steps + 1), and activity into bars; the last is the open minute of ``start_ms``."""
    log_path, activity = past
    first_open_ms = start_ms - start_ms % MINUTE_MS - HISTORY_MINUTES * MINUTE_MS
    ticks = np.rint(price * np.exp(log_path) / float(spec.tick)).astype(np.int64)
    bars: list[Bar] = []
    for minute, row in enumerate(ticks):
        first, high, low, last = (Decimal(spec.price_text(int(t))) for t in (row[0], row.max(), row.min(), row[-1]))
        trades = 1 + int(rng.poisson(400.0 * activity[minute]))
        lots = max(1, int(trades * 1_500.0 * math.exp(0.3 * rng.normal()) / (price * float(spec.step))))
        bought = int(lots * min(0.9, max(0.1, 0.5 + 0.1 * rng.normal())))
        volume, taker = Decimal(spec.qty_text(lots)), Decimal(spec.qty_text(bought))
        bar = Bar(first_open_ms + minute * MINUTE_MS, first, high, low, last, volume, trades=trades, taker_base=taker)
        mean = (first + last) / 2
        bar.quote_volume, bar.taker_quote = quote_value(mean, volume), quote_value(mean, taker)
        bars.append(bar)
    opening = Decimal(spec.price_text(int(price / float(spec.tick))))
    return [*bars, Bar(bars[-1].open_ms + MINUTE_MS, opening, opening, opening, opening)]
