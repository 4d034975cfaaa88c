"""A market told second by second, and the engine that hears it: what the engine's tests are written with."""

from __future__ import annotations

import itertools
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shared import layout
from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.events import CommandKind, EventKind, Reason, Regime, Source, Strategy
from shared.params import CONTROLS, SYMBOL_FIELDS, index_of
from shared.ring import RingWriter
from shared.segment import Segment
from trader.control import ControlPlane
from trader.engine.engine import Engine
from trader.engine.inputs import ALL, ASK, FIRST, LAST, Gap, InputKind, InputRow, batch, row
from trader.engine.state import STRATEGY_BY_REGIME, new_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

START_NS = 1_700_000_100 * NS_PER_S  # a whole second, 40 s before a whole minute
PHASE_NS = 100 * NS_PER_MS  # market data of a second comes this long after its beginning
CLOSES = (EventKind.POSITION_CLOSE, EventKind.TARGET_HIT, EventKind.STOP_LOSS, EventKind.TRAILING_EXIT)
STEP_SIZE = 1.0  # coarse on purpose: a small change of equity then changes no quantity
CAPITAL_USD = 100_000.0

_SHM = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is seen on Linux
_NUMBERS = itertools.count(1)

Rows = list[InputRow]
Events = npt.NDArray[np.void]
TRADE_FACTS = ("time_ns", "kind", "side", "reason", "price_usd", "qty", "fee_usd", "pnl_usd")


def book_levels(symbol: Any, side: int) -> list[tuple[float, float]]:
    """Return the levels that the engine holds of a side as (price, quantity), best first."""
    levels = symbol["sides"][side]
    pages = [
        (levels["key"][page][:used], levels["qty"][page][:used]) for page, used in enumerate(levels["levels"][: levels["pages"]])
    ]
    found = [(abs(float(key)), float(qty)) for keys, qtys in pages for key, qty in zip(keys, qtys, strict=True)]
    assert len(found) == levels["count"]
    return found[::-1]


def second_ns(at_s: float) -> int:
    """Return the time of the market data of a second, ns."""
    return START_NS + int(at_s * NS_PER_S) + PHASE_NS


def instrument(symbol: int = 0, *, perpetual: bool = True, step: float = STEP_SIZE, min_notional_usd: float = 5.0) -> InputRow:
    """Return what the venue says of a symbol."""
    return row(InputKind.INSTRUMENT, START_NS, symbol, flags=int(perpetual), a=0.01, b=step, c=min_notional_usd)


def quote(at_s: float, price_usd: float, symbol: int = 0, half_spread_usd: float = 0.005) -> InputRow:
    """Return the best bid and ask around a price."""
    bid, ask = price_usd - half_spread_usd, price_usd + half_spread_usd
    return row(InputKind.QUOTE, second_ns(at_s), symbol, a=bid, b=50.0, c=ask, d=50.0, ref=1)


def trade(at_s: float, price_usd: float, symbol: int = 0) -> InputRow:
    """Return a public trade."""
    return row(InputKind.TRADE, second_ns(at_s), symbol, a=price_usd, b=1.0)


def book(at_s: float, bids: Sequence[tuple[float, float]], asks: Sequence[tuple[float, float]], symbol: int = 0) -> Rows:
    """Return a depth snapshot, levels as (price, quantity)."""
    levels = [(0, p, q) for p, q in bids] + [(ASK, p, q) for p, q in asks]
    last = len(levels) - 1
    return [
        row(
            InputKind.SNAPSHOT,
            second_ns(at_s),
            symbol,
            flags=side + (FIRST if i == 0 else 0) + (LAST if i == last else 0),
            a=price,
            b=qty,
            ref=int(at_s) + 1,
        )
        for i, (side, price, qty) in enumerate(levels)
    ]


def market(prices: Sequence[float], start_s: int = 0, symbols: Iterable[int] = (0,), *, with_book: bool = True) -> Rows:
    """Return a price path, one price a second for each symbol: book, quote and trade, in that order."""
    rows: Rows = []
    for i, price in enumerate(prices):
        at_s = start_s + i
        for symbol in symbols:
            if with_book:
                rows += book(at_s, [(price - 0.005, 1e4)], [(price + 0.005, 1e4)], symbol)
            rows += [quote(at_s, price, symbol), trade(at_s, price, symbol)]
    return rows


def ramp(start_usd: float, step_bps: float, seconds: int) -> list[float]:
    """Return ``seconds`` prices that grow by ``step_bps`` a second, the first one already moved."""
    return [start_usd * (1.0 + step_bps * 1e-4) ** (i + 1) for i in range(seconds)]


def zigzag(start_usd: float, step_bps: float, seconds: int) -> list[float]:
    """Return ``seconds`` prices up and down by ``step_bps`` around the start."""
    return [start_usd * (1.0 + (step_bps * 1e-4 if i % 2 == 0 else 0.0)) for i in range(seconds)]


def param(
    name: str, value: float, at_s: float = 0.0, symbol: int = 0, *, source: Source = Source.OPERATOR, ref: int = 2
) -> InputRow:
    """Return an applied value of a symbol."""
    field = index_of(SYMBOL_FIELDS, name)
    return row(InputKind.PARAM, second_ns(at_s), symbol, flags=source, aux=field, a=value, ref=ref)


def control(name: str, value: float, at_s: float = 0.0, source: Source = Source.OPERATOR, ref: int = 2) -> InputRow:
    """Return an applied global control."""
    return row(InputKind.CONTROL, second_ns(at_s), ALL, flags=source, aux=index_of(CONTROLS, name), a=value, ref=ref)


def acting(strategy: Strategy, at_s: float = 0.0, regimes: Iterable[Regime] = Regime) -> Rows:
    """Return the controls that give regimes, all of them by default, to one strategy."""
    return [control(f"strategy_{regime.name.lower()}", float(strategy), at_s) for regime in regimes]


def emergency_exit(at_s: float, symbol: int = ALL, source: Source = Source.OPERATOR, ref: int = 1) -> InputRow:
    """Return the command that flattens a symbol, or all."""
    return row(InputKind.COMMAND, second_ns(at_s), symbol, flags=source, aux=CommandKind.EMERGENCY_EXIT, ref=ref)


def kill_file(at_s: float, *, present: bool) -> InputRow:
    """Return the coming or going of the kill file."""
    return row(InputKind.KILL, second_ns(at_s), a=float(present))


def disconnected(at_s: float, symbol: int = ALL) -> InputRow:
    """Return the loss of a feed."""
    return row(InputKind.GAP, second_ns(at_s), symbol, aux=Gap.DISCONNECTED)


def timer(at_s: float) -> InputRow:
    """Return a passing of time."""
    return row(InputKind.TIMER, second_ns(at_s))


class Story:
    """An engine that is told a market, and everything that came of it.

    Every regime is given to the technical strategy, so that a story does not hang on the regime it happens to be in; tests of
    other strategies say the map with :func:`acting`.
    """

    def __init__(self, n_symbols: int = 1, /, **values: float) -> None:
        state = new_state(n_symbols, CAPITAL_USD)
        state["controls"]["values"][0, list(STRATEGY_BY_REGIME)] = Strategy.TECHNICAL
        self.engine = Engine(state)
        self.set_control("latency_ms", 0.0)  # as if the exchange were next door: what is decided is filled at once
        self.events: Events = np.zeros(0, layout.TRADE_EVENT)
        self.tell([instrument(i) for i in range(n_symbols)])
        self.tell([param(name, value) for name, value in values.items()])

    def tell(self, rows: Rows) -> Story:
        """Process inputs and keep their events."""
        if rows:
            self.events = np.concatenate([self.events, self.engine.process(batch(rows))])
        return self

    def set_control(self, name: str, value: float) -> None:
        """Begin with another control than the registry's default, without an input or event that says so."""
        self.account["controls"]["values"][index_of(CONTROLS, name)] = value

    @property
    def account(self) -> Any:
        """The whole state, a record."""
        return self.engine.state[0]

    def symbol(self, index: int = 0) -> Any:
        """Return the state of one symbol, a record."""
        return self.account["symbols"][index]

    def why(self, index: int = 0) -> Reason:
        """Return what blocks an entry."""
        return Reason(int(self.symbol(index)["why"]))

    def of(self, *kinds: EventKind, symbol: int | None = None) -> Events:
        """Return the events of some kinds, of one symbol or of all."""
        events = self.events[np.isin(self.events["kind"], kinds)]
        return events if symbol is None else events[events["symbol"] == symbol]

    def facts(self, symbol: int) -> list[tuple[Any, ...]]:
        """Return what counts about the fills and closed trades of a symbol, without ids and without the account."""
        events = self.of(EventKind.FILL, *CLOSES, symbol=symbol)
        return [tuple(event[name].item() for name in TRADE_FACTS) for event in events]

    def view(self) -> Any:
        """Return the state as it is published, a ``PORTFOLIO_VIEW`` record."""
        from trader.portfolio.publish import PUBLISHED, no_feed, publish_into

        body = np.zeros(1, layout.PORTFOLIO)
        publish_into(self.engine.state, body["version"], body["copies"][0].view(PUBLISHED), *no_feed())
        return body["copies"][0][int(body["version"][0]) & 1]


def spot(**values: float) -> Story:
    """Return a story of one spot symbol."""
    return Story(**values).tell([instrument(perpetual=False)])


def eventful_market(seed: int, seconds: int, n_symbols: int = 2) -> Rows:
    """Return a random market that trades: trends that turn, thin books, lost feeds, pauses, emergency exits, changed values."""
    random = np.random.default_rng(seed)
    prices = [100.0 * (i + 1) for i in range(n_symbols)]
    rows: Rows = []
    drift_bps = [0.0] * n_symbols
    for at_s in range(seconds):
        for i in range(n_symbols):
            if random.random() < 0.03:
                drift_bps[i] = float(random.normal(0.0, 4.0))
            prices[i] *= 1.0 + 1e-4 * (drift_bps[i] + float(random.normal(0.0, 1.5)))
            rows += _thin_second(random, at_s, round(prices[i], 4), i)
        rows += _something_else(random, at_s, n_symbols)
    return rows


def _thin_second(random: np.random.Generator, at_s: int, price_usd: float, symbol: int) -> Rows:
    bids = [(price_usd - 0.01 * (k + 1), float(random.uniform(1.0, 20.0))) for k in range(5)]
    asks = [(price_usd + 0.01 * (k + 1), float(random.uniform(1.0, 20.0))) for k in range(5)]
    return [*book(at_s, bids, asks, symbol), quote(at_s, price_usd, symbol, 0.01), trade(at_s, price_usd, symbol)]


def _something_else(random: np.random.Generator, at_s: int, n_symbols: int) -> Rows:
    symbol = int(random.integers(n_symbols))
    what = random.random()
    if what < 0.01:
        return [emergency_exit(at_s + 0.3, symbol, Source.TUNER), param("enabled", 1.0, at_s + 0.5, symbol, ref=at_s + 10)]
    if what < 0.03:
        return [
            param("cooldown_ms", float(random.integers(1, 11)) * 1000.0, at_s + 0.2, symbol, source=Source.TUNER, ref=at_s + 10)
        ]
    if what < 0.05:
        return [param("target_pct", float(random.uniform(1.0, 3.0)), at_s + 0.2, symbol, ref=at_s + 10)]
    if what < 0.06:
        return [disconnected(at_s + 0.4, symbol), timer(at_s + 0.6)]
    return [control("slippage_bps", float(random.uniform(0.0, 10.0)), at_s + 0.7, ref=at_s + 10)] if what < 0.07 else []


@contextmanager
def fresh_instance(prefix: str) -> Iterator[str]:
    """Hold an instance name nobody else uses; fail if a segment of it is left in /dev/shm (and remove it)."""
    name = f"{prefix}{os.getpid()}-{next(_NUMBERS)}"
    try:
        yield name
    finally:
        left = sorted(path.name for path in _SHM.glob(f"trader_{name}_*"))
        for file in left:
            (_SHM / file).unlink(missing_ok=True)
    assert not left, f"segments left behind: {left}"


class ServedTrader:
    """An engine behind real segments: wishes and commands in, events out, without feed, disk or terminal.

    Turn it by hand with :meth:`turn`, or let a thread do it inside ``with trader.serving():``.
    """

    def __init__(self, instance: str, clock: Clock, n_symbols: int = 2) -> None:
        self.symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT"][:n_symbols]
        self.story = Story(n_symbols)
        self.clock = clock
        self.control = ControlPlane(instance, self.symbols, self.story.engine.state, clock)
        self.control.activate()
        self._ring = Segment.create("events", layout.EVENTS, instance, clock)
        self._ring.activate()
        self._portfolio = Segment.create("portfolio", layout.PORTFOLIO, instance, clock)
        self._portfolio.activate()
        self._told = 0

    def turn(self) -> Events:
        """Take what is wished, publish what came of it, and return the new events."""
        time_ns = int(self.story.account["time_ns"])
        self.story.tell(self.control.poll(time_ns))
        self.control.mirror()
        new = self.story.events[self._told :]
        self._told = len(self.story.events)
        RingWriter(self._ring.body).push(new)
        return new

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Turn in a thread while the block runs."""
        over = threading.Event()

        def loop() -> None:
            while not over.wait(0.001):
                self.turn()

        thread = threading.Thread(target=loop, name="served trader")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def close(self) -> None:
        """Remove the segments."""
        for segment in (*self.control.segments, self._ring, self._portfolio):
            segment.close()
            segment.unlink()
