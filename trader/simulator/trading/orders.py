"""Orders, fills and what can be wrong with an order, in no venue's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from shared.errors import Refused

ZERO = Decimal(0)


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for buys, -1 for sells."""
        return 1 if self is Side.BUY else -1


class TimeInForce(StrEnum):
    """How long an order may rest: ``POST`` rests or is refused, it never takes."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST = "POST"


class Status(StrEnum):
    """Where an order stands. A stop that waits for its trigger is ``NEW`` with :attr:`Order.is_waiting`."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class Reason(StrEnum):
    """Why an order, or a cancel, was refused."""

    BALANCE = "balance"
    MARGIN = "margin"
    WOULD_TAKE = "would take"
    WOULD_TRIGGER = "would trigger"
    DUPLICATE_ID = "duplicate client id"
    REDUCE_ONLY = "reduce only"
    NO_FILL = "cannot be filled at once"
    NO_BOOK = "no book"
    UNKNOWN_ORDER = "unknown order"


class Rejected(Refused):
    """An order or cancel that the exchange does not take; nothing has changed. Only the venue's protocol sees it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a waiting order wakes.

    Attributes
    ----------
    price
        The level, quote units.
    rises
        Whether it fires at or above the level (else at or below).
    by_mark
        Whether the mark price is watched (else the last trade).
    is_profit
        Whether the venue calls it a take-profit (else a stop); only the words differ.
    """

    price: Decimal
    rises: bool
    by_mark: bool = False
    is_profit: bool = False


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a client asks for; quantities in base units, prices in quote units, ``price`` None for market orders.

    ``quote_qty`` (market only) buys or sells for that many quote units and leaves ``qty`` at zero.
    ``closes_position`` takes the whole position's size when a trigger fires.
    """

    symbol: str
    side: Side
    qty: Decimal
    price: Decimal | None
    client_id: str
    tif: TimeInForce = TimeInForce.GTC
    trigger: Trigger | None = None
    reduce_only: bool = False
    quote_qty: Decimal = ZERO
    closes_position: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. ``fee`` in ``fee_asset``; ``realized`` is the profit it closed (margin accounts), quote units."""

    trade_id: int
    order_id: int
    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    ns: int
    realized: Decimal = ZERO

    @property
    def value(self) -> Decimal:
        """Quote units that changed hands."""
        return self.price * self.qty


@dataclass(slots=True)
class Order:
    """An order on the exchange. ``queue_ahead`` is the size shown before it at its price, base units."""

    order_id: int
    owner: str
    request: OrderRequest
    created_ns: int
    qty: Decimal
    updated_ns: int = 0
    status: Status = Status.NEW
    filled: Decimal = ZERO
    filled_value: Decimal = ZERO
    reserved: Decimal = ZERO
    queue_ahead: Decimal = ZERO
    is_waiting: bool = False
    triggered_ns: int = 0
    fills: list[Fill] = field(default_factory=list)

    @property
    def symbol(self) -> str:
        """Upper-case name."""
        return self.request.symbol

    @property
    def side(self) -> Side:
        """Which way it trades."""
        return self.request.side

    @property
    def price(self) -> Decimal | None:
        """Limit, quote units; None for market orders."""
        return self.request.price

    @property
    def left(self) -> Decimal:
        """Quantity not yet filled."""
        return self.qty - self.filled

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.status in {Status.NEW, Status.PARTIALLY_FILLED}

    @property
    def mean_price(self) -> Decimal:
        """Mean price of its fills, zero without any."""
        return self.filled_value / self.filled if self.filled else ZERO

    def add(self, fill: Fill) -> None:
        """Book one execution."""
        self.fills.append(fill)
        self.filled += fill.qty
        self.filled_value += fill.value
        self.updated_ns = fill.ns
        self.status = Status.FILLED if self.left <= 0 else Status.PARTIALLY_FILLED
