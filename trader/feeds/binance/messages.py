"""What Binance sends, typed. Unknown fields are ignored; a field that is missing or unusable is a FeedError that names it.

Numbers come as JSON strings and are parsed once, by msgspec, correctly rounded. Ids must fit the engine's int64.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from shared.errors import FeedError
from trader.feeds.rows import Level

T = TypeVar("T")
Frame = bytes | str | msgspec.Raw
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


_DEPTH_NAMES = {"symbol": "s", "event_ms": "E", "first_id": "U", "final_id": "u", "previous_id": "pu", "bids": "b", "asks": "a"}


class DepthIds(msgspec.Struct, rename=_DEPTH_NAMES, kw_only=True):
    """Where an update of a book belongs. ``previous_id`` exists on USD-M only."""

    symbol: str
    event_ms: Id
    first_id: Id
    final_id: Id
    previous_id: int = -1


class Depth(DepthIds, rename=_DEPTH_NAMES, kw_only=True):
    """Changes of a book."""

    bids: list[Level]
    asks: list[Level]


class DepthText(DepthIds, rename=_DEPTH_NAMES, kw_only=True):
    """Changes of a book whose levels are still text."""

    bids: msgspec.Raw
    asks: msgspec.Raw


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


class Framed(msgspec.Struct, Generic[T]):
    """A frame of a combined connection with its content read."""

    stream: str
    data: T


class Reader(Generic[T]):
    """Reads one kind of event, alone or inside its frame.

    Parameters
    ----------
    kind, what
        The type, and how errors call it.
    check
        Raises :class:`FeedError` for values that JSON allows and a market does not.
    """

    def __init__(self, kind: type[T], what: str, check: Callable[[T], None]) -> None:
        self._what = what
        self._check = check
        self._alone: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind, strict=False)
        self._framed: msgspec.json.Decoder[Framed[T]] = msgspec.json.Decoder(Framed[kind], strict=False)  # type: ignore[valid-type]

    def alone(self, frame: Frame) -> T:
        """Read a bare event, or the content of a frame."""
        value = decode(self._alone, frame, self._what)
        self._check(value)
        return value

    def framed(self, frame: bytes, stream: str) -> T | None:
        """Read a whole frame of ``stream`` at once; None if it is not one: :meth:`alone` then says what is wrong."""
        try:
            whole = self._framed.decode(frame)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        if whole.stream != stream:
            return None
        self._check(whole.data)
        return whole.data


def _check_trade(trade: Trade) -> None:
    if not (0.0 < trade.price < inf and 0.0 < trade.qty < inf):
        _check_price("trade.p", trade.price)
        _check_traded("trade.q", trade.qty)


def _check_agg_trade(trade: AggTrade) -> None:
    if not (0.0 < trade.price < inf and 0.0 < trade.qty < inf):
        _check_price("aggTrade.p", trade.price)
        _check_traded("aggTrade.q", trade.qty)


def _check_quote(quote: Quote) -> None:
    """Let a crossed one pass: judging the market is the engine's business."""
    if not (0.0 < quote.bid < inf and 0.0 < quote.ask < inf and 0.0 <= quote.bid_qty < inf and 0.0 <= quote.ask_qty < inf):
        _check_price("bookTicker.b", quote.bid)
        _check_price("bookTicker.a", quote.ask)
        _check_qty("bookTicker.B", quote.bid_qty)
        _check_qty("bookTicker.A", quote.ask_qty)


def _check_ids(depth: DepthIds) -> None:
    if depth.final_id < depth.first_id:
        raise FeedError(f"depthUpdate.u: was {depth.final_id}, expected at least U ({depth.first_id})")


def _check_depth(depth: Depth) -> None:
    _check_levels("depthUpdate.b", depth.bids)
    _check_levels("depthUpdate.a", depth.asks)
    _check_ids(depth)


def _check_snapshot(snapshot: Snapshot) -> None:
    _check_levels("depth.bids", snapshot.bids)
    _check_levels("depth.asks", snapshot.asks)


def _check_mark(mark: MarkPrice) -> None:
    _check_price("markPriceUpdate.p", mark.mark)
    _check_qty("markPriceUpdate.i", mark.index)
    if not mark.rate:
        return
    try:
        rate = float(mark.rate)
    except ValueError:
        rate = inf
    if not -1.0 < rate < 1.0:
        raise FeedError(f"markPriceUpdate.r: was {mark.rate[:_SHOWN]!r}, expected a fraction between -1 and 1")


def _check_kline(kline: Kline) -> None:
    candle = kline.candle
    _check_price("kline.k.l", candle.low)
    _check_qty("kline.k.v", candle.volume)
    if not candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high < inf:
        prices = (candle.open, candle.high, candle.low, candle.close)
        raise FeedError(f"kline.k: was {prices} for open, high, low and close, expected low and high around the others")
    if candle.close_ms <= candle.open_ms:
        raise FeedError(f"kline.k.T: was {candle.close_ms}, expected later than t ({candle.open_ms})")


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


_ENVELOPE = msgspec.json.Decoder(Envelope)
_HEAD = msgspec.json.Decoder(Head)
TRADE = Reader(Trade, "trade", _check_trade)
AGG_TRADE = Reader(AggTrade, "aggTrade", _check_agg_trade)
QUOTE = Reader(Quote, "bookTicker", _check_quote)
DEPTH = Reader(Depth, "depthUpdate", _check_depth)
DEPTH_TEXT = Reader(DepthText, "depthUpdate", _check_ids)
MARK = Reader(MarkPrice, "markPriceUpdate", _check_mark)
KLINE = Reader(Kline, "kline", _check_kline)
SNAPSHOT = Reader(Snapshot, "depth", _check_snapshot)

_LEVELS = msgspec.json.Decoder(list[Level], strict=False)

read_trade = TRADE.alone
read_agg_trade = AGG_TRADE.alone
read_quote = QUOTE.alone
read_depth = DEPTH.alone
read_mark = MARK.alone
read_kline = KLINE.alone
read_snapshot = SNAPSHOT.alone


def read_envelope(frame: Frame) -> Envelope:
    """Read the outside of a frame; its content stays raw."""
    return decode(_ENVELOPE, frame, "frame")


def read_head(frame: Frame) -> Head:
    """Read what tells the kind of a bare frame."""
    return decode(_HEAD, frame, "frame")


def read_levels(depth: DepthText) -> tuple[list[Level], list[Level]]:
    """Read the levels of an update, bids and asks.

    Errors
    ------
    FeedError
        If there is one that cannot be used.
    """
    bids, asks = decode(_LEVELS, depth.bids, "depthUpdate.b"), decode(_LEVELS, depth.asks, "depthUpdate.a")
    _check_levels("depthUpdate.b", bids)
    _check_levels("depthUpdate.a", asks)
    return bids, asks
