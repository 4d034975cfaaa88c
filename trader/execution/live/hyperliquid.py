"""Hyperliquid's own ways: an agent's signature, no market orders, and a switch that would take the stops too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import ccxt.pro
import msgspec

from shared.errors import ConfigError, FeedError
from trader.execution.live.answers import order_of
from trader.execution.live.ccxt_venue import MOST_PAGES, PAGE, CcxtVenue, Plain, key_error, number, refuse_withdrawals
from trader.execution.live.keys import Keys
from trader.execution.live.venue import Holdings, OrderRequest, VenueFill, VenueOrder

SETTLING_S = 30.0  # a nonce stays good for days: only a request that is still on its way can arrive, and none takes this long
SLIPPAGE = 0.02  # bounds an order at the market, which is an immediate-or-cancel limit here
DUST_USD = 1e-6
NO_SWITCH_YET = "until enough volume traded"  # the venue gives the switch to accounts that have traded 1,000,000 USD
_PRIVATE_KEY = re.compile(r"0x[0-9a-fA-F]{64}")


class _Exchange(Plain, ccxt.pro.hyperliquid):  # type: ignore[misc]  # ccxt has no types
    """ccxt's exchange without what it would sign on the user's behalf: a builder's fee and a referrer."""

    async def initialize_client(self) -> bool:
        return True


def make_exchange(keys: Keys) -> Any:
    """Return a ccxt exchange for the perpetuals.

    Errors
    ------
    ConfigError
        If the private key is none, or is the account's own: that one may withdraw.
    """
    account, signing = keys.account.reveal(), keys.signing.reveal()
    if not _PRIVATE_KEY.fullmatch(signing):
        raise ConfigError("hyperliquid agent key: was not a private key, expected 0x and 64 hexadecimal digits")
    signer = str(_Exchange.eth_get_address_from_private_key(signing))
    if signer.lower() == account.lower():
        raise refuse_withdrawals("hyperliquid", "the account's own wallet; approve an agent wallet and use its key")
    return _Exchange(
        {
            "walletAddress": account,
            "privateKey": signing,
            "options": {
                "defaultType": "swap",
                "builderFee": False,
                "approvedBuilderFee": False,
                "defaultSlippage": SLIPPAGE,
                "fetchMarkets": {"types": ["swap"]},
            },
        }
    )


class HyperliquidVenue(CcxtVenue):
    """Hyperliquid perpetuals.

    Parameters
    ----------
    signer
        Address of the agent wallet.
    """

    switch_per_symbol = False
    account_wide = True

    def __init__(self, exchange: Any, symbols: Sequence[str], *, settling_s: float = SETTLING_S) -> None:
        super().__init__(exchange, "hyperliquid", symbols, settling_s=settling_s)
        self._ahead_ms = 0
        self._signer = str(exchange.eth_get_address_from_private_key(exchange.privateKey))

    def _market(self, symbol: str) -> Any:
        for market in self._exchange.markets.values():
            if market["swap"] and symbol in (market["base"], market.get("baseName")) and market["active"] is not False:
                return market
        raise ConfigError(f"symbols: was {symbol}, expected a coin that hyperliquid trades")

    async def time_ms(self) -> int:
        """Return the venue's clock, milliseconds since the epoch, and keep how far it is ahead of ours."""
        told_ms = await self._read("clock", self._exchange.fetch_time())
        self._ahead_ms = int(number(told_ms)) - int(self._exchange.milliseconds())
        return int(told_ms)

    async def _check_key(self) -> None:
        told = await self._read("agent", self._exchange.publicPostInfo({"type": "userRole", "user": self._signer}))
        role = str(told.get("role")) if isinstance(told, dict) else ""
        if role in ("user", "vault", "subAccount"):
            raise refuse_withdrawals("hyperliquid", f"the role of its wallet is {role!r}")
        master = str((told.get("data") or {}).get("user") or "") if isinstance(told, dict) else ""
        if role != "agent" or (master and master.lower() != str(self._exchange.walletAddress).lower()):
            raise key_error("hyperliquid", ValueError(f"{self._signer} is no agent of the account"))

    def _wire_id(self, client_id: str) -> str:
        return f"0x{client_id}"

    def _price(self, request: OrderRequest) -> float | None:
        return request.limit_usd or request.trigger_usd or request.seen_usd

    def _order(self, raw: dict[str, Any], request: OrderRequest) -> VenueOrder:
        told = super()._order(raw, request)
        at_market = not request.limit_usd and not request.trigger_usd
        if at_market and "filled" in (raw.get("info") or {}):  # immediate or cancel: nothing of it is left
            return msgspec.structs.replace(told, is_open=False)
        return told

    async def open_orders(self) -> list[VenueOrder]:
        """Return every order of this program that is open in the traded symbols; one answer has the whole account's."""
        raws = await self._read("open orders", self._exchange.fetch_open_orders())
        known = [(raw, self._index(raw["symbol"]), self._own_id(raw.get("clientOrderId"))) for raw in raws]
        return [order_of(raw, client_id, index) for raw, index, client_id in known if index >= 0 and client_id]

    async def fills(self, symbol: int, since_ms: int) -> list[VenueFill]:  # noqa: ARG002 - an answer has the whole account's
        """Return our fills in all traded symbols since a time of the venue, oldest first."""
        found: dict[str, Any] = {}
        for _ in range(MOST_PAGES):
            request = {"type": "userFillsByTime", "user": self._exchange.walletAddress, "startTime": since_ms}
            page = await self._read("fills", self._exchange.publicPostInfo(request))
            if not isinstance(page, list):
                raise FeedError(f"hyperliquid fills: was {str(page)[:80]!r}, expected a list")
            raws = [self._exchange.parse_trade(row) for row in page]
            fresh = [raw for raw in raws if str(raw["id"]) not in found]
            found.update((str(raw["id"]), raw) for raw in fresh)
            if len(page) < PAGE or not fresh:
                break
            since_ms = max(int(raw["timestamp"]) for raw in raws)
        told = sorted(found.values(), key=lambda raw: int(raw["timestamp"]))
        return [await self._fill(raw, index) for raw in told if (index := self._index(raw["symbol"])) >= 0]

    async def holdings(self) -> Holdings:
        """Return positions and cash. The list of positions must agree with the sums beside it, in an account worth something."""
        request = {"type": "clearinghouseState", "user": self._exchange.walletAddress}
        told = await self._read("account", self._exchange.publicPostInfo(request))
        if not isinstance(told, dict) or not isinstance(told.get("assetPositions"), list):
            raise FeedError("hyperliquid account: was without positions, expected a list")
        held = {p["position"]["coin"]: number(p["position"]["szi"]) for p in told["assetPositions"]}
        sums = told.get("marginSummary") or {}
        invested = any(held.values())
        confirmed = (abs(number(sums.get("totalNtlPos"))) > DUST_USD) == invested and number(sums.get("accountValue")) > 0.0
        positions = tuple(held.get(str(market.get("baseName") or market["base"]), 0.0) for market in self._markets)
        return Holdings(positions, number(sums.get("totalRawUsd")), confirmed=confirmed)

    async def arm(self, symbol: int, within_ms: int) -> bool:  # noqa: ARG002 - the switch is of the whole account
        """Set the time at which everything that rests is cancelled, stops as well: hence never while a position has one.

        ccxt takes a schedule back by setting it to now, which the venue refuses; it is taken back by naming no time.
        """
        exchange = self._exchange
        action: dict[str, Any] = {"type": "scheduleCancel"}
        if within_ms:
            action["time"] = int(exchange.milliseconds()) + self._ahead_ms + within_ms
        nonce = exchange.incrementing_nonce()
        request = {"action": action, "nonce": nonce, "signature": exchange.sign_l1_action(action, nonce)}
        try:
            await self._read("scheduled cancel", exchange.privatePostExchange(request))
        except FeedError as error:
            if NO_SWITCH_YET in str(error):
                return False
            raise
        return True
