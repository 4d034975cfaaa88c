"""One account: who it is, its money, and every order and fill it ever had."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trader.simulator.trading.orders import Fill, Order, Reason, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trader.simulator.trading.ledger import MarginLedger, SpotLedger


@dataclass(slots=True)
class Account:
    """An account of the local exchange.

    Attributes
    ----------
    name
        How the accounts file calls it; unique.
    ledger
        Its money.
    countdowns
        Symbol -> venue time in ns at which all its orders are cancelled; ``""`` stands for every symbol.
    """

    name: str
    ledger: SpotLedger | MarginLedger
    orders: dict[int, Order] = field(default_factory=dict)
    by_client_id: dict[str, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    countdowns: dict[str, int] = field(default_factory=dict)
    updated_ns: int = 0
    _open: dict[int, Order] = field(default_factory=dict)

    def add(self, order: Order) -> None:
        """Remember a new order."""
        self.orders[order.order_id] = order
        self.by_client_id[order.request.client_id] = order
        self._open[order.order_id] = order

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Return the open orders, oldest first."""
        for order_id in [number for number, order in self._open.items() if not order.is_open]:
            del self._open[order_id]
        return [order for order in self._open.values() if symbol in {None, order.symbol}]

    def iterate_open(self) -> Iterator[Order]:
        """Yield the open orders."""
        return iter(self.open_orders())

    def has_open(self, client_id: str) -> bool:
        """Whether an open order carries ``client_id``; a closed one gives its name free."""
        known = self.by_client_id.get(client_id)
        return known is not None and known.is_open

    def find(self, symbol: str | None, order_id: int | None, client_id: str | None) -> Order:
        """Return an order by number, or the newest by client id.

        Errors
        ------
        Rejected
            If there is none.
        """
        order = self.orders.get(order_id) if order_id is not None else self.by_client_id.get(client_id or "")
        if order is None or symbol not in {None, order.symbol}:
            raise Rejected(Reason.UNKNOWN_ORDER)
        return order
