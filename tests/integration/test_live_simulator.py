"""Live orders on the local exchange: spot with fees in the asset itself, and USD-M, agree to the cent at the end."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.events import CommandKind
from tests.live_room import KEYS, Room
from trader.simulator.generated import GeneratedSource
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market
from trader.simulator.trading.accounts_file import AccountEntry

ENTRY = AccountEntry(
    name="main", key=KEYS.account.reveal(), secret=KEYS.signing.reveal(), balances={"USDT": Decimal(100_000), "BTC": Decimal(2)}
)


@pytest.mark.parametrize("market", ["usdm", "spot"])
def test_bought_protected_sold_and_agreed(tmp_path: Path, market: str) -> None:
    async def story() -> None:
        clock = SystemClock()
        source = GeneratedSource(Market(market), ("BTCUSDT",), 5, clock.now_ns())
        async with SimulatorServer(source, ServerOptions(accounts=(ENTRY,)), clock) as server:
            room = await Room(tmp_path, server.port, market=market).start()
            room.by_hand(CommandKind.MANUAL_BUY, 2_468.0)  # on spot this leaves a crumb of nearly a step
            await room.until(lambda: room.position > 0 and room.idle)
            await room.until(lambda: room.executor.desk.stops(0) and room.idle)
            await agreed(room)
            room.by_hand(CommandKind.CLOSE)
            await room.until(lambda: room.position == 0 and not room.executor.desk.orders)
            await agreed(room)
            await room.stop()

    asyncio.run(story())


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
