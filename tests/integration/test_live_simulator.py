"""Live orders on the local exchange: spot with fees in the asset itself, USD-M and Hyperliquid, agree to the cent at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.clock import NS_PER_MS, SystemClock
from shared.events import CommandKind
from tests.live_room import AGENT, KEYS, WALLET, Room
from trader.execution.live import desk, executor
from trader.settings import HYPERLIQUID
from trader.simulator.faults.script import Fault, Script
from trader.simulator.generated import GeneratedSource
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.generated import GeneratedOrigin
from trader.simulator.hyperliquid.server import HyperliquidOptions, HyperliquidServer
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market
from trader.simulator.trading.accounts_file import AccountEntry

BUY, CLOSE = CommandKind.MANUAL_BUY, CommandKind.CLOSE
ENTRY = AccountEntry(
    name="main", key=KEYS.account.reveal(), secret=KEYS.signing.reveal(), balances={"USDT": Decimal(100_000), "BTC": Decimal(2)}
)
OURS = AccountEntry(name="main", address=WALLET, agents=[AGENT], balances={"USDC": Decimal(100_000)})


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what waits for seconds at a real venue wait for tenths here: nothing is under way for long on one machine."""
    monkeypatch.setattr(executor, "RECHECK_NS", 200 * NS_PER_MS)
    monkeypatch.setattr(desk, "SLOWEST_ASK_NS", 400 * NS_PER_MS)
    monkeypatch.setattr(desk, "WORKING_ASK_NS", 300 * NS_PER_MS)


@asynccontextmanager
async def exchange(market: str, *faults: Fault) -> AsyncIterator[Any]:
    """Run a local exchange with one account."""
    clock, script = SystemClock(), Script(list(faults)) if faults else None
    if market == HYPERLIQUID:
        flow = Flow(GeneratedOrigin(["BTC"], 5, clock.now_ns()))
        async with HyperliquidServer(flow, HyperliquidOptions(accounts=(OURS,), faults=script), clock) as server:
            yield server
    else:
        source = GeneratedSource(Market(market), ("BTCUSDT",), 5, clock.now_ns())
        async with SimulatorServer(source, ServerOptions(accounts=(ENTRY,), faults=script), clock) as server:
            yield server


def play(market: str, story: Callable[[Any], Awaitable[None]], *faults: Fault) -> None:
    async def whole() -> None:
        async with exchange(market, *faults) as server, asyncio.timeout(40):
            await story(server)

    asyncio.run(whole())


@pytest.mark.parametrize("market", ["usdm", "spot", HYPERLIQUID])
def test_bought_protected_sold_and_agreed(tmp_path: Path, market: str) -> None:
    async def story(server: Any) -> None:
        room = await Room(tmp_path, server.port, market=market).start()
        room.by_hand(BUY, 2_468.0)  # on spot this leaves a crumb of nearly a step
        await room.until(lambda: room.position > 0 and room.idle)
        await room.until(lambda: room.executor.desk.stops(0) and room.idle)
        await agreed(room)
        room.by_hand(CLOSE)
        await room.until(lambda: room.position == 0 and not room.executor.desk.orders)
        await agreed(room)
        await room.stop()

    play(market, story)


async def agreed(room: Room) -> None:
    """Hold that the venue and the ledger were compared after this moment, and agreed."""
    seen = room.executor.reconciliations
    room.executor._reconcile_ns = 0
    await room.until(lambda: room.executor.reconciliations > seen)
    assert room.state["reconciled"][0], room.said
    venue: Any = room._account.venue
    holdings = await venue.holdings()
    baseline = room.journal.fact("cash_usd") or 0.0
    assert holdings.cash_usd - baseline == pytest.approx(room.cash, abs=0.01)
