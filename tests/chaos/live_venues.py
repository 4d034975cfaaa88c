"""The two sides of the local exchange as ``live_kills`` uses them: how to start, what goes wrong, and what the exchange says.

The exchange is asked with requests made and signed here and not by the code under test.
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from typing import Any

import httpx
import msgspec

CAPITAL_USD = 100_000.0
KEY, SECRET = "chaos-key", "chaos-secret"
# Hyperliquid: made of the venue's public test vectors; never fund them.
WALLET, AGENT = "0xcD49bbAc6E85fdEB167EB7cA41A945d2b8758F6F", "0x14791697260E4c9A71f18484C9f997B308e59325"
AGENT_KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
USER_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "silence", "for": 8, "stream": "user"},
    {"kind": "duplicate", "for": 8, "stream": "user"},
    {"kind": "close", "stream": "user", "code": 1006},
)


class Told(msgspec.Struct):
    """What the exchange says of the account.

    Attributes
    ----------
    positions, traded
        By symbol: signed quantity held (on spot of the base asset), quantity of all fills.
    cash_usd
        What is left if every position is taken back at its entry price less what it is worth there.
    order_ids
        The client ids of all orders, as the journal writes them.
    """

    positions: dict[str, float]
    traded: dict[str, float]
    cash_usd: float
    fees_usd: float
    funding_usd: float
    order_ids: list[str]
    fills: int


class Played(ABC):
    """One venue, played by the local exchange."""

    symbols: tuple[str, ...]
    market: str
    faults: tuple[dict[str, Any], ...]
    keys: dict[str, str]
    account: dict[str, Any]

    def trader_arguments(self, port: int) -> tuple[str, ...]:  # noqa: ARG002 - the simulator of the instance is found by itself
        """Return where a live trader finds this venue."""
        return ("--venue", "sim")

    @abstractmethod
    def ask(self, client: httpx.Client) -> Told:
        """Ask the exchange for everything."""


class BinanceUsdm(Played):
    """Binance USD-M."""

    symbols = ("BTCUSDT", "ETHUSDT")
    market = "usdm"
    keys = {"BINANCE_API_KEY_TESTNET": KEY, "BINANCE_API_SECRET_TESTNET": SECRET}  # noqa: RUF012 - never written
    account = {"name": "chaos", "key": KEY, "secret": SECRET, "balances": {"USDT": str(CAPITAL_USD)}}  # noqa: RUF012
    faults = (
        {"kind": "lost_answer", "for": 6, "path": "POST /fapi/v1/order", "share": 0.6, "code": 0},
        {"kind": "answer_first", "for": 8},
        {"kind": "http", "for": 4, "path": "order", "share": 0.7, "code": 503},
        USER_FAULTS[0],
        {"kind": "lost_answer", "for": 6, "path": "POST /fapi/v1/order", "share": 0.6, "code": 504},
        *USER_FAULTS[1:],
        {"kind": "unknown_order", "for": 2, "share": 0.5},
        {"kind": "slow", "for": 6, "path": "order", "delay_s": 1.5},
        {"kind": "listen_key_expired"},
        {"kind": "skew", "for": 6, "skew_ms": 4000},
        {"kind": "lost_answer", "for": 6, "path": "algoOrder", "share": 0.6, "code": 0},
        {"kind": "http", "for": 3, "path": "", "share": 0.5, "code": 429, "retry_after_s": 1},
        {"kind": "close", "stream": "", "code": 1001},
    )

    def ask(self, client: httpx.Client) -> Told:
        """Ask with signed requests."""
        account, risk = signed(client, "/fapi/v3/account"), signed(client, "/fapi/v3/positionRisk")
        trades = [trade for symbol in self.symbols for trade in _all_trades(client, symbol)]
        orders = [o for symbol in self.symbols for o in signed(client, "/fapi/v1/allOrders", symbol=symbol, limit=1000)]
        wallet = float(next(a["walletBalance"] for a in account["assets"] if a["asset"] == "USDT"))
        return Told(
            positions={row["symbol"]: float(row["positionAmt"]) for row in risk},
            traded={s: sum(float(t["qty"]) for t in trades if t["symbol"] == s) for s in self.symbols},
            cash_usd=wallet - sum(float(row["positionAmt"]) * float(row["entryPrice"]) for row in risk),
            fees_usd=sum(float(trade["commission"]) for trade in trades),
            funding_usd=sum(float(row["income"]) for row in signed(client, "/fapi/v1/income")),
            order_ids=[order["clientOrderId"] for order in orders],
            fills=len(trades),
        )


class BinanceSpot(Played):
    """Binance spot; commissions are kept of what is bought."""

    symbols = ("BTCUSDT", "ETHUSDT")
    market = "spot"
    keys = BinanceUsdm.keys
    account = BinanceUsdm.account
    faults = (
        {"kind": "lost_answer", "for": 6, "path": "POST /api/v3/order", "share": 0.6, "code": 0},
        {"kind": "answer_first", "for": 8},
        {"kind": "http", "for": 4, "path": "order", "share": 0.7, "code": 503},
        USER_FAULTS[0],
        {"kind": "lost_answer", "for": 6, "path": "POST /api/v3/order", "share": 0.6, "code": 504},
        *USER_FAULTS[1:],
        {"kind": "unknown_order", "for": 2, "share": 0.5},
        {"kind": "slow", "for": 6, "path": "order", "delay_s": 1.5},
        {"kind": "skew", "for": 6, "skew_ms": 4000},
        {"kind": "http", "for": 3, "path": "", "share": 0.5, "code": 429, "retry_after_s": 1},
        {"kind": "close", "stream": "", "code": 1001},
    )

    def ask(self, client: httpx.Client) -> Told:
        """Ask with signed requests."""
        rows = signed(client, "/api/v3/account")["balances"]
        held = {row["asset"]: float(row["free"]) + float(row["locked"]) for row in rows}
        trades = [trade for symbol in self.symbols for trade in _all_trades(client, symbol, "/api/v3/myTrades")]
        orders = [o for symbol in self.symbols for o in signed(client, "/api/v3/allOrders", symbol=symbol, limit=1000)]
        return Told(
            positions={symbol: held.get(symbol.removesuffix("USDT"), 0.0) for symbol in self.symbols},
            traded={s: sum(float(t["qty"]) for t in trades if t["symbol"] == s) for s in self.symbols},
            cash_usd=held["USDT"],
            fees_usd=sum(float(t["commission"]) * (1.0 if t["commissionAsset"] == "USDT" else float(t["price"])) for t in trades),
            funding_usd=0.0,
            order_ids=[order["clientOrderId"] for order in orders],
            fills=len(trades),
        )


class Hyperliquid(Played):
    """Hyperliquid's perpetuals."""

    symbols = ("BTC", "ETH")
    market = "hyperliquid"
    keys = {"HYPERLIQUID_ACCOUNT_TESTNET": WALLET, "HYPERLIQUID_AGENT_KEY_TESTNET": AGENT_KEY}  # noqa: RUF012 - never written
    account = {"name": "chaos", "address": WALLET, "agents": [AGENT], "balances": {"USDC": str(CAPITAL_USD)}}  # noqa: RUF012
    faults = (
        {"kind": "lost_answer", "for": 6, "path": "/exchange", "share": 0.6, "code": 0},
        {"kind": "answer_first", "for": 8},
        {"kind": "http", "for": 4, "path": "/exchange", "share": 0.7, "code": 503},
        USER_FAULTS[0],
        {"kind": "lost_answer", "for": 6, "path": "/exchange", "share": 0.6, "code": 504},
        *USER_FAULTS[1:],
        {"kind": "unknown_order", "for": 2, "share": 0.5},
        {"kind": "slow", "for": 6, "path": "/exchange", "delay_s": 1.5},
        {"kind": "http", "for": 4, "path": "/info", "share": 0.5, "code": 502},
        {"kind": "http", "for": 3, "path": "", "share": 0.5, "code": 429, "retry_after_s": 1},
        {"kind": "close", "stream": "", "code": 1001},
    )

    def trader_arguments(self, port: int) -> tuple[str, ...]:
        """Return the venue's own name, taken from this machine."""
        return ("--venue", "hyperliquid", "--local", f"hyperliquid={port}")

    def ask(self, client: httpx.Client) -> Told:
        """Ask for what is public there: everything about an address."""

        def info(kind: str, **given: object) -> Any:
            answer = client.post("/info", json={"type": kind, "user": WALLET, **given})
            answer.raise_for_status()
            return answer.json()

        state, fills = info("clearinghouseState"), _all_fills(info)
        return Told(
            positions={row["position"]["coin"]: float(row["position"]["szi"]) for row in state["assetPositions"]},
            traded={s: sum(float(f["sz"]) for f in fills if f["coin"] == s) for s in self.symbols},
            cash_usd=float(state["marginSummary"]["totalRawUsd"]),
            fees_usd=sum(float(fill["fee"]) for fill in fills),
            funding_usd=sum(float(row["delta"]["usdc"]) for row in info("userFunding", startTime=0)),
            order_ids=[row["order"]["cloid"].removeprefix("0x") for row in info("historicalOrders")],
            fills=len(fills),
        )


VENUES: dict[str, type[Played]] = {"binance": BinanceUsdm, "spot": BinanceSpot, "hyperliquid": Hyperliquid}


def signed(client: httpx.Client, path: str, **given: object) -> Any:
    """Ask Binance what only the owner of the account may ask."""
    clock_ms = client.get(f"/{path.split('/')[1]}/{'v3' if path.startswith('/api') else 'v1'}/time").json()["serverTime"]
    query = "&".join(f"{name}={value}" for name, value in {**given, "timestamp": clock_ms, "recvWindow": 60_000}.items())
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    answer = client.get(f"{path}?{query}&signature={signature}", headers={"X-MBX-APIKEY": KEY})
    answer.raise_for_status()
    return answer.json()


def _all_trades(client: httpx.Client, symbol: str, path: str = "/fapi/v1/userTrades") -> list[Any]:
    found: dict[int, Any] = {}
    while True:
        page = signed(client, path, symbol=symbol, limit=1000, fromId=max(found, default=-1) + 1)
        found.update((trade["id"], trade) for trade in page)
        if len(page) < 1000:
            return list(found.values())


def _all_fills(info: Any) -> list[Any]:
    found: dict[int, Any] = {}
    while True:
        page = info("userFillsByTime", startTime=max((fill["time"] for fill in found.values()), default=0))
        found.update((fill["tid"], fill) for fill in page)
        if len(page) < 2000:
            return list(found.values())
