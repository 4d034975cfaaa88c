"""From Hyperliquid frames to engine inputs: routing, time, books, what is silent. No sockets, no requests.

Every ``l2Book`` is a whole book and becomes a SNAPSHOT, every ``bbo`` a QUOTE. A book that is crossed, or empty on a side,
becomes a GAP: the engine trusts none until the next good one. A channel that has a rhythm and loses it is named in ``stats``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import FeedError
from trader.engine.inputs import ALL, SELL_TAKER, Gap, InputKind
from trader.feeds.hyperliquid.messages import (
    Candle,
    Context,
    Trade,
    crossed,
    read_acknowledged,
    read_book,
    read_book_head,
    read_candle,
    read_context,
    read_envelope,
    read_error,
    read_quote,
    read_sim_time,
    read_trades,
)
from trader.feeds.hyperliquid.tape import Tape
from trader.feeds.hyperliquid.venue import (
    BOOK,
    CANDLES,
    CONTEXT,
    FUNDING_EVERY_NS,
    QUOTES,
    SIM_END,
    SIM_TIME,
    TRADES,
    Endpoints,
)
from trader.feeds.levels import BookReader
from trader.feeds.rows import RowBuffer, append_levels, pack_row
from trader.feeds.stats import FeedStats
from trader.feeds.venue_clock import LagMeter

_SIDES = {"A": SELL_TAKER, "B": 0}
_TICK_NS = NS_PER_S  # simulated time without data becomes a TIMER this often, so that silence is noticed in a fast replay too
_HARMLESS = ("Already subscribed", "Already unsubscribed")


class _Coin:
    """What the handler knows of one coin."""

    def __init__(self, index: int, name: str) -> None:
        self.index = index
        self.name = name
        self.tape = Tape()
        self.book_good = False
        self.books_lost = 0
        self.candle: Candle | None = None
        self.closed: Candle | None = None
        self.funding: tuple[float, int] | None = None
        self.mark: tuple[float, float] | None = None


Taker = Callable[[msgspec.Raw, int], str]


class HyperliquidHandler:
    """Takes frames, gives input rows.

    Parameters
    ----------
    coins
        In the engine's order: the position is the symbol's index. Names as the venue spells them.
    endpoints
        Of the venue: which book is followed, and so how soon silence is noticed.
    clock
        Stamps the rows, unless a simulator tells its own time.
    stats
        Counters to keep.

    Attributes
    ----------
    lag
        How old books are on arrival; the venue tells its time nowhere else, so its clock's offset is part of it.
    sim_ended
        Whether the simulator said that nothing more comes.
    unacknowledged
        Streams asked for of which the venue has not said that it will send them.
    """

    def __init__(self, coins: Sequence[str], endpoints: Endpoints, clock: Clock, stats: FeedStats) -> None:
        self._clock = clock
        self._stats = stats
        self._coins = {name: _Coin(index, name) for index, name in enumerate(coins)}
        self._rows = RowBuffer(holding=False)
        self._books = BookReader()
        self._stale_ns = {channel: int(limit_s * NS_PER_S) for channel, limit_s in endpoints.stale_s().items()}
        self._heard_ns: dict[str, int] = {}  # each stream that has a rhythm: when it was last heard, or first missed
        self.lag = LagMeter()
        self._ticked_ns = 0
        self._sim_ns = 0
        self._last_ns = 0
        self.sim_ended = False
        self.unacknowledged: set[str] = set()
        self._takers: dict[str, Taker] = {
            BOOK: self._on_book,
            QUOTES: self._on_quote,
            TRADES: self._on_trades,
            CANDLES: self._on_candle,
            CONTEXT: self._on_context,
            "subscriptionResponse": self._on_acknowledged,
            "error": self._on_error,
            "pong": _nothing,
            SIM_TIME: self._on_sim_time,
            SIM_END: self._on_sim_end,
        }

    def books_lost(self, coin: str) -> int:
        """Return how often the coin's book became unusable after it had been good."""
        return self._coins[coin].books_lost

    def closed_candle(self, coin: str) -> Candle | None:
        """Return the newest closed minute as the venue counts it; a check of our own, never traded on."""
        return self._coins[coin].closed

    def on_connected(self, streams: Sequence[str]) -> None:
        """Say that ``streams`` (``channel:coin``) are being subscribed: their trades will begin with a repetition."""
        self.unacknowledged = set(streams)
        self._heard_ns.clear()
        for coin in self._coins.values():
            coin.tape.subscribe()

    def on_disconnected(self) -> None:
        """Say that nothing is current any more."""
        if self.sim_ended:
            return
        if self.unacknowledged:  # an unknown name closes the socket without a word
            missing = ", ".join(sorted(self.unacknowledged)[:6])
            self._stats.last_error = f"socket: was closed before {missing} were acknowledged, expected every name to be listed"
        self._rows.tail += pack_row(InputKind.GAP, self._now_ns(), ALL, aux=Gap.DISCONNECTED)
        for coin in self._coins.values():
            coin.book_good = False

    def on_frame(self, frame: bytes | str) -> str:
        """Take one frame; return the stream whose data it was (``l2Book:BTC``), or "".

        Never raises for what is in it: a frame that cannot be used is counted in ``stats`` and named in its ``last_error``.
        """
        self._stats.messages += 1
        try:
            stream = self._route(frame)
        except FeedError as error:
            self._stats.bad_messages += 1
            self._stats.last_error = str(error)
            return ""
        if stream:
            self._hear(stream)
        return stream

    def check(self) -> None:
        """Name every stream that has lost its rhythm; a book that is not sent any more is not to be trusted."""
        now_ns = self._age_ns()
        for name, coin in self._coins.items():
            for channel, limit_ns in self._stale_ns.items():
                stream = f"{channel}:{name}"
                silent_ns = now_ns - self._heard_ns.setdefault(stream, now_ns)
                if silent_ns <= limit_ns or stream in self._stats.silent_streams:
                    continue
                self._stats.silent_streams.add(stream)
                self._stats.last_error = f"{stream}: was silent for {silent_ns / NS_PER_S:.1f} s, expected data every few seconds"
                if channel == BOOK:
                    self._lose_book(coin, self._now_ns())

    def take(self) -> npt.NDArray[np.void]:
        """Return the rows since the last call, dtype ``shared.layout.INPUT``, shape (n,), times never stepping back."""
        return self._rows.take()

    def _now_ns(self) -> int:
        if self._sim_ns:
            return self._sim_ns
        now_ns = self._clock.now_ns()
        if now_ns < self._last_ns:
            self._rows.uneven = True  # this machine's clock was set back
        else:
            self._last_ns = now_ns
        return now_ns

    def _age_ns(self) -> int:
        return self._sim_ns or self._clock.monotonic_ns()

    def _hear(self, stream: str) -> None:
        self._heard_ns[stream] = self._age_ns()
        self._stats.silent_streams.discard(stream)
        self._stats.last_message_ns = self._stats.stream_last_ns[stream] = self._clock.now_ns()

    def _route(self, frame: bytes | str) -> str:
        envelope = read_envelope(frame)
        taker = self._takers.get(envelope.channel)
        if taker is None:
            self._stats.unknown_events += 1
            return ""
        return taker(envelope.data, self._now_ns())

    def _known(self, name: str) -> _Coin | None:
        coin = self._coins.get(name)
        if coin is None:
            self._stats.unknown_events += 1
        return coin

    def _on_book(self, data: msgspec.Raw, now_ns: int) -> str:
        head = read_book_head(data)
        coin = self._known(head.coin)
        if coin is None:
            return ""
        packed = self._books.rows(head.levels, now_ns, coin.index, venue_ms=head.time)
        if packed is not None:
            self._tell_book(coin, packed, now_ns, head.time)
            return f"{BOOK}:{coin.name}"
        book = read_book(data)  # not the usual form, or not a good book: this reader says why
        if crossed(book.bids, book.asks):
            self._stats.crossed_books += 1
            self._lose_book(coin, now_ns)
            raise FeedError(f"l2Book.{book.coin}: was bid {book.bids[0][0]} at ask {book.asks[0][0]}, expected bids below asks")
        if book.bids and book.asks:
            ms, rows = book.time_ms, bytearray()
            append_levels(rows, InputKind.SNAPSHOT, now_ns, coin.index, bids=book.bids, asks=book.asks, venue_ms=ms, ref=ms)
            self._tell_book(coin, rows, now_ns, ms)
        else:
            self._lose_book(coin, now_ns)
        return f"{BOOK}:{coin.name}"

    def _tell_book(self, coin: _Coin, packed: bytes | bytearray, now_ns: int, venue_ms: int) -> None:
        if not coin.book_good and coin.books_lost:
            self._stats.resyncs += 1
        coin.book_good = True
        self.lag.add(now_ns, venue_ms)
        self._rows.tail += packed

    def _lose_book(self, coin: _Coin, now_ns: int) -> None:
        if coin.book_good:
            coin.book_good = False
            coin.books_lost += 1
            self._rows.tail += pack_row(InputKind.GAP, now_ns, coin.index, aux=Gap.BOOK)

    def _on_quote(self, data: msgspec.Raw, now_ns: int) -> str:
        quote = read_quote(data)
        coin = self._known(quote.coin)
        if coin is None:
            return ""
        if quote.bid is None or quote.ask is None:
            self._lose_book(coin, now_ns)
            return f"{QUOTES}:{coin.name}"
        if quote.bid[0] >= quote.ask[0]:
            self._lose_book(coin, now_ns)
            raise FeedError(f"bbo.{quote.coin}: was bid {quote.bid[0]} at ask {quote.ask[0]}, expected a bid below the ask")
        (bid, bid_qty), (ask, ask_qty) = quote.bid, quote.ask
        self._rows.tail += pack_row(InputKind.QUOTE, now_ns, coin.index, a=bid, b=bid_qty, c=ask, d=ask_qty, ref=quote.time_ms)
        return f"{QUOTES}:{coin.name}"

    def _on_trades(self, data: msgspec.Raw, now_ns: int) -> str:
        trades = read_trades(data)
        by_coin: dict[str, list[Trade]] = {}
        for trade in trades:
            by_coin.setdefault(trade.coin, []).append(trade)
        stream = ""
        for name, theirs in by_coin.items():
            coin = self._known(name)
            if coin is not None:
                stream = f"{TRADES}:{name}"
                self._tell_trades(coin, theirs, now_ns)
        return stream

    def _tell_trades(self, coin: _Coin, trades: list[Trade], now_ns: int) -> None:
        tape = coin.tape
        before = (tape.repeated, tape.replayed)
        for trade in tape.news(trades, now_ns // NS_PER_MS):
            if trade.side not in _SIDES:
                self._stats.unknown_events += 1
                continue
            self._rows.tail += pack_row(
                InputKind.TRADE,
                now_ns,
                coin.index,
                flags=_SIDES[trade.side],
                a=trade.price,
                b=trade.qty,
                c=trade.time_ms,
                ref=trade.trade_id,
            )
        self._stats.duplicate_trades += tape.repeated - before[0]
        self._stats.replayed_trades += tape.replayed - before[1]

    def _on_candle(self, data: msgspec.Raw, _now_ns: int) -> str:
        candle = read_candle(data)
        coin = self._known(candle.coin)
        if coin is None:
            return ""
        if coin.candle is not None and candle.open_ms > coin.candle.open_ms:
            coin.closed = coin.candle
        if coin.candle is None or candle.open_ms >= coin.candle.open_ms:
            coin.candle = candle
        return f"{CANDLES}:{coin.name}"

    def _on_context(self, data: msgspec.Raw, now_ns: int) -> str:
        context = read_context(data)
        coin = self._known(context.coin)
        if coin is None:
            return ""
        self._tell_mark(coin, context, now_ns)
        rate = context.ctx.funding
        coming = (rate or 0.0, (now_ns // FUNDING_EVERY_NS + 1) * FUNDING_EVERY_NS)
        if rate is not None and coming != coin.funding:
            coin.funding = coming
            self._rows.tail += pack_row(InputKind.FUNDING, now_ns, coin.index, a=rate, ref=coming[1])
        return f"{CONTEXT}:{coin.name}"

    def _tell_mark(self, coin: _Coin, context: Context, now_ns: int) -> None:
        mark, oracle = context.ctx.mark, context.ctx.oracle
        if mark is None:
            return
        told = (mark, mark if oracle is None else oracle)
        if told != coin.mark:
            coin.mark = told
            self._rows.tail += pack_row(InputKind.MARK, now_ns, coin.index, a=told[0], b=told[1])

    def _on_acknowledged(self, data: msgspec.Raw, _now_ns: int) -> str:
        told = read_acknowledged(data).subscription
        self.unacknowledged.discard(f"{told.get('type')}:{told.get('coin')}")
        return ""

    def _on_error(self, data: msgspec.Raw, _now_ns: int) -> str:
        words = read_error(data)
        if not words.startswith(_HARMLESS):
            raise FeedError(f"request: was refused with {words[:120]!r}, expected an acknowledgement")
        self._stats.unknown_events += 1
        return ""

    def _on_sim_time(self, data: msgspec.Raw, _now_ns: int) -> str:
        self._rows.uneven = self._rows.uneven or not self._sim_ns
        self._sim_ns = max(self._sim_ns, read_sim_time(data))
        if self._ticked_ns and self._sim_ns - self._ticked_ns >= _TICK_NS:
            self._rows.tail += pack_row(InputKind.TIMER, self._sim_ns, ALL)
            self.check()
        if not self._ticked_ns or self._sim_ns - self._ticked_ns >= _TICK_NS:
            self._ticked_ns = self._sim_ns
        return ""

    def _on_sim_end(self, _data: msgspec.Raw, _now_ns: int) -> str:
        self.sim_ended = True
        return ""


def _nothing(_data: msgspec.Raw, _now_ns: int) -> str:
    """Take a message that only shows that the connection lives."""
    return ""
