"""Live orders on the local exchange: spot with fees in the asset itself, USD-M and Hyperliquid, agree to the cent at the end.

What the exchange holds is read from the exchange's own books, not through the code under test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shared.clock import NS_PER_MS, SystemClock
from shared.errors import FeedError
from shared.events import CommandKind, EventKind
from tests.live_room import AGENT, AGENT_KEYS, KEYS, WALLET, Room
from trader.execution.live import desk, executor
from trader.execution.live import room as opening
from trader.execution.live.gates import LiveMode
from trader.execution.live.venue import OrderRequest
from trader.settings import HYPERLIQUID, Settings
from trader.simulator.faults.script import Fault, Kind, Script
from trader.simulator.generated import GeneratedSource
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.generated import GeneratedOrigin
from trader.simulator.hyperliquid.server import HyperliquidOptions, HyperliquidServer
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market
from trader.simulator.trading.accounts_file import AccountEntry
from trader.simulator.trading.orders import Order

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


def test_a_venue_that_is_away_for_a_moment_does_not_keep_a_trader_from_coming_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    monkeypatch.setattr(opening, "FIRST_WAIT_S", 0.1)
    said: list[str] = []

    async def story(server: Any) -> None:
        where = SimpleNamespace(owns_simulator=False, loopback_port=server.port, market=HYPERLIQUID, symbols=["BTC"])
        mode = LiveMode(venue="sim", market="", mainnet=False, keys=AGENT_KEYS)
        given = Settings(instance="away", venue="sim", live=True)

        async def opened() -> None:
            await (await opening.open_room(mode, given, where, SystemClock(), said.append)).close()

        await opened()
        assert len(said) == 2
        assert all("502" in words for words in said)
        server._faults.plan._used.clear()
        monkeypatch.setattr(opening, "OPEN_WITHIN_S", 0.0)
        with pytest.raises(FeedError, match="502"):
            await opened()

    play(HYPERLIQUID, story, Fault(at_s=0, for_s=60, kind=Kind.HTTP, path="/info", code=502, count=2))


def book(server: Any) -> Any:
    """Return the exchange's own account."""
    (account,) = server.trading.venue.accounts.values()
    return account


def named(order: Order) -> str:
    """Return the client id of an order as the journal has it."""
    return order.request.client_id.removeprefix("0x")


def stops(server: Any) -> list[Order]:
    return [order for order in book(server).open_orders() if order.is_waiting]


def ordered(room: Room) -> bool:
    """Order something by hand; False if the engine does not take it just now."""
    before = len(room.of(EventKind.ORDER))
    room.by_hand(CLOSE if room.position else BUY)
    return len(room.of(EventKind.ORDER)) > before


@pytest.mark.parametrize("market", ["spot", HYPERLIQUID])
def test_a_trader_killed_again_and_again_finds_its_orders_whether_their_answers_came_or_not(tmp_path: Path, market: str) -> None:
    async def story(server: Any) -> None:
        room = await Room(tmp_path, server.port, market=market).start()
        for kill in range(3):
            known = room.journal.last_order()
            await room.until(lambda room=room: ordered(room))  # type: ignore[misc]
            await room.until(lambda room=room, known=known: room.journal.last_order() > known)  # type: ignore[misc]
            if kill % 2:
                await asyncio.sleep(
                    0.02 * kill
                )  # the request is on its way, or has arrived: nobody knows, and it must not matter
            state = await room.kill()
            room = await Room(tmp_path, server.port, state, settling_s=0.3, market=market).start()
            await room.until(lambda room=room: room.idle, within_s=12)  # type: ignore[misc]
        if room.position == 0:
            await room.until(lambda: ordered(room) or room.position)
        await room.until(lambda: room.position > 0 and room.idle and stops(server), within_s=12)
        await agreed(room)
        orders = list(book(server).orders.values())
        assert len({named(order) for order in orders}) == len(orders), "no order twice"
        assert all(room.journal.knows(named(order)) for order in orders)
        (stop,) = stops(server)
        assert float(stop.qty) == pytest.approx(room.position)
        await room.stop()
        assert stops(server) == [stop], "it protects without us"

    play(market, story, Fault(at_s=0, for_s=60, kind=Kind.LOST_ANSWER, path="order", share=0.4, code=0))


async def quote(room: Room) -> str:
    """Let a bid rest far below the market, as the market maker does; return its client id."""
    own = room.executor.desk
    request = OrderRequest(client_id=own.client_id(), symbol=0, side=1, qty=0.01, limit_usd=50_000.0)
    await room.executor._send(own.plan(request, 999, 0))
    return request.client_id


def test_on_hyperliquid_the_switch_is_taken_back_before_it_could_take_a_stop_and_quotes_go_with_us(tmp_path: Path) -> None:
    async def story(server: Any) -> None:
        room = await Room(tmp_path, server.port, market=HYPERLIQUID).start()
        account = book(server)
        left = await quote(room)
        await room.executor._keep_switch()
        assert list(account.countdowns) == [""], "it is armed for the whole account"
        room.executor.desk.orders[left].cancel_wanted = True
        room.executor.desk.orders[left].ask_ns = 0
        await room.until(lambda: not room.executor.desk.orders)
        state = await room.kill()
        assert account.countdowns, "it goes on without us, and nothing of ours rests any more"
        room = await Room(tmp_path, server.port, state, market=HYPERLIQUID).start()
        await room.until(lambda: not account.countdowns)
        left = await quote(room)
        await room.executor._keep_switch()
        assert list(account.countdowns) == [""]
        room.by_hand(BUY)
        await room.until(lambda: stops(server) and room.executor.desk.stops(0)[0].venue_id)
        await room.executor._keep_switch()
        assert not account.countdowns, "the stop is worth more"
        assert left in {named(order) for order in account.open_orders()}
        state = await room.kill()
        room = await Room(tmp_path, server.port, state, market=HYPERLIQUID).start()
        await room.until(lambda: left not in {named(order) for order in account.open_orders()})
        await quote(room)
        await room.stop()
        assert account.open_orders() == stops(server)
        assert len(stops(server)) == 1

    play(HYPERLIQUID, story)


@pytest.mark.parametrize("quietly", [False, True])
def test_a_stop_that_hyperliquid_carries_out_closes_the_position_in_the_ledger(tmp_path: Path, *, quietly: bool) -> None:
    async def story(server: Any) -> None:
        room = await Room(tmp_path, server.port, market=HYPERLIQUID).start()
        room.by_hand(BUY)
        await room.until(lambda: stops(server) and room.idle, within_s=12)
        server.trading.venue.on_mark("BTC", Decimal(59_000))
        await room.until(lambda: room.position == 0 and not room.executor.desk.orders, within_s=15)
        await agreed(room)
        assert len(room.of(EventKind.STOP_LOSS)) == 1
        assert not book(server).open_orders()
        await room.stop()

    silent = (Fault(at_s=0, for_s=60, kind=Kind.SILENCE, stream="user"),)
    play(HYPERLIQUID, story, *(silent if quietly else ()))
