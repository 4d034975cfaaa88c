"""The exchange: accounts on one side, the flow on the other, matching between them, and events for whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from shared.clock import NS_PER_S
from trader.simulator.trading.account import Account
from trader.simulator.trading.events import AccountEvent, Event, Execution, Funding, OrderEvent
from trader.simulator.trading.ledger import MarginLedger, fill_of
from trader.simulator.trading.matching import SymbolMatching
from trader.simulator.trading.orders import ZERO, Order, OrderRequest, Reason, Rejected, Side, Status

if TYPE_CHECKING:
    from trader.simulator.spec import SymbolSpec
    from trader.simulator.trading.market_view import Level, MarketView

_FIRST_ORDER = 10_000_000_000
_FIRST_TRADE = 900_000_000
_LIQUIDATION_PREFIX = "autoclose-"
SCHEDULED = "scheduled"  # the cancel id of what a countdown over all symbols ends


class TradingVenue:
    """Takes orders and flow, keeps the books, tells the listeners.

    Parameters
    ----------
    specs
        Trading rules by symbol.
    views
        The visible market by symbol.
    now_ns
        Venue time, ns since the epoch.
    funding_s
        Seconds between two fundings of margin accounts; 0 for none.
    refuses_kills
        Whether an unfillable fill-or-kill order is refused (else it is taken and expires).
    """

    def __init__(
        self,
        specs: Mapping[str, SymbolSpec],
        views: Mapping[str, MarketView],
        now_ns: Callable[[], int],
        *,
        funding_s: int = 0,
        refuses_kills: bool = True,
    ) -> None:
        self.specs = dict(specs)
        self.accounts: dict[str, Account] = {}
        self.now_ns = now_ns
        self.listeners: list[Callable[[Event], None]] = []
        self.funding_rate = Decimal("0.0001")
        self._matching = {symbol: SymbolMatching(view, self, refuses_kills=refuses_kills) for symbol, view in views.items()}
        self._last_order, self._last_trade = _FIRST_ORDER, _FIRST_TRADE
        self._funding_ns = funding_s * NS_PER_S
        self._next_funding_ns = 0
        self._next_check_ns = 0
        self.fundings: list[Funding] = []

    # ---- for the protocols

    def view(self, symbol: str) -> MarketView:
        """Return the visible market of ``symbol``."""
        return self._matching[symbol].view

    def mark(self, symbol: str) -> Decimal:
        """Return the mark price, zero before there is a market."""
        return self.view(symbol).mark or ZERO

    def add(self, account: Account) -> None:
        """Open an account."""
        self.accounts[account.name] = account

    def place(self, account: Account, request: OrderRequest) -> Order:
        """Take an order, or raise Rejected with nothing changed."""
        if account.has_open(request.client_id):
            raise Rejected(Reason.DUPLICATE_ID)
        matching = self._matching[request.symbol]
        order = Order(self._last_order + 1, account.name, request, self.now_ns(), request.qty, self.now_ns())
        if request.reduce_only and account.ledger.reducible(order.symbol, order.side) <= 0:
            raise Rejected(Reason.REDUCE_ONLY)
        if request.trigger is not None:
            return self._place_waiting(account, order)
        self._size_by_value(order)
        matching.check(order)
        account.ledger.reserve(order, self._worst_value(order))
        self._accept(account, order)
        self._enter(account, order)
        return order

    def cancel(self, account: Account, order: Order, cancel_id: str = "") -> Order:
        """Cancel an open order, or raise Rejected; ``cancel_id`` names the request."""
        if not order.is_open:
            raise Rejected(Reason.UNKNOWN_ORDER)
        order.cancel_id = cancel_id or f"cancel{order.order_id}"
        self._end(order, Status.CANCELED, Execution.CANCELED)
        account.updated_ns = self.now_ns()
        return order

    def cancel_all(self, account: Account, symbol: str | None = None, cancel_id: str = "") -> list[Order]:
        """Cancel every open order, of one symbol or of all."""
        return [self.cancel(account, order, cancel_id) for order in account.open_orders(symbol)]

    def plan(self, account: Account, request: OrderRequest) -> list[Level]:
        """Return what ``request`` would take now."""
        order = Order(0, account.name, request, self.now_ns(), request.qty)
        return self._matching[request.symbol].plan(order)

    def touched(
        self, account: Account, reason: str, assets: Iterable[str] = (), symbols: Iterable[str] = (), amount: Decimal = ZERO
    ) -> None:
        """Tell the listeners that an account changed other than by an order."""
        account.updated_ns = self.now_ns()
        self._emit(AccountEvent(account.name, reason, tuple(assets), tuple(symbols), self.now_ns(), amount))

    # ---- for the flow

    def on_print(self, symbol: str, price: Decimal, qty: Decimal, *, buyer_is_maker: bool) -> None:
        """Take a public trade."""
        self._matching[symbol].on_print(price, qty, buyer_is_maker=buyer_is_maker)

    def on_touch(self, symbol: str, bid: Level | None, ask: Level | None) -> None:
        """Take a new best bid and ask."""
        matching = self._matching[symbol]
        matching.view.set_touch(bid, ask)
        matching.on_touch()

    def on_mark(self, symbol: str, price: Decimal) -> None:
        """Take a mark price."""
        self._matching[symbol].on_mark(price)

    def on_time(self) -> None:
        """Do what is due: countdowns, funding, liquidation; cheap to call with every frame."""
        now = self.now_ns()
        if now < self._next_check_ns:
            return
        self._next_check_ns = now + NS_PER_S // 10
        for account in self.accounts.values():
            for symbol in [symbol for symbol, due in account.countdowns.items() if due <= now]:
                del account.countdowns[symbol]
                self.cancel_all(account, symbol or None, "" if symbol else SCHEDULED)
        if self._funding_ns and now >= self._next_funding_ns:
            if self._next_funding_ns:
                self._fund()
            self._next_funding_ns = now - now % self._funding_ns + self._funding_ns
        for account in self.accounts.values():
            self._liquidate(account)

    # ---- what matching decides

    def fill(self, order: Order, price: Decimal, qty: Decimal, *, is_maker: bool) -> None:
        """Book one execution and tell of it."""
        account, now = self.accounts[order.owner], self.now_ns()
        charge = account.ledger.settle(order, price, qty, is_maker=is_maker)
        self._last_trade += 1
        fill = fill_of(order, price, qty, charge, trade_id=self._last_trade, is_maker=is_maker, ns=now)
        order.add(fill)
        account.fills.append(fill)
        account.updated_ns = now
        if not order.is_open:
            account.ledger.release(order)
        self._tell(order, Execution.TRADE, fill)
        symbols: tuple[str, ...] = ()
        if isinstance(account.ledger, MarginLedger):
            symbols = (order.symbol,)
            account.ledger.position(order.symbol).updated_ns = now
        self._emit(AccountEvent(account.name, "order", account.ledger.assets_of(order.symbol), symbols, now))

    def expire(self, order: Order) -> None:
        """End an order by the exchange's own decision."""
        self._end(order, Status.EXPIRED, Execution.EXPIRED)

    def wake(self, order: Order) -> None:
        """Let a triggered order work; what it cannot pay for any more expires."""
        account, matching = self.accounts[order.owner], self._matching[order.symbol]
        order.triggered_ns = order.updated_ns = self.now_ns()
        account.ledger.release(order)
        if order.request.closes_position:
            order.qty = account.ledger.reducible(order.symbol, order.side)
        self._tell(order, Execution.TRIGGERED)
        try:
            if self.fillable(order) <= 0:
                raise Rejected(Reason.REDUCE_ONLY)
            matching.check(order)
            account.ledger.reserve(order, self._worst_value(order))
        except Rejected:
            self.expire(order)
            return
        self._enter(account, order)

    def fillable(self, order: Order) -> Decimal:
        """Return how much of ``order`` may fill now."""
        if not order.request.reduce_only:
            return order.left
        return min(order.left, self.accounts[order.owner].ledger.reducible(order.symbol, order.side))

    # ---- inside

    def _place_waiting(self, account: Account, order: Order) -> Order:
        matching, trigger = self._matching[order.symbol], order.request.trigger
        if matching.triggers_now(order):
            raise Rejected(Reason.WOULD_TRIGGER)
        if order.qty and trigger is not None and not isinstance(account.ledger, MarginLedger):
            account.ledger.reserve(order, order.qty * (order.price or trigger.price))
        matching.wait(order)
        self._accept(account, order)
        return order

    def _accept(self, account: Account, order: Order) -> None:
        self._last_order = order.order_id
        account.add(order)
        account.updated_ns = order.created_ns
        self._tell(order, Execution.NEW)
        if not isinstance(account.ledger, MarginLedger):
            self._emit(AccountEvent(account.name, "order", account.ledger.assets_of(order.symbol), (), order.created_ns))

    def _enter(self, account: Account, order: Order) -> None:
        self._matching[order.symbol].enter(order)
        if order.filled:
            self._drop_idle_reducers(account, order.symbol)

    def _drop_idle_reducers(self, account: Account, symbol: str) -> None:
        for order in account.open_orders(symbol):
            if order.request.reduce_only and not order.is_waiting and self.fillable(order) <= 0:
                self.expire(order)

    def _size_by_value(self, order: Order) -> None:
        budget, step = order.request.quote_qty, self.specs[order.symbol].step
        if not budget:
            return
        qty = ZERO
        for price, size in self._matching[order.symbol].view.takeable(order.side, None):
            part = min(size, (budget / price).quantize(Decimal("1E-12"), rounding=ROUND_DOWN))
            qty, budget = qty + part, budget - part * price
            if part < size:
                break
        order.qty = qty // step * step
        if not order.qty:
            raise Rejected(Reason.NO_BOOK)

    def _worst_value(self, order: Order) -> Decimal:
        if order.price is not None:
            return order.left * order.price
        # A market order pays the levels it walks; what the book cannot give it expires unpaid.
        return sum((price * qty for price, qty in self._matching[order.symbol].plan(order)), ZERO)

    def _end(self, order: Order, status: Status, execution: Execution) -> None:
        account = self.accounts[order.owner]
        self._matching[order.symbol].remove(order)
        account.ledger.release(order)
        order.status, order.is_waiting, order.updated_ns = status, False, self.now_ns()
        self._tell(order, execution)
        if not isinstance(account.ledger, MarginLedger):
            self._emit(AccountEvent(account.name, "order", account.ledger.assets_of(order.symbol), (), order.updated_ns))

    def _fund(self) -> None:
        for account in self.accounts.values():
            if not isinstance(account.ledger, MarginLedger):
                continue
            for symbol, held in account.ledger.positions.items():
                if held.qty:
                    amount = -held.qty * self.mark(symbol) * self.funding_rate
                    account.ledger.wallet += amount
                    self.fundings.append(Funding(account.name, symbol, amount, self.now_ns(), held.qty, self.funding_rate))
                    self.touched(account, "funding", (account.ledger.asset,), (symbol,), amount)

    def _liquidate(self, account: Account) -> None:
        ledger = account.ledger
        if not isinstance(ledger, MarginLedger) or not ledger.positions or ledger.equity >= ledger.maintenance_margin:
            return
        self.cancel_all(account)
        for symbol, held in ledger.positions.items():
            if held.qty:
                side = Side.SELL if held.qty > 0 else Side.BUY
                client_id = f"{_LIQUIDATION_PREFIX}{self._last_order + 1}"
                request = OrderRequest(symbol, side, abs(held.qty), None, client_id, reduce_only=True)
                order = Order(self._last_order + 1, account.name, request, self.now_ns(), request.qty, self.now_ns())
                self._accept(account, order)
                self._enter(account, order)

    def _tell(self, order: Order, execution: Execution, fill: object = None) -> None:
        copy = replace(order, fills=list(order.fills))
        self._emit(OrderEvent(order.owner, execution, copy, order.updated_ns, order.fills[-1] if fill is not None else None))

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
