"""From Binance frames to engine inputs: routing, time, books. No sockets, no requests; whoever has them feeds this.

**Holding back.** With ``hold`` nothing is given out until every symbol's book has been in step once (or ``hold_s`` have passed).
Then the rows come in arrival order, those of the first updates where they arrived: the result does not depend on when the
answers with the snapshots came. A replay is reproducible only because of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import FeedError
from trader.engine.inputs import ALL, SELL_TAKER, Gap, InputKind
from trader.feeds.binance.book_sync import Action, BookSync, Rule, SpotRule, Step, Update, UsdmRule
from trader.feeds.binance.messages import (
    AGG_TRADE,
    DEPTH_TEXT,
    KLINE,
    MARK,
    QUOTE,
    TRADE,
    AggTrade,
    Candle,
    DepthText,
    Head,
    Kline,
    MarkPrice,
    Quote,
    Reader,
    Snapshot,
    Trade,
    read_envelope,
    read_head,
    read_levels,
    read_snapshot,
)
from trader.feeds.binance.venue import CANDLE_STREAM, MARK_STREAM, SIM_STREAM, SLOW_MARK_STREAM, Market
from trader.feeds.connection import SHUTDOWN
from trader.feeds.crossed import ShadowBook
from trader.feeds.levels import LevelReader
from trader.feeds.rows import RowBuffer, append_levels, pack_fields, pack_row
from trader.feeds.stats import FeedStats
from trader.feeds.venue_clock import LagMeter

REPEATS_NS = 5 * NS_PER_S  # after a change of connections: how long what the old one delivered may come again
REPLAYED_RUN = 50  # repetitions in a row; more means that the id before them was wrong
REPLAYED_IDS = 10_000  # a trade id at most this far behind the last one is a repetition; further, the venue's count restarted
_OPENING = b'{"stream":"'
_NAME_AT = len(_OPENING)
_TRADE, _QUOTE = int(InputKind.TRADE), int(InputKind.QUOTE)
_DEPTH_KINDS = ("depth", "depth@0ms", "depth@100ms", "depth@250ms", "depth@500ms")
_BARE_KINDS = {"depthUpdate": "depth", "markPriceUpdate": MARK_STREAM, "kline": CANDLE_STREAM}
_ORDINARY_ORIGINS = (None, "MARKET")  # prints of the insurance fund are no market prices; aggTrade leaves them out as well
_RULES: dict[Market, type[Rule]] = {"spot": SpotRule, "usdm": UsdmRule}


class _Instrument:
    """What the handler knows of one symbol."""

    def __init__(self, index: int, symbol: str, rule: Rule) -> None:
        self.index = index
        self.symbol = symbol
        self.sync = BookSync(rule)
        self.shadow = ShadowBook()
        self.last_trade_id = -1
        self.trades_again = 0  # in a row
        self.depth_id = self.quote_id = -1  # of the last update and quote heard, wherever they went
        self.mark_ms = -1
        self.funding: tuple[float, int] | None = None  # rate and time as last told
        self.candle: Candle | None = None  # the last closed one
        self.starts = 0  # times the book came into step


class _Route(NamedTuple):
    """Where the frames of a stream go."""

    stream: str
    instrument: _Instrument
    reader: Reader[Any]
    take: Callable[[_Instrument, Any, int], None]


class BinanceHandler:
    """Takes frames, gives input rows.

    Parameters
    ----------
    market
        ``spot`` or ``usdm``: they differ in the book rule.
    symbols
        In the engine's order: the position is the symbol's index.
    trade_stream
        ``trade`` or ``aggTrade``; frames of the other one are ignored, or every trade would count twice.
    clock
        Stamps the rows, unless a simulator tells its own time.
    stats
        Counters to keep.
    hold
        Hold everything back until all books have been in step once.
    hold_s
        Longest time to do so, seconds.

    Attributes
    ----------
    sim_ended
        Whether the simulator said that nothing more comes.
    """

    def __init__(
        self,
        market: Market,
        symbols: Sequence[str],
        trade_stream: str,
        clock: Clock,
        stats: FeedStats,
        *,
        hold: bool = False,
        hold_s: float = 3.0,
    ) -> None:
        self._clock = clock
        self._stats = stats
        self._instruments = {symbol: _Instrument(i, symbol, _RULES[market]()) for i, symbol in enumerate(symbols)}
        self._rows = RowBuffer(holding=hold)
        self._levels = LevelReader()
        self._last_ns = 0
        self._hold_ns = int(hold_s * NS_PER_S)
        self._held_since_ns = 0  # 0: no data yet
        self._sim_ns = 0
        self._waiting: dict[str, None] = {}  # symbols out of step that have updates; a dict keeps their order
        self._not_started = dict.fromkeys(symbols)
        self._routes = {route.stream: route for route in self._all_routes(trade_stream)}
        self._routes_by_bytes = {stream.encode(): route for stream, route in self._routes.items()}
        self._repeats_until_ns = 0
        self.lag = LagMeter()
        self.sim_ended = False

    def _all_routes(self, trade_stream: str) -> list[_Route]:
        trades = (TRADE, self._on_trade) if trade_stream == "trade" else (AGG_TRADE, self._on_trade)
        takers: dict[str, tuple[Reader[Any], Callable[[_Instrument, Any, int], None]]] = {trade_stream: trades}
        takers |= {"bookTicker": (QUOTE, self._on_quote)}
        takers |= dict.fromkeys(_DEPTH_KINDS, (DEPTH_TEXT, self._on_depth))
        takers |= dict.fromkeys((MARK_STREAM, SLOW_MARK_STREAM), (MARK, self._on_mark))
        takers |= {CANDLE_STREAM: (KLINE, self._on_kline)}
        return [
            _Route(f"{symbol.lower()}@{kind}", instrument, *taker)
            for symbol, instrument in self._instruments.items()
            for kind, taker in takers.items()
        ]

    @property
    def holding(self) -> bool:
        """Say whether rows are being held back."""
        return self._rows.holding

    @property
    def books_waiting(self) -> bool:
        """Say whether any book is out of step; cheap enough to ask after every frame."""
        return bool(self._waiting)

    def in_step(self, symbol: str) -> bool:
        """Say whether the symbol's book follows the venue's."""
        return self._instruments[symbol].sync.in_step

    def starts(self, symbol: str) -> int:
        """Return how often the symbol's book has come into step."""
        return self._instruments[symbol].starts

    def last_candle(self, symbol: str) -> Candle | None:
        """Return the last minute the venue has closed, if it has told one."""
        return self._instruments[symbol].candle

    def on_frame(self, frame: bytes | str) -> str:
        """Take one frame; return the name of the stream whose data it was, "" for none, SHUTDOWN for an announced end.

        Never raises for what is in it: a frame that cannot be used is counted in ``stats`` and named in its ``last_error``.
        """
        self._stats.messages += 1
        try:
            return self._route(frame)
        except FeedError as error:
            self._stats.bad_messages += 1
            self._stats.last_error = str(error)
            return ""

    def snapshots_wanted(self) -> list[str]:
        """Return the symbols whose book needs a snapshot now."""
        return [symbol for symbol in self._waiting if self._instruments[symbol].sync.wants_snapshot]

    def on_snapshot(self, symbol: str, body: bytes) -> None:
        """Take the REST depth answer of a symbol; if it cannot be used the symbol stays wanted.

        Errors
        ------
        FeedError
            If it is not a depth answer.
        """
        instrument = self._instruments[symbol]
        self._act(instrument, instrument.sync.on_snapshot(read_snapshot(body)))

    def on_disconnected(self) -> None:
        """Say that nothing is current any more. Every book starts from a new snapshot: the engine trusts none after this."""
        if self.sim_ended:
            return
        self._rows.uneven = True
        self._rows.tail += pack_row(InputKind.GAP, self._now_ns(), ALL, aux=Gap.DISCONNECTED)
        for instrument in self._instruments.values():
            instrument.sync.reset()
        self._waiting.clear()

    def on_replaced(self) -> None:
        """Note that another connection carries on: it may repeat what the one before has delivered, and that is no error."""
        self._repeats_until_ns = self._clock.monotonic_ns() + REPEATS_NS

    def take(self) -> npt.NDArray[np.void]:
        """Return the rows since the last call, dtype ``shared.layout.INPUT``, shape (n,), times never stepping back."""
        if self._rows.holding and self._hold_is_over():
            self._release()
        return self._rows.take()

    def _now_ns(self) -> int:
        return self._sim_ns or self._clock.now_ns()

    def _repeated(self, known: int, new: int) -> bool:
        """Say whether the frame numbered ``new`` came by the connection before as well."""
        if not self._repeats_until_ns or new > known:
            return False
        if self._clock.monotonic_ns() > self._repeats_until_ns:
            self._repeats_until_ns = 0
            return False
        self._stats.repetitions += 1
        return True

    def _route(self, frame: bytes | str) -> str:
        if isinstance(frame, bytes) and frame.startswith(_OPENING):
            # Nearly all frames begin like this: the name tells what the rest is, and one reading is enough.
            route = self._routes_by_bytes.get(frame[_NAME_AT : frame.find(b'"', _NAME_AT)])
            if route is not None:
                value = route.reader.framed(frame, route.stream)
                if value is not None:
                    return self._take_data(route, value)
        envelope = read_envelope(frame)
        route = self._routes.get(envelope.stream)
        if route is None:
            return self._off_route(envelope.stream, envelope.data) if envelope.stream else self._bare(frame)
        return self._take_data(route, route.reader.alone(envelope.data))

    def _take_data(self, route: _Route, value: Any) -> str:
        now_ns = self._clock.now_ns()
        if not self._held_since_ns:
            self._start_hold()
        if now_ns < self._last_ns:
            self._rows.uneven = True  # this machine's clock was set back
        else:
            self._last_ns = now_ns
        instrument = route.instrument
        if value.symbol != instrument.symbol:
            raise FeedError(f"s: was {value.symbol!r}, expected {instrument.symbol!r} as the stream's name says")
        route.take(instrument, value, self._sim_ns or now_ns)
        self._stats.last_message_ns = self._stats.stream_last_ns[route.stream] = now_ns
        return route.stream

    def _bare(self, frame: bytes | str) -> str:
        """Take a frame without a stream name: its own fields must tell what it is."""
        head = read_head(frame)
        kind = head.e if head.e is not None else "bookTicker" if head.B is not None else ""
        route = self._routes.get(f"{(head.s or '').lower()}@{_BARE_KINDS.get(kind, kind)}")
        if route is None:
            return self._other(head)
        return self._take_data(route, route.reader.alone(frame))

    def _off_route(self, stream: str, data: msgspec.Raw) -> str:
        if stream in (SIM_STREAM, SHUTDOWN):
            return self._other(read_head(data))
        self._stats.unknown_events += 1
        return ""

    def _other(self, head: Head) -> str:
        """Take what is not market data: simulated time, an announced end, answers to control messages, news we do not use."""
        if head.e == "simTime":
            self._rows.uneven = self._rows.uneven or not self._sim_ns
            self._sim_ns = max(self._sim_ns, head.ns)
        elif head.e == "simEnd":
            self.sim_ended = True
            self._start_hold()
        elif head.e == "serverShutdown":
            return SHUTDOWN
        elif head.error is not None or head.code is not None:
            raise FeedError(f"subscription: was refused with {head.error or head.code!r}, expected a result; check the symbols")
        elif head.e is not None or head.id is None:
            self._stats.unknown_events += 1
        return ""

    def _on_trade(self, instrument: _Instrument, trade: Trade | AggTrade, time_ns: int) -> None:
        if trade.origin is not None and trade.origin not in _ORDINARY_ORIGINS:
            self._stats.unknown_events += 1
            return
        trade_id = trade.trade_id
        if 0 <= instrument.last_trade_id - trade_id < REPLAYED_IDS:
            instrument.trades_again += 1
            if instrument.trades_again <= REPLAYED_RUN or self._repeats_until_ns > self._clock.monotonic_ns():
                self._stats.duplicate_trades += 1
                return
        instrument.trades_again = 0
        instrument.last_trade_id = trade_id
        flags = SELL_TAKER if trade.sold else 0
        self._rows.tail += pack_fields(
            0, time_ns, _TRADE, instrument.index, flags, 0, trade.price, trade.qty, trade.time_ms, 0.0, trade_id
        )

    def _on_quote(self, instrument: _Instrument, quote: Quote, time_ns: int) -> None:
        update_id = quote.update_id
        if self._repeats_until_ns and self._repeated(instrument.quote_id, update_id):
            return
        instrument.quote_id = update_id
        self._rows.tail += pack_fields(
            0, time_ns, _QUOTE, instrument.index, 0, 0, quote.bid, quote.bid_qty, quote.ask, quote.ask_qty, update_id
        )

    def _on_depth(self, instrument: _Instrument, depth: DepthText, time_ns: int) -> None:
        rows = self._depth_rows(instrument, depth, time_ns)
        if self._repeats_until_ns and self._repeated(instrument.depth_id, depth.final_id):
            return
        instrument.depth_id = depth.final_id
        if not self._sim_ns:
            self.lag.add(time_ns, depth.event_ms)
        sync = instrument.sync
        update = Update(depth, time_ns, rows)
        if not sync.in_step:
            if self._rows.holding:
                update.place = self._rows.keep_place()
            self._waiting[instrument.symbol] = None
        self._act(instrument, sync.on_update(update))

    def _depth_rows(self, instrument: _Instrument, depth: DepthText, time_ns: int) -> bytes:
        ms, ref, index = depth.event_ms, depth.final_id, instrument.index
        rows = self._levels.rows(depth.bids, depth.asks, time_ns, index, venue_ms=ms, ref=ref)
        if rows is not None:
            return rows
        bids, asks = read_levels(depth)
        out = bytearray()
        append_levels(out, InputKind.DEPTH, time_ns, index, bids=bids, asks=asks, venue_ms=ms, ref=ref)
        return bytes(out)

    def _on_mark(self, instrument: _Instrument, mark: MarkPrice, time_ns: int) -> None:
        if self._repeated(instrument.mark_ms, mark.event_ms):
            return
        instrument.mark_ms = mark.event_ms
        self._rows.tail += pack_row(InputKind.MARK, time_ns, instrument.index, a=mark.mark, b=mark.index)
        rate = mark.funding_rate
        told = None if rate is None else (rate, mark.funding_ms)
        if told is not None and told != instrument.funding:  # it changes about once a minute
            instrument.funding = told
            self._rows.tail += pack_row(InputKind.FUNDING, time_ns, instrument.index, a=told[0], ref=told[1] * NS_PER_MS)

    def _on_kline(self, instrument: _Instrument, kline: Kline, _time_ns: int) -> None:
        """Take a candle. The engine folds its own from the trades; this one shows that the stream lives."""
        if kline.candle.closed:
            instrument.candle = kline.candle

    def _act(self, instrument: _Instrument, steps: list[Step]) -> None:
        for action, update, snapshot in steps:
            if action is Action.REFUSE:
                self._stats.stale_snapshots += 1
                continue
            out = self._rows.tail if update.place is None else update.place
            if action is Action.GAP:
                self._note_break(instrument, update)
                out += pack_row(InputKind.GAP, update.time_ns, instrument.index, aux=Gap.BOOK)
                continue
            piece = _rows_of(instrument.index, update, snapshot)
            if instrument.shadow.crosses(piece):
                self._note_crossed(instrument, update)
                out += pack_row(InputKind.GAP, update.time_ns, instrument.index, aux=Gap.BOOK)
                return
            if snapshot is not None:
                self._note_start(instrument)
                self._rows.uneven = True  # what follows has waited
            out += piece
        if self._rows.holding and not self._not_started:
            self._release()

    def _note_start(self, instrument: _Instrument) -> None:
        self._waiting.pop(instrument.symbol, None)
        self._not_started.pop(instrument.symbol, None)
        if instrument.starts:
            self._stats.resyncs += 1
        instrument.starts += 1

    def _note_break(self, instrument: _Instrument, update: Update) -> None:
        self._waiting[instrument.symbol] = None
        self._stats.chain_breaks += 1
        self._stats.last_error = (
            f"{instrument.symbol} book: was at update {instrument.sync.book_id} when {update.depth.first_id} to "
            f"{update.depth.final_id} came, expected the one that follows; asking for a new snapshot"
        )

    def _note_crossed(self, instrument: _Instrument, update: Update) -> None:
        """Begin the book anew: its ids follow each other, and still something in it is wrong."""
        instrument.sync.reset()
        self._waiting[instrument.symbol] = None
        self._stats.crossed_books += 1
        self._stats.last_error = (
            f"{instrument.symbol} book: was crossed by update {update.depth.final_id}, expected bids below asks; "
            "asking for a new snapshot"
        )

    def _start_hold(self) -> None:
        self._held_since_ns = self._held_since_ns or self._clock.monotonic_ns()

    def _hold_is_over(self) -> bool:
        return 0 < self._held_since_ns < self._clock.monotonic_ns() - self._hold_ns

    def _release(self) -> None:
        self._rows.release()
        for instrument in self._instruments.values():
            instrument.sync.places_gone()


def _rows_of(symbol: int, update: Update, snapshot: Snapshot | None) -> bytearray:
    """Return an update as rows, the snapshot before it if it is the first."""
    out = bytearray()
    if snapshot is not None:
        append_levels(
            out, InputKind.SNAPSHOT, update.time_ns, symbol,
            bids=snapshot.bids, asks=snapshot.asks, venue_ms=update.depth.event_ms, ref=snapshot.update_id,
        )  # fmt: skip
    out += update.rows
    return out
