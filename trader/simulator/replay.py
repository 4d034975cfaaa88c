"""A recording as a market: frames verbatim, a gate at the recorded snapshot, REST answers at the replay position."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from shared.clock import NS_PER_MS, NS_PER_S
from trader.simulator.klines import Bar, MinuteBars
from trader.simulator.recorded_book import DepthSnapshot, DepthUpdate, RecordedBook
from trader.simulator.recording import Recorded, read_recording, recording_files, scan_recording
from trader.simulator.source import Frame, GateMark, Market
from trader.simulator.streams import kind_of, symbol_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from trader.simulator.spec import SymbolSpec


class _Trade(msgspec.Struct):
    T: int
    p: str
    q: str
    m: bool
    t: int = -1
    l: int = -1  # noqa: E741 - the venue's own name: last trade id of an aggregate


class ReplaySource:
    """A recorded session.

    Parameters
    ----------
    path
        A ``.gz`` file or a folder whose ``*.gz`` continue each other in name order.
    duration_s
        Stop after this many recorded seconds; None plays to the end.

    Errors
    ------
    ConfigError
        If the recording cannot be read; a bad line is named by file and number.
    """

    mode = "replay"

    def __init__(self, path: Path, duration_s: float | None = None) -> None:
        self._files = recording_files(path)
        self._info = scan_recording(self._files)
        self._end_ns = None if duration_s is None else self._info.first_ns + int(duration_s * NS_PER_S)
        self._books = {symbol: RecordedBook() for symbol in self._info.specs}
        self._bars = {symbol: MinuteBars() for symbol in self._info.specs}
        self._waiting = dict(self._info.first_snapshots)  # symbols whose gate lies ahead, and their answer
        self._now_ns = self._info.first_ns
        # Where both kinds were recorded only one may feed the bars, or every trade would count twice.
        self._bar_kind = "trade" if any(kind_of(s) == "trade" for s in self._info.streams) else "aggTrade"

    @property
    def market(self) -> Market:
        """The market the recording was made on."""
        return self._info.market

    @property
    def specs(self) -> Mapping[str, SymbolSpec]:
        """Symbols seen in the recording, grids measured on its numbers."""
        return self._info.specs

    @property
    def streams(self) -> AbstractSet[str]:
        """Recorded stream names."""
        return self._info.streams

    @property
    def gated(self) -> AbstractSet[str]:
        """Symbols with a recorded snapshot."""
        return set(self._info.first_snapshots)

    def items(self) -> Iterator[Frame | GateMark]:
        """Yield the recorded frames; the books follow one frame behind, so REST never runs ahead of the stream."""
        snapshots = 0
        for line in read_recording(self._files):
            if self._end_ns is not None and line.ns > self._end_ns:
                return
            self._now_ns = max(self._now_ns, line.ns)
            if line.stream:
                yield Frame(line.ns, line.stream, line.payload, line.raw)
                self._observe(line)
                continue
            symbol = self._info.snapshots[snapshots]
            snapshots += 1
            if symbol in self._waiting:
                yield GateMark(line.ns, frozenset({symbol}))
                del self._waiting[symbol]
            self._books[symbol].load(msgspec.json.decode(line.payload, type=DepthSnapshot))

    def _observe(self, line: Recorded) -> None:
        symbol, kind = symbol_of(line.stream), kind_of(line.stream)
        if kind == "depth":
            self._books[symbol].apply(msgspec.json.decode(line.payload, type=DepthUpdate))
        elif kind == self._bar_kind:
            trade = msgspec.json.decode(line.payload, type=_Trade)
            trade_id = trade.t if trade.t >= 0 else trade.l
            self._bars[symbol].add(trade.T, trade_id, Decimal(trade.p), Decimal(trade.q), buyer_is_maker=trade.m)

    def depth(self, symbol: str, limit: int) -> bytes:
        """Return the recorded snapshot (verbatim if ``limit`` allows) up to its gate, afterwards the rebuilt book."""
        recorded = self._waiting.get(symbol)
        if recorded is None:
            bids, asks = self._books[symbol].levels(limit)
            return msgspec.json.encode(self._body(self._books[symbol].update_id, bids, asks))
        snapshot = msgspec.json.decode(recorded, type=DepthSnapshot)
        if limit >= max(len(snapshot.bids), len(snapshot.asks)):
            return recorded
        whole: dict[str, object] = msgspec.json.decode(recorded)
        return msgspec.json.encode(whole | {"bids": snapshot.bids[:limit], "asks": snapshot.asks[:limit]})

    def _body(self, update_id: int, bids: object, asks: object) -> dict[str, object]:
        stamps = {"E": self.server_time_ms(), "T": self.server_time_ms()} if self.market is Market.USDM else {}
        return {"lastUpdateId": update_id, **stamps, "bids": bids, "asks": asks}

    def bars(self, symbol: str) -> list[Bar]:
        """Return the minutes built from the trades replayed so far; a recording has no earlier ones."""
        return self._bars[symbol].bars

    def server_time_ms(self) -> int:
        """Return recorded local time plus the exchange's lead over the recorder's clock."""
        return self._now_ns // NS_PER_MS + self._info.ahead_ms
