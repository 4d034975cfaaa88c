"""An engine and an executor on a venue, without a feed: the market is told by the test, the orders are real requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shared.clock import SystemClock
from shared.events import CommandKind, EventKind, Reason, Source
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind, InputRow, batch, row
from trader.engine.state import State, copy_state, new_state
from trader.execution.live.connect import Account, connect
from trader.execution.live.executor import Executor
from trader.execution.live.gates import LiveMode
from trader.execution.live.journal import OrderJournal
from trader.execution.live.keys import Keys, Secret
from trader.settings import HYPERLIQUID

KEYS = Keys(Secret("test-key"), Secret("test-secret"))
# Hyperliquid: an account and an agent of it, made of the venue's public test vectors; never fund them.
WALLET, AGENT = "0xcD49bbAc6E85fdEB167EB7cA41A945d2b8758F6F", "0x14791697260E4c9A71f18484C9f997B308e59325"
AGENT_KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
AGENT_KEYS = Keys(Secret(WALLET), Secret(AGENT_KEY))
MODE = LiveMode(venue="sim", market="usdm", mainnet=False, keys=KEYS)
CAPITAL_USD = 100_000.0


class Room:
    """One life of a live trader. A second one on the same folder, begun with :attr:`remembered`, is the restart.

    Attributes
    ----------
    said
        What the human was told.
    """

    def __init__(
        self, folder: Path, port: int, state: State | None = None, settling_s: float = 0.5, *, market: str = "usdm"
    ) -> None:
        on_hyperliquid = market == HYPERLIQUID
        self._mode = msgspec.structs.replace(MODE, market=market, keys=AGENT_KEYS if on_hyperliquid else KEYS)
        self.symbols = ["BTC" if on_hyperliquid else "BTCUSDT"]
        self.said: list[str] = []
        self.events: list[Any] = []
        self._folder = folder
        self._port = port
        self._settling_s = settling_s
        self._clock = SystemClock()
        self.engine = Engine(state if state is not None else new_state(1, CAPITAL_USD, live=True))
        self.executor: Executor
        self._account: Account
        self._running: asyncio.Task[None]
        self.journal: OrderJournal

    async def start(self, *, reconciled: bool = True) -> Room:
        self._account = await connect(self._mode, self.symbols, loopback_port=self._port)
        venue: Any = self._account.venue
        venue.settling_ns = int(self._settling_s * 1e9)
        self.journal = OrderJournal(self._folder / "orders.sqlite")
        self.executor = Executor(
            venue,
            self,
            self.journal,
            self._clock,
            np.random.default_rng(),
            opened_ms=self._account.opened_ms,
            say=self.said.append,
        )
        self._running = asyncio.get_running_loop().create_task(self.executor.run())
        now_ns = self.input_time_ns()
        venue_steps = venue.tick_size(0), venue.step_size(0)
        known = row(InputKind.INSTRUMENT, now_ns, 0, flags=int(venue.perpetual), a=venue_steps[0], b=venue_steps[1], c=5.0)
        self.take([known, *self._market(60_000.0)])
        if reconciled:
            await self.until(lambda: self.executor.reconciliations and self.state["reconciled"][0])
        return self

    async def kill(self) -> State:
        """End without a word, as kill -9 does; return what the engine's own log would bring back."""
        self._running.cancel()
        for task in list(self.executor._tasks):
            task.cancel()
        withdraw = self.executor._withdraw
        self.executor._withdraw = _nothing  # type: ignore[method-assign]
        await asyncio.gather(self._running, return_exceptions=True)
        self.executor._withdraw = withdraw  # type: ignore[method-assign]
        self.journal.close()
        await self._account.venue.close()
        return copy_state(self.engine.state)

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self.journal.close()
        await self._account.venue.close()

    @property
    def state(self) -> State:
        return self.engine.state

    @property
    def position(self) -> float:
        return float(self.state["symbols"][0]["position_qty"][0])

    @property
    def idle(self) -> bool:
        """Whether no order is under way, neither for the engine nor for the executor."""
        return not self.state["symbols"][0]["orders"]["status"].any() and not self.executor.desk.in_flight(0)

    @property
    def cash(self) -> float:
        return float(self.state["cash_usd"][0])

    def take(self, rows: list[InputRow]) -> None:
        events = self.engine.process(batch(rows))
        self.events += list(events)
        if hasattr(self, "executor"):
            self.executor.told(events)

    def input_time_ns(self) -> int:
        return max(self._clock.now_ns(), int(self.state["time_ns"][0]))

    def _market(self, price: float) -> list[InputRow]:
        return [row(InputKind.QUOTE, self.input_time_ns(), 0, a=price - 0.1, b=10.0, c=price + 0.1, d=10.0, ref=1)]

    def price(self, usd: float) -> None:
        self.take(self._market(usd))

    def by_hand(self, kind: CommandKind, usd: float = 3_000.0) -> None:
        self.take(
            [
                *self._market(60_000.0),
                row(InputKind.COMMAND, self.input_time_ns(), 0, flags=Source.OPERATOR, aux=kind, a=usd, ref=1),
            ]
        )

    def of(self, kind: EventKind) -> list[Any]:
        return [event for event in self.events if event["kind"] == kind]

    @property
    def last_events(self) -> list[tuple[str, str]]:
        """The last events in words, for a test that fails."""
        return [(EventKind(int(e["kind"])).name, Reason(int(e["reason"])).name) for e in self.events[-6:]]

    async def until(self, check: Callable[[], object], within_s: float = 8.0) -> None:
        """Wait for a condition, and fail if a part of the executor has failed meanwhile."""
        deadline = asyncio.get_running_loop().time() + within_s
        while not check():
            if self._running.done():
                self._running.result()
            assert asyncio.get_running_loop().time() < deadline, (
                f"still not true; said {self.said[-3:]}, events {self.last_events}"
            )
            await asyncio.sleep(0.01)


async def _nothing() -> None:
    pass
