"""The trading side of a simulated Binance: accounts opened, requests authenticated and answered, events handed on."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from shared.clock import NS_PER_MS
from trader.simulator.binance_trading.errors import ApiError, error_body
from trader.simulator.binance_trading.params import Params
from trader.simulator.binance_trading.routes import Caller, Route, TradingRoutes
from trader.simulator.binance_trading.signing import Keyring, parameters, unsigned
from trader.simulator.binance_trading.spot import SpotRoutes
from trader.simulator.binance_trading.usdm import UsdmRoutes
from trader.simulator.binance_trading.user_data import ListenKeys, UserData
from trader.simulator.http_front import HttpAnswer, HttpRequest
from trader.simulator.source import Market
from trader.simulator.trading.account import Account
from trader.simulator.trading.binance_flow import BinanceFlow, source_levels
from trader.simulator.trading.ledger import Balance, Fees, MarginLedger, SpotLedger
from trader.simulator.trading.market_view import MarketView
from trader.simulator.trading.orders import ZERO
from trader.simulator.trading.venue import TradingVenue

if TYPE_CHECKING:
    from trader.simulator.binance_trading.limits import RequestBudget
    from trader.simulator.hub import Subscriber
    from trader.simulator.source import Frame, Source
    from trader.simulator.trading.accounts_file import AccountEntry

_FEES = {Market.SPOT: ("0.001", "0.001"), Market.USDM: ("0.0002", "0.0005")}
_FUNDING_S = {Market.SPOT: 0, Market.USDM: 8 * 3600}
_MAINTENANCE = Decimal("0.005")
_MARGIN_ASSET = "USDT"


class BinanceTrading:
    """Accounts and trading calls of one simulated market.

    Parameters
    ----------
    source
        The market served.
    entries
        The accounts file.
    budget
        Counts request weight together with the public calls.
    pace
        Simulated seconds per second, None for as fast as possible.
    """

    def __init__(self, source: Source, entries: Iterable[AccountEntry], budget: RequestBudget, pace: float | None) -> None:
        self._source = source
        self._budget = budget
        entries = list(entries)
        views = {symbol: MarketView(partial(source_levels, source, symbol)) for symbol in source.specs}
        spot = source.market is Market.SPOT
        self.venue = TradingVenue(source.specs, views, self._now_ns, funding_s=_FUNDING_S[source.market], refuses_kills=not spot)
        for entry in entries:
            self.venue.add(self._open(entry))
        self.keys = Keyring(entries, source.server_time_ms, pace)
        self.routes: TradingRoutes = (SpotRoutes if spot else UsdmRoutes)(source, self.venue)
        self._table = dict(self.routes.table()) | _wallet_calls()
        self._flow = BinanceFlow(source, self.venue)
        self.user_data = UserData(self.venue, source.server_time_ms)
        self.listen_keys = ListenKeys(self.user_data, source.server_time_ms)
        if not spot:
            self._table |= self._listen_key_calls()

    @property
    def market(self) -> Market:
        """Which market is traded."""
        return self._source.market

    @property
    def used_weight(self) -> int:
        """Request weight used in the present minute."""
        return self._budget.used

    def charge(self, weight: int) -> None:
        """Count request weight, or raise 429/418."""
        self._budget.charge(weight)

    def take(self, frame: Frame) -> None:
        """Let a market frame work on the orders."""
        self._flow.take(frame)
        self.listen_keys.expire_due()

    def answer(self, request: HttpRequest) -> HttpAnswer | None:
        """Answer a trading request, or return None if it is none."""
        url = urlsplit(request.target)
        route = self._table.get((request.method, url.path))
        if route is None:
            return None
        body = request.body.decode(errors="replace")
        caller: Caller | None = None
        try:
            self._budget.charge(route.weight)
            caller = self._caller(route, request.headers.get("x-mbx-apikey"), url.query, body)
            content = msgspec.json.encode(route.handler(caller))
            return HttpAnswer(200, content, self._headers() | caller.headers)
        except ApiError as error:
            return HttpAnswer(error.status, error_body(error), self._headers() | wait_header(error))

    def call(self, method: str, path: str, key: str | None, payload: str, values: dict[str, str]) -> object:
        """Carry out a call that came by WebSocket; ``payload`` is what was signed, empty after a session's logon."""
        route = self._table[method, path]
        self._budget.charge(route.weight)
        entry = self.authenticate(key, payload, values) if route.signed and payload else self.keys.owner(key)
        return route.handler(Caller(self.venue.accounts[entry.name], entry, Params(values)))

    def authenticate(self, key: str | None, payload: str, values: dict[str, str]) -> AccountEntry:
        """Return who signed ``payload``, or raise what is wrong with it."""
        entry = self.keys.owner(key)
        self.keys.check(entry.key, payload, values)
        return entry

    def listen(self, subscriber: Subscriber, names: Iterable[str]) -> None:
        """Let a private connection hear the account of each name that is a listen key."""
        for name in names:
            owner = self.listen_keys.owner(name)
            if owner is not None:
                self.user_data.subscribe(owner, subscriber, partial(self._tell, subscriber, name))

    async def _tell(self, subscriber: Subscriber, key: str, payload: bytes) -> None:
        # An ended key tells of its end and then nothing, although the socket stays open.
        if self.listen_keys.is_alive(key) or key.encode() in payload:
            await subscriber.tell_owner(key, payload)

    def _caller(self, route: Route, key: str | None, query: str, body: str) -> Caller:
        entry = self.keys.owner(key)
        values = parameters(query, body)
        if route.signed:
            self.keys.check(entry.key, unsigned(query) + unsigned(body), values)
        return Caller(self.venue.accounts[entry.name], entry, Params(values))

    def _listen_key_calls(self) -> dict[tuple[str, str], Route]:
        keys, path = self.listen_keys, "/fapi/v1/listenKey"

        def close(caller: Caller) -> object:
            keys.close(caller.account.name)
            return {}

        return {
            ("POST", path): Route(lambda caller: {"listenKey": keys.open(caller.account.name)}, 1, signed=False),
            ("PUT", path): Route(lambda caller: {"listenKey": keys.extend(caller.account.name)}, 1, signed=False),
            ("DELETE", path): Route(close, 1, signed=False),
        }

    def _headers(self) -> dict[str, str]:
        return {"X-MBX-USED-WEIGHT-1M": str(self._budget.used)}

    def _now_ns(self) -> int:
        return self._source.server_time_ms() * NS_PER_MS

    def _open(self, entry: AccountEntry) -> Account:
        maker, taker = (Decimal(text) for text in _FEES[self._source.market])
        fees = Fees(maker if entry.maker_fee is None else entry.maker_fee, taker if entry.taker_fee is None else entry.taker_fee)
        specs = dict(self._source.specs)
        if self._source.market is Market.SPOT:
            wallet = SpotLedger(specs, fees)
            for asset, amount in entry.balances.items():
                wallet.balances[asset] = Balance(amount)
            return Account(entry.name, wallet, updated_ns=self._now_ns())
        margin = MarginLedger(specs, fees, _MARGIN_ASSET, self._mark, tuple, _MAINTENANCE)
        account = Account(entry.name, margin, updated_ns=self._now_ns())
        margin.open_orders = account.iterate_open
        margin.wallet = entry.balances.get(_MARGIN_ASSET, ZERO)
        return account

    def _mark(self, symbol: str) -> Decimal:
        return self.venue.mark(symbol)


def wait_header(error: ApiError) -> dict[str, str]:
    """Return how long to wait, if the error says so."""
    return {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}


def _wallet_calls() -> dict[tuple[str, str], Route]:
    """Return the few wallet calls that clients make beside trading."""
    sapi = "/sapi/v1/"
    return {
        ("GET", sapi + "margin/allPairs"): Route(lambda _: [], 1, signed=False),
        ("GET", sapi + "margin/isolated/allPairs"): Route(lambda _: [], 10),
        ("GET", sapi + "account/apiRestrictions"): Route(_restrictions, 1),
        ("GET", sapi + "asset/tradeFee"): Route(_trade_fees, 1),
        ("GET", sapi + "capital/config/getall"): Route(lambda _: [], 10),
    }


def _restrictions(caller: Caller) -> object:
    entry = caller.entry
    return {
        "ipRestrict": False,
        "createTime": caller.account.updated_ns // NS_PER_MS,
        "enableReading": True,
        "enableWithdrawals": entry.may_withdraw,
        "enableInternalTransfer": entry.may_withdraw,
        "enableMargin": False,
        "enableFutures": entry.may_trade,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": entry.may_trade,
        "enablePortfolioMarginTrading": False,
    }


def _trade_fees(caller: Caller) -> object:
    ledger = caller.account.ledger
    wanted = caller.params.text("symbol")
    rates = {"makerCommission": f"{ledger.fees.maker:f}", "takerCommission": f"{ledger.fees.taker:f}"}
    return [{"symbol": symbol} | rates for symbol in ledger.specs if wanted in {"", symbol}]
