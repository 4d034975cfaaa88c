"""The local exchange of the load test: the simulator's REST, sockets and subscriptions; the frames are written as they are due.

``python -m tests.bench.load_exchange FOLDER`` says its port, begins when somebody subscribes and notes when each part left.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from shared.clock import NS_PER_MS, NS_PER_S, SystemClock
from tests.bench.load_flow import KINDS, OPENING, Flow, open_flow
from trader.simulator.klines import Bar
from trader.simulator.recorded_book import DepthUpdate, RecordedBook
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Frame, GateMark, Market
from trader.simulator.spec import SymbolSpec, published_spec


class PreparedSource:
    """Answers REST for a prepared flow: its books follow what was sent."""

    market = Market.USDM
    mode = "generated"

    def __init__(self, flow: Flow, clock: SystemClock) -> None:
        self._clock = clock
        self._frames = flow.frames.open("rb")
        self._depths = deque(flow.depths)
        self._books = {symbol: RecordedBook() for symbol in OPENING}
        self.specs: dict[str, SymbolSpec] = {symbol: published_spec(symbol, Market.USDM) for symbol in OPENING}
        self.streams = {f"{symbol.lower()}@{kind}" for symbol in OPENING for kind in KINDS.values()}
        self.gated: set[str] = set()

    def items(self) -> Iterator[Frame | GateMark]:
        return iter(())

    def follow(self, tick: int) -> None:
        """Apply the depth updates up to a tick."""
        while self._depths and self._depths[0][0] <= tick:
            _, symbol, at, size = self._depths.popleft()
            self._frames.seek(at)
            self._books[symbol].apply(msgspec.json.decode(self._frames.read(size), type=DepthUpdate))

    def depth(self, symbol: str, limit: int) -> bytes:
        book = self._books[symbol]
        bids, asks = book.levels(limit)
        stamps = {"E": self.server_time_ms(), "T": self.server_time_ms()}
        return msgspec.json.encode({"lastUpdateId": book.update_id, **stamps, "bids": bids, "asks": asks})

    def bars(self, symbol: str) -> list[Bar]:  # noqa: ARG002 - the simulator's interface: this market has no past
        return []

    def server_time_ms(self) -> int:
        return self._clock.now_ns() // NS_PER_MS


class LoadExchange(SimulatorServer):
    """A simulator whose flow is a file."""

    def __init__(self, flow: Flow, folder: Path, clock: SystemClock) -> None:
        self._prepared = PreparedSource(flow, clock)
        super().__init__(self._prepared, ServerOptions(), clock)
        self._ticks = flow.ticks
        self._frames_path = flow.frames
        self._sent_ns = np.lib.format.open_memmap(
            folder / "sent.npy", "w+", np.int64, (1 + len(flow.ticks),)
        )  # the first: when it began

    async def _run(self) -> None:
        await self._wait_for_listeners()
        with self._frames_path.open("rb") as frames:
            begin_ns = self._sent_ns[0] = self._clock.monotonic_ns()
            for number, (due_ns, _, size, _, _) in enumerate(self._ticks.tolist()):
                wait_s = (begin_ns + due_ns - self._clock.monotonic_ns()) / NS_PER_S
                # late parts leave in one go, but for the turn that answers and the socket's own writing need
                if wait_s > 0 or number % 64 == 0:
                    await asyncio.sleep(max(wait_s, 0.0))
                self._write(frames.read(size), number)
                self._prepared.follow(number)
        await self._hub.end()

    def _write(self, part: bytes, number: int) -> None:
        self._sent_ns[1 + number] = self._clock.monotonic_ns()
        for subscriber in self._hub.subscribers:
            subscriber.connection.transport.write(part)


async def serve(folder: Path) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    async with LoadExchange(open_flow(folder), folder, SystemClock()) as exchange:
        sys.stdout.write(f"{exchange.port}\n")
        sys.stdout.flush()
        waiting = [asyncio.create_task(stopped.wait()), asyncio.create_task(exchange.flowed())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting[1].done():
            waiting[1].result()
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
