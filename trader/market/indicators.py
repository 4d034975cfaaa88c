"""EMA, RSI, ATR, Bollinger bands and MACD as one step a bar; the batch functions fold the same steps.

Seeding follows the textbook (and TA-Lib): an average starts as the plain mean of its first window. Before a window is full
the value is NaN. RSI and ATR after J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978; bands after J. Bollinger
with the population standard deviation; MACD after G. Appel, both of its averages seeded on the same bar, as TA-Lib does.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.compiled import compiled
from trader.engine.state import INDICATORS

EMA_FAST = 12
EMA_SLOW = 60
RSI_PERIOD = 30
ATR_PERIOD = 30
BAND_PERIOD = 30
MACD_FAST = 12
MACD_SLOW = 26
MACD_SIGNAL = 9
WARM_UP_BARS = EMA_SLOW


@compiled
def ema_step(previous: float, window_sum: float, bars: int, period: int, price: float) -> float:
    """Return the EMA after bar number ``bars`` (1 is the first); ``window_sum`` is the sum of all prices so far."""
    if bars < period:
        return math.nan
    if bars == period:
        return window_sum / period
    return previous + (price - previous) * (2.0 / (period + 1.0))


@compiled
def wilder_step(previous: float, window_sum: float, values: int, period: int, value: float) -> float:
    """Return Wilder's smoothed average after value number ``values`` (1 is the first)."""
    if values < period:
        return math.nan
    if values == period:
        return window_sum / period
    return previous + (value - previous) / period


@compiled
def true_range(high: float, low: float, previous_close: float) -> float:
    """Return the true range of a bar."""
    return max(high - low, abs(high - previous_close), abs(low - previous_close))


@compiled
def _rsi_step(state: Any, change: float, changes: int) -> None:
    gain = max(change, 0.0)
    loss = max(-change, 0.0)
    if changes <= RSI_PERIOD:  # the seed: a running mean that is exact when the window is full
        state.average_gain += gain / RSI_PERIOD
        state.average_loss += loss / RSI_PERIOD
    else:
        state.average_gain += (gain - state.average_gain) / RSI_PERIOD
        state.average_loss += (loss - state.average_loss) / RSI_PERIOD
    total = state.average_gain + state.average_loss
    if changes < RSI_PERIOD:
        state.rsi = math.nan
    else:
        state.rsi = 100.0 * state.average_gain / total if total > 0.0 else 50.0


@compiled
def _bands(state: Any, closes: Any, bars: int) -> None:
    """Recompute mean and deviation over the window: exact, where a running sum of squares would drift."""
    if bars < BAND_PERIOD:
        state.band_middle_usd = math.nan
        state.band_width_usd = math.nan
        return
    mean = 0.0
    for back in range(BAND_PERIOD):
        mean += closes[(bars - 1 - back) % len(closes)]
    mean /= BAND_PERIOD
    squares = 0.0
    for back in range(BAND_PERIOD):
        squares += (closes[(bars - 1 - back) % len(closes)] - mean) ** 2
    state.band_middle_usd = mean
    state.band_width_usd = math.sqrt(squares / BAND_PERIOD)


@compiled
def _macd_step(state: Any, close: float, bars: int) -> None:
    """Advance MACD (fast minus slow EMA) and its signal (their EMA); the fast one skips the bars before the slow one's seed."""
    later = MACD_SLOW - MACD_FAST
    if bars <= MACD_SLOW:
        state.macd_slow_sum += close
        if bars > later:
            state.macd_fast_sum += close
    state.macd_fast_usd = ema_step(state.macd_fast_usd, state.macd_fast_sum, bars - later, MACD_FAST, close)
    state.macd_slow_usd = ema_step(state.macd_slow_usd, state.macd_slow_sum, bars, MACD_SLOW, close)
    state.macd_usd = state.macd_fast_usd - state.macd_slow_usd
    values = bars - MACD_SLOW + 1
    if 0 < values <= MACD_SIGNAL:
        state.macd_sum += state.macd_usd
    state.macd_signal_usd = ema_step(state.macd_signal_usd, state.macd_sum, values, MACD_SIGNAL, state.macd_usd)


@compiled
def indicators_step(state: Any, high: float, low: float, close: float, closes: Any) -> None:
    """Advance every indicator by one closed bar. ``closes`` is a ring of closes that already holds this one."""
    state.bars += 1
    bars = state.bars
    if bars <= EMA_FAST:
        state.ema_fast_sum += close
    if bars <= EMA_SLOW:
        state.ema_slow_sum += close
    state.ema_fast_usd = ema_step(state.ema_fast_usd, state.ema_fast_sum, bars, EMA_FAST, close)
    state.ema_slow_usd = ema_step(state.ema_slow_usd, state.ema_slow_sum, bars, EMA_SLOW, close)
    if bars > 1:
        span = true_range(high, low, state.previous_close)
        if bars - 1 <= ATR_PERIOD:
            state.atr_sum += span
        state.atr_usd = wilder_step(state.atr_usd, state.atr_sum, bars - 1, ATR_PERIOD, span)
        _rsi_step(state, close - state.previous_close, bars - 1)
    else:
        state.atr_usd = math.nan
        state.rsi = math.nan
    _bands(state, closes, bars)
    _macd_step(state, close, bars)
    state.previous_close = close


@compiled
def _fold(highs: Any, lows: Any, closes: Any, state: Any, out: Any) -> None:
    for i in range(len(closes)):
        indicators_step(state[0], highs[i], lows[i], closes[i], closes[: i + 1])
        out[i, 0] = state[0].ema_fast_usd
        out[i, 1] = state[0].ema_slow_usd
        out[i, 2] = state[0].rsi
        out[i, 3] = state[0].atr_usd
        out[i, 4] = state[0].band_middle_usd
        out[i, 5] = state[0].band_width_usd


def indicators(
    highs: npt.NDArray[np.float64], lows: npt.NDArray[np.float64], closes: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the fold of the steps over whole arrays of bars.

    Returns
    -------
    float64 array (n, 6)
        EMA fast, EMA slow, RSI, ATR, band middle, one band deviation; NaN while warming up.
    """
    out = np.empty((len(closes), 6))
    _fold(highs, lows, closes, np.zeros(1, INDICATORS), out)
    return out
