"""The simulated Hyperliquid through real sockets: what the venue does, and how the feed takes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from shared.clock import NS_PER_S, SystemClock
from shared.errors import UsageError
from trader.engine.inputs import Gap, InputKind
from trader.feeds.connection import SocketLimits
from trader.feeds.hyperliquid.feed import HyperliquidFeed
from trader.feeds.hyperliquid.venue import loopback
from trader.feeds.stats import FeedStats
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.generated import GeneratedOrigin
from trader.simulator.hyperliquid.server import HyperliquidOptions, HyperliquidServer

START_NS = 1_790_232_237 * NS_PER_S
WITHIN_S = 40.0


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), WITHIN_S))


async def until(check: Callable[[], object]) -> None:
    for _ in range(int(WITHIN_S / 0.02)):
        if check():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"still not true after {WITHIN_S} s: {check}")


@asynccontextmanager
async def venue(duration_s: float | None = None, **options: Any) -> AsyncIterator[HyperliquidServer]:
    flow = Flow(GeneratedOrigin(["BTC", "ETH"], 3, START_NS, duration_s))
    async with HyperliquidServer(flow, HyperliquidOptions(**{"start_grace_s": 0.05} | options), SystemClock()) as server:
        yield server


@asynccontextmanager
async def client(server: HyperliquidServer) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None) as socket:
        yield socket


async def subscribe(socket: ClientConnection, **subscription: Any) -> None:
    await socket.send(json.dumps({"method": "subscribe", "subscription": subscription}))


async def hear(socket: ClientConnection, channel: str) -> Any:
    """Return the content of the next frame of a channel."""
    while True:
        frame = json.loads(await socket.recv())
        if frame["channel"] == channel:
            return frame.get("data")


def feed(server: HyperliquidServer, rows: list[Any], **options: Any) -> HyperliquidFeed:
    symbols = options.pop("symbols", ["BTC", "ETH"])
    rng, stats = np.random.default_rng(1), FeedStats()
    where = loopback(server.port)
    return HyperliquidFeed(where, symbols, clock=SystemClock(), rng=rng, stats=stats, sink=rows.append, **options)


def test_an_acknowledgement_comes_first_then_the_data_of_every_channel() -> None:
    async def test() -> None:
        async with venue(speed=5.0) as server, client(server) as socket:
            await subscribe(socket, type="l2Book", coin="BTC", fast=True)
            assert json.loads(await socket.recv())["channel"] == "subscriptionResponse"
            fast = await hear(socket, "l2Book")
            assert (fast["fast"], [len(side) for side in fast["levels"]]) == (True, [5, 5])
            for name in ("bbo", "trades", "activeAssetCtx"):
                await subscribe(socket, type=name, coin="ETH")
                assert await hear(socket, name)
            await subscribe(socket, type="candle", coin="ETH", interval="5m")
            candle = await hear(socket, "candle")
            assert (candle["T"] - candle["t"], candle["i"]) == (299_999, "5m")
            await subscribe(socket, type="allMids")
            assert set((await hear(socket, "allMids"))["mids"]) == {"BTC", "ETH"}

    run(test)


def test_a_book_is_sent_again_unchanged_in_its_rhythm_with_a_new_time() -> None:
    async def test() -> None:
        async with venue(duration_s=30.0, speed=None, book_every_s=5.0) as server, client(server) as socket:
            for fast in (True, False):
                await subscribe(socket, type="l2Book", coin="BTC", fast=fast)
            await subscribe(socket, type="l2Book", coin="MATIC")
            await subscribe(socket, type="simTime")
            times: dict[str, list[int]] = {"fast": [], "full": [], "MATIC": []}
            while (frame := json.loads(await socket.recv()))["channel"] != "simEnd":
                if frame["channel"] == "l2Book":
                    book = frame["data"]
                    times["MATIC" if book["coin"] == "MATIC" else "fast" if book.get("fast") else "full"].append(book["time"])
            assert np.median(np.diff(times["fast"])) == pytest.approx(540, abs=60)
            assert np.median(np.diff(times["full"])) == pytest.approx(5_400, abs=400)
            assert len(times["MATIC"]) > 5

    run(test)


def test_the_last_thirty_trades_are_told_again_to_everybody_who_subscribes() -> None:
    async def test() -> None:
        async with venue(speed=5.0) as server, client(server) as first, client(server) as second:
            await subscribe(first, type="trades", coin="BTC")
            seen: list[tuple[int, int]] = []
            while len(seen) < 40:
                seen += [(trade["time"], trade["tid"]) for trade in await hear(first, "trades")]
            await subscribe(second, type="trades", coin="BTC")
            again = [(trade["time"], trade["tid"]) for trade in await hear(second, "trades")]
            assert len(again) == 30
            while not set(again) <= set(seen):  # it was news to the first, sooner or later
                seen += [(trade["time"], trade["tid"]) for trade in await hear(first, "trades")]

    run(test)


def test_an_unknown_coin_kills_the_whole_connection_without_a_close_frame() -> None:
    async def test() -> None:
        async with venue() as server, client(server) as socket:
            await subscribe(socket, type="bbo", coin="ETH")
            await subscribe(socket, type="bbo", coin="btc")
            with pytest.raises(ConnectionClosedError) as closed:
                await hear(socket, "nothing of this name")
            assert closed.value.rcvd is None

    run(test)


def test_a_connection_that_was_sent_nothing_is_cut_whatever_it_says_and_a_pong_keeps_it() -> None:
    async def test() -> None:
        async with venue(idle_s=0.5) as server, client(server) as talker:
            await subscribe(talker, type="userFills", user="0xAb")
            assert await hear(talker, "userFills") == {"isSnapshot": True, "user": "0xab", "fills": []}
            with pytest.raises(ConnectionClosedError):
                async with asyncio.timeout(3.0):
                    await talker.recv()
        async with venue(idle_s=0.5) as server, client(server) as pinger:
            for _ in range(4):
                await asyncio.sleep(0.25)
                await pinger.send('{"method":"ping"}')
                assert await pinger.recv() == '{"channel":"pong"}'

    run(test)


def test_requests_over_the_socket_and_over_http_say_the_same() -> None:
    async def test() -> None:
        async with venue() as server, client(server) as socket, httpx.AsyncClient(trust_env=False) as http:
            url = f"http://127.0.0.1:{server.port}/info"
            for payload in ({"type": "l2Book", "coin": "BTC"}, {"type": "l2Book", "coin": "NOPE"}):
                await socket.send(json.dumps({"method": "post", "id": 7, "request": {"type": "info", "payload": payload}}))
                over_http = (await http.post(url, json=payload)).json()
                expected = {"id": 7, "response": {"type": "info", "payload": {"type": "l2Book", "data": over_http}}}
                assert await hear(socket, "post") == expected
            await socket.send('{"method":"post","id":8,"request":{"type":"info","payload":{"type":"nope"}}}')
            assert "Error parsing" in await hear(socket, "error")  # without the id
            refused = await http.post(url, content=b"{")
            assert (refused.status_code, refused.text) == (422, "Failed to deserialize the JSON body into the target type")
            assert refused.headers["content-type"].startswith("text/plain")
            assert (await http.post(url.replace("info", "exchange"), json={})).json()["status"] == "err"

    run(test)


def test_the_feed_makes_inputs_of_a_market_and_ends_with_it() -> None:
    async def test() -> None:
        rows: list[Any] = []
        async with venue(duration_s=20.0, speed=None) as server:
            ours = feed(server, rows, sim=True)
            btc, eth = await ours.instruments()
            assert (btc.tick_size, btc.step_size, btc.perpetual, eth.tick_size) == (1.0, 1e-5, True, 0.1)
            assert (await ours.history("ETH", 100)).shape == (100, 6)
            await ours.run()
        got = np.concatenate(rows)
        for kind in (InputKind.TRADE, InputKind.QUOTE, InputKind.SNAPSHOT, InputKind.MARK, InputKind.FUNDING):
            assert set(got["symbol"][got["kind"] == kind].tolist()) == {0, 1}, kind
        assert (ours.stats.bad_messages, ours.stats.unknown_events) == (0, 0)
        assert not ours.handler.unacknowledged

    run(test)


def test_an_unknown_or_delisted_name_is_found_before_anything_is_subscribed() -> None:
    async def test() -> None:
        async with venue() as server:
            with pytest.raises(UsageError, match=r"'BTCX'.*BTC"):
                await feed(server, [], symbols=["BTCX"]).run()
            with pytest.raises(UsageError, match="delisted"):
                await feed(server, [], symbols=["MATIC"]).instruments()
            assert [known.symbol for known in await feed(server, [], symbols=["btc"]).instruments()] == ["BTC"]

    run(test)


def test_a_cut_connection_is_made_again_and_no_trade_counts_twice() -> None:
    async def test() -> None:
        rows: list[Any] = []
        async with venue(speed=5.0) as server:
            ours = feed(server, rows, limits=SocketLimits(backoff_s=0.01))
            task = asyncio.create_task(ours.run())

            await until(lambda: sum(int((part["kind"] == InputKind.TRADE).sum()) for part in rows) > 60)
            for one in list(server.clients):
                one.cut()
            await until(lambda: ours.stats.reconnects and ours.stats.duplicate_trades)
            task.cancel()
        got = np.concatenate(rows)
        trades = got[got["kind"] == InputKind.TRADE]
        assert len(np.unique(trades["ref"])) == len(trades)
        assert (got["aux"][got["kind"] == InputKind.GAP] == Gap.DISCONNECTED).any()

    run(test)
