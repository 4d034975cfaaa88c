"""The chart: candles of a few seconds with volume, the slow average, fills, AI changes, and the lines of the open position.

x counts candles, not seconds since 1970: plots compute in float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.markets_view import change_1m_pct
from dashboard.model import Candle, Chart, Mark
from shared.clock import NS_PER_S
from shared.events import EventKind, Source, Status, field_name
from shared.layout import PRICE_HISTORY

CANDLE_S = 5
EMA_S = 60  # as the trader's slow average of 1 s closes, from which entries keep their distance

Series = npt.NDArray[np.float64]


def chart(view: Any, symbols: Sequence[str], index: int, marks: Iterable[Any]) -> Chart:
    """Return the chart of a symbol.

    Parameters
    ----------
    view
        A ``PORTFOLIO_VIEW`` record.
    marks
        Trade events kept for the chart: fills and AI changes.
    """
    row = view["rows"][index]
    count = int((row["closes_usd"] > 0).sum())
    phase = (int(row["bars"]) - count) % CANDLE_S if count else 0  # seconds of the first candle that are gone already
    candles = fold(row, count, phase)
    held = bool(row["position_qty"])
    place = _Place(now_ns=int(view["time_ns"]), seconds=phase + count, index=index)
    buys, sells, ai = _marks(marks, place, float(row["last_price_usd"]))
    return Chart(
        symbol=symbols[index],
        price_usd=float(row["last_price_usd"]),
        change_1m_pct=change_1m_pct(row),
        candle_s=CANDLE_S,
        candles=candles,
        ema_usd=_average(row["closes_usd"][PRICE_HISTORY - count :], phase, len(candles)),
        buys=buys,
        sells=sells,
        ai=ai,
        qty=float(row["position_qty"]),
        entry_usd=float(row["entry_price_usd"]) if held else 0.0,
        target_usd=float(row["target_price_usd"]) if held else 0.0,
        stop_usd=float(row["stop_price_usd"]) if held else 0.0,
    )


def fold(row: Any, count: int, phase: int) -> tuple[Candle, ...]:
    """Return candles of :data:`CANDLE_S` from the last ``count`` 1 s bars of a ``SYMBOL_ROW``; the last one takes the last price.

    ``phase`` seconds are missing from the first, so that a candle keeps its seconds while new ones come.
    """
    if not count:
        return ()
    start = PRICE_HISTORY - count
    closes, highs, lows, volumes = (row[name][start:] for name in ("closes_usd", "highs_usd", "lows_usd", "volumes"))
    highs = np.maximum(highs, closes)
    lows = np.where(lows > 0, np.minimum(lows, closes), closes)  # a trader of an older build publishes closes only
    edges = [0, *range(CANDLE_S - phase, count, CANDLE_S), count]
    candles: list[Candle] = []
    for first, end in pairwise(edges):
        opened = float(closes[first - 1]) if first else float(closes[first])
        high, low = max(float(highs[first:end].max()), opened), min(float(lows[first:end].min()), opened)
        candles.append(Candle(opened, high, low, float(closes[end - 1]), float(volumes[first:end].sum())))
    return (*candles[:-1], _with_last(candles[-1], float(row["last_price_usd"])))


def _with_last(candle: Candle, last_usd: float) -> Candle:
    if last_usd <= 0:
        return candle
    return Candle(candle.open, max(candle.high, last_usd), min(candle.low, last_usd), last_usd, candle.volume)


def _average(closes: Series, phase: int, candles: int) -> tuple[float, ...]:
    """Return the exponential average of 1 s closes at the end of each candle."""
    if not len(closes):
        return ()
    alpha, value, values = 2.0 / (EMA_S + 1.0), float(closes[0]), []
    for close in closes.tolist():
        value += alpha * (close - value)
        values.append(value)
    ends = [min(CANDLE_S * (i + 1) - phase, len(values)) - 1 for i in range(candles)]
    return tuple(values[max(end, 0)] for end in ends)


class _Place:
    """Where on the chart a moment is."""

    def __init__(self, *, now_ns: int, seconds: int, index: int) -> None:
        self._now_ns, self._seconds, self.index = now_ns, seconds, index

    def x(self, time_ns: int) -> float:
        """Return a moment in candles: 0 is the middle of the first one."""
        ago_s = (self._now_ns - time_ns) / NS_PER_S
        return (self._seconds - ago_s) / CANDLE_S - 0.5


def _marks(events: Iterable[Any], place: _Place, last_usd: float) -> tuple[tuple[Mark, ...], tuple[Mark, ...], tuple[Mark, ...]]:
    buys: list[Mark] = []
    sells: list[Mark] = []
    changes: dict[float, list[str]] = {}
    for event in events:
        x = place.x(int(event["time_ns"]))
        if x < -0.5 or int(event["symbol"]) not in (place.index, -1):
            continue
        if int(event["kind"]) == EventKind.FILL:
            (buys if event["side"] > 0 else sells).append(Mark(x, float(event["price_usd"])))
        elif int(event["kind"]) == EventKind.TUNER_CONFIG and int(event["source"]) == Source.TUNER:
            changes.setdefault(round(x, 1), []).append(change_words(event))
    ai = tuple(Mark(x, last_usd, _together(said)) for x, said in changes.items())
    return tuple(buys), tuple(sells), ai


def change_words(event: Any) -> str:
    """Return ``stop 1 → 0.8`` for an AI change, short enough for a mark on the chart."""
    special = {Status.TUNER_PAUSE_SYMBOL: "PAUSE", Status.TUNER_RESUME_SYMBOL: "RESUME", Status.TUNER_EMERGENCY_EXIT: "EXIT"}
    code = int(event["status"])
    if code in special:
        return special[Status(code)]
    name = field_name(int(event["field"])).removesuffix("_pct").removesuffix("_ms")
    return f"{name} {event['old']:g} → {event['new']:g}" if name else "change"


def _together(said: list[str]) -> str:
    return said[0] if len(said) == 1 else f"{said[0]} +{len(said) - 1}"
