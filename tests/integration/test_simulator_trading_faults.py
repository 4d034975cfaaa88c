"""Each fault of the script does what it says, over real sockets, and nothing else."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from shared.clock import ManualClock, SystemClock
from shared.errors import ConfigError
from tests.integration.test_simulator_trading_protocol import Caller
from tests.signed_client import ENTRIES
from trader.simulator.faults.faulty_source import RunningSource
from trader.simulator.faults.plan import FaultPlan, Outgoing
from trader.simulator.faults.script import Fault, Kind, Script, random_script, read_script
from trader.simulator.generated import GeneratedSource
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market

if TYPE_CHECKING:
    from pathlib import Path

START_NS = 1_700_000_000_000_000_000
FOREVER = 1e6


def frames(count: int, kind: str = "depth") -> list[Outgoing]:
    return [
        Outgoing(START_NS + n * 10**8, f"btcusdt@{kind}", b'{"E":%d,"u":%d}' % (1_700_000_000_000 + n, n)) for n in range(count)
    ]


def sent(script: Script, flow: list[Outgoing]) -> list[Outgoing]:
    plan = FaultPlan(script)
    out: list[Outgoing] = []
    for frame in flow:
        plan.advance(frame.ns)
        out += plan.frames(frame)
    return out


def fault(kind: str, **fields: Any) -> Script:
    return Script([Fault(**{"at_s": 0.0, "for_s": FOREVER, "kind": Kind(kind), **fields})])


def numbers(flow: list[Outgoing]) -> list[int]:
    return [json.loads(frame.payload)["u"] for frame in flow]


def test_what_each_kind_does_to_a_stream() -> None:
    flow = frames(10)
    assert numbers(sent(Script(), flow)) == list(range(10))
    assert numbers(sent(fault("silence", at_s=0.25, for_s=0.4), flow)) == [0, 1, 2, 7, 8, 9]
    assert numbers(sent(fault("gap", at_s=0.25, count=2), flow)) == [0, 1, 2, 5, 6, 7, 8, 9]
    assert numbers(sent(fault("duplicate", count=1), flow)) == [0, 0, *range(1, 10)]
    assert numbers(sent(fault("reorder", count=1), flow)) == [1, 0, *range(2, 10)]
    between = [frame._replace(stream="ethusdt@depth" if n == 1 else frame.stream) for n, frame in enumerate(flow)]
    assert numbers(sent(fault("reorder", count=1), between)) == [1, 0, *range(2, 10)]
    assert numbers(sent(fault("reorder", count=1, stream="depth"), between)) == [1, 2, 0, *range(3, 10)]
    assert numbers(sent(fault("delay", for_s=0.35, delay_s=0.5), flow)) == list(range(10))
    assert numbers(sent(fault("delay", for_s=0.35, delay_s=0.5), flow[:7])) == [0, 1]  # the others are still on their way
    assert numbers(sent(fault("burst", factor=3), frames(2, "bookTicker"))) == [0, 0, 0, 1, 1, 1]
    assert numbers(sent(fault("silence", stream="trade"), flow)) == list(range(10))
    (cut,) = sent(fault("cut"), flow[:1])
    assert flow[0].payload.startswith(cut.payload)
    assert len(cut.payload) < len(flow[0].payload)
    (skewed,) = sent(fault("skew", skew_ms=-2000), flow[:1])
    assert json.loads(skewed.payload)["E"] == 1_700_000_000_000 - 2000


def test_a_fault_may_be_added_to_a_plan_that_is_being_played() -> None:
    plan, flow = FaultPlan(Script()), frames(10)
    out: list[Outgoing] = []
    for number, frame in enumerate(flow):
        plan.advance(frame.ns)
        if number == 3:
            gap = plan.add(Fault(at_s=0.15, for_s=FOREVER, kind=Kind.GAP, count=2))
        out += plan.frames(frame)
    assert numbers(out) == [0, 1, 2, 3, 4, 7, 8, 9]
    assert gap.at_s == pytest.approx(0.45)
    assert plan.hits(gap) == 2


def test_the_same_script_does_the_same_to_the_same_flow() -> None:
    flow = frames(600)
    for seed in range(30):
        script = random_script(seed, 60.0)
        assert script == random_script(seed, 60.0)
        assert sent(script, flow) == sent(script, flow)


def test_scripts_are_read_and_checked(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'seed = 3\n[[fault]]\nat = 2\nkind = "close"\ncode = 1006\n[[fault]]\nat = 1\nkind = "gap"\n'
    )
    (tmp_path / "a.jsonl").write_text('{"seed":3}\n{"at":2,"kind":"close","code":1006}\n{"at":1,"kind":"gap"}\n')
    script = read_script("a.toml", tmp_path)
    assert script == read_script("a.jsonl", tmp_path)
    assert [entry.kind for entry in script.fault] == ["gap", "close"]
    (tmp_path / "b.toml").write_text('[[fault]]\nat = 2\nkind = "sabotage"\n')
    for name in ("b.toml", "missing.toml", "random:x"):
        with pytest.raises(ConfigError, match="faults"):
            read_script(name, tmp_path)


async def until_closed(ws: ClientConnection) -> list[dict[str, Any]]:
    messages = []
    while True:
        try:
            messages.append(json.loads(await ws.recv()))
        except ConnectionClosed:
            return messages


def served(script: Script, act: Any, market: Market = Market.USDM) -> None:
    async def scenario() -> None:
        clock = SystemClock()
        source = GeneratedSource(market, ("BTCUSDT",), 5, clock.now_ns())
        async with SimulatorServer(source, ServerOptions(accounts=ENTRIES, faults=script), clock) as server, asyncio.timeout(30):
            await act(Caller(server, market))

    asyncio.run(scenario())


def begin(caller: Caller, kind: str, **fields: Any) -> None:
    """Let a fault begin now, when whoever it is for is connected."""
    plan: Any = caller.server._plan
    plan.add(Fault(**{"at_s": 0.0, "kind": Kind(kind), **fields}))


@pytest.mark.parametrize(("code", "seen"), [(1000, 1000), (1008, 1008), (1006, 1006), (0, 1006)])
def test_connections_end_in_each_way(code: int, seen: int) -> None:
    async def act(caller: Caller) -> None:
        async with connect(f"ws://127.0.0.1:{caller.port}/public/ws/btcusdt@bookTicker") as ws:
            await ws.recv()  # the exchange knows of it
            begin(caller, "close", code=code)
            await until_closed(ws)
            assert (ws.close_code or 1006) == seen

    served(Script(), act)


def test_a_shutdown_is_announced_before_it_comes_to_those_that_were_told() -> None:
    async def act(caller: Caller) -> None:
        url = f"ws://127.0.0.1:{caller.port}/public/stream?streams=btcusdt@bookTicker"
        async with connect(url) as told:
            await told.recv()
            begin(caller, "server_shutdown", for_s=0.6)
            while (message := json.loads(await told.recv()))["stream"] != "!serverShutdown":
                pass
            assert message["data"]["e"] == "serverShutdown"
            async with connect(url) as later:
                await until_closed(told)
                assert told.close_code == 1001
                while json.loads(await later.recv())["data"]["E"] < message["data"]["E"] + 1_000:
                    pass

    served(Script(), act)


@pytest.mark.parametrize("code", [0, 504])
def test_an_order_can_be_taken_and_its_answer_lost(code: int) -> None:
    async def act(caller: Caller) -> None:
        if code:
            status, body = await caller.order(newClientOrderId="lost")
            assert (status, body["code"]) == (504, -1007)
        else:
            with pytest.raises((urllib.error.URLError, ConnectionError)):
                await caller.order(newClientOrderId="lost")
        found = (await caller.signed("GET", "/order", symbol="BTCUSDT", origClientOrderId="lost"))[1]
        assert found["status"] == "FILLED"
        assert (await caller.order(newClientOrderId="next"))[0] == 200

    served(fault("lost_answer", count=1, code=code), act)


@pytest.mark.parametrize("status", [429, 418, 503, 500])
def test_a_refused_request_does_nothing(status: int) -> None:
    async def act(caller: Caller) -> None:
        got, _ = await caller.order(newClientOrderId="refused")
        assert got == status
        assert (await caller.signed("GET", "/order", symbol="BTCUSDT", origClientOrderId="refused"))[1]["code"] == -2013

    served(fault("http", code=status, path="POST"), act)


def test_an_order_can_be_unknown_for_a_while() -> None:
    async def act(caller: Caller) -> None:
        assert (await caller.order(newClientOrderId="here"))[0] == 200
        assert (await caller.signed("GET", "/order", symbol="BTCUSDT", origClientOrderId="here"))[1]["code"] == -2013
        assert (await caller.signed("GET", "/order", symbol="BTCUSDT", origClientOrderId="here"))[1]["status"] == "FILLED"

    served(fault("unknown_order", count=1), act)


def test_a_skewed_clock_is_told_and_judged_by() -> None:
    async def act(caller: Caller) -> None:
        honest = SystemClock().now_ns() // 10**6
        assert -7000 < await caller.now_ms() - honest < -4500
        status, body = await caller.signed("GET", "/fapi/v3/account", skew_ms=6000)
        assert (status, body["code"]) == (400, -1021)

    served(fault("skew", skew_ms=-6000), act)


def test_a_stale_snapshot_is_older_than_the_stream() -> None:
    async def act(caller: Caller) -> None:
        async def depth_id() -> int:
            return int((await caller.call("GET", "/depth", "symbol=BTCUSDT&limit=1000", key=""))[1]["lastUpdateId"])

        await asyncio.sleep(0.5)
        first = await depth_id()
        await asyncio.sleep(0.5)
        assert await depth_id() == first

    served(fault("stale_snapshot", at_s=0.1), act)


def test_orders_meet_the_true_market_however_damaged_the_streams_are() -> None:
    """The same orders on the same flow end the same with and without faults on the way to the clients."""

    def final(script: Script | None) -> list[Decimal]:
        source = GeneratedSource(Market.USDM, ("BTCUSDT",), 5, START_NS, duration_s=20)
        server = SimulatorServer(source, ServerOptions(accounts=ENTRIES, faults=script, speed=None), ManualClock(START_NS))

        async def run() -> list[Decimal]:
            async with server:
                caller = Caller(server, Market.USDM)
                bid = Decimal((await caller.call("GET", "/depth", "symbol=BTCUSDT&limit=5", key=""))[1]["bids"][0][0])
                order = {"type": "LIMIT", "timeInForce": "GTX", "quantity": "0.5", "price": str(bid - 5)}
                assert (await caller.order(**order))[0] == 200
                async with connect(f"ws://127.0.0.1:{server.port}/market/ws/btcusdt@aggTrade/!sim", max_size=None) as ws:
                    async for message in ws:
                        if "simEnd" in str(message):
                            break
            assert server.trading is not None
            return [fill.price * fill.qty for fill in server.trading.venue.accounts["a"].fills]

        return asyncio.run(run())

    honest = final(None)
    assert honest
    assert final(Script([Fault(at_s=0, for_s=FOREVER, kind=Kind.GAP, stream="bookTicker", share=0.5)], 1)) == honest


def test_the_venues_clock_runs_on_while_its_flow_is_late() -> None:
    clock = ManualClock(START_NS)
    source = GeneratedSource(Market.USDM, ("BTCUSDT",), 5, START_NS)
    clock.advance(2 * 10**9)  # the machine was busy before the server came up
    running = RunningSource(source, clock, 1.0)
    assert running.server_time_ms() == START_NS // 10**6 + 2000
    clock.advance(10**9)
    assert running.server_time_ms() == START_NS // 10**6 + 3000
