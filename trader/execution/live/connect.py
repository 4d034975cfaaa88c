"""From an open gate to a venue that answers: addresses, keys, the network, and the account's money."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from shared.errors import ConfigError
from trader.execution.live import binance, hyperliquid
from trader.execution.live.gates import LiveMode
from trader.execution.live.venue import TradeVenue
from trader.settings import HYPERLIQUID

LOOPBACK_SETTLING_S = 3.0  # nothing is under way for long on one machine


class Account(msgspec.Struct, frozen=True):
    """An opened venue, its clock and the money in it."""

    venue: TradeVenue
    opened_ms: int
    cash_usd: float


async def connect(mode: LiveMode, symbols: Sequence[str], *, loopback_port: int = 0) -> Account:
    """Open the venue of a live mode. The test network unless the mode says otherwise.

    Errors
    ------
    ConfigError
        If the key or a symbol is not good for it.
    FeedError
        If it does not answer.
    """
    venue = _make(mode, symbols, loopback_port or mode.port)
    try:
        await venue.open()
        holdings = await venue.holdings()
        opened_ms = await venue.time_ms()
        venue.opened()
    except BaseException:
        await venue.close()
        raise
    return Account(venue, opened_ms, holdings.cash_usd)


def _make(mode: LiveMode, symbols: Sequence[str], port: int) -> TradeVenue:
    if HYPERLIQUID in (mode.venue, mode.market):
        return _make_hyperliquid(mode, symbols, port)
    exchange = binance.make_exchange(mode.keys, mode.market)
    kind = binance.BinanceUsdm if mode.market == "usdm" else binance.BinanceSpot
    if mode.is_local:
        point_at_loopback(exchange, port)
        return kind(exchange, symbols, must_tell=False, settling_s=LOOPBACK_SETTLING_S)
    if not mode.mainnet:
        if mode.market == "usdm":
            exchange.enable_demo_trading(True)  # Binance's test network of futures is its demo trading now
        else:
            exchange.set_sandbox_mode(True)
    return kind(exchange, symbols, must_tell=mode.mainnet)


def _make_hyperliquid(mode: LiveMode, symbols: Sequence[str], port: int) -> TradeVenue:
    exchange = hyperliquid.make_exchange(mode.keys)
    if not mode.mainnet:
        exchange.set_sandbox_mode(True)
    if mode.is_local:
        point_at_loopback(exchange, port)
        return hyperliquid.HyperliquidVenue(exchange, symbols, settling_s=LOOPBACK_SETTLING_S)
    return hyperliquid.HyperliquidVenue(exchange, symbols)


def point_at_loopback(exchange: Any, port: int) -> None:
    """Point an exchange of ccxt at a local one.

    Errors
    ------
    ConfigError
        If there is no port.
    """
    if not port:
        raise ConfigError("venue sim: was without a running simulator, expected one")
    exchange.enableRateLimit = False  # it answers 429 when it is too much, and nobody else pays for it
    http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    api = exchange.urls["api"]
    if exchange.id == HYPERLIQUID:
        api.update({"public": http, "private": http, "ws": {"public": f"{ws}/ws"}})
        return
    for name, address in list(api.items()):
        if isinstance(address, str):
            api[name] = http + "/" + address.split("/", 3)[3]
    api["ws"] = {
        **api["ws"],
        "spot": f"{ws}/ws",
        "linear": f"{ws}/ws",
        "ws-api": {"spot": f"{ws}/ws-api/v3", "linear": f"{ws}/ws-fapi/v1", "inverse": f"{ws}/ws-dapi/v1"},
    }
