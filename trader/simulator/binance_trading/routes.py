"""What the two markets' trading REST has in common: routes, signatures, limits, and the calls on the exchange core."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from shared.clock import NS_PER_MS
from trader.simulator.binance_trading.errors import ApiError, refusal
from trader.simulator.binance_trading.limits import OrderCounter
from trader.simulator.binance_trading.params import Params
from trader.simulator.trading.orders import Fill, Order, OrderRequest, Rejected

if TYPE_CHECKING:
    from trader.simulator.source import Source
    from trader.simulator.trading.account import Account
    from trader.simulator.trading.accounts_file import AccountEntry
    from trader.simulator.trading.venue import TradingVenue

_MOST_ROWS = 1000
_Row = TypeVar("_Row")


@dataclass(slots=True)
class Caller:
    """Who calls, with what; handlers may add headers."""

    account: Account
    entry: AccountEntry
    params: Params
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One call: what answers it, its weight, and whether it must be signed (else the key alone is enough)."""

    handler: Callable[[Caller], object]
    weight: int
    signed: bool = True


class TradingRoutes(ABC):
    """Base of the two markets' trading calls.

    Parameters
    ----------
    source
        The market served.
    venue
        The exchange core.
    """

    hides_waiting = False

    def __init__(self, source: Source, venue: TradingVenue) -> None:
        self.source = source
        self.venue = venue
        self._counters: dict[str, OrderCounter] = {}
        self._last_id = 0

    @abstractmethod
    def table(self) -> Mapping[tuple[str, str], Route]:
        """Return the calls by (method, path)."""

    @abstractmethod
    def request(self, caller: Caller) -> OrderRequest:
        """Read an order request and check the filters."""

    def place_order(self, caller: Caller, read: Callable[[Caller], OrderRequest] | None = None) -> Order:
        """Read (by ``read``, else as a plain order), check, count and place an order."""
        if not caller.entry.may_trade:
            raise ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        request = (read or self.request)(caller)
        caller.headers |= self._count(caller)
        try:
            return self.venue.place(caller.account, request)
        except Rejected as rejected:
            raise refusal(self.source.market, rejected.reason) from None

    def symbol(self, caller: Caller) -> str:
        """Return the symbol asked for."""
        return self._known(caller.params.required("symbol"))

    def optional_symbol(self, caller: Caller) -> str | None:
        """Return the symbol asked for, or None for all."""
        name = caller.params.text("symbol")
        return self._known(name) if name else None

    def found(self, caller: Caller, *, missing: ApiError, algo: bool = False) -> Order:
        """Return the order a request names by number or client id, or raise ``missing``."""
        params = caller.params
        number_name, text_name = ("algoId", "clientAlgoId") if algo else ("orderId", "origClientOrderId")
        symbol = None if algo else self.symbol(caller)
        number, client_id = params.integer(number_name), params.text(text_name)
        if number is None and not client_id:
            raise ApiError(400, -1102, f"Param '{text_name}' or '{number_name}' must be sent, but both were empty/null!")
        try:
            order = caller.account.find(symbol, number, client_id)
        except Rejected:
            raise missing from None
        if not algo and self.hidden(order):
            raise missing
        return order

    def cancel_order(self, caller: Caller, order: Order, cancel_id: str = "") -> Order:
        """Cancel an order."""
        try:
            return self.venue.cancel(caller.account, order, cancel_id)
        except Rejected as rejected:
            raise refusal(self.source.market, rejected.reason) from None

    def orders_page(self, caller: Caller) -> list[Order]:
        """Return the page of allOrders a request asks for: newest without an anchor, else from it on."""
        params, symbol = caller.params, self.symbol(caller)
        orders = [order for order in caller.account.orders.values() if order.symbol == symbol and not self.hidden(order)]
        limit = min(params.number("limit", 500), _MOST_ROWS)
        first = params.integer("orderId")
        if first is not None:
            return [order for order in orders if order.order_id >= first][:limit]
        return self._between(params, orders, [order.created_ns for order in orders], limit)

    def fills_page(self, caller: Caller, symbol: str | None) -> list[Fill]:
        """Return the page of own trades a request asks for."""
        params = caller.params
        fills = [fill for fill in caller.account.fills if symbol in {None, fill.symbol}]
        order_id, first = params.integer("orderId"), params.integer("fromId")
        if order_id is not None:
            fills = [fill for fill in fills if fill.order_id == order_id]
        limit = min(params.number("limit", 500), _MOST_ROWS)
        if first is not None:
            return [fill for fill in fills if fill.trade_id >= first][:limit]
        return self._between(params, fills, [fill.ns for fill in fills], limit)

    def fresh_id(self, prefix: str) -> str:
        """Make a client order id for those who sent none."""
        self._last_id += 1
        return f"{prefix}{self._last_id:016d}"

    def now_ms(self) -> int:
        """Venue time."""
        return self.source.server_time_ms()

    def _count(self, caller: Caller) -> dict[str, str]:
        counter = self._counters.setdefault(caller.account.name, OrderCounter(self.source.market))
        return counter.count(self.venue.now_ns())

    def _known(self, symbol: str) -> str:
        if symbol not in self.source.specs:
            raise ApiError(400, -1121, "Invalid symbol.")
        return symbol

    def _between(self, params: Params, rows: list[_Row], stamps_ns: list[int], limit: int) -> list[_Row]:
        start, end = params.number("startTime", 0), params.number("endTime", 2**63)
        kept = [row for row, ns in zip(rows, stamps_ns, strict=True) if start <= ns // NS_PER_MS <= end]
        return kept[:limit] if params.text("startTime") else kept[-limit:]

    def hidden(self, order: Order) -> bool:
        """Whether the ordinary calls do not know an order: the futures market keeps waiting ones apart."""
        return self.hides_waiting and order.request.trigger is not None and not order.triggered_ns
