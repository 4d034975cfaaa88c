"""A venue through ``ccxt``: what all of them have in common. Each venue's own ways are in its own file."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar

from ccxt.base import errors

from shared.clock import NS_PER_S
from shared.errors import ConfigError, FeedError
from trader.execution.live.answers import UNUSABLE, no_answer, order_of, to_asking, to_sending, words_of
from trader.execution.live.venue import OUR_MARK, Answer, Holdings, OrderRequest, Outcome, VenueFill, VenueOrder

REQUEST_TIMEOUT_MS = 5_000
PAGE = 500
MOST_PAGES = 20
WAIT_S = 5.0  # after a 429 or 418 that does not say how long
DOLLARS = ("USDT", "USDC", "USD", "BUSD", "FDUSD", "TUSD", "USDE")

T = TypeVar("T")


class Plain:
    """A 5xx says nothing, whatever code its body carries; ccxt would take the code for the venue's word."""

    id: str

    def on_rest_response(self, code: int, reason: str, url: str, method: str, headers: Any, body: str, *_: object) -> str:
        """Return the body of an answer that is one."""
        del reason, headers
        if code >= 500:
            words = f"{self.id} {method} {url.partition('?')[0]}: {code} {body[:80]!r}".replace('"', "'")
            raise errors.ExchangeNotAvailable(words)
        return body.strip()


class CcxtVenue(ABC):
    """One market of one venue.

    Parameters
    ----------
    exchange
        A ``ccxt.pro`` exchange, with keys and addresses set.
    name
        How the venue is called in messages.
    symbols
        The traded instruments, as the engine names them.
    settling_s
        After this long a request that was never answered can no longer be taken by the venue.
    """

    perpetual = True
    switch_per_symbol = True
    account_wide = False

    def __init__(self, exchange: Any, name: str, symbols: Sequence[str], *, settling_s: float) -> None:
        self._exchange = exchange
        self._name = name
        self._symbols = [symbol.partition("@")[0] for symbol in symbols]
        self._markets: list[Any] = []
        self._rates: dict[str, float] = {}
        self._wait_until = 0.0
        self._opened = False
        self.settling_ns = int(settling_s * NS_PER_S)
        exchange.timeout = REQUEST_TIMEOUT_MS

    async def open(self) -> None:
        """Learn the instruments and the clock; refuse a key that may withdraw.

        Errors
        ------
        ConfigError
            If the key may withdraw, is not valid, or a symbol is not traded there.
        FeedError
            If the venue does not answer.
        """
        await self._read("markets", self._exchange.load_markets())
        self._markets = [self._market(symbol) for symbol in self._symbols]
        await self._check_key()

    def opened(self) -> None:
        """Note that the key was good: from now on a refused key is an answer that failed."""
        self._opened = True

    async def close(self) -> None:
        """Close every connection."""
        await self._exchange.close()

    async def time_ms(self) -> int:
        """Return the venue's clock, milliseconds since the epoch: ours, and what was measured between the two."""
        return int(self._exchange.nonce())

    def _market(self, symbol: str) -> Any:
        for market in self._exchange.markets_by_id.get(symbol, []):
            if bool(market["swap"]) == self.perpetual and market["active"] is not False:
                return market
        raise ConfigError(f"symbols: was {symbol}, expected an instrument that {self._name} trades")

    @abstractmethod
    async def _check_key(self) -> None: ...

    async def _read(self, what: str, request: Awaitable[T]) -> T:
        if self._paused():
            _drop(request)
            raise FeedError(f"{self._name} {what}: was told to wait, expected to ask again in a moment")
        try:
            return await request
        except UNUSABLE as error:
            if isinstance(error, errors.AuthenticationError) and not self._opened:
                raise key_error(self._name, error) from error
            await self._heed(error)
            raise no_answer(self._name, what, error) from error

    def _paused(self) -> bool:
        return asyncio.get_running_loop().time() < self._wait_until

    async def _heed(self, error: BaseException) -> None:
        """Do what an error asks for: wait after a 429 or 418, measure the clock again when it was off."""
        if isinstance(error, errors.DDoSProtection | errors.RateLimitExceeded):
            headers = self._exchange.last_response_headers or {}
            told = {str(name).lower(): value for name, value in headers.items()}.get("retry-after", "")
            wait_s = float(told) if str(told).isdigit() else WAIT_S
            self._wait_until = asyncio.get_running_loop().time() + wait_s
        elif isinstance(error, errors.InvalidNonce) and hasattr(self._exchange, "load_time_difference"):
            with contextlib.suppress(*UNUSABLE):
                await self._exchange.load_time_difference()

    def _unified(self, symbol: int) -> str:
        return str(self._markets[symbol]["symbol"])

    def _index(self, unified: str) -> int:
        return next((i for i, market in enumerate(self._markets) if market["symbol"] == unified), -1)

    def step_size(self, symbol: int) -> float:
        """Return the smallest step of a quantity."""
        return float(self._markets[symbol]["precision"]["amount"] or 0.0)

    def tick_size(self, symbol: int) -> float:
        """Return the smallest step of a price."""
        return float(self._markets[symbol]["precision"]["price"] or 0.0)

    def _wire_id(self, client_id: str) -> str:
        """Return a client id as the venue wants it."""
        return client_id

    def _own_id(self, wire_id: object) -> str:
        """Return the client id of an order of this program, "" of any other."""
        text = str(wire_id or "").removeprefix("0x")
        return text if text.startswith(OUR_MARK) else ""

    def _price(self, request: OrderRequest) -> float | None:
        """Return the price to hand to ccxt."""
        return request.limit_usd or None

    def _params(self, request: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {"clientOrderId": self._wire_id(request.client_id)}
        if request.reduce_only and self.perpetual:
            params["reduceOnly"] = True
        if request.limit_usd > 0.0:
            params["postOnly"] = True
        if request.trigger_usd > 0.0:
            params["stopLossPrice"] = request.trigger_usd
        return params

    def _names(self, request: OrderRequest) -> dict[str, Any]:
        """Return what names an order in a question or a cancel."""
        return {"clientOrderId": self._wire_id(request.client_id)}

    async def send(self, request: OrderRequest) -> Answer:
        """Send an order, once. Neither ccxt nor we ever send it again."""
        if self._paused() and not request.reduce_only:
            return Answer(Outcome.REFUSED, words="the venue told us to wait; it was not sent")
        try:
            raw = await self._exchange.create_order(
                self._unified(request.symbol),
                "limit" if request.limit_usd > 0.0 else "market",
                "buy" if request.side > 0 else "sell",
                request.qty,
                self._price(request),
                self._params(request),
            )
            return Answer(Outcome.KNOWN, self._order(raw, request))
        except UNUSABLE as error:
            await self._heed(error)
            return to_sending(error)

    async def cancel(self, request: OrderRequest) -> Answer:
        """Cancel an order by its client id. What has become of it is asked for afterwards, whatever the answer is."""
        try:
            await self._exchange.cancel_order("", self._unified(request.symbol), self._names(request))
            return Answer(Outcome.KNOWN)
        except UNUSABLE as error:
            await self._heed(error)
            return to_sending(error)

    async def query(self, request: OrderRequest) -> Answer:
        """Ask for an order by its client id."""
        try:
            raw = await self._exchange.fetch_order("", self._unified(request.symbol), self._names(request))
            return Answer(Outcome.KNOWN, self._order(raw, request))
        except UNUSABLE as error:
            await self._heed(error)
            return to_asking(error)

    def _order(self, raw: dict[str, Any], request: OrderRequest) -> VenueOrder:
        return order_of(raw, request.client_id, request.symbol)

    async def open_orders(self) -> list[VenueOrder]:
        """Return every order of this program that is open in the traded symbols."""
        found: list[VenueOrder] = []
        for symbol, market in enumerate(self._markets):
            raws = await self._read("open orders", self._open_of(market["symbol"]))
            own = [(raw, self._own_id(raw.get("clientOrderId"))) for raw in raws]
            found += [order_of(raw, client_id, symbol) for raw, client_id in own if client_id]
        return found

    async def _open_of(self, unified: str) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = await self._exchange.fetch_open_orders(unified)
        return orders

    async def fills(self, symbol: int, since_ms: int) -> list[VenueFill]:
        """Return our fills in a symbol since a time of the venue, oldest first."""
        unified = self._unified(symbol)
        found: dict[str, dict[str, Any]] = {}
        for _ in range(MOST_PAGES):
            page = await self._read("fills", self._exchange.fetch_my_trades(unified, since_ms, PAGE))
            fresh = [raw for raw in page if str(raw["id"]) not in found]
            found.update((str(raw["id"]), raw) for raw in fresh)
            if len(page) < PAGE or not fresh:
                break
            since_ms = max(int(raw["timestamp"]) for raw in page)
        return [await self._fill(raw, symbol) for raw in sorted(found.values(), key=lambda raw: int(raw["timestamp"]))]

    async def watch_fills(self) -> list[VenueFill]:
        """Wait for the next fills of the user stream."""
        raws = await self._read("user stream", self._exchange.watch_my_trades())
        return [await self._fill(raw, index) for raw in raws if (index := self._index(raw["symbol"])) >= 0]

    async def watch_orders(self) -> list[VenueOrder]:
        """Wait for the next changes of orders on the user stream."""
        raws = await self._read("user stream", self._exchange.watch_orders())
        told = []
        for raw in raws:
            index, client_id = self._index(raw["symbol"]), self._own_id(raw.get("clientOrderId"))
            if index >= 0 and client_id:
                told.append(order_of(raw, client_id, index))
        return told

    async def renew_stream(self) -> None:
        """Begin the user stream anew: who listens hears an error, and listens again."""
        for client in list(self._exchange.clients.values()):
            for name in list(client.futures):
                client.reject(errors.NetworkError(f"{self._name} user stream: is begun anew"), name)
            with contextlib.suppress(*UNUSABLE):
                await client.close()

    async def _fill(self, raw: dict[str, Any], symbol: int) -> VenueFill:
        try:
            qty, price, fee = float(raw["amount"]), float(raw["price"]), raw.get("fee") or {}
            cost, asset = float(fee.get("cost") or 0.0), str(fee.get("currency") or "")
            in_base = not self.perpetual and asset == self._markets[symbol]["base"] and raw["side"] == "buy"
            return VenueFill(
                symbol=symbol,
                trade_id=str(raw["id"]),
                venue_id=str(raw.get("order") or ""),
                client_id=self._own_id(self._client_id_of_fill(raw)),
                qty=qty if raw["side"] == "buy" else -qty,
                price_usd=price,
                fee_usd=0.0 if in_base else cost * await self._rate(asset),
                fee_qty=cost if in_base else 0.0,
                time_ms=int(raw["timestamp"]),
            )
        except UNUSABLE as error:
            raise no_answer(self._name, "fill", error) from error

    def _client_id_of_fill(self, raw: dict[str, Any]) -> object:
        """Return the client id a fill carries, if it does."""
        info = raw.get("info") or {}
        return info.get("cloid") or info.get("c")

    async def _rate(self, asset: str) -> float:
        """Return what a fee's asset is worth in dollars; asked once a run, for it is a cost of cents."""
        if not asset or asset in DOLLARS:
            return 1.0
        if asset not in self._rates:
            ticker = await self._exchange.fetch_ticker(f"{asset}/USDT")
            self._rates[asset] = float(ticker["last"])
        return self._rates[asset]

    @abstractmethod
    async def holdings(self) -> Holdings:
        """Return positions and cash."""

    @abstractmethod
    async def arm(self, symbol: int, within_ms: int) -> bool:
        """Tell the venue to cancel what rests unless told again in time; 0 takes it back."""


def _drop(request: Awaitable[object]) -> None:
    """Close a request that is not going to be made."""
    if isinstance(request, Coroutine):
        request.close()


def key_error(name: str, error: BaseException) -> ConfigError:
    """Return the error of a key the venue does not take."""
    return ConfigError(f"{name} key: was refused ({words_of(error)}), expected one that may trade; check it and its network")


def refuse_withdrawals(name: str, what: str) -> ConfigError:
    """Return the error of a key that could move money away."""
    return ConfigError(f"{name} key: was one that may withdraw ({what}), expected one that may only trade; make a new one")


def number(value: object) -> float:
    """Return a number of an answer.

    Errors
    ------
    FeedError
        If it is none: a missing balance is not a balance of 0.
    """
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise FeedError(f"account: was {value!r}, expected a number") from None
