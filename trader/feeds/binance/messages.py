"""What Binance sends, typed. Unknown fields are ignored; a field that is missing or unusable is a FeedError that names it.

Numbers come as JSON strings and are parsed once, by msgspec, correctly rounded. Ids must fit the engine's int64.
"""

from __future__ import annotations

import re
from math import inf
from typing import Annotated, Any, TypeVar

import msgspec

from shared.errors import FeedError
from trader.feeds.rows import Level

T = TypeVar("T")
Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Ms = Annotated[int, msgspec.Meta(ge=0, le=9 * 10**12)]  # until the year 2255: its nanoseconds still fit

_SHOWN = 60  # characters of a bad value that an error quotes
_PATH = re.compile(r" - at `\$([^`]*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")
_PATH_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


class Envelope(msgspec.Struct):
    """A frame of a combined connection; ``stream`` is empty if it is a bare one."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Head(msgspec.Struct):
    """The fields that tell what a bare frame is: an event, or the answer to a control message."""

    e: str | None = None
    s: str | None = None
    B: Any = None  # of the events we know only a quote has it, and on spot a quote has no ``e``
    ns: Id = 0
    result: Any = None
    error: Any = None
    code: Any = None
    id: Any = None


class Trade(
    msgspec.Struct, rename={"symbol": "s", "price": "p", "qty": "q", "time_ms": "T", "sold": "m", "trade_id": "t", "origin": "X"}
):
    """A trade. ``sold``: the buyer was the maker, so the taker sold."""

    symbol: str
    price: float
    qty: float
    time_ms: Id
    sold: bool
    trade_id: Id
    origin: str | None = None  # USD-M only: MARKET, INSURANCE_FUND, NA and whatever comes next


class AggTrade(msgspec.Struct, rename={"symbol": "s", "price": "p", "qty": "q", "time_ms": "T", "sold": "m", "trade_id": "a"}):
    """The trades of one taker order at one price. The insurance fund's are not among them."""

    symbol: str
    price: float
    qty: float
    time_ms: Id
    sold: bool
    trade_id: Id
    origin: str | None = None


class Quote(msgspec.Struct, rename={"symbol": "s", "bid": "b", "bid_qty": "B", "ask": "a", "ask_qty": "A", "update_id": "u"}):
    """Best bid and ask."""

    symbol: str
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    update_id: Id


class Depth(
    msgspec.Struct,
    rename={"symbol": "s", "event_ms": "E", "first_id": "U", "final_id": "u", "previous_id": "pu", "bids": "b", "asks": "a"},
):
    """Changes of a book. ``previous_id`` exists on USD-M only."""

    symbol: str
    event_ms: Id
    first_id: Id
    final_id: Id
    bids: list[Level]
    asks: list[Level]
    previous_id: int = -1


class MarkPrice(
    msgspec.Struct,
    rename={"symbol": "s", "event_ms": "E", "mark": "p", "index": "i", "rate": "r", "funding_ms": "T"},
):
    """A mark price. A contract that pays no funding has an empty ``rate`` and a ``funding_ms`` of 0."""

    symbol: str
    event_ms: Id
    mark: float
    index: float = 0.0
    rate: str = ""
    funding_ms: Ms = 0

    @property
    def funding_rate(self) -> float | None:
        """The rate of the coming settlement; None where there is none, or where it is now and the next is not named yet."""
        return float(self.rate) if self.rate and self.funding_ms > self.event_ms else None


class Candle(
    msgspec.Struct,
    rename={
        "open_ms": "t", "close_ms": "T", "interval": "i", "open": "o", "high": "h", "low": "l", "close": "c",
        "volume": "v", "trades": "n", "closed": "x",
    },
):  # fmt: skip
    """A candle; before it is ``closed`` it still changes."""

    open_ms: Id
    close_ms: Id
    interval: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    closed: bool


class Kline(msgspec.Struct, rename={"symbol": "s", "event_ms": "E", "candle": "k"}):
    """A candle's present state."""

    symbol: str
    event_ms: Id
    candle: Candle


class Snapshot(msgspec.Struct, rename={"update_id": "lastUpdateId"}):
    """The REST answer with the whole (visible) book."""

    update_id: Id
    bids: list[Level]
    asks: list[Level]


_ENVELOPE = msgspec.json.Decoder(Envelope)
_HEAD = msgspec.json.Decoder(Head)
_TRADE = msgspec.json.Decoder(Trade, strict=False)
_AGG_TRADE = msgspec.json.Decoder(AggTrade, strict=False)
_QUOTE = msgspec.json.Decoder(Quote, strict=False)
_DEPTH = msgspec.json.Decoder(Depth, strict=False)
_MARK = msgspec.json.Decoder(MarkPrice, strict=False)
_KLINE = msgspec.json.Decoder(Kline, strict=False)
_SNAPSHOT = msgspec.json.Decoder(Snapshot, strict=False)

Frame = bytes | str | msgspec.Raw


def read_envelope(frame: Frame) -> Envelope:
    """Read the outside of a frame; its content stays raw."""
    return decode(_ENVELOPE, frame, "frame")


def read_head(frame: Frame) -> Head:
    """Read what tells the kind of a bare frame."""
    return decode(_HEAD, frame, "frame")


def read_trade(frame: Frame) -> Trade:
    """Read a ``trade``."""
    trade = decode(_TRADE, frame, "trade")
    _check_price("trade.p", trade.price)
    _check_traded("trade.q", trade.qty)
    return trade


def read_agg_trade(frame: Frame) -> AggTrade:
    """Read an ``aggTrade``."""
    trade = decode(_AGG_TRADE, frame, "aggTrade")
    _check_price("aggTrade.p", trade.price)
    _check_traded("aggTrade.q", trade.qty)
    return trade


def read_quote(frame: Frame) -> Quote:
    """Read a ``bookTicker``. A crossed one passes: judging the market is the engine's business."""
    quote = decode(_QUOTE, frame, "bookTicker")
    _check_price("bookTicker.b", quote.bid)
    _check_price("bookTicker.a", quote.ask)
    _check_qty("bookTicker.B", quote.bid_qty)
    _check_qty("bookTicker.A", quote.ask_qty)
    return quote


def read_depth(frame: Frame) -> Depth:
    """Read a ``depthUpdate`` of any number of levels."""
    depth = decode(_DEPTH, frame, "depthUpdate")
    _check_levels("depthUpdate.b", depth.bids)
    _check_levels("depthUpdate.a", depth.asks)
    if depth.final_id < depth.first_id:
        raise FeedError(f"depthUpdate.u: was {depth.final_id}, expected at least U ({depth.first_id})")
    return depth


def read_mark(frame: Frame) -> MarkPrice:
    """Read a ``markPriceUpdate``."""
    mark = decode(_MARK, frame, "markPriceUpdate")
    _check_price("markPriceUpdate.p", mark.mark)
    _check_qty("markPriceUpdate.i", mark.index)
    if mark.rate:
        try:
            rate = float(mark.rate)
        except ValueError:
            rate = inf
        if not -1.0 < rate < 1.0:
            raise FeedError(f"markPriceUpdate.r: was {mark.rate[:_SHOWN]!r}, expected a fraction between -1 and 1")
    return mark


def read_kline(frame: Frame) -> Kline:
    """Read a ``kline``."""
    kline = decode(_KLINE, frame, "kline")
    candle = kline.candle
    _check_price("kline.k.l", candle.low)
    _check_qty("kline.k.v", candle.volume)
    if not candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high < inf:
        prices = (candle.open, candle.high, candle.low, candle.close)
        raise FeedError(f"kline.k: was {prices} for open, high, low and close, expected low and high around the others")
    if candle.close_ms <= candle.open_ms:
        raise FeedError(f"kline.k.T: was {candle.close_ms}, expected later than t ({candle.open_ms})")
    return kline


def read_snapshot(body: bytes) -> Snapshot:
    """Read a REST depth answer."""
    snapshot = decode(_SNAPSHOT, body, "depth")
    _check_levels("depth.bids", snapshot.bids)
    _check_levels("depth.asks", snapshot.asks)
    return snapshot


def decode(decoder: msgspec.json.Decoder[T], data: Frame, what: str) -> T:
    """Decode JSON.

    Errors
    ------
    FeedError
        If it is none, or not of the expected shape; names ``what``, the field and its value.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise FeedError(_explain(data, error, what)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FeedError(f"{what}: was {_shown(_plain(data))}, expected JSON ({error})") from None


def _plain(data: Frame) -> object:
    return bytes(data) if isinstance(data, msgspec.Raw) else data


def _shown(value: object) -> str:
    # Cut before and after: a frame of a megabyte must not be rendered to show 60 characters of it.
    try:
        return repr(value[: _SHOWN + 1] if isinstance(value, bytes | str | list) else value)[:_SHOWN]
    except RecursionError:
        return "a deeply nested value"


def _explain(data: Frame, error: msgspec.ValidationError, what: str) -> str:
    text = str(error)
    place = _PATH.search(text)
    path = place.group(1) if place else ""
    missing = _MISSING.search(text)
    if missing:
        return f"{what}{path}.{missing.group(1)}: was missing, expected a value"
    try:
        value = msgspec.json.decode(data)
        for key, index in _PATH_STEP.findall(path):
            value = value[key] if key else value[int(index)]
    except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError):
        value = _plain(data)
    problem = text[: place.start()] if place else text
    return f"{what}{path}: was {_shown(value)}, {problem[:1].lower()}{problem[1:]}"


def _check_price(field: str, price: float) -> None:
    if not 0.0 < price < inf:
        raise FeedError(f"{field}: was {price}, expected a price above 0")


def _check_traded(field: str, qty: float) -> None:
    if not 0.0 < qty < inf:
        raise FeedError(f"{field}: was {qty}, expected a quantity above 0")


def _check_qty(field: str, qty: float) -> None:
    if not 0.0 <= qty < inf:
        raise FeedError(f"{field}: was {qty}, expected a quantity of 0 or more")


def _check_levels(field: str, levels: list[Level]) -> None:
    for index, (price, qty) in enumerate(levels):
        if not (0.0 < price < inf and 0.0 <= qty < inf):
            raise FeedError(f"{field}[{index}]: was {price} x {qty}, expected a price above 0 and a quantity of 0 or more")
