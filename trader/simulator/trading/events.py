"""What the exchange tells the owner of an account, in the order it happened."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from trader.simulator.trading.orders import Fill, Order


class Execution(StrEnum):
    """What happened to an order."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    TRIGGERED = "TRIGGERED"


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One step in an order's life; ``order`` is a copy as it stood then."""

    owner: str
    execution: Execution
    order: Order
    ns: int
    fill: Fill | None = None


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Balances or positions changed; ``reason`` in a venue-neutral word: order, funding, deposit, liquidation, leverage."""

    owner: str
    reason: str
    assets: tuple[str, ...]
    symbols: tuple[str, ...]
    ns: int
    amount: Decimal = Decimal(0)  # what was paid in or out beside profit and commission


class Funding(NamedTuple):
    """One payment of funding; ``amount`` is what the account received, ``qty`` the signed position it was for."""

    owner: str
    symbol: str
    amount: Decimal
    ns: int
    qty: Decimal
    rate: Decimal


Event = OrderEvent | AccountEvent
