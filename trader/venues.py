"""Which feed a venue means: a real one or several, the simulator of this instance, or a session that was kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shared.clock import Clock
from shared.console import parse_speed
from shared.errors import UsageError
from shared.paths import home_dir
from trader.backtest.replay import KeptSession
from trader.engine.state import State
from trader.feeds.kept import KeptFeed
from trader.feeds.raw import RawRecorder
from trader.feeds.several import Maker, SeveralFeed
from trader.feeds.stats import FeedStats
from trader.feeds.streaming import Sink
from trader.settings import HYPERLIQUID, Settings, default_symbols
from trader.simulated import OwnedSimulator, SimulatorInfo, running_simulator, start_simulator


class Venue:
    """Where the data comes from, resolved: market, symbols, and how to make the feed.

    Attributes
    ----------
    simulated
        Whether it is a simulator or a replay: time is then not this machine's. Neither is ever used unless it was asked for by
        name.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owned: OwnedSimulator | None = None
        self._simulator: SimulatorInfo | None = None
        self._kept: KeptSession | None = None
        self._recorders: list[RawRecorder] = []
        self.simulated = settings.venue == "sim" or settings.replays or bool(settings.local)
        self.market = settings.market
        self.symbols = settings.symbols or default_symbols(settings.venues)
        if settings.replays:
            self._open_session()
        elif settings.venue == "sim":
            self._find_simulator()

    @property
    def start(self) -> State | None:
        """The state a replay begins with; None: whatever the trader begins with."""
        return self._kept.start if self._kept else None

    def _open_session(self) -> None:
        settings = self._settings
        parse_speed(settings.speed)
        self._kept = KeptSession(home_dir(settings.instance) / "sessions" / str(settings.session))
        self.market, self.symbols = self._kept.market, tuple(self._kept.symbols)

    def _find_simulator(self) -> None:
        settings = self._settings
        self._simulator = running_simulator(settings.instance)
        if self._simulator is None:
            self._owned = start_simulator(
                settings.instance,
                replay=settings.replay,
                speed=settings.speed,
                seed=settings.seed,
                market=settings.market,
                symbols=settings.symbols,
            )
            self._simulator = self._owned.info
        elif settings.replay:
            raise UsageError(f"--replay: a simulator of this instance already runs on port {self._simulator.port}; stop it first")
        self.market = self._simulator.market
        offered = tuple(self._simulator.symbols)
        missing = [symbol for symbol in settings.symbols if symbol not in offered]
        if missing:
            self.close()
            raise UsageError(f"symbols: was {','.join(missing)}, expected some of the simulator's {','.join(offered)}")
        self.symbols = settings.symbols or offered

    @property
    def owns_simulator(self) -> bool:
        """Whether a simulator was started for this run."""
        return self._owned is not None

    @property
    def loopback_port(self) -> int:
        """The port of the simulator, 0 if the venue is none."""
        return self._simulator.port if self._simulator else 0

    def feed(self, clock: Clock, stats: FeedStats, sink: Sink, state: State, *, hold: bool) -> Any:
        """Return the feed, not yet running; of a replay, from where ``state`` has got to."""
        if self._kept is not None:
            done = int(state["input_seq"][0]) - int(state["replay"]["asides"][0]) - int(self._kept.start["input_seq"][0])
            speed = parse_speed(self._settings.speed)
            return KeptFeed(self._kept.inputs[done:], clock=clock, stats=stats, sink=sink, speed=speed)
        if self._simulator is not None:
            return self._simulated_feed(self._simulator, clock, stats, sink, hold=hold)
        venues = self._settings.venues
        makers = {
            venue: self._maker(venue, clock, np.random.default_rng([self._settings.seed, number]), hold=hold)
            for number, venue in enumerate(venues)
        }
        if len(venues) == 1:
            return makers[venues[0]](self.symbols, stats, sink)
        return SeveralFeed(self.symbols, makers, clock=clock, stats=stats, sink=sink, fresh=hold)

    def _simulated_feed(self, simulator: SimulatorInfo, clock: Clock, stats: FeedStats, sink: Sink, *, hold: bool) -> Any:
        from trader.feeds.binance.feed import BinanceFeed
        from trader.feeds.binance.venue import loopback

        market: Any = self.market
        rng = np.random.default_rng(self._settings.seed)
        if market == HYPERLIQUID:
            from trader.feeds.hyperliquid.feed import HyperliquidFeed
            from trader.feeds.hyperliquid.venue import loopback as hyperliquid

            local = hyperliquid(simulator.port)
            return HyperliquidFeed(
                local,
                self.symbols,
                clock=clock,
                rng=rng,
                stats=stats,
                sink=sink,
                sim=True,
                raw=self._recorder(HYPERLIQUID, clock, stats),
            )
        where = loopback(market, simulator.port, trade_stream=simulator.trades)
        raw = self._recorder(where.venue, clock, stats)
        return BinanceFeed(where, self.symbols, clock=clock, rng=rng, stats=stats, sink=sink, hold=hold, sim=True, raw=raw)

    def _recorder(self, venue: str, clock: Clock, stats: FeedStats) -> RawRecorder | None:
        """Return what keeps the frames of a venue, if that is wished for."""
        if not self._settings.raw:
            return None
        recorder = RawRecorder(self._settings.folder / "raw" / venue, clock, stats)
        self._recorders.append(recorder)
        return recorder

    def _maker(self, venue: str, clock: Clock, rng: np.random.Generator, *, hold: bool) -> Maker:
        """Return what makes the feed of one real venue."""

        def make(symbols: Sequence[str], stats: FeedStats, sink: Sink) -> Any:
            raw = self._recorder(venue, clock, stats)
            port = dict(self._settings.local).get(venue)
            if venue == HYPERLIQUID:
                from trader.feeds.hyperliquid import venue as hyperliquid
                from trader.feeds.hyperliquid.feed import HyperliquidFeed

                network = hyperliquid.testnet() if self._settings.on_testnet else hyperliquid.endpoints()
                there = network if port is None else hyperliquid.loopback(port)
                return HyperliquidFeed(there, symbols, clock=clock, rng=rng, stats=stats, sink=sink, raw=raw)
            from trader.feeds.binance.feed import BinanceFeed
            from trader.feeds.binance.venue import endpoints, loopback

            market: Any = venue.partition("-")[2]
            where = endpoints(market) if port is None else loopback(market, port)
            return BinanceFeed(where, symbols, clock=clock, rng=rng, stats=stats, sink=sink, hold=hold, raw=raw)

        return make

    def close(self) -> None:
        """Write what is still to be recorded, and stop the simulator if this trader started it."""
        for recorder in self._recorders:
            recorder.close()
        self._recorders.clear()
        if self._owned is not None:
            self._owned.stop()
            self._owned = None
