"""What Hyperliquid sends, typed. Unknown fields and the order of keys do not matter; what cannot be used is a FeedError.

Numbers come as JSON strings and are parsed once, by msgspec, correctly rounded. A trade's ``hash`` is not read: it is all zero
for slices of a larger order. ``tid`` has 50 bits and no order.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Any

import msgspec

from shared.errors import FeedError
from trader.feeds.binance.messages import decode
from trader.feeds.rows import Level

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Frame = bytes | str | msgspec.Raw

_RATE_LIMIT = 1.0  # an hourly funding rate beyond ±100 % is no rate


class Envelope(msgspec.Struct):
    """A frame: which channel, and its content still raw (``pong`` has none)."""

    channel: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Acknowledged(msgspec.Struct):
    """The subscription that an acknowledgement repeats, with the venue's defaults filled in: match by type and coin only."""

    method: str
    subscription: dict[str, Any]


class SimTime(msgspec.Struct):
    """Our simulator's time, ns since the epoch."""

    ns: Id


class _Level(msgspec.Struct):
    px: float
    sz: float


class _Book(msgspec.Struct):
    coin: str
    time: Id
    levels: tuple[list[_Level], list[_Level]]


class BookHead(msgspec.Struct):
    """A book whose levels are not read yet."""

    coin: str
    time: Id
    levels: msgspec.Raw


class _Bbo(msgspec.Struct):
    coin: str
    time: Id
    bbo: tuple[_Level | None, _Level | None]


class Book(msgspec.Struct):
    """A whole book, best first; either side may be empty."""

    coin: str
    time_ms: int
    bids: list[Level]
    asks: list[Level]


class Quote(msgspec.Struct):
    """Best bid and ask; None where a side is empty."""

    coin: str
    time_ms: int
    bid: Level | None
    ask: Level | None


class Trade(msgspec.Struct, rename={"price": "px", "qty": "sz", "time_ms": "time", "trade_id": "tid"}):
    """A trade. ``side`` is the taker's: B bought, A sold."""

    coin: str
    side: str
    price: float
    qty: float
    time_ms: Id
    trade_id: Id


class Candle(msgspec.Struct, rename={"coin": "s", "interval": "i", "open_ms": "t", "close_ms": "T", "trades": "n"}):
    """A candle so far: it is closed when the next one comes, no field says so."""

    coin: str
    interval: str
    open_ms: Id
    close_ms: Id
    o: float
    h: float
    l: float  # noqa: E741 - the venue's own name
    c: float
    v: float
    trades: Id = 0


class _Context(msgspec.Struct):
    funding: float | None = None
    mark: float | None = msgspec.field(default=None, name="markPx")
    oracle: float | None = msgspec.field(default=None, name="oraclePx")


class Context(msgspec.Struct):
    """What the venue says of a perpetual every second. It has no time; any figure may be null (a delisted coin)."""

    coin: str
    ctx: _Context


_ENVELOPE = msgspec.json.Decoder(Envelope)
_ACKNOWLEDGED = msgspec.json.Decoder(Acknowledged)
_SIM_TIME = msgspec.json.Decoder(SimTime)
_TEXT = msgspec.json.Decoder(str)
_BOOK_HEAD = msgspec.json.Decoder(BookHead)
_BOOK = msgspec.json.Decoder(_Book, strict=False)
_BBO = msgspec.json.Decoder(_Bbo, strict=False)
_TRADES = msgspec.json.Decoder(list[Trade], strict=False)
_CANDLE = msgspec.json.Decoder(Candle, strict=False)
_CONTEXT = msgspec.json.Decoder(Context, strict=False)


def read_envelope(frame: Frame) -> Envelope:
    """Read the outside of a frame."""
    return decode(_ENVELOPE, frame, "frame")


def read_acknowledged(data: Frame) -> Acknowledged:
    """Read the answer to a subscription."""
    return decode(_ACKNOWLEDGED, data, "subscriptionResponse")


def read_error(data: Frame) -> str:
    """Read the venue's words about a message of ours."""
    return decode(_TEXT, data, "error")


def read_sim_time(data: Frame) -> int:
    """Read the simulator's time, ns since the epoch."""
    return decode(_SIM_TIME, data, "simTime").ns


def read_book_head(data: Frame) -> BookHead:
    """Read whose book an ``l2Book`` is, and when it was; the levels stay text."""
    return decode(_BOOK_HEAD, data, "l2Book")


def read_book(data: Frame) -> Book:
    """Read an ``l2Book``: every level a price and a size above 0, each side from the best on.

    Whether bids lie below asks is asked by :func:`crossed`: a crossed book is well read, and bad.
    """
    book = decode(_BOOK, data, "l2Book")
    bids, asks = ([(level.px, level.sz) for level in side] for side in book.levels)
    _check_side("l2Book.levels[0]", bids, -1.0)
    _check_side("l2Book.levels[1]", asks, 1.0)
    return Book(book.coin, book.time, bids, asks)


def read_quote(data: Frame) -> Quote:
    """Read a ``bbo``."""
    found = decode(_BBO, data, "bbo")
    sides = [None if level is None else (level.px, level.sz) for level in found.bbo]
    for index, side in enumerate(sides):
        if side is not None:
            _check_level("bbo.bbo", index, side)
    return Quote(found.coin, found.time, sides[0], sides[1])


def read_trades(data: Frame) -> list[Trade]:
    """Read ``trades``: one bad trade makes the whole message bad, it was not read as it was meant."""
    trades = decode(_TRADES, data, "trades")
    for index, trade in enumerate(trades):
        _check_level("trades", index, (trade.price, trade.qty))
    return trades


def read_candle(data: Frame) -> Candle:
    """Read a ``candle``."""
    candle = decode(_CANDLE, data, "candle")
    for name, price in (("o", candle.o), ("h", candle.h), ("l", candle.l), ("c", candle.c)):
        if not 0.0 < price < inf:
            raise FeedError(f"candle.{name}: was {price}, expected a price above 0")
    if not 0.0 <= candle.v < inf:
        raise FeedError(f"candle.v: was {candle.v}, expected a quantity of 0 or more")
    if not candle.l <= min(candle.o, candle.c) <= max(candle.o, candle.c) <= candle.h:
        raise FeedError(f"candle: was {candle.o} {candle.h} {candle.l} {candle.c}, expected open and close within low and high")
    return candle


def read_context(data: Frame) -> Context:
    """Read an ``activeAssetCtx``; a figure is None or in its bounds."""
    context = decode(_CONTEXT, data, "activeAssetCtx")
    figures = context.ctx
    for name, price in (("markPx", figures.mark), ("oraclePx", figures.oracle)):
        if price is not None and not 0.0 < price < inf:
            raise FeedError(f"activeAssetCtx.{name}: was {price}, expected a price above 0 or null")
    if figures.funding is not None and not -_RATE_LIMIT < figures.funding < _RATE_LIMIT:
        raise FeedError(f"activeAssetCtx.funding: was {figures.funding}, expected a rate between -1 and 1, or null")
    return context


def crossed(bids: list[Level], asks: list[Level]) -> bool:
    """Say whether somebody bids at least what somebody asks: true of no book that matches its orders."""
    return bool(bids and asks and bids[0][0] >= asks[0][0])


def _check_level(field: str, index: int, level: Level) -> None:
    price, qty = level
    if not (0.0 < price < inf and 0.0 < qty < inf):
        raise FeedError(f"{field}[{index}]: was {price} x {qty}, expected a price and a size above 0")


def _check_side(field: str, levels: list[Level], direction: float) -> None:
    """Check every level, and that prices lead away from the best."""
    before = 0.0 if direction > 0 else inf
    for index, level in enumerate(levels):
        _check_level(field, index, level)
        price = level[0]
        if (price - before) * direction <= 0.0:
            raise FeedError(f"{field}[{index}]: was {price} after {before}, expected prices that lead away from the best")
        before = price
