"""The connection against a small real server: reconnect, resubscribe, silence, bad frames, bad answers."""

from __future__ import annotations

import asyncio
import contextlib
import http
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
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
from trader.feeds.binance.venue import endpoints, loopback
from trader.feeds.connection import SocketLimits, Steady
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


CANDLE = {"t": 0, "T": 59_999, "i": "1m", "o": "5", "h": "5", "l": "5", "c": "5", "v": "1", "n": 1, "x": False}
KLINE = json.dumps({"stream": "btcusdt@kline_1m", "data": {"e": "kline", "E": 1, "s": "BTCUSDT", "k": CANDLE}})


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


def test_a_connection_is_replaced_before_its_end_and_nothing_is_lost_or_doubled() -> None:
    """The next one is opened and heard first; both deliver the same frames for a while, and candles, which none must wait for."""
    number = 0
    news = asyncio.Condition()

    async def talk(connection: ServerConnection) -> None:
        known = number
        while True:
            async with news:
                await news.wait()
            while known < number:
                known += 1
                for frame in (KLINE, depth(known, known), trade(known)):
                    await connection.send(frame)

    async def publish() -> None:
        nonlocal number
        while True:
            async with news:
                number += 1
                news.notify_all()
            await asyncio.sleep(0.005)

    async def scenario() -> None:
        venue = Venue(talk)
        limits = SocketLimits(max_age_s=0.5, overlap_s=2.0, stale_s=5.0, first_message_s=5.0)
        publishing = asyncio.create_task(publish())
        async with venue.feed(limits) as (stats, batches):
            await until(lambda: stats.planned_changes >= 3)
            assert (stats.reconnects, stats.chain_breaks, stats.sockets_open) == (0, 0, 1)
            assert stats.repetitions > 0
        publishing.cancel()
        rows = np.concatenate(batches)
        trades = rows[rows["kind"] == InputKind.TRADE]["ref"].tolist()
        assert trades == list(range(trades[0], trades[0] + len(trades)))
        assert "GAP" not in kinds(batches[:-1])

    asyncio.run(scenario())


def test_an_announced_end_brings_the_next_connection_at_once() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send(trade(1))
        if len(venue.subscribed) == 1:
            await connection.send('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
        for later in itertools.count(2):
            await asyncio.sleep(0.02)
            await connection.send(trade(later))

    venue = Venue(talk)

    async def scenario() -> None:
        async with venue.feed(SocketLimits(overlap_s=2.0)) as (stats, batches):
            await until(lambda: stats.planned_changes == 1)
            assert (stats.reconnects, len(venue.subscribed)) == (0, 2)
            assert "GAP" not in kinds(batches)

    asyncio.run(scenario())


@pytest.mark.parametrize("quiet", [False, True], ids=["stopped", "quiet market"])
def test_a_steady_stream_that_stops_means_a_new_connection_and_a_quiet_market_does_not(*, quiet: bool) -> None:
    """The best price that moves proves that the book moved; trades elsewhere prove nothing."""
    quote = json.dumps({"stream": "btcusdt@bookTicker", "data": {"u": 1, "s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "1"}})

    async def talk(connection: ServerConnection) -> None:
        await connection.send(depth(1, 1))
        for number in itertools.count(1):
            await connection.send(trade(number))
            if not quiet:
                await connection.send(quote)
            await asyncio.sleep(0.02)

    async def scenario() -> None:
        venue, stats = Venue(talk), FeedStats()
        async with serve(venue._converse, "127.0.0.1", 0, process_request=venue._answer, close_timeout=0.2) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            feed = make_feed(port, stats, lambda _rows: None)
            socket = feed._socket(feed._endpoints.sockets[0])
            socket._steady = {"btcusdt@depth@100ms": Steady(0.2, "btcusdt@bookTicker")}
            running = asyncio.create_task(socket.run())
            if quiet:
                await until(lambda: stats.messages > 60)
                assert stats.reconnects == 0
            else:
                await until(lambda: stats.reconnects)
                assert "delivered no btcusdt@depth@100ms for 0.2 s while others came" in stats.last_error
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


def test_what_proves_that_a_stream_stopped_comes_by_the_same_connection() -> None:
    public, market = endpoints("usdm").sockets
    assert public.steady(["BTCUSDT"]) == {"btcusdt@depth@100ms": Steady(10.0, "btcusdt@bookTicker")}
    assert market.steady(["BTCUSDT"]) == {"btcusdt@markPrice@1s": Steady(15.0)}
    (spot,) = endpoints("spot").sockets
    assert set(spot.steady(["BTCUSDT"])) == {"btcusdt@depth@100ms", "btcusdt@bookTicker"}


@pytest.mark.parametrize(("ahead_ms", "alarmed"), [(0, False), (-2_000, True), (1_500, True)])
def test_the_venues_clock_is_measured_and_an_offset_beyond_a_second_is_told(ahead_ms: int, alarmed: bool) -> None:
    clock = SystemClock()

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.endswith("/time"):
            return 200, {}, json.dumps({"serverTime": clock.now_ns() // 10**6 + ahead_ms}).encode()
        return 200, {}, BOOK

    async def scenario() -> None:
        venue, stats = Venue(stay, answer), FeedStats()
        async with serve(venue._converse, "127.0.0.1", 0, process_request=venue._answer, close_timeout=0.2) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            where = msgspec.structs.replace(loopback("spot", port), measure_clock=True)
            rng = np.random.default_rng(7)
            feed = BinanceFeed(where, ["BTCUSDT"], clock=clock, rng=rng, stats=stats, sink=lambda _rows: None)
            running = asyncio.create_task(feed.run())
            await until(lambda: stats.clock_round_trip_ms > 0.0)
            assert abs(stats.clock_offset_ms - ahead_ms) <= stats.clock_round_trip_ms / 2 + 1.0
            assert ("clock: was" in stats.last_error) == alarmed
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
