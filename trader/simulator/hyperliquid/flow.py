"""The flow of a Hyperliquid market: what was recorded or generated, joined by what the venue derives from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from shared.clock import NS_PER_MS
from trader.simulator.hyperliquid.facts import (
    BOOK_EVERY_NS,
    CANDLE_EVERY_NS,
    CONTEXT_EVERY_NS,
    DELISTED,
    LONG_SILENCE_NS,
    MIDS_EVERY_NS,
    TICK_NS,
)
from trader.simulator.hyperliquid.state import CoinState, VenueState
from trader.simulator.hyperliquid.wire import Book, Quote, Told, encode, told
from trader.simulator.source import Market

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from trader.simulator.klines import Bar

MIDS = "allMids"


class Origin(Protocol):
    """Where the books, quotes and trades come from."""

    @property
    def mode(self) -> str:
        """``replay`` or ``generated``."""
        ...

    @property
    def sz_decimals(self) -> dict[str, int]:
        """The coins in the order of the universe, and the places of their sizes."""
        ...

    @property
    def native(self) -> AbstractSet[str]:
        """Channels that come from here (``bbo:BTC``); the others are derived."""
        ...

    @property
    def first(self) -> Sequence[Told]:
        """The first book and quote of each coin: what the venue knows before the flow begins."""
        ...

    def history(self, coin: str) -> Sequence[Bar]:
        """Return the minutes before the start, oldest first."""
        ...

    def items(self) -> Iterator[Told]:
        """Yield everything in order of its time."""
        ...


class Rhythm:
    """Says when something is due again."""

    def __init__(self, every_ns: int) -> None:
        self._every_ns = every_ns
        self._next_ns = 0

    def due(self, ns: int) -> bool:
        """Say whether it is, and if so count from ``ns`` on."""
        if ns < self._next_ns:
            return False
        self._next_ns = ns + self._every_ns
        return True


def ticks(after_ns: int, before_ns: int) -> Iterator[int]:
    """Yield the moments between two items at which time is told: every second, in a hole of hours every minute."""
    yield from range(after_ns + TICK_NS, min(before_ns, after_ns + LONG_SILENCE_NS), TICK_NS)
    yield from range(after_ns + LONG_SILENCE_NS, before_ns, LONG_SILENCE_NS)


class Flow:
    """A market that the server can serve.

    Parameters
    ----------
    origin
        Where its data comes from.

    Attributes
    ----------
    state
        What the venue knows at the present position.
    begun
        Whether anything has been said yet; before that subscriptions are only acknowledged.
    """

    market = Market.HYPERLIQUID

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.mode = origin.mode
        self.specs = dict(origin.sz_decimals)
        self.delisted = DELISTED if DELISTED not in self.specs else "FTM"
        names = [*self.specs, self.delisted]
        self.state = VenueState(CoinState(name, origin.history(name) if name in self.specs else ()) for name in names)
        self.begun = False
        for item in origin.first:
            self._see(item)
        self._contexts, self._candles = Rhythm(CONTEXT_EVERY_NS), Rhythm(CANDLE_EVERY_NS)
        self._mids, self._empty_books = Rhythm(MIDS_EVERY_NS), Rhythm(BOOK_EVERY_NS)

    def items(self) -> Iterator[Told]:
        """Yield the flow; the state moves along with it, one item behind what is about to be sent."""
        last_ns = 0
        self.begun = True
        for item in self._origin.items():
            if last_ns:  # a stall of the venue is a stall of everything: only time passes
                for ns in ticks(last_ns, item.ns):
                    yield Told(ns, "")
            last_ns = item.ns
            self._see(item)
            yield item
            yield from self._derived(item)

    def _see(self, item: Told) -> None:
        self.state.advance(item.ns // NS_PER_MS)
        coin = self.state.coins.get(item.coin)
        if coin is None or item.value is None:
            return
        if isinstance(item.value, Book):
            coin.book = item.value
        elif isinstance(item.value, Quote):
            coin.quote = item.value
        else:
            coin.see_trades(item.value)

    def _derived(self, item: Told) -> Iterator[Told]:
        native, ns = self._origin.native, item.ns
        if isinstance(item.value, Book) and f"bbo:{item.coin}" not in native:
            bids, asks = item.value.levels
            quote = Quote(item.coin, item.value.time, (bids[0] if bids else None, asks[0] if asks else None))
            coin = self.state.coins[item.coin]
            if coin.quote is None or coin.quote.bbo != quote.bbo:
                coin.quote = quote
                yield told(ns, "bbo", item.coin, quote)
        if self._empty_books.due(ns):
            yield told(ns, "l2Book", self.delisted, Book(self.delisted, self.state.now_ms, ([], [])))
        if self._contexts.due(ns):
            for name in self.specs:
                if f"activeAssetCtx:{name}" not in native and self.state.coins[name].mid() is not None:
                    yield Told(ns, "activeAssetCtx", name, data=self.context(name))
        if self._candles.due(ns):
            for name in self.specs:
                if f"candle:{name}" not in native and self.state.coins[name].bars.bars:
                    yield Told(ns, "candle", name)
        if self._mids.due(ns):
            yield Told(ns, MIDS, data=self.mids())

    def context(self, coin: str) -> bytes:
        """Return the content of an ``activeAssetCtx`` now."""
        return encode({"coin": coin, "ctx": self.state.coins[coin].context()})

    def mids(self) -> bytes:
        """Return the content of an ``allMids`` now."""
        return encode({"mids": self.state.mids()})
