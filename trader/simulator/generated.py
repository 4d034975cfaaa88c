"""The generated market: correlated symbols driven by one seed, merged into one flow of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.clock import NS_PER_MS, NS_PER_S
from trader.simulator.flow import LatentMarket
from trader.simulator.history import history_bars, latent_paths
from trader.simulator.source import Frame, GateMark, Market
from trader.simulator.spec import published_spec
from trader.simulator.symbol_market import Step, SymbolMarket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from trader.simulator.klines import Bar
    from trader.simulator.spec import SymbolSpec

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_STEP_NS = 50 * NS_PER_MS
# Odd: the snapshot then falls between two depth frames, as on the venue, and the next diff spans it.
_GATE_STEP = 11
_KLINE_STEPS = 40
_MARK_STEPS = 20
_PRICES = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0, "SOLUSDT": 150.0}
_BETAS = {"BTCUSDT": 1.0, "ETHUSDT": 1.15, "SOLUSDT": 1.4}
_PRICES |= {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0, "HYPE": 40.0}  # Hyperliquid
_BETAS |= {"BTC": 1.0, "ETH": 1.15, "SOL": 1.4}


class GeneratedSource:
    """A seeded market.

    Parameters
    ----------
    market
        Spot or USD-M; decides frames and trading rules.
    symbols
        Upper-case names; a pair without a known price opens near 10.
    seed
        Same seed, same start, same frames.
    start_ns
        Simulated start, nanoseconds since the epoch.
    duration_s
        Length of the flow in simulated seconds; None never ends.

    Errors
    ------
    ConfigError
        If a symbol is not a pair.
    """

    mode = "generated"

    def __init__(self, market: Market, symbols: Sequence[str], seed: int, start_ns: int, duration_s: float | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.market = market
        self.specs: Mapping[str, SymbolSpec] = {symbol: published_spec(symbol, market) for symbol in symbols}
        self.streams: AbstractSet[str] = {name for s in self.specs for name in SymbolMarket.stream_names(s, market)}
        self.gated: AbstractSet[str] = set(self.specs)
        self._start_ns = self._now_ns = start_ns
        self._steps = None if duration_s is None else int(duration_s * NS_PER_S) // _STEP_NS
        self._latent = LatentMarket(rng, [_BETAS.get(symbol, 1.2) for symbol in self.specs])
        paths, activity = latent_paths(self._latent, len(self.specs))
        self._latent.wake()
        self._symbols: dict[str, SymbolMarket] = {}
        for column, (symbol, spec) in enumerate(self.specs.items()):
            price = _PRICES.get(symbol, 10.0)
            bars = history_bars(rng, spec, price, (paths[:, :, column], activity), start_ns // NS_PER_MS)
            self._symbols[symbol] = SymbolMarket(rng, market, spec, price, bars)

    def items(self) -> Iterator[Frame | GateMark]:
        """Yield the flow; ends only if a duration was given."""
        step = 0
        while self._steps is None or step < self._steps:
            step += 1
            frames = self._advance(step)
            frames.sort(key=_due)
            yield from frames
            if step == _GATE_STEP:
                yield GateMark(self._now_ns, frozenset(self._symbols))

    def _advance(self, number: int) -> list[Frame]:
        start_ns = self._start_ns + (number - 1) * _STEP_NS
        end_ns = self._now_ns = start_ns + _STEP_NS
        moves = self._latent.step(_STEP_NS / NS_PER_S)
        deviation = self._latent.vol_bps_per_sqrt_s * 1e-4 * (_STEP_NS / NS_PER_S) ** 0.5
        step = Step(start_ns, end_ns, deviation, self._latent.regime.activity)
        frames: list[Frame] = []
        for symbol, move in zip(self._symbols.values(), moves.tolist(), strict=True):
            frames += symbol.advance(step, move)
            if number % 2 == 0:
                frames += symbol.depth_frame(end_ns)
            if number % _KLINE_STEPS == 0:
                frames += symbol.kline_frame(end_ns)
            if number % _MARK_STEPS == 0 and self.market is Market.USDM:
                frames += symbol.mark_frame(end_ns)
        return frames

    def depth(self, symbol: str, limit: int) -> bytes:
        """Return the book at the end of the present step."""
        return self._symbols[symbol].snapshot(self._now_ns, limit)

    def bars(self, symbol: str) -> list[Bar]:
        """Return four hours of history and the minutes since."""
        return self._symbols[symbol].bars.bars

    def server_time_ms(self) -> int:
        """Return simulated time, milliseconds since the epoch."""
        return self._now_ns // NS_PER_MS


def _due(frame: Frame) -> int:
    return frame.ns
