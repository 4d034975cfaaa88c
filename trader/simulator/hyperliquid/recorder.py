"""Recordings as markets: raw frames as they are, and tables of books, quotes and trades turned into frames again.

What a file is, its content tells: raw frames begin with a stamp and JSON, tables with a line of column names. Only the coin of a
table stands nowhere but at the end of its name (``orderbooks_BTC.csv.gz``).
"""

from __future__ import annotations

import csv
import gzip
import heapq
import zlib
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from shared.clock import NS_PER_S
from shared.errors import ConfigError
from trader.simulator.hyperliquid.facts import ASSETS
from trader.simulator.hyperliquid.wire import (
    BOOK,
    QUOTE,
    TRADES,
    Book,
    Level,
    Quote,
    Side,
    Told,
    Trade,
    digest,
    made_up_users,
    number,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from trader.simulator.klines import Bar

_SAMPLE = 400  # items of a file that tell how many places its sizes have
_TAKER = {"buy": "B", "sell": "A"}
_CHANNELS: dict[str, msgspec.json.Decoder[Any]] = {"l2Book": BOOK, "bbo": QUOTE, "trades": TRADES}
Row = dict[str, str]


class _Envelope(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw()


class _Named(msgspec.Struct):
    """Where a message carries its coin: itself, or as a candle does."""

    coin: str = ""
    s: str = ""


class _Table(msgspec.Struct):
    """One table: which file, what it holds, of which coin."""

    path: Path
    channel: str
    coin: str


def is_hyperliquid(path: Path) -> bool:
    """Say whether a recording (a file or a folder of them) is one of this venue, by its first lines."""
    return any(_kind(file) for file in _files(path))


class RecordedOrigin:
    """A recorded session; see :class:`trader.simulator.hyperliquid.flow.Origin`.

    Parameters
    ----------
    path
        A file, or a folder: raw files continue each other in name order, tables are merged by their local time.
    duration_s
        Stop after this many recorded seconds; None plays to the end.

    Errors
    ------
    ConfigError
        If a file cannot be read or understood; a bad line is named by file and number.
    """

    mode = "replay"

    def __init__(self, path: Path, duration_s: float | None = None) -> None:
        files = _files(path)
        self._readers: list[Callable[[], Iterator[Told]]] = []
        raw = [file for file in files if _kind(file) == "raw"]
        if raw:
            self._readers.append(lambda: _raw_items(raw))
        for table in (_table(file) for file in files if _kind(file) not in ("", "raw")):
            self._readers.append(lambda table=table: _READERS[table.channel](table))  # type: ignore[misc]
        self.native: set[str] = set()
        self.sz_decimals: dict[str, int] = {}
        self.first: list[Told] = []
        first_ns = self._sample()
        self._end_ns = None if duration_s is None else first_ns + int(duration_s * NS_PER_S)

    def _sample(self) -> int:
        """Learn coins and channels from the beginnings of all files; return the first time."""
        places: dict[str, int] = {}
        first_ns: list[int] = []
        for reader in self._readers:
            for item in islice(reader(), _SAMPLE):
                first_ns.append(item.ns)
                stream = f"{item.channel}:{item.coin}"
                if stream not in self.native and isinstance(item.value, Book | Quote):
                    self.first.append(item)
                self.native.add(stream)
                places[item.coin] = max(places.get(item.coin, 0), _places(item.value))
        places.pop("", None)
        if not places:
            raise ConfigError("replay: was without a frame of any coin, expected a Hyperliquid recording")
        ordered = sorted(places, key=lambda coin: (list(ASSETS).index(coin) if coin in ASSETS else len(ASSETS), coin))
        self.sz_decimals = {coin: places[coin] for coin in ordered}
        return min(first_ns)

    def history(self, coin: str) -> Sequence[Bar]:  # noqa: ARG002 - as every origin
        """Return nothing: a recording has no minutes before its start."""
        return []

    def items(self) -> Iterator[Told]:
        """Yield everything in the order of the recorder's clock."""
        for item in heapq.merge(*(reader() for reader in self._readers), key=lambda item: item.ns):
            if self._end_ns is not None and item.ns > self._end_ns:
                return
            yield item


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.gz")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise ConfigError(f"replay: was {path}, expected an existing .gz recording or a folder of them")
    return files


def _kind(path: Path) -> str:
    """Return ``raw``, the channel of a table, or "" for a file that is none of ours."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            line = file.readline(65_536)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return ""
    columns = set(line.strip().split(","))
    if {"exchange_timestamp", "bid_price_0", "ask_price_0"} <= columns:
        return "l2Book"
    if {"timestamp", "price", "size", "side", "exchange_timestamp"} <= columns:
        return "trades" if "trade_id" in columns else "bbo"
    stamp, _, frame = line.partition(" ")
    return "raw" if stamp.isdigit() and '"channel"' in frame else ""


def _table(path: Path) -> _Table:
    coin = path.name.partition(".")[0].rpartition("_")[2]
    return _Table(path, _kind(path), coin)


def _places(value: Book | Quote | list[Trade] | None) -> int:
    sizes: list[str] = []
    if isinstance(value, Book):
        sizes = [level.sz for side in value.levels for level in side]
    elif isinstance(value, Quote):
        sizes = [level.sz for level in value.bbo if level is not None]
    elif value is not None:
        sizes = [trade.sz for trade in value]
    return max((len(size.partition(".")[2].rstrip("0")) for size in sizes), default=0)


@contextmanager
def _named_errors(path: Path, at: list[int], expected: str) -> Iterator[None]:
    """Turn whatever goes wrong with a file into an error that names file and line."""
    try:
        yield
    except (ValueError, KeyError, InvalidOperation, csv.Error, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}, line {at[0]}: {error}; expected {expected}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path}, after line {at[0]}: {error}; expected a complete gzip file") from None


def _raw_items(files: Sequence[Path]) -> Iterator[Told]:
    for path in files:
        at = [0]
        with _named_errors(path, at, "'<local ns> <raw json>' with a channel"), gzip.open(path, "rb") as file:
            for line in file:
                at[0] += 1
                stamp, _, frame = line.rstrip(b"\r\n").partition(b" ")
                item = _raw_item(int(stamp), frame)
                if item is not None:
                    yield item


def _raw_item(ns: int, frame: bytes) -> Told | None:
    """Read one recorded frame; None for what only answered the recorder's own messages."""
    envelope = msgspec.json.decode(frame, type=_Envelope)
    decoder = _CHANNELS.get(envelope.channel)
    data = bytes(envelope.data)
    if decoder is not None:
        value: Any = decoder.decode(data)
        if isinstance(value, list):
            return Told(ns, envelope.channel, value[0].coin, value, data) if value else None
        return Told(ns, envelope.channel, value.coin, value, data)
    if envelope.channel in ("candle", "activeAssetCtx"):
        named = msgspec.json.decode(data, type=_Named)
        return Told(ns, envelope.channel, named.coin or named.s, None, data)
    return None


def _rows(table: _Table, at: list[int]) -> Iterator[tuple[int, Row]]:
    with gzip.open(table.path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            at[0] += 1
            yield _ns(row["timestamp"]), row


def _book_items(table: _Table) -> Iterator[Told]:
    at = [1]
    with _named_errors(table.path, at, "a row of an order book"):
        for ns, row in _rows(table, at):
            book = Book(table.coin, int(row["exchange_timestamp"]), (_side(row, "bid"), _side(row, "ask")))
            yield told(ns, "l2Book", table.coin, book)


def _side(row: Row, name: str) -> Side:
    levels: Side = []
    for i in range(len(row)):
        price = row.get(f"{name}_price_{i}")
        if price is None:
            break
        if price not in ("", "nan", "0", "0.0"):
            levels.append(Level(_number(price), _number(row[f"{name}_size_{i}"])))
    return levels


def _quote_items(table: _Table) -> Iterator[Told]:
    """Join the rows of bid and ask that came together."""
    at = [1]
    moment = (0, 0)
    sides: dict[str, Level] = {}

    def joined() -> Told:
        return told(moment[0], "bbo", table.coin, Quote(table.coin, moment[1], (sides.get("bid"), sides.get("ask"))))

    with _named_errors(table.path, at, "a row of quotes"):
        for ns, row in _rows(table, at):
            now, side = (ns, int(row["exchange_timestamp"])), row["side"]
            if side not in ("bid", "ask"):
                raise ValueError(f"side: was {side!r}")
            if sides and (now != moment or side in sides):
                yield joined()
                sides.clear()
            moment = now
            sides[side] = Level(_number(row["price"]), _number(row["size"]))
        if sides:
            yield joined()


def _trade_items(table: _Table) -> Iterator[Told]:
    """Join the rows with one local time: they came in one frame."""
    at = [1]
    frame_ns, trades = 0, list[Trade]()
    with _named_errors(table.path, at, "a row of trades"):
        for ns, row in _rows(table, at):
            if trades and ns != frame_ns:
                yield told(frame_ns, "trades", table.coin, trades)
                trades = []
            frame_ns = ns
            trades.append(_trade(table.coin, row))
        if trades:
            yield told(frame_ns, "trades", table.coin, trades)


def _trade(coin: str, row: Row) -> Trade:
    trade_id = int(row["trade_id"])
    price, size = _number(row["price"]), _number(row["size"])
    made_up = "0x" + digest(coin, trade_id).hex()
    time_ms = int(row["exchange_timestamp"])
    return Trade(coin, _TAKER[row["side"]], price, size, time_ms, trade_id, made_up, made_up_users(coin, trade_id))


_READERS = {"l2Book": _book_items, "bbo": _quote_items, "trades": _trade_items}


def _number(text: str) -> str:
    return number(f"{Decimal(text):f}")


def _ns(seconds: str) -> int:
    whole, _, places = seconds.partition(".")
    return int(whole) * NS_PER_S + int(places[:9].ljust(9, "0") or 0)
