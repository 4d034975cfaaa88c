"""Hyperliquid's own ways: an agent's signature, no market orders, and a switch that would take the stops too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import ccxt.pro
import msgspec

from shared.errors import ConfigError, FeedError
from trader.execution.live.ccxt_venue import CcxtVenue, key_error, number, refuse_withdrawals
from trader.execution.live.keys import Keys
from trader.execution.live.venue import Holdings, OrderRequest, VenueOrder

SETTLING_S = 30.0  # a nonce stays good for days: only a request that is still on its way can arrive, and none takes this long
SLIPPAGE = 0.02  # bounds an order at the market, which is an immediate-or-cancel limit here
DUST_USD = 1e-6
_PRIVATE_KEY = re.compile(r"0x[0-9a-fA-F]{64}")


class _Exchange(ccxt.pro.hyperliquid):  # type: ignore[misc]  # ccxt has no types
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

    def __init__(self, exchange: Any, symbols: Sequence[str], *, settling_s: float = SETTLING_S) -> None:
        super().__init__(exchange, "hyperliquid", symbols, settling_s=settling_s)
        self._signer = str(exchange.eth_get_address_from_private_key(exchange.privateKey))

    def _market(self, symbol: str) -> Any:
        for market in self._exchange.markets.values():
            if market["swap"] and symbol in (market["base"], market.get("baseName")) and market["active"] is not False:
                return market
        raise ConfigError(f"symbols: was {symbol}, expected a coin that hyperliquid trades")

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
        """Set the time at which everything that rests is cancelled, stops as well: hence never while a position has one."""
        await self._read("scheduled cancel", self._exchange.cancel_all_orders_after(within_ms))
        return True
