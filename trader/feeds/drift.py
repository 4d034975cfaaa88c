"""Is one venue's price off? Each instrument against the median of the same asset on the other venues."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_S
from trader.engine.inputs import InputKind

ALARM_BPS = 50.0  # a perpetual may well stand 10 from spot; this is a venue that lags, stalls or breaks
ALARM_AFTER_NS = 5 * NS_PER_S  # a jump reaches the venues one after the other
FRESH_NS = 15 * NS_PER_S  # an older price is compared with nothing: that it is old is told elsewhere
_QUOTES = ("USDT", "USDC", "FDUSD", "USD")
_THOUSANDS = re.compile(r"^(?:1000|k)(?=[A-Z])")
_QUOTE = int(InputKind.QUOTE)


def base_asset(symbol: str) -> str:
    """Return what a symbol's price is the price of: BTC for ``BTCUSDT@binance-usdm``, ``BTC@hyperliquid`` and ``BTCUSDC``.

    A price for a thousand (``1000PEPEUSDT``, ``kPEPE``) is another one than for a single: 1000PEPE.
    """
    name = symbol.partition("@")[0]
    name = next((name[: -len(quote)] for quote in _QUOTES if name.endswith(quote) and len(name) > len(quote)), name)
    return _THOUSANDS.sub("1000", name)


class DriftCheck:
    """Compares prices across venues.

    Parameters
    ----------
    symbols
        In the engine's order, ``NAME@venue``.
    drift_bps
        Where the distances go, one for each symbol; 0 where there is nothing to compare with.

    Attributes
    ----------
    adrift
        The symbols that have been too far from the others for a while.
    """

    def __init__(self, symbols: Sequence[str], drift_bps: npt.NDArray[np.float64]) -> None:
        self._symbols = list(symbols)
        self._venues = [symbol.partition("@")[2] for symbol in symbols]
        self._drift_bps = drift_bps
        groups: dict[str, list[int]] = {}
        for index, symbol in enumerate(symbols):
            groups.setdefault(base_asset(symbol), []).append(index)
        self._groups = [group for group in groups.values() if len({self._venues[i] for i in group}) > 1]
        self._mids = np.zeros(len(symbols))
        self._seen_ns = np.zeros(len(symbols), np.int64)
        self._far_since_ns = np.zeros(len(symbols), np.int64)
        self.adrift: set[str] = set()

    def take(self, rows: npt.NDArray[np.void]) -> None:
        """Note the last quote of each symbol among engine inputs, shape (n,)."""
        if not self._groups:
            return
        quotes = rows[rows["kind"] == _QUOTE]
        if quotes.size:
            symbols = quotes["symbol"]
            self._mids[symbols] = 0.5 * (quotes["a"] + quotes["c"])
            self._seen_ns[symbols] = quotes["time_ns"]

    def check(self, now_ns: int) -> list[str]:
        """Compare what is fresh; return what to tell a human: a symbol that went adrift, or one that came back."""
        told: list[str] = []
        for group in self._groups:
            fresh = [i for i in group if self._mids[i] > 0.0 and now_ns - self._seen_ns[i] <= FRESH_NS]
            for index in group:
                others = [float(self._mids[i]) for i in fresh if self._venues[i] != self._venues[index]]
                distance = (self._mids[index] / median(others) - 1.0) * 1e4 if index in fresh and others else 0.0
                self._drift_bps[index] = distance
                told += self._judge(index, float(distance), now_ns)
        return told

    def _judge(self, index: int, distance_bps: float, now_ns: int) -> list[str]:
        symbol = self._symbols[index]
        if abs(distance_bps) <= ALARM_BPS:
            self._far_since_ns[index] = 0
            if symbol in self.adrift:
                self.adrift.discard(symbol)
                return [f"{symbol} price: came back to within {ALARM_BPS:g} bps of the other venues"]
            return []
        self._far_since_ns[index] = self._far_since_ns[index] or now_ns
        if symbol in self.adrift or now_ns - self._far_since_ns[index] < ALARM_AFTER_NS:
            return []
        self.adrift.add(symbol)
        since_s = ALARM_AFTER_NS // NS_PER_S
        told = f"{symbol} price: was {distance_bps:+.0f} bps from the median of the other venues for {since_s} s"
        return [f"{told}, expected within {ALARM_BPS:g}"]
