"""The simulator over real sockets: replies, silence, replay, gate, determinism."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import urllib.error
import urllib.request
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from shared.clock import SystemClock
from tests.support import recorded
from trader.simulator.generated import GeneratedSource
from trader.simulator.replay import ReplaySource
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market, Source
from trader.simulator.streams import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

START_NS = 1_700_000_000_000_000_000
SPOT, USDM = "binance_spot_raw_ws_2024", "binance_usdm_raw_ws_2024"


def fetch(port: int, target: str) -> tuple[int, Message, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{target}", timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


async def get(port: int, target: str) -> tuple[int, Message, bytes]:
    return await asyncio.to_thread(fetch, port, target)


def depth_target(market: Market, symbol: str, limit: int = 1000) -> str:
    return f"{'/api/v3' if market is Market.SPOT else '/fapi/v1'}/depth?symbol={symbol}&limit={limit}"


def serving(source: Source, **options: Any) -> SimulatorServer:
    return SimulatorServer(source, ServerOptions(**{"speed": None, **options}), SystemClock())


def dialled(port: int, path: str) -> connect:
    return connect(f"ws://127.0.0.1:{port}{path}", compression=None, close_timeout=0.2)


async def subscribe(ws: ClientConnection, *names: str) -> None:
    await ws.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))


async def ask(ws: ClientConnection, message: object) -> Any:
    await ws.send(json.dumps(message))
    return json.loads(await ws.recv())


def generated(market: Market, seconds: float = 3.0) -> GeneratedSource:
    return GeneratedSource(market, ("BTCUSDT", "ETHUSDT"), 7, START_NS, duration_s=seconds)


async def session(source: Source, path: str, names: list[str], **options: Any) -> list[str]:
    """Follow ``names`` to the end, fetching each symbol's snapshot at its first diff; return every message."""
    messages: list[str] = []
    async with serving(source, **options) as server, dialled(server.port, path) as ws:
        await subscribe(ws, "!sim", *names)
        fetched: dict[str, asyncio.Task[Any]] = {}
        async for message in ws:
            assert isinstance(message, str)
            messages.append(message)
            if '"simEnd"' in message:
                break
            if '"depthUpdate"' in message:
                data = json.loads(message)
                symbol = data.get("data", data)["s"]
                if symbol not in fetched:
                    fetched[symbol] = asyncio.create_task(get(server.port, depth_target(source.market, symbol)))
        await asyncio.gather(*fetched.values())
    return messages


def recorded_lines(folder: Path) -> Iterator[tuple[int, str]]:
    for path in sorted(folder.glob("*.gz")):
        with gzip.open(path, "rt") as stream:
            for line in stream:
                stamp, _, raw = line.rstrip("\n").partition(" ")
                yield int(stamp), raw


def frames_of(folder: Path, seconds: float) -> list[str]:
    lines = recorded_lines(folder)
    first_ns, raw = next(lines)
    rest = [text for ns, text in lines if ns <= first_ns + seconds * 1e9]
    return [text for text in [raw, *rest] if text.startswith('{"stream"')]


NAMES = ["btcusdt@depth@100ms", "btcusdt@depth@0ms", "btcusdt@bookTicker", "btcusdt@trade"]


@pytest.mark.recorded
@pytest.mark.parametrize(("data", "skip", "path"), [(SPOT, 1, "/stream"), (USDM, 0, "/public/stream")])
def test_replay_is_byte_identical_to_the_recording(data: str, skip: int, path: str) -> None:
    source = ReplaySource(recorded(data), duration_s=20.0)
    names = NAMES[:skip] + NAMES[skip + 1 :]
    messages = asyncio.run(session(source, path, names))
    received = [m for m in messages[1:] if not m.startswith('{"stream":"!sim"')]
    assert received == frames_of(recorded(data), 20.0)


@pytest.mark.recorded
def test_an_uncombined_client_gets_the_bare_payload_bytes() -> None:
    source = ReplaySource(recorded(SPOT), duration_s=5.0)
    messages = asyncio.run(session(source, "/ws", ["btcusdt@depth@100ms", "btcusdt@trade"]))
    received = [m for m in messages[1:] if '"sim' not in m]
    kinds = ('{"stream":"btcusdt@depth@100ms","data":', '{"stream":"btcusdt@trade","data":')
    frames = [f for f in frames_of(recorded(SPOT), 5.0) if f.startswith(kinds)]
    assert received == [frame[len(next(k for k in kinds if frame.startswith(k))) : -1] for frame in frames]


@pytest.mark.recorded
def test_another_cadence_gets_the_recorded_chain_under_the_name_it_asked_for() -> None:
    source = ReplaySource(recorded(USDM), duration_s=2.0)
    messages = asyncio.run(session(source, "/public/stream", ["btcusdt@depth@100ms"]))
    received = [m for m in messages[1:] if not m.startswith('{"stream":"!sim"')]
    wanted = [f.replace("@depth@0ms", "@depth@100ms") for f in frames_of(recorded(USDM), 2.0) if "@depth@0ms" in f]
    assert received == wanted


@pytest.mark.recorded
def test_simulated_time_is_the_recorded_stamp_and_goes_in_milliseconds() -> None:
    messages = asyncio.run(session(ReplaySource(recorded(SPOT), duration_s=5.0), "/stream", ["btcusdt@trade"]))
    stamps = [ns for ns, raw in recorded_lines(recorded(SPOT)) if raw.startswith('{"stream":"btcusdt@trade"')]
    told = [json.loads(m)["data"]["ns"] for m in messages if '"simTime"' in m]
    assert set(told) <= set(stamps)
    assert told[0] == stamps[0]
    assert all(later - earlier >= 1_000_000 for earlier, later in pairwise(told))
    assert messages[-1] == '{"stream":"!sim","data":{"e":"simEnd"}}'


@pytest.mark.recorded
@pytest.mark.parametrize(("data", "bid", "ask_"), [(SPOT, "61602.01", "61602.02"), (USDM, "61659.70", "61659.80")])
def test_the_simulators_own_book_ends_where_the_recording_does(data: str, bid: str, ask_: str) -> None:
    async def scenario() -> Any:
        source = ReplaySource(recorded(data))
        async with serving(source, start_grace_s=0.0, once=True) as server:
            async with dialled(server.port, "/ws/btcusdt@nothing/!sim/btcusdt@trade") as ws:
                async for message in ws:
                    if message == '{"e":"simEnd"}':
                        break
                body = (await get(server.port, depth_target(source.market, "BTCUSDT", 5)))[2]
            await asyncio.wait_for(server.finished(), 5)
            return json.loads(body)

    book = asyncio.run(scenario())
    assert book["bids"][0][0].startswith(bid)
    assert book["asks"][0][0].startswith(ask_)


@pytest.mark.parametrize("market", [Market.SPOT, Market.USDM])
def test_two_generated_runs_are_the_same_to_the_byte(market: Market) -> None:
    path = "/stream" if market is Market.SPOT else "/public/stream"
    names = [f"{s}@{kind}" for s in ("btcusdt", "ethusdt") for kind in ("depth@100ms", "trade", "bookTicker")]
    first, second = (asyncio.run(session(generated(market, 10.0), path, names)) for _ in range(2))
    assert first == second
    assert len(first) > 500


@pytest.mark.recorded
def test_two_replays_are_the_same_to_the_byte() -> None:
    first, second = (
        asyncio.run(session(ReplaySource(recorded(USDM), duration_s=20.0), "/public/stream", NAMES[1:])) for _ in range(2)
    )
    assert first == second


@pytest.mark.recorded
def test_the_flow_stops_at_the_gate_until_the_snapshot_is_fetched() -> None:
    lines = [raw for _, raw in recorded_lines(recorded(SPOT))]
    gate = next(i for i, raw in enumerate(lines) if raw.startswith('{"lastUpdateId"'))
    early = [raw for raw in lines[:gate] if "@depth" in raw]

    async def scenario() -> None:
        async with serving(ReplaySource(recorded(SPOT))) as server, dialled(server.port, "/stream") as ws:
            await subscribe(ws, "btcusdt@depth@100ms")
            received = [await ws.recv() for _ in range(1 + len(early))]
            assert received[1:] == early
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.3)
            _, _, body = await get(server.port, depth_target(Market.SPOT, "BTCUSDT"))
            assert body.decode() == lines[gate]
            assert "@depth" in str(await asyncio.wait_for(ws.recv(), 5))

    asyncio.run(scenario())


def test_the_gate_waits_for_every_followed_symbol_and_answers_the_same_book() -> None:
    async def scenario() -> None:
        async with serving(generated(Market.USDM)) as server, dialled(server.port, "/public/stream") as ws:
            await subscribe(ws, "btcusdt@depth@100ms", "ethusdt@depth@100ms")
            early = [await ws.recv() for _ in range(11)][1:]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.2)
            first = await get(server.port, depth_target(Market.USDM, "BTCUSDT"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.2)
            again = await get(server.port, depth_target(Market.USDM, "BTCUSDT"))
            assert first[2] == again[2]
            last = max(json.loads(m)["data"]["u"] for m in early if "btcusdt" in str(m))
            assert json.loads(first[2])["lastUpdateId"] > last
            await get(server.port, depth_target(Market.USDM, "ETHUSDT"))
            assert json.loads(await asyncio.wait_for(ws.recv(), 5))["data"]["e"] == "depthUpdate"

    asyncio.run(scenario())


def test_the_gate_opens_at_its_deadline_and_a_trade_client_is_not_held() -> None:
    async def depth_client() -> int:
        async with (
            serving(generated(Market.SPOT), gate_deadline_s=0.1) as server,
            dialled(server.port, "/ws/btcusdt@depth/!sim") as ws,
        ):
            return sum(1 for m in [m async for m in _until_end(ws)] if "depthUpdate" in m)

    async def trade_client() -> int:
        async with (
            serving(generated(Market.SPOT), gate_deadline_s=60.0, start_grace_s=0.0) as server,
            dialled(server.port, "/ws/btcusdt@trade/!sim") as ws,
        ):
            return sum(1 for m in [m async for m in _until_end(ws)] if '"trade"' in m)

    assert asyncio.run(asyncio.wait_for(depth_client(), 10)) > 20
    assert asyncio.run(asyncio.wait_for(trade_client(), 10)) > 5


async def _discard(ws: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in ws:
            pass


async def _until_end(ws: ClientConnection) -> Any:
    async for message in ws:
        if message == '{"e":"simEnd"}':
            return
        yield message


def test_a_request_before_the_gate_waits_for_it() -> None:
    async def scenario() -> None:
        source = generated(Market.SPOT)
        async with serving(source, speed=1.0) as server, dialled(server.port, "/ws/btcusdt@depth@100ms") as ws:
            await ws.recv()
            _, _, body = await get(server.port, depth_target(Market.SPOT, "BTCUSDT"))
            early = [json.loads(await ws.recv()) for _ in range(4)]
            after = json.loads(await ws.recv())
            assert early[-1]["u"] < json.loads(body)["lastUpdateId"]
            assert after["U"] <= json.loads(body)["lastUpdateId"] <= after["u"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("path", "flowing"),
    [
        ("/public/stream", {"bookTicker", "depth", "trade"}),
        ("/market/stream", {"aggTrade", "kline_1m", "markPrice"}),
        ("/private/stream", set()),
        ("/stream", {"bookTicker", "depth", "trade"}),
    ],
)
def test_the_wrong_category_is_acknowledged_and_silent(path: str, flowing: set[str]) -> None:
    async def scenario() -> tuple[str, set[str]]:
        names = [f"btcusdt@{k}" for k in ("bookTicker", "depth@100ms", "trade", "aggTrade", "kline_1m", "markPrice@1s")]
        seen: set[str] = set()
        async with (
            serving(generated(Market.USDM), gate_deadline_s=0.0, start_grace_s=0.0) as server,
            dialled(server.port, path) as ws,
            # Somebody must read, or time would stand still for a client that gets nothing.
            dialled(server.port, "/public/ws") as other,
        ):
            await subscribe(ws, "!sim", *names)
            ack = str(await ws.recv())
            await subscribe(other, "ethusdt@trade")
            reading = asyncio.create_task(_discard(other))
            async for message in ws:
                if '"simEnd"' in str(message):
                    break
                seen.add(kind_of(json.loads(message)["stream"]))
            reading.cancel()
        return ack, seen

    ack, seen = asyncio.run(asyncio.wait_for(scenario(), 20))
    assert json.loads(ack) == {"result": None, "id": 1}
    assert seen - {"sim"} == flowing


def test_unknown_and_wrong_case_streams_are_acknowledged_and_silent() -> None:
    names = ["BTCUSDT@trade", "nosuch@trade", "btcusdt@dance", "btcusdt@trade"]
    messages = asyncio.run(session(generated(Market.SPOT), "/stream", names, start_grace_s=0.0))
    assert json.loads(messages[0]) == {"result": None, "id": 1}
    assert {json.loads(m)["stream"] for m in messages[1:]} == {"!sim", "btcusdt@trade"}


def test_combined_mode_switches_at_run_time() -> None:
    async def scenario() -> tuple[Any, Any]:
        async with serving(generated(Market.SPOT), start_grace_s=0.0) as server, dialled(server.port, "/ws") as ws:
            assert await ask(ws, {"method": "GET_PROPERTY", "params": ["combined"], "id": "a"}) == {"result": False, "id": "a"}
            await ask(ws, {"method": "SET_PROPERTY", "params": ["combined", True], "id": None})
            assert await ask(ws, {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 9}) == {"result": None, "id": 9}
            wrapped = json.loads(await ws.recv())
        async with (
            serving(generated(Market.SPOT), start_grace_s=0.0) as server,
            dialled(server.port, "/ws/btcusdt@trade") as ws,
        ):
            return wrapped, json.loads(await ws.recv())

    wrapped, bare = asyncio.run(scenario())
    assert wrapped == {"stream": "btcusdt@trade", "data": bare}


def test_errors_over_the_socket_keep_the_connection() -> None:
    async def scenario() -> None:
        async with serving(generated(Market.SPOT)) as server, dialled(server.port, "/ws") as ws:
            await ws.send("{oops")
            refused = json.loads(await ws.recv())
            assert refused == {"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 2"}, "id": None}
            assert await ask(ws, {"method": "LIST_SUBSCRIPTIONS", "id": 3}) == {"result": [], "id": 3}

    asyncio.run(scenario())


def test_too_many_control_messages_close_the_connection() -> None:
    async def scenario() -> int | None:
        async with serving(generated(Market.SPOT)) as server, dialled(server.port, "/ws") as ws:
            with contextlib.suppress(ConnectionClosed):
                for number in range(20):
                    await ask(ws, {"method": "LIST_SUBSCRIPTIONS", "id": number})
            return ws.close_code

    assert asyncio.run(scenario()) == 1008


def test_unknown_paths_are_not_websockets() -> None:
    async def scenario() -> int:
        async with serving(generated(Market.SPOT)) as server:
            return (await get(server.port, "/public/ws"))[0]

    assert asyncio.run(scenario()) == 404


def test_a_late_follower_still_learns_that_the_replay_is_over() -> None:
    async def scenario() -> list[Any]:
        async with serving(generated(Market.SPOT, 1.0), start_grace_s=0.0) as server:
            async with dialled(server.port, "/ws/!sim/btcusdt@trade") as ws:
                async for _ in _until_end(ws):
                    pass
            async with dialled(server.port, "/ws") as late:
                await subscribe(late, "!sim", "btcusdt@trade")
                return [json.loads(await late.recv()) for _ in range(2)]

    assert asyncio.run(scenario()) == [{"result": None, "id": 1}, {"e": "simEnd"}]


def test_pace_follows_the_speed() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        async with (
            serving(generated(Market.SPOT, 4.0), speed=10.0, start_grace_s=0.0) as server,
            dialled(server.port, "/ws/!sim/btcusdt@trade") as ws,
        ):
            await ws.recv()
            began = loop.time()
            async for _ in _until_end(ws):
                pass
            return loop.time() - began

    # The wall can only be longer than planned, never shorter: the gate swallows at most 0.55 s of the 4.
    assert asyncio.run(scenario()) > 0.9 * (4.0 - 0.6) / 10.0
