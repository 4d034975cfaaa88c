"""A local exchange in a thread of the script that uses it: faults come when the script wants them, all else by its sockets."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import Counter, deque
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import msgspec

from shared.clock import NS_PER_S, SystemClock
from shared.layout import BOOK_LEVELS_SHOWN
from tests.processes import System
from trader.simulator.faults.script import Fault, Script
from trader.simulator.generated import GeneratedSource
from trader.simulator.http_front import HttpAnswer, HttpRequest
from trader.simulator.recorded_book import DepthSnapshot, DepthUpdate, RecordedBook
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Frame, Market
from trader.simulator.trading.accounts_file import AccountEntry

_START_S = 30.0
_WITHIN_NS = NS_PER_S  # of a picture of a book, either way: it was on its way, and faults apart the clocks are one
_ORDERS = ("/fapi/v1/order", "/fapi/v1/algoOrder")


class OpenExchange:
    """USD-M with one account, found by the traders of ``system`` as any running ``trader_sim``.

    Attributes
    ----------
    posted
        How often an order of each client id has arrived at the door, whatever became of it.
    requests
        Requests at the door, all of them.
    """

    def __init__(self, system: System, symbols: tuple[str, ...], entry: AccountEntry, seed: int) -> None:
        self._folder = system.home / system.instance
        self._symbols = symbols
        self._entry = entry
        self._seed = seed
        self._server: SimulatorServer
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._placed: list[Fault] = []
        self._books = {symbol: RecordedBook() for symbol in symbols}
        self._shown: dict[str, deque[tuple[int, Any]]] = {symbol: deque(maxlen=400) for symbol in symbols}
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="exchange", daemon=True)
        self.posted: Counter[str] = Counter()
        self.requests = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def start(self) -> None:
        """Listen, and say where."""
        self._thread.start()
        assert self._listening.wait(_START_S), "the exchange did not begin"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        facts = {"pid": os.getpid(), "port": self.port, "market": "usdm", "symbols": list(self._symbols)}
        (self._folder / "simulator.json").write_text(json.dumps(facts))

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_START_S)

    def inject(self, faults: tuple[Fault, ...]) -> list[Fault]:
        """Let faults begin, each ``at`` seconds from now; return them as the exchange plays them."""

        async def add() -> list[Fault]:
            return [self._plan.add(fault) for fault in faults]

        placed = asyncio.run_coroutine_threadsafe(add(), self._loop).result(_START_S)
        self._placed += placed  # the plan counts by identity
        return placed

    def hits(self, placed: list[Fault]) -> int:
        """Return how many frames and requests faults have hit so far."""
        return sum(self._plan.hits(fault) for fault in placed)

    def showed(self, symbol: str, picture: Any) -> bool:
        """Say whether the true book was at that time what a picture (dtype ``BOOK_SNAPSHOT``) shows, level by level."""
        at_ns = int(picture["time_ns"])
        levels = _levels(picture, "bid"), _levels(picture, "ask")
        return any(abs(ns - at_ns) <= _WITHIN_NS and levels == shown for ns, shown in list(self._shown[symbol]))

    @property
    def _plan(self) -> Any:
        return self._server._plan

    async def _serve(self) -> None:
        clock = SystemClock()
        source = GeneratedSource(Market.USDM, self._symbols, self._seed, clock.now_ns())
        options = ServerOptions(accounts=(self._entry,), faults=Script(seed=self._seed))
        self._server = SimulatorServer(source, options, clock)
        for symbol, book in self._books.items():
            book.load(msgspec.json.decode(source.depth(symbol, 1000), type=DepthSnapshot))
        self._watch_the_door()
        self._watch_the_market()
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        async with self._server:
            self._listening.set()
            await self._stopping.wait()

    def _watch_the_door(self) -> None:
        front: Any = self._server._front
        answer = front.answer

        async def counted(request: HttpRequest) -> HttpAnswer:
            self.requests += 1
            path, _, query = request.target.partition("?")
            if request.method == "POST" and path in _ORDERS:
                given = parse_qs(query) | parse_qs(request.body.decode())
                self.posted[(given.get("newClientOrderId") or given["clientAlgoId"])[0]] += 1
            told: HttpAnswer = await answer(request)
            return told

        front.answer = counted

    def _watch_the_market(self) -> None:
        """Fold the books from the true frames, before any fault touches them."""
        recent: Any = self._server._recent
        take = recent.take

        def folded(frame: Frame) -> None:
            take(frame)
            name, _, kind = frame.stream.partition("@")
            if kind.startswith("depth"):
                book = self._books[name.upper()]
                book.apply(msgspec.json.decode(frame.payload, type=DepthUpdate))
                bids, asks = book.levels(BOOK_LEVELS_SHOWN)
                self._shown[name.upper()].append((frame.ns, (_numbers(bids), _numbers(asks))))

        recent.take = folded


def _numbers(levels: list[tuple[str, str]]) -> list[tuple[float, float]]:
    return [(float(price), float(qty)) for price, qty in levels]


def _levels(picture: Any, side: str) -> list[tuple[float, float]]:
    return list(zip(picture[f"{side}_price_usd"].tolist(), picture[f"{side}_qty"].tolist(), strict=True))


def account(key: str, secret: str, usd: float) -> AccountEntry:
    """Return an account with money in it."""
    return AccountEntry(name="table", key=key, secret=secret, balances={"USDT": Decimal(str(usd))})
