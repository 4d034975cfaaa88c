"""The money of one account: a spot wallet that locks what orders need, or a margin account with positions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

from trader.simulator.trading.orders import ZERO, Fill, Order, Reason, Rejected, Side
from trader.simulator.trading.position import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trader.simulator.spec import SymbolSpec


@dataclass(frozen=True, slots=True)
class Fees:
    """Commission as a share of the value traded."""

    maker: Decimal
    taker: Decimal

    def rate(self, *, is_maker: bool) -> Decimal:
        """Return the share that applies."""
        return self.maker if is_maker else self.taker


@dataclass(slots=True)
class Balance:
    """One asset: free to use, and locked by open orders."""

    free: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Everything that belongs to the account."""
        return self.free + self.locked


class Charge(NamedTuple):
    """The commission of one fill and the profit it realised."""

    fee: Decimal
    fee_asset: str
    realized: Decimal


class Ledger(Protocol):
    """What matching needs from an account's money."""

    def reserve(self, order: Order, worst_value: Decimal) -> None:
        """Set aside what ``order`` may cost (``worst_value`` quote units at its worst price), or raise Rejected."""
        ...

    def release(self, order: Order) -> None:
        """Give back what is still set aside."""
        ...

    def settle(self, order: Order, price: Decimal, qty: Decimal, *, is_maker: bool) -> Charge:
        """Exchange ``qty`` at ``price`` and take the commission."""
        ...

    def reducible(self, symbol: str, side: Side) -> Decimal:
        """Return how much an order of ``side`` can close, base units."""
        ...

    def assets_of(self, symbol: str) -> tuple[str, ...]:
        """Name the assets a fill of ``symbol`` changes."""
        ...


@dataclass(slots=True)
class SpotLedger:
    """Assets that are owned; nothing is borrowed. Commission is taken from what is received."""

    specs: dict[str, SymbolSpec]
    fees: Fees
    balances: defaultdict[str, Balance] = field(default_factory=lambda: defaultdict(Balance))

    def reserve(self, order: Order, worst_value: Decimal) -> None:
        """Lock quote for a buy and base for a sell."""
        asset, need = self._needs(order, worst_value)
        balance = self.balances[asset]
        if need > balance.free:
            raise Rejected(Reason.BALANCE)
        balance.free -= need
        balance.locked += need
        order.reserved = need

    def release(self, order: Order) -> None:
        """Unlock what the order has not used."""
        balance = self.balances[self._needs(order, ZERO)[0]]
        balance.locked -= order.reserved
        balance.free += order.reserved
        order.reserved = ZERO

    def settle(self, order: Order, price: Decimal, qty: Decimal, *, is_maker: bool) -> Charge:
        """Swap the locked asset for the other one, less commission."""
        spec, value = self.specs[order.symbol], price * qty
        buys = order.side is Side.BUY
        paid, given, got, received = (spec.quote, value, spec.base, qty) if buys else (spec.base, qty, spec.quote, value)
        set_aside = order.price * qty if buys and order.price is not None else given
        set_aside = max(min(set_aside, order.reserved), given)
        balance = self.balances[paid]
        balance.locked -= set_aside
        balance.free += set_aside - given
        order.reserved -= set_aside
        fee = received * self.fees.rate(is_maker=is_maker)
        self.balances[got].free += received - fee
        return Charge(fee, got, ZERO)

    def reducible(self, symbol: str, side: Side) -> Decimal:  # noqa: ARG002 - spot knows no positions
        """Return zero: there is no position to reduce."""
        return ZERO

    def assets_of(self, symbol: str) -> tuple[str, ...]:
        """Return base and quote."""
        return self.specs[symbol].base, self.specs[symbol].quote

    def _needs(self, order: Order, worst_value: Decimal) -> tuple[str, Decimal]:
        spec = self.specs[order.symbol]
        return (spec.quote, worst_value) if order.side is Side.BUY else (spec.base, order.left)


@dataclass(slots=True)
class MarginLedger:
    """One currency, positions against it, margin shared by all of them.

    Attributes
    ----------
    marks
        Returns a symbol's mark price.
    open_orders
        Returns the account's open orders, for the margin they bind.
    maintenance
        Maintenance margin as a share of a position's value.
    """

    specs: dict[str, SymbolSpec]
    fees: Fees
    asset: str
    marks: Callable[[str], Decimal]
    open_orders: Callable[[], Iterable[Order]]
    maintenance: Decimal
    default_leverage: int = 20
    wallet: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)

    def position(self, symbol: str) -> Position:
        """Return the position of ``symbol``, flat if there never was one."""
        if symbol not in self.positions:
            self.positions[symbol] = Position(self.default_leverage)
        return self.positions[symbol]

    @property
    def unrealized(self) -> Decimal:
        """Profit of all positions at the mark."""
        return sum((p.unrealized(self.marks(s)) for s, p in self.positions.items() if p.qty), ZERO)

    @property
    def equity(self) -> Decimal:
        """Wallet plus unrealised profit."""
        return self.wallet + self.unrealized

    @property
    def position_margin(self) -> Decimal:
        """Initial margin of all positions."""
        return sum((self.margin_of(symbol) for symbol in self.positions), ZERO)

    def margin_of(self, symbol: str) -> Decimal:
        """Return the initial margin of one position."""
        held = self.positions.get(symbol)
        return abs(held.qty) * self.marks(symbol) / held.leverage if held and held.qty else ZERO

    @property
    def order_margin(self) -> Decimal:
        """Initial margin of open orders that would enlarge a position; each symbol by its dearer side."""
        sides: defaultdict[tuple[str, Side], Decimal] = defaultdict(Decimal)
        for order in self.open_orders():
            if not (order.request.reduce_only or order.is_waiting):
                sides[order.symbol, order.side] += order.left * (order.price or self.marks(order.symbol))
        total = ZERO
        for symbol in {symbol for symbol, _ in sides}:
            held = self.position(symbol)
            value = held.qty * self.marks(symbol)
            dearer = max(sides[symbol, Side.BUY] + value, sides[symbol, Side.SELL] - value) - abs(value)
            total += max(dearer, ZERO) / held.leverage
        return total

    @property
    def available(self) -> Decimal:
        """What new orders may bind, quote units."""
        return max(self.equity - self.position_margin - self.order_margin, ZERO)

    @property
    def maintenance_margin(self) -> Decimal:
        """Equity below this is liquidated."""
        return sum((abs(p.qty) * self.marks(s) * self.maintenance for s, p in self.positions.items() if p.qty), ZERO)

    def reserve(self, order: Order, worst_value: Decimal) -> None:
        """Check that the part of ``order`` that enlarges the position is covered; nothing is set aside."""
        if order.request.reduce_only or not order.left:
            return
        price = worst_value / order.left
        enlarging = max(order.left - self.reducible(order.symbol, order.side), ZERO)
        need = enlarging * price / self.position(order.symbol).leverage
        if need + worst_value * self.fees.taker * bool(enlarging) > self.available:
            raise Rejected(Reason.MARGIN)

    def release(self, order: Order) -> None:
        """Nothing was set aside."""

    def settle(self, order: Order, price: Decimal, qty: Decimal, *, is_maker: bool) -> Charge:
        """Change the position, book profit and commission."""
        realized = self.position(order.symbol).apply(order.side.sign * qty, price)
        fee = price * qty * self.fees.rate(is_maker=is_maker)
        self.wallet += realized - fee
        return Charge(fee, self.asset, realized)

    def reducible(self, symbol: str, side: Side) -> Decimal:
        """Return the size of the opposite position."""
        held = self.positions.get(symbol)
        return max(-held.qty * side.sign, ZERO) if held else ZERO

    def assets_of(self, symbol: str) -> tuple[str, ...]:  # noqa: ARG002 - one currency for all
        """Return the margin currency."""
        return (self.asset,)


def fill_of(order: Order, price: Decimal, qty: Decimal, charge: Charge, *, trade_id: int, is_maker: bool, ns: int) -> Fill:
    """Build the fill that a settlement made."""
    fee, asset, realized = charge
    return Fill(trade_id, order.order_id, order.symbol, order.side, price, qty, fee, asset, is_maker, ns, realized)
