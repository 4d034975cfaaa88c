"""What the executor asks of a venue, in the project's own terms. :mod:`.ccxt_venue` answers it for the real ones."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

import msgspec

QTY_TOLERANCE = 1e-9  # of a quantity: decimals that went through float64
OUR_MARK = "7ade"  # how every client id of this program begins


def whole_steps(qty: float, step: float) -> float:
    """Return a quantity as the nearest whole number of steps, as it is written: 0.11499999999999999 is 0.115.

    Venues (and ccxt) cut off what is left of a step, and a position would never be closed whole.
    """
    return round(round(qty / step) * step, 12) if step > 0.0 else qty


class Outcome(IntEnum):
    """What is known of an order after a request."""

    KNOWN = 1  # the venue has it; what it says is in ``order``
    REFUSED = 2  # it was not taken, for certain
    NOT_FOUND = 3  # the venue says that it does not know it
    AMBIGUOUS = 4  # no answer, or one that says nothing: it may be there


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An order to be sent.

    Attributes
    ----------
    limit_usd
        0: at the market. A limit is post-only.
    trigger_usd
        0: at once. Else a stop that rests at the venue and closes at the market.
    seen_usd
        Price of the market at the decision: bounds a market order where a venue has no such order.
    """

    client_id: str
    symbol: int
    side: int
    qty: float
    limit_usd: float = 0.0
    trigger_usd: float = 0.0
    reduce_only: bool = False
    seen_usd: float = 0.0


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue tells it.

    Attributes
    ----------
    venue_id
        The id under which its fills come; "" while a stop has not been triggered.
    is_open
        Whether more can come of it.
    """

    client_id: str
    symbol: int
    venue_id: str
    is_open: bool
    filled_qty: float
    words: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    outcome: Outcome
    order: VenueOrder | None = None
    words: str = ""
    post_only: bool = False  # refused because it would have taken


class VenueFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill of ours.

    Attributes
    ----------
    qty
        Signed: + bought.
    fee_usd
        Negative: a rebate.
    fee_qty
        What the venue kept of the bought asset itself, on spot.
    client_id
        "" where the venue does not say.
    """

    symbol: int
    trade_id: str
    venue_id: str
    client_id: str = ""
    qty: float
    price_usd: float
    fee_usd: float
    fee_qty: float = 0.0
    time_ms: int


class Holdings(msgspec.Struct, frozen=True):
    """What is ours at the venue.

    Attributes
    ----------
    positions
        Signed quantity by symbol index: a perpetual's position, on spot the balance of the base asset.
    cash_usd
        As the engine counts it: what is left if every position is bought back at its entry price less what it is worth there,
        so that cash + quantity × mark is the account's equity, on spot and perpetuals alike.
    confirmed
        Whether two different answers of the venue say the same. One that is merely empty says nothing.
    """

    positions: tuple[float, ...]
    cash_usd: float
    confirmed: bool


class TradeVenue(Protocol):
    """A venue. Reads raise :class:`shared.errors.FeedError` when there is no usable answer; orders never raise."""

    perpetual: bool
    switch_per_symbol: bool  # else its switch is one for the whole account
    account_wide: bool  # whether one answer about fills is of every traded symbol, and counts against a narrow limit
    settling_ns: int  # after this long a request that was never answered can no longer be taken

    async def open(self) -> None:
        """Learn the instruments and the clock; refuse a key that may withdraw."""
        ...

    def opened(self) -> None:
        """Note that the key was good: from now on a refused key is an answer that failed."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...

    async def time_ms(self) -> int:
        """Return the venue's clock, milliseconds since the epoch."""
        ...

    async def send(self, request: OrderRequest) -> Answer:
        """Send an order, once."""
        ...

    async def cancel(self, request: OrderRequest) -> Answer:
        """Cancel an order by its client id."""
        ...

    async def query(self, request: OrderRequest) -> Answer:
        """Ask for an order by its client id."""
        ...

    async def open_orders(self) -> list[VenueOrder]:
        """Return every order of this program that is open in the traded symbols."""
        ...

    async def fills(self, symbol: int, since_ms: int) -> list[VenueFill]:
        """Return our fills in a symbol (:attr:`account_wide`: in all) since a time of the venue, oldest first."""
        ...

    async def holdings(self) -> Holdings:
        """Return positions and cash."""
        ...

    async def watch_fills(self) -> list[VenueFill]:
        """Wait for the next fills of the user stream."""
        ...

    async def watch_orders(self) -> list[VenueOrder]:
        """Wait for the next changes of orders on the user stream."""
        ...

    async def renew_stream(self) -> None:
        """Begin the user stream anew: it is open and says nothing."""
        ...

    async def arm(self, symbol: int, within_ms: int) -> bool:
        """Tell the venue to cancel what rests unless told again in time; 0 takes it back. False: it has no such switch."""
        ...

    def step_size(self, symbol: int) -> float:
        """Return the smallest step of a quantity."""
        ...

    def tick_size(self, symbol: int) -> float:
        """Return the smallest step of a price."""
        ...
