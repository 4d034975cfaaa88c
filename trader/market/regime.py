"""What kind of market it is: a label on closed bars, by quantiles of the symbol's own history, with a confidence.

Nothing here knows a price, a time or a symbol: bars of any length and prices of any size give the same labels.

Three figures are taken from the closes of each bar and remembered in histograms that forget (``HISTORY_BARS``):

* volatility: the mean absolute return of about ``SHORT_BARS``. High above its 90th percentile, low under its 15th, and never
  without being well away from its median, for a quantile alone would find extremes in a market that is always the same.
* efficiency: Kaufman's ratio of net move to path (P. Kaufman, *Smarter Trading*, 1995) over ``WINDOW_BARS``. A trend above its
  70th percentile, kept between what a random walk seldom reaches and what nobody would call noise.
* burst: the move of one bar, or of ``BURST_BARS`` on the scale of their square root, in mean absolute returns of ``LONG_BARS``. A
  spike above its 99.8th percentile; the label then fades by itself.

A label is left at a lower threshold than it is entered at (``LEAVE_SHARE``), and a new one must hold for ``DWELL_BARS`` before it
counts. Only a spike counts at once.
"""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from shared.events import Regime

WINDOW_BARS = 120
FIRST_BARS = 60  # fewer than this and the regime is unknown
DWELL_BARS = 10
SHORT_BARS = 30
LONG_BARS = 300
HISTORY_BARS = 1800  # after so many bars a bar counts 1/e in the history

TREND_QUANTILE = 0.70
TREND_EFFICIENCY = 0.15  # the least: a random walk is above it one time in five
SURE_EFFICIENCY = 0.30  # the most a history may ask: in a market of nothing but trends they are still trends
HIGH_QUANTILE = 0.90
HIGH_VOLATILITY_RATIO = 1.5  # the least, in medians
LOW_QUANTILE = 0.15
LOW_VOLATILITY_RATIO = 0.7  # the most, in medians
LEAVE_SHARE = 0.8

BURST_BARS = 5
SPIKE_QUANTILE = 0.998
SPIKE_RATIO = 9.0  # the least, in usual moves
SPIKE_HALF_LIFE_BARS = 15
SPIKE_LEAVE = 0.25  # of the threshold: a move at it fades in 30 bars
SPIKE_MOST = 4.0  # and the largest in 60

# Histograms. Logarithmic ones have four bins an octave: a quantile is known to a fifth of a bin's 19 %.
OCTAVE_BINS = 4.0
VOLATILITY_LOG2 = -28.0  # 4e-9, the least return told apart from none
BURST_LOG2 = -4.0
_HEAVIEST = 1e9

UNKNOWN = int(Regime.UNKNOWN)
UP = int(Regime.TRENDING_UP)
DOWN = int(Regime.TRENDING_DOWN)
RANGING = int(Regime.RANGING)
HIGH_VOLATILITY = int(Regime.HIGH_VOLATILITY)
LOW_VOLATILITY = int(Regime.LOW_VOLATILITY)
SPIKE = int(Regime.SPIKE)


@compiled
def _place(value: float, log2_least: float) -> float:
    """Return the place of a value on the axis of a logarithmic histogram."""
    return (math.log2(value) - log2_least) * OCTAVE_BINS if value > 0.0 else 0.0


@compiled
def _value(place: float, log2_least: float) -> float:
    """Return the value at a place."""
    return float(2.0 ** (place / OCTAVE_BINS + log2_least))


@compiled
def _count(bins: Any, place: float, weight: float) -> None:
    bins[int(min(max(place, 0.0), len(bins) - 1.0))] += weight


@compiled
def _quantile(bins: Any, total: float, share: float) -> float:
    """Return the place below which a share of the weight lies, 0 while there is none."""
    wanted = share * total
    below = 0.0
    for i in range(len(bins)):
        if bins[i] > 0.0 and below + bins[i] >= wanted:
            return float(i + (wanted - below) / bins[i])
        below += bins[i]
    return 0.0


@compiled
def _path_usd(symbol: Any, window: int) -> float:
    """Return the distance walked over a window of closes; summed anew, so that no rounding is carried along."""
    size = len(symbol.closes_usd)
    slot = int((symbol.bars - 1) % size)
    path = 0.0
    later = symbol.closes_usd[slot]
    for _ in range(window):
        slot = slot - 1 if slot > 0 else size - 1
        close = symbol.closes_usd[slot]
        path += abs(later - close)
        later = close
    return path


@compiled
def _close_usd(symbol: Any, back: int) -> float:
    return float(symbol.closes_usd[int((symbol.bars - 1 - back) % len(symbol.closes_usd))])


@compiled
def _measure(symbol: Any) -> None:
    """Take efficiency, trend, burst and both volatilities from the ring of closes."""
    own = symbol.regimes
    window = min(WINDOW_BARS, symbol.bars - 1)
    last, first, before = _close_usd(symbol, 0), _close_usd(symbol, window), _close_usd(symbol, 1)
    path = _path_usd(symbol, window)
    symbol.efficiency = abs(last - first) / path if path > 0.0 else 0.0
    symbol.trend_pct = 100.0 * (last - first) / first
    # a random walk's efficiency goes with 1 / √bars: on one scale while the window still grows
    own.efficiency = symbol.efficiency * math.sqrt(window / WINDOW_BARS)
    absolute_return = abs(last - before) / before
    usual = symbol.volatility_long  # of the bars before: a spike must not vouch for itself
    reach = min(BURST_BARS, symbol.bars - 1)
    start = _close_usd(symbol, reach)
    move = max(float(absolute_return), abs(last - start) / start / math.sqrt(reach))
    own.burst = move / usual if usual > 0.0 else 0.0
    # a plain mean while young, an exponential one after: the first bars then weigh no more than any other
    symbol.volatility_short += (absolute_return - symbol.volatility_short) / min(symbol.bars - 1, SHORT_BARS)
    symbol.volatility_long += (absolute_return - symbol.volatility_long) / min(symbol.bars - 1, LONG_BARS)


@compiled
def _set_thresholds(symbol: Any) -> None:
    """Read the thresholds off the history of the bars before this one."""
    own = symbol.regimes
    usual = _quantile(own.efficiencies, own.total, TREND_QUANTILE) / len(own.efficiencies)
    grown = own.remembered / (own.remembered + HISTORY_BARS)  # a few windows of one trend are no history of trends
    own.trend_at = TREND_EFFICIENCY + grown * (min(max(usual, TREND_EFFICIENCY), SURE_EFFICIENCY) - TREND_EFFICIENCY)
    median = _value(_quantile(own.volatilities, own.total, 0.5), VOLATILITY_LOG2)
    high = _value(_quantile(own.volatilities, own.total, HIGH_QUANTILE), VOLATILITY_LOG2)
    low = _value(_quantile(own.volatilities, own.total, LOW_QUANTILE), VOLATILITY_LOG2)
    own.high_at = max(high, HIGH_VOLATILITY_RATIO * median)
    own.low_at = min(low, LOW_VOLATILITY_RATIO * median)
    own.spike_at = max(_value(_quantile(own.bursts, own.total, SPIKE_QUANTILE), BURST_LOG2), SPIKE_RATIO)


@compiled
def _remember(symbol: Any) -> None:
    """Add this bar to the history: newer bars weigh more, which forgets the old ones without touching every bin."""
    own = symbol.regimes
    own.weight = own.weight * (1.0 + 1.0 / HISTORY_BARS) if own.weight > 0.0 else 1.0
    _count(own.efficiencies, own.efficiency * len(own.efficiencies), own.weight)
    _count(own.volatilities, _place(symbol.volatility_short, VOLATILITY_LOG2), own.weight)
    _count(own.bursts, _place(own.burst, BURST_LOG2), own.weight)
    own.total += own.weight
    own.remembered += 1
    if own.weight > _HEAVIEST:
        own.efficiencies[:] /= own.weight
        own.volatilities[:] /= own.weight
        own.bursts[:] /= own.weight
        own.total /= own.weight
        own.weight = 1.0


@compiled
def _candidate(symbol: Any) -> int:
    """Return what this bar speaks for, spikes aside: first turbulence, then direction, then quiet."""
    own = symbol.regimes
    base = own.base
    if symbol.volatility_short >= own.high_at * (LEAVE_SHARE if base == HIGH_VOLATILITY else 1.0):
        return HIGH_VOLATILITY
    direction = UP if symbol.trend_pct > 0.0 else DOWN
    if own.efficiency >= own.trend_at * (LEAVE_SHARE if base == direction else 1.0):
        return direction
    if symbol.volatility_short <= own.low_at / (LEAVE_SHARE if base == LOW_VOLATILITY else 1.0):
        return LOW_VOLATILITY
    return RANGING


@compiled
def _settle(symbol: Any, candidate: int) -> None:
    """Let the label without spikes follow its candidate once that has held for the dwell."""
    own = symbol.regimes
    if candidate == own.base:
        symbol.regime_bars = 0
    elif candidate == symbol.regime_candidate:
        symbol.regime_bars += 1
    else:
        symbol.regime_bars = 1
    symbol.regime_candidate = candidate
    if symbol.regime_bars >= DWELL_BARS or own.base == UNKNOWN:
        own.base = candidate
        symbol.regime_bars = 0


@compiled
def _spiking(symbol: Any) -> bool:
    """Let the last spike fade, take a new one in, and return whether it still counts."""
    own = symbol.regimes
    own.level *= 0.5 ** (1.0 / SPIKE_HALF_LIFE_BARS)
    if own.burst >= own.spike_at:
        own.level = max(own.level, min(own.burst / own.spike_at, SPIKE_MOST))
    return bool(own.level > SPIKE_LEAVE)


@compiled
def _within(value: float) -> float:
    return min(max(value, 0.0), 1.0)


@compiled
def _margin(symbol: Any) -> float:
    """Return how far inside its label the symbol is: 0 at the threshold to leave it, 1 well away from that."""
    own = symbol.regimes
    label = symbol.regime
    if label == SPIKE:
        return _within(own.level)
    calm = _within(2.0 - 2.0 * symbol.volatility_short / own.high_at) if own.high_at > 0.0 else 0.0
    if label == HIGH_VOLATILITY:
        return _within(symbol.volatility_short / (LEAVE_SHARE * own.high_at) - 1.0) if own.high_at > 0.0 else 0.0
    if label == LOW_VOLATILITY:
        return _within(2.0 - 2.0 * LEAVE_SHARE * symbol.volatility_short / own.low_at) if own.low_at > 0.0 else 0.0
    if label in (UP, DOWN):
        agrees = (symbol.trend_pct > 0.0) == (label == UP)
        return _within(own.efficiency / (LEAVE_SHARE * own.trend_at) - 1.0) if agrees else 0.0
    return min(calm, _within(1.0 - own.efficiency / own.trend_at))


@compiled
def _confidence(symbol: Any) -> float:
    """Return how sure the label is, 0 to 1: inside its thresholds, undisputed, and on a history long enough to have any."""
    if symbol.regime == UNKNOWN:
        return 0.0
    own = symbol.regimes
    grown = own.remembered / (own.remembered + FIRST_BARS)
    undisputed = 1.0 if symbol.regime == SPIKE else 1.0 - 0.5 * symbol.regime_bars / DWELL_BARS
    return float(grown * undisputed * (0.5 + 0.5 * _margin(symbol)))


@compiled
def regime_step(symbol: Any) -> int:
    """Advance by one closed bar; return the regime before it."""
    before = int(symbol.regime)
    if symbol.bars < 2:
        return before
    own = symbol.regimes
    _measure(symbol)
    if symbol.bars >= FIRST_BARS:
        _set_thresholds(symbol)
        spiking = _spiking(symbol)
        if before == SPIKE and not spiking:
            symbol.regime_bars = 0  # the label underneath comes up now: from here it holds for the dwell at least
        else:
            _settle(symbol, _candidate(symbol))
        symbol.regime = SPIKE if spiking else own.base
    if symbol.bars > SHORT_BARS:
        _remember(symbol)
    own.confidence = _confidence(symbol)
    return before
