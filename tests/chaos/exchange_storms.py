"""Random fault scripts on the local exchange while a careful client trades: ``python -m tests.chaos.exchange_storms 50``.

Prints a line a script: what was sent, what the exchange knows, and whether both and the money agree to the last digit. The client
never sends an order twice: whatever is in doubt is asked for by its client id until the exchange says what became of it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from shared.clock import SystemClock
from tests.signed_client import ENTRIES, signature
from trader.simulator.faults.plan import Change
from trader.simulator.faults.script import Kind, Script, random_script
from trader.simulator.generated import GeneratedSource
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market
from trader.simulator.trading.ledger import MarginLedger
from trader.simulator.trading.orders import ZERO

SPAN_S = 60.0
_SPEED = 20.0
_DOUBTFUL = (0, 500, 502, 503, 504)
_PREFIX = {Market.SPOT: "/api/v3", Market.USDM: "/fapi/v1"}


@dataclass
class Storm:
    """One script being lived through."""

    server: SimulatorServer
    market: Market
    sent: int = 0
    accepted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    frames: int = 0
    reconnects: int = 0
    user_events: int = 0

    @property
    def base(self) -> str:
        """Where the exchange is."""
        return f"127.0.0.1:{self.server.port}"

    async def listen(self, path: str) -> None:
        """Follow a stream and come back whenever it ends."""
        while True:
            with suppress(OSError, WebSocketException, InvalidHandshake, TimeoutError):
                async with connect(f"ws://{self.base}{path}", max_size=None, open_timeout=2) as ws:
                    async for _ in ws:
                        self.frames += 1
            self.reconnects += 1
            await asyncio.sleep(0.02)

    async def trade(self, session: aiohttp.ClientSession) -> None:
        """Send orders one after the other; settle every doubt before the next."""
        while True:
            self.sent += 1
            name = f"storm-{self.sent}"
            side, quantity = ("BUY", "SELL")[self.sent % 2], f"0.0{1 + self.sent % 9}"
            order = {"symbol": "BTCUSDT", "side": side, "type": "MARKET", "quantity": quantity, "newClientOrderId": name}
            status, _ = await self.call(session, "POST", "/order", order)
            if status in _DOUBTFUL:
                status, _ = await self.settle(session, name)
            (self.accepted if status == 200 else self.refused).add(name)
            await asyncio.sleep(0.005)

    async def settle(self, session: aiohttp.ClientSession, name: str) -> tuple[int, Any]:
        """Ask what became of an order until three answers in a row say the same: one may come from a lagging copy."""
        seen: list[tuple[int, Any]] = []
        while True:
            asked = await self.call(session, "GET", "/order", {"symbol": "BTCUSDT", "origClientOrderId": name})
            if asked[0] == 200:
                return asked
            seen = [*seen, asked] if asked[0] == 400 and asked[1].get("code") == -2013 else []
            if len(seen) >= 3 and self.server.fault(Kind.UNKNOWN_ORDER) is None:
                return asked
            await asyncio.sleep(0.02)

    async def call(self, session: aiohttp.ClientSession, method: str, path: str, params: dict[str, str]) -> tuple[int, Any]:
        """Make one signed request; 0 stands for no answer."""
        stamp = self.server.venue_ms()
        query = "&".join(f"{key}={value}" for key, value in (params | {"timestamp": str(stamp), "recvWindow": "60000"}).items())
        url = f"http://{self.base}{_PREFIX[self.market]}{path}?{query}&signature={signature(query, 'ka')}"
        try:
            async with session.request(method, url, headers={"X-MBX-APIKEY": "ka"}) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return 0, None

    def verdict(self) -> list[str]:
        """Return what does not agree; nothing if all does."""
        assert self.server.trading is not None
        venue = self.server.trading.venue
        account = venue.accounts["a"]
        known = {order.request.client_id for order in account.orders.values()}
        wrong = [] if len(known) == len(account.orders) else ["doubled"]
        wrong += [f"lost {name}" for name in sorted(self.accepted - known)]
        wrong += [f"unaware of {name}" for name in sorted(known & self.refused)]
        signed = sum((fill.side.sign * fill.qty for fill in account.fills), ZERO)
        cash = sum((-fill.side.sign * fill.value for fill in account.fills), ZERO)
        fees = sum((fill.fee for fill in account.fills), ZERO)
        ledger = account.ledger
        if isinstance(ledger, MarginLedger):
            held = ledger.position("BTCUSDT")
            agrees = held.qty == signed and ledger.wallet == Decimal(100_000) + cash - fees + held.cost
        else:
            fees_btc = sum((fill.fee for fill in account.fills if fill.fee_asset == "BTC"), ZERO)
            agrees = ledger.balances["BTC"].total == 1 + signed - fees_btc
            agrees &= ledger.balances["USDT"].total == Decimal(100_000) + cash - (fees - fees_btc)
        return wrong if agrees else [*wrong, "money"]


async def live_through(seed: int, market: Market, script: Script | None = None) -> tuple[Storm, list[str]]:
    """Run one script to its end; return what happened and what does not agree."""
    clock = SystemClock()
    source = GeneratedSource(market, ("BTCUSDT",), seed, clock.now_ns(), SPAN_S)
    changes: list[Change] = []
    options = ServerOptions(
        accounts=ENTRIES,
        speed=_SPEED,
        faults=script or random_script(seed, SPAN_S),
        tell_fault=lambda change, _: changes.append(change),
    )
    async with SimulatorServer(source, options, clock) as server:
        storm = Storm(server, market)
        streams = "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
        timeout = aiohttp.ClientTimeout(total=2.0)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            prefix = "" if market is Market.SPOT else "/public"
            tasks = [asyncio.create_task(storm.listen(prefix + streams)), asyncio.create_task(storm.trade(session))]
            await server.flowed()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return storm, storm.verdict()


def main(scripts: int) -> int:
    """Live through ``scripts`` seeds on each market; return how many did not agree."""
    table = Table("seed", "market", "faults", "orders", "refused", "frames", "reconnects", "verdict")
    failed = 0
    for seed in range(scripts):
        for market in (Market.SPOT, Market.USDM):
            storm, wrong = asyncio.run(live_through(seed, market))
            failed += bool(wrong)
            kinds = " ".join(fault.kind for fault in random_script(seed, SPAN_S).fault)
            counts = (len(storm.accepted), len(storm.refused), storm.frames, storm.reconnects)
            table.add_row(str(seed), market, kinds, *map(str, counts), ", ".join(wrong) or "ok")
    console = Console(width=150)
    console.print(table)
    console.print(f"{2 * scripts} storms, {failed} did not agree")
    return failed


if __name__ == "__main__":
    sys.exit(min(100, main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)))
