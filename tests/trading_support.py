"""A market that a test moves by hand, and accounts that trade on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from trader.simulator.source import Market
from trader.simulator.spec import SymbolSpec, published_spec
from trader.simulator.trading.account import Account
from trader.simulator.trading.events import Event
from trader.simulator.trading.ledger import Balance, Fees, MarginLedger, SpotLedger
from trader.simulator.trading.market_view import Levels, MarketView
from trader.simulator.trading.orders import Order, OrderRequest, Side, TimeInForce, Trigger
from trader.simulator.trading.venue import TradingVenue

SYMBOL = "BTCUSDT"
FEES = Fees(Decimal("0.0002"), Decimal("0.0005"))


def dec(value: float | str) -> Decimal:
    return Decimal(str(value))


@dataclass
class HandMarket:
    """One symbol whose book, trades and time a test sets; ``margin`` decides the kind of account."""

    margin: bool = True
    deposit: Decimal = Decimal(100_000)
    funding_s: int = 0
    now_ns: int = 1_700_000_000 * 10**9
    bids: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    asks: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec: SymbolSpec = published_spec(SYMBOL, Market.USDM if self.margin else Market.SPOT)
        self.specs = {SYMBOL: spec}
        self.venue = TradingVenue(
            self.specs,
            {SYMBOL: MarketView(self._levels)},
            lambda: self.now_ns,
            funding_s=self.funding_s,
            refuses_kills=self.margin,
        )
        self.venue.listeners.append(self.events.append)
        self.ledger: MarginLedger | SpotLedger
        if self.margin:
            self.ledger = MarginLedger(self.specs, FEES, "USDT", self.venue.mark, tuple, Decimal("0.005"), wallet=self.deposit)
            self.account = Account("a", self.ledger)
            self.ledger.open_orders = self.account.iterate_open
        else:
            self.ledger = SpotLedger(self.specs, FEES)
            self.ledger.balances["USDT"] = Balance(self.deposit)
            self.ledger.balances["BTC"] = Balance(Decimal(2))
            self.account = Account("a", self.ledger)
        self.venue.add(self.account)
        self._number = 0

    def _levels(self) -> Levels:
        return self.bids, self.asks

    def quote(self, bid: float, ask: float, size: float = 1.0, depth: int = 5) -> None:
        """Show a book of ``depth`` levels a side, 1 apart, each of ``size``."""
        self.bids = [(dec(bid) - level, dec(size)) for level in range(depth)]
        self.asks = [(dec(ask) + level, dec(size)) for level in range(depth)]
        self.venue.on_touch(SYMBOL, self.bids[0], self.asks[0])

    def print_trade(self, price: float, qty: float, *, buyer_is_maker: bool) -> None:
        self.venue.on_print(SYMBOL, dec(price), dec(qty), buyer_is_maker=buyer_is_maker)

    def pass_time(self, seconds: float) -> None:
        self.now_ns += int(seconds * 10**9)
        self.venue.on_time()

    def place(
        self,
        side: str,
        qty: float,
        price: float | None = None,
        tif: TimeInForce = TimeInForce.GTC,
        *,
        stop: Trigger | None = None,
        reduce_only: bool = False,
        client_id: str = "",
    ) -> Order:
        self._number += 1
        request = OrderRequest(
            SYMBOL,
            Side(side),
            dec(qty),
            None if price is None else dec(price),
            client_id or f"t{self._number}",
            tif,
            stop,
            reduce_only,
        )
        return self.venue.place(self.account, request)
