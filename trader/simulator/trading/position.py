"""One position of a margin account, with a cost basis that never loses a digit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from trader.simulator.trading.orders import ZERO

_EIGHT_PLACES = Decimal("1E-8")


@dataclass(slots=True)
class Position:
    """A signed quantity and what it cost.

    Attributes
    ----------
    qty
        Base units, negative for shorts.
    cost
        What opening it cost in quote units, same sign as ``qty``; entry price = cost / qty.
    leverage
        Initial margin is value / leverage.
    isolated
        The venue's words only: margin is always shared by the whole account here.
    """

    leverage: int
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    isolated: bool = False
    updated_ns: int = 0
    realized: Decimal = ZERO

    @property
    def entry(self) -> Decimal:
        """Mean entry price, zero when flat."""
        return self.cost / self.qty if self.qty else ZERO

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit at ``mark``, quote units."""
        return self.qty * mark - self.cost

    def apply(self, signed_qty: Decimal, price: Decimal) -> Decimal:
        """Trade ``signed_qty`` at ``price``; return the realised profit. Cost and profit always add up exactly."""
        realized = ZERO
        if self.qty * signed_qty < 0:
            closed = min(abs(signed_qty), abs(self.qty))
            # The last part takes whatever cost is left, so that rounding cannot leave dust behind.
            share = self.cost if closed == abs(self.qty) else (self.cost * closed / abs(self.qty)).quantize(_EIGHT_PLACES)
            closing = closed if signed_qty > 0 else -closed
            realized = -closing * price - share
            self.qty, self.cost = self.qty + closing, self.cost - share
            signed_qty -= closing
        self.qty += signed_qty
        self.cost += signed_qty * price
        self.realized += realized
        return realized
