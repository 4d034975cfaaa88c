"""The connection against a small real server: reconnect, resubscribe, silence, bad frames, bad answers."""

from __future__ import annotations

import asyncio
import contextlib
import http
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import numpy.typing as npt
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from shared.clock import SystemClock
from shared.errors import FeedError
from tests.support import eventually
from trader.engine.inputs import Gap, InputKind
from trader.feeds.binance.feed import BinanceFeed
from trader.feeds.binance.venue import loopback
from trader.feeds.connection import SocketLimits
from trader.feeds.stats import FeedStats

QUICK = SocketLimits(first_message_s=0.4, stale_s=0.4, close_s=0.2, backoff_s=0.02, backoff_cap_s=0.1)
BOOK = b'{"lastUpdateId":5,"bids":[["3","1"]],"asks":[["6","1"]]}'

Talk = Callable[[ServerConnection], Awaitable[None]]
Answers = Callable[[str], tuple[int, dict[str, str], bytes]]


def trade(trade_id: int) -> str:
    data = {"e": "trade", "s": "BTCUSDT", "t": trade_id, "p": "5", "q": "1", "T": 1, "m": True}
    return json.dumps({"stream": "btcusdt@trade", "data": data})


def depth(first: int, final: int) -> str:
    data = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": final, "b": [], "a": [["7", "1"]]}
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data})


class Venue:
    """A venue made of one talk (per connection) and the answers to requests."""

    def __init__(self, talk: Talk, answers: Answers = lambda _path: (200, {}, BOOK)) -> None:
        self._talk = talk
        self._answers = answers
        self.subscribed: list[list[str]] = []
        self.requests: list[str] = []

    async def _converse(self, connection: ServerConnection) -> None:
        request = json.loads(await connection.recv())
        self.subscribed.append(request["params"])
        await connection.send(json.dumps({"result": None, "id": request["id"]}))
        await self._talk(connection)

    async def _answer(self, _connection: ServerConnection, request: Request) -> Response | None:
        if request.path.startswith("/stream"):
            return None
        self.requests.append(request.path)
        status, headers, body = self._answers(request.path)
        phrase = http.HTTPStatus(status).phrase
        return Response(status, phrase, Headers({"Content-Length": str(len(body)), "Connection": "close", **headers}), body)

    @contextlib.asynccontextmanager
    async def feed(self, limits: SocketLimits = QUICK) -> AsyncIterator[tuple[FeedStats, list[npt.NDArray[np.void]]]]:
        """Serve, and run a feed against it."""
        stats, batches = FeedStats(), list[npt.NDArray[np.void]]()
        async with serve(self._converse, "127.0.0.1", 0, process_request=self._answer, close_timeout=0.2) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            running = asyncio.create_task(make_feed(port, stats, batches.append, limits).run())
            try:
                yield stats, batches
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


def make_feed(
    port: int, stats: FeedStats, sink: Callable[[npt.NDArray[np.void]], None], limits: SocketLimits = QUICK
) -> BinanceFeed:
    rng = np.random.default_rng(7)
    return BinanceFeed(loopback("spot", port), ["BTCUSDT"], clock=SystemClock(), rng=rng, stats=stats, sink=sink, limits=limits)


async def until(check: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, check)


def kinds(batches: list[npt.NDArray[np.void]]) -> list[str]:
    return [InputKind(int(row["kind"])).name for batch in batches for row in batch]


async def stay(connection: ServerConnection) -> None:
    await connection.wait_closed()


def test_after_a_close_it_connects_and_subscribes_again() -> None:
    numbers = itertools.count(1)

    async def talk(connection: ServerConnection) -> None:
        await connection.send(trade(next(numbers)))

    async def scenario() -> None:
        venue = Venue(talk)
        async with venue.feed() as (stats, batches):
            await until(lambda: len(venue.subscribed) >= 3)
            assert stats.reconnects >= 2
        expected = ["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms"]
        assert venue.subscribed[:3] == [expected] * 3
        assert kinds(batches)[:4] == ["TRADE", "GAP", "TRADE", "GAP"]
        assert batches[1][0]["aux"] == Gap.DISCONNECTED

    asyncio.run(scenario())


def test_a_connection_that_never_delivers_is_named_and_replaced() -> None:
    async def scenario() -> None:
        venue = Venue(stay)
        async with venue.feed() as (stats, _):
            await until(lambda: stats.silent_streams)
            assert stats.silent_streams == {"btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms"}
            assert "btcusdt@depth@100ms" in stats.last_error
            await until(lambda: len(venue.subscribed) >= 2)

    asyncio.run(scenario())


def test_one_silent_stream_is_named_and_the_others_go_on() -> None:
    async def talk(connection: ServerConnection) -> None:
        for number in itertools.count(1):
            await connection.send(trade(number))
            await connection.send(depth(number, number))
            await asyncio.sleep(0.02)

    async def scenario() -> None:
        venue = Venue(talk)
        async with venue.feed() as (stats, _):
            await until(lambda: stats.silent_streams)
            assert stats.silent_streams == {"btcusdt@bookTicker"}
            assert stats.reconnects == 0
            assert stats.connected

    asyncio.run(scenario())


def test_pings_do_not_hide_that_data_has_stopped() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send(trade(1))
        while True:
            await connection.ping()
            await connection.send(json.dumps({"result": None, "id": 2}))
            await asyncio.sleep(0.02)

    async def scenario() -> None:
        venue = Venue(talk)
        async with venue.feed() as (stats, _):
            await until(lambda: "was silent for 0.4 s" in stats.last_error)
            await until(lambda: stats.reconnects)

    asyncio.run(scenario())


def test_bad_frames_are_counted_and_the_connection_stays() -> None:
    async def talk(connection: ServerConnection) -> None:
        for frame in ("Websocket connection established.", b"\x00\xff", '{"stream":"btcusdt@trade","data":{"p":null}}', trade(1)):
            await connection.send(frame)
        await connection.send(json.dumps({"stream": "?", "data": "x" * 2_000_000}))
        await connection.send(trade(2))
        await stay(connection)

    async def scenario() -> None:
        async with Venue(talk).feed(SocketLimits()) as (stats, batches):
            await until(lambda: kinds(batches) == ["TRADE", "TRADE"])
            assert (stats.bad_messages, stats.unknown_events, stats.reconnects) == (3, 1, 0)

    asyncio.run(scenario())


def test_a_failed_snapshot_is_asked_again_and_a_ban_is_obeyed() -> None:
    answers = iter([(500, {}, b"oops"), (200, {}, b"{}"), (429, {"Retry-After": "1"}, b"{}")])

    async def talk(connection: ServerConnection) -> None:
        await connection.send(depth(1, 9))
        await stay(connection)

    async def scenario() -> None:
        venue = Venue(talk, lambda _path: next(answers, (200, {}, BOOK)))
        async with venue.feed(SocketLimits()) as (stats, batches):
            await until(lambda: len(venue.requests) == 3)
            asked_ns = SystemClock().monotonic_ns()
            await until(lambda: "SNAPSHOT" in kinds(batches))
            assert SystemClock().monotonic_ns() - asked_ns > 0.9e9
            assert stats.failed_fetches == 3
            assert venue.requests == ["/api/v3/depth?symbol=BTCUSDT&limit=1000"] * 4

    asyncio.run(scenario())


def test_what_the_sink_raises_ends_the_feed() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send(trade(1))
        await stay(connection)

    def full(_rows: npt.NDArray[np.void]) -> None:
        raise OSError("disk full")

    async def scenario() -> None:
        async with serve(Venue(talk)._converse, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            with pytest.raises(OSError, match="disk full"):
                await make_feed(port, FeedStats(), full).run()

    asyncio.run(scenario())


def test_without_a_venue_it_keeps_trying_and_says_so() -> None:
    async def scenario() -> None:
        stats = FeedStats()
        async with serve(stay, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
        running = asyncio.create_task(make_feed(port, stats, lambda _rows: None).run())
        await until(lambda: stats.reconnects >= 3)
        assert "could not be opened" in stats.last_error
        assert not stats.connected
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with pytest.raises(FeedError, match="expected an answer"):
            await make_feed(port, stats, lambda _rows: None).instruments()

    asyncio.run(scenario())
