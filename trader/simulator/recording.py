"""Reading recordings: lines ``<local ns> <raw json>`` of one or more gzip files, and what a first pass learns from them."""

from __future__ import annotations

import gzip
import math
import zlib
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shared.errors import ConfigError
from trader.simulator.recorded_book import DepthSnapshot, DepthUpdate
from trader.simulator.source import Market
from trader.simulator.spec import SymbolSpec, make_spec, published_spec
from trader.simulator.streams import kind_of, symbol_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Enough diffs to find the price grid; the whole file would only cost start-up time.
_GRID_DIFFS = 300


class Recorded(NamedTuple):
    """One line of a recording; ``stream`` is empty for the REST depth snapshot."""

    ns: int
    stream: str
    payload: bytes
    raw: bytes


class _Envelope(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    lastUpdateId: int | None = None  # noqa: N815 - the venue's own name


class _Event(msgspec.Struct):
    E: int | None = None
    u: int | None = None
    pu: int | None = None


def recording_files(path: Path) -> list[Path]:
    """Return the gzip files of a recording in the order they continue each other.

    Errors
    ------
    ConfigError
        If there is nothing to read at ``path``.
    """
    if path.is_dir():
        files = sorted(path.glob("*.gz"))
        if not files:
            raise ConfigError(f"replay: was {path}, expected a folder with *.gz recordings")
        return files
    if not path.is_file() or path.suffix != ".gz":
        raise ConfigError(f"replay: was {path}, expected an existing .gz recording or a folder of them")
    return [path]


def read_recording(files: Iterable[Path]) -> Iterator[Recorded]:
    """Yield every line, in order.

    Errors
    ------
    ConfigError
        Naming file and line number, if a line cannot be understood or a file is damaged.
    """
    decode = msgspec.json.Decoder(_Envelope).decode
    for path in files:
        number = 0
        try:
            with gzip.open(path, "rb") as stream:
                for number, line in enumerate(stream, start=1):  # noqa: B007 - the error messages below need it
                    yield _parse(line, decode)
        except (ValueError, msgspec.MsgspecError) as error:
            expected = "'<local ns> <raw json>' with a stream envelope or a depth snapshot"
            raise ConfigError(f"{path}, line {number}: {error}; expected {expected}") from None
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigError(f"{path}, after line {number}: {error}; expected a complete gzip file") from None


def _parse(line: bytes, decode: msgspec.json.Decoder[_Envelope] | object) -> Recorded:
    stamp, blank, raw = line.rstrip(b"\r\n").partition(b" ")
    if not blank or not stamp.isdigit():
        raise ValueError(f"was {line[:40]!r}")
    envelope: _Envelope = decode(raw)  # type: ignore[operator]
    if envelope.stream:
        return Recorded(int(stamp), envelope.stream, bytes(envelope.data), raw)
    if envelope.lastUpdateId is None:
        raise ValueError(f"was {line[:60]!r}")
    return Recorded(int(stamp), "", raw, raw)


@dataclass(slots=True)
class _Grid:
    """The greatest common step of numbers printed with a fixed number of places."""

    decimals: int = 0
    step: int = 0

    def see(self, text: str) -> None:
        value = Decimal(text)
        places = -int(value.as_tuple().exponent)
        if places > self.decimals:
            self.step *= 10 ** (places - self.decimals)
            self.decimals = places
        self.step = math.gcd(self.step, int(value.scaleb(self.decimals)))

    def tick(self) -> Decimal:
        return Decimal(self.step).scaleb(-self.decimals)


@dataclass(slots=True)
class _Lots:
    """The step of sizes. Old orders rest below today's step, so a hundredth of the sizes may be finer."""

    decimals: int = 0
    by_places: Counter[int] = field(default_factory=Counter)

    def see(self, text: str) -> None:
        whole, _, fraction = text.partition(".")
        self.decimals = max(self.decimals, len(fraction))
        if whole.strip("0") or fraction.strip("0"):
            self.by_places[len(fraction.rstrip("0"))] += 1

    def step(self) -> Decimal:
        spare = sum(self.by_places.values()) // 100
        places = max(self.by_places)
        while self.by_places[places] <= spare and places > min(self.by_places):
            spare -= self.by_places[places]
            places -= 1
        return Decimal(1).scaleb(-places)


@dataclass(slots=True)
class _SymbolFacts:
    price: _Grid = field(default_factory=_Grid)
    qty: _Lots = field(default_factory=_Lots)
    diffs: int = 0
    last_u: int = 0

    def see_levels(self, levels: Iterable[tuple[str, str]]) -> None:
        for price, qty in levels:
            self.price.see(price)
            self.qty.see(qty)


@dataclass(slots=True)
class RecordingInfo:
    """What a first pass over a recording learns."""

    market: Market
    specs: dict[str, SymbolSpec]
    streams: set[str]
    snapshots: dict[int, str]  # number of the snapshot among the snapshots, from 0 -> symbol
    first_snapshots: dict[str, bytes]
    first_ns: int
    ahead_ms: int  # exchange time minus the recorder's clock, measured on the first stamped frame


class _Scan:
    """Collects the facts of :class:`RecordingInfo` line by line."""

    def __init__(self) -> None:
        self.facts: dict[str, _SymbolFacts] = {}
        self.streams: set[str] = set()
        self.snapshots: list[tuple[DepthSnapshot, bytes, dict[str, int]]] = []
        self.first_ns: int | None = None
        self.ahead_ms: int | None = None
        self.is_usdm = False

    def see(self, line: Recorded) -> None:
        self.first_ns = line.ns if self.first_ns is None else self.first_ns
        if not line.stream:
            snapshot = msgspec.json.decode(line.payload, type=DepthSnapshot)
            self.snapshots.append((snapshot, line.raw, {s: f.last_u for s, f in self.facts.items()}))
            return
        self.streams.add(line.stream)
        symbol = symbol_of(line.stream)
        facts = self.facts.setdefault(symbol, _SymbolFacts()) if symbol else _SymbolFacts()
        if self.ahead_ms is None:
            event = msgspec.json.decode(line.payload, type=_Event)
            self.ahead_ms = None if event.E is None else event.E - line.ns // 1_000_000
        if kind_of(line.stream) == "depth":
            self._see_diff(line.payload, facts)

    def _see_diff(self, payload: bytes, facts: _SymbolFacts) -> None:
        update = msgspec.json.decode(payload, type=DepthUpdate)
        self.is_usdm |= update.pu is not None
        facts.last_u = update.u
        facts.diffs += 1
        if facts.diffs <= _GRID_DIFFS:
            facts.see_levels(update.b)
            facts.see_levels(update.a)

    def owner(self, snapshot: DepthSnapshot, seen: dict[str, int]) -> str:
        """Name the symbol of a snapshot, which carries no name: the one whose update ids are nearest."""
        known = {s: u for s, u in seen.items() if u} or {s: f.last_u for s, f in self.facts.items()}
        return min(known, key=lambda symbol: abs(known[symbol] - snapshot.lastUpdateId))


def scan_recording(files: list[Path]) -> RecordingInfo:
    """Read a whole recording once: every line is checked, market, symbols, grids and snapshots are found.

    Errors
    ------
    ConfigError
        If a line cannot be understood (file and line number are named) or no line holds a stream.
    """
    scan = _Scan()
    number = 0
    try:
        for number, line in enumerate(read_recording(files), start=1):  # noqa: B007 - the error message needs it
            scan.see(line)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{files[0].parent}, message {number}: {error}; expected a Binance frame") from None
    if not scan.facts:
        raise ConfigError(f"replay: was {', '.join(map(str, files))}, expected at least one frame of a symbol's stream")
    market = Market.USDM if scan.is_usdm else Market.SPOT
    snapshots: dict[int, str] = {}
    first: dict[str, bytes] = {}
    for index, (snapshot, raw, seen) in enumerate(scan.snapshots):
        symbol = snapshots[index] = scan.owner(snapshot, seen)
        first.setdefault(symbol, raw)
        scan.facts[symbol].see_levels(snapshot.bids)
        scan.facts[symbol].see_levels(snapshot.asks)
    specs = {symbol: _spec(symbol, market, facts) for symbol, facts in sorted(scan.facts.items())}
    return RecordingInfo(market, specs, scan.streams, snapshots, first, scan.first_ns or 0, scan.ahead_ms or 0)


def _spec(symbol: str, market: Market, facts: _SymbolFacts) -> SymbolSpec:
    published = published_spec(symbol, market)
    if not facts.price.step or not facts.qty.by_places:
        return published
    return make_spec(
        symbol,
        facts.price.tick(),
        facts.qty.step(),
        published.min_notional,
        price_decimals=facts.price.decimals,
        qty_decimals=facts.qty.decimals,
    )
