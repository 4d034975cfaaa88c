"""Binance's own ways, spot and USD-M: two answers for the positions, stops at the algo desk, the countdown that cancels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ccxt.pro

from shared.errors import ConfigError, FeedError
from trader.execution.live.answers import UNUSABLE, order_of, to_asking
from trader.execution.live.ccxt_venue import DOLLARS, CcxtVenue, Plain, key_error, number, refuse_withdrawals
from trader.execution.live.keys import Keys
from trader.execution.live.venue import Answer, Holdings, OrderRequest, Outcome, VenueOrder

RECV_WINDOW_MS = 3_000  # a request that arrives later than this after its time is refused by the venue itself
SETTLING_S = 12.0  # the window, and the 10 s within which the venue itself gives up (-1007)


class _Usdm(Plain, ccxt.pro.binanceusdm):  # type: ignore[misc]  # ccxt has no types
    def handle_message(self, client: Any, message: Any) -> None:
        """Break the stream whose key has expired: it would stay open and say nothing more. ccxt does not look for it."""
        if isinstance(message, dict) and message.get("e") == "listenKeyExpired":
            self.forget_listen_key()
            for name in list(client.futures):
                client.reject(ccxt.NetworkError(f"{self.id} listenKeyExpired"), name)
            return
        super().handle_message(client, message)

    def forget_listen_key(self) -> None:
        """Make that the next listener asks for a new key."""
        self.options["linear"] = {**(self.options.get("linear") or {}), "listenKey": None, "lastAuthenticatedTime": 0}


class _Spot(Plain, ccxt.pro.binance):  # type: ignore[misc]
    pass


def make_exchange(keys: Keys, market: str) -> Any:
    """Return a ccxt exchange for one market."""
    kind = _Usdm if market == "usdm" else _Spot
    return kind(
        {
            "apiKey": keys.account.reveal(),
            "secret": keys.signing.reveal(),
            "options": {
                "fetchMarkets": {"types": ["linear" if market == "usdm" else "spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
                "recvWindow": RECV_WINDOW_MS,
                "adjustForTimeDifference": True,
                "warnOnFetchOpenOrdersWithoutSymbol": False,
                "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
                "watchBalance": {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False},
            },
        }
    )


class BinanceVenue(CcxtVenue):
    """What spot and USD-M have in common.

    Parameters
    ----------
    must_tell
        Whether the venue has to say what the key may do: on the main network it does, on the others it may not.
    """

    def __init__(self, exchange: Any, symbols: Sequence[str], *, must_tell: bool, settling_s: float = SETTLING_S) -> None:
        super().__init__(exchange, "binance", symbols, settling_s=settling_s)
        self._must_tell = must_tell

    async def _check_key(self) -> None:
        try:
            told = await self._exchange.sapiGetAccountApiRestrictions()
        except ccxt.AuthenticationError as error:
            raise key_error("binance", error) from error
        except UNUSABLE as error:
            if self._must_tell:
                raise ConfigError(
                    "binance key: what it may do could not be learned, expected an answer; nothing was sent"
                ) from error
            return
        if str(told.get("enableWithdrawals")).lower() == "true":
            raise refuse_withdrawals("binance", "enableWithdrawals")


class BinanceSpot(BinanceVenue):
    """Binance spot."""

    perpetual = False

    async def holdings(self) -> Holdings:
        """Return balances: the base assets are the positions. Two answers, with and without the empty ones, must agree."""
        full = _balances(await self._read("account", self._exchange.privateGetAccount({})))
        short = _balances(await self._read("account", self._exchange.privateGetAccount({"omitZeroBalances": "true"})))
        positions = tuple(full.get(market["base"], 0.0) for market in self._markets)
        quotes = {market["quote"] for market in self._markets}
        cash = sum(full.get(quote, 0.0) for quote in quotes)
        held = {asset: total for asset, total in full.items() if total}
        return Holdings(positions, cash, confirmed=bool(full) and held == {a: t for a, t in short.items() if t})

    async def arm(self, symbol: int, within_ms: int) -> bool:  # noqa: ARG002 - spot has no such switch
        """Say that spot has no such switch."""
        return False


class BinanceUsdm(BinanceVenue):
    """Binance USD-M futures."""

    async def renew_stream(self) -> None:
        """Begin the user stream anew, with a new key."""
        self._exchange.forget_listen_key()
        await super().renew_stream()

    def _names(self, request: OrderRequest) -> dict[str, Any]:
        names = super()._names(request)
        return {**names, "trigger": True} if request.trigger_usd > 0.0 else names

    async def query(self, request: OrderRequest) -> Answer:
        """Ask for an order; a stop that was triggered has become another order, and that one has the fills."""
        if request.trigger_usd <= 0.0:
            return await super().query(request)
        try:
            raw = await self._exchange.fetch_order("", self._unified(request.symbol), self._names(request))
            made = str((raw.get("info") or {}).get("actualOrderId") or "")
            if not made or made == "0":
                told = order_of(raw, request.client_id, request.symbol)
                return Answer(Outcome.KNOWN, _untriggered(told))
            raw = await self._exchange.fetch_order(made, self._unified(request.symbol))
            return Answer(Outcome.KNOWN, order_of(raw, request.client_id, request.symbol))
        except UNUSABLE as error:
            return to_asking(error)

    def _order(self, raw: dict[str, Any], request: OrderRequest) -> VenueOrder:
        told = order_of(raw, request.client_id, request.symbol)
        return _untriggered(told) if request.trigger_usd > 0.0 else told

    async def _open_of(self, unified: str) -> list[dict[str, Any]]:
        plain: list[dict[str, Any]] = await self._exchange.fetch_open_orders(unified)
        stops: list[dict[str, Any]] = await self._exchange.fetch_open_orders(unified, None, None, {"trigger": True})
        return plain + stops

    async def holdings(self) -> Holdings:
        """Return positions and cash from two different endpoints; an empty list of one proves nothing."""
        risk = await self._read("positions", self._exchange.fapiPrivateV3GetPositionRisk({}))
        account = await self._read("account", self._exchange.fapiPrivateV3GetAccount({}))
        if not isinstance(risk, list) or not isinstance(account.get("assets"), list):
            raise FeedError("binance account: was without a list of positions or assets, expected both")
        held, others = _positions(risk), _positions(account.get("positions") or [])
        wallet = [number(a["walletBalance"]) for a in account["assets"] if a.get("asset") in DOLLARS]
        entries = {p["symbol"]: number(p.get("entryPrice")) for p in risk}
        ids = [str(market["id"]) for market in self._markets]
        cash = sum(wallet) - sum(held.get(i, 0.0) * entries.get(i, 0.0) for i in ids)
        return Holdings(tuple(held.get(i, 0.0) for i in ids), cash, confirmed=bool(wallet) and held == others)

    async def arm(self, symbol: int, within_ms: int) -> bool:
        """Start the countdown that cancels the resting orders of a symbol. Whether it takes stops too is not documented."""
        request = {"symbol": self._markets[symbol]["id"], "countdownTime": within_ms}
        await self._read("countdown", self._exchange.fapiPrivatePostCountdownCancelAll(request))
        return True


def _untriggered(told: VenueOrder) -> VenueOrder:
    """Return a stop that has not become an order yet: no id for fills, and open unless it was taken off or refused."""
    is_open = told.is_open or not told.words
    return VenueOrder(
        client_id=told.client_id, symbol=told.symbol, venue_id="", is_open=is_open, filled_qty=0.0, words=told.words
    )


def _positions(rows: list[dict[str, Any]]) -> dict[str, float]:
    held: dict[str, float] = {}
    for row in rows:
        held[str(row["symbol"])] = held.get(str(row["symbol"]), 0.0) + number(row.get("positionAmt"))
    return {symbol: qty for symbol, qty in held.items() if qty}


def _balances(account: Any) -> dict[str, float]:
    rows = account.get("balances") if isinstance(account, dict) else None
    if not isinstance(rows, list):
        raise FeedError("binance account: was without balances, expected a list")
    return {str(row["asset"]): number(row["free"]) + number(row["locked"]) for row in rows}
