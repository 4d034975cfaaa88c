"""Binance's trading protocol over real sockets: signatures, the time window, limits, user data and their order."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import connect

from shared.clock import SystemClock
from trader.simulator.binance_trading.errors import ApiError
from trader.simulator.binance_trading.limits import RequestBudget
from trader.simulator.binance_trading.signing import Keyring
from trader.simulator.generated import GeneratedSource
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market
from trader.simulator.trading.accounts_file import AccountEntry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ENTRIES = (
    AccountEntry(name="a", key="ka", secret="sa", balances={"USDT": Decimal(100_000), "BTC": Decimal(1)}),  # noqa: S106
    AccountEntry(name="b", key="kb", ed25519=PEM, balances={"USDT": Decimal(50_000)}),
    AccountEntry(name="c", key="kc", secret="sc", may_trade=False),  # noqa: S106
)
PREFIX = {Market.SPOT: "/api/v3", Market.USDM: "/fapi/v1"}


class Caller:
    """A client that signs by itself and keeps what it was answered."""

    def __init__(self, server: SimulatorServer, market: Market) -> None:
        self.port, self.prefix, self.market = server.port, PREFIX[market], market
        self.server = server

    def sign(self, payload: str, key: str) -> str:
        if key == "kb":
            return quote(base64.b64encode(PRIVATE.sign(payload.encode())).decode(), safe="")
        return hmac.new(f"s{key[1:]}".encode(), payload.encode(), hashlib.sha256).hexdigest()

    async def now_ms(self) -> int:
        return int((await self.call("GET", "/time", key=""))[1]["serverTime"])

    async def signed(self, method: str, path: str, *, key: str = "ka", skew_ms: int = 0, **params: Any) -> tuple[int, Any]:
        payload = urlencode({**params, "timestamp": await self.now_ms() + skew_ms})
        return await self.call(method, path, f"{payload}&signature={self.sign(payload, key)}", key=key)

    async def call(self, method: str, path: str, query: str = "", *, key: str = "ka") -> tuple[int, Any]:
        status, _, body = await asyncio.to_thread(self._fetch, method, path, query, key)
        return status, body

    def _fetch(self, method: str, path: str, query: str, key: str) -> tuple[int, Any, Any]:
        target = path if path.startswith(("/fapi/v", "/sapi")) else self.prefix + path
        in_body = method == "POST"
        url = f"http://127.0.0.1:{self.port}{target}" + ("" if in_body or not query else f"?{query}")
        request = urllib.request.Request(url, query.encode() if in_body else None, {"X-MBX-APIKEY": key}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.headers, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, json.loads(error.read())

    async def order(self, side: str = "BUY", kind: str = "MARKET", **params: Any) -> tuple[int, Any]:
        base: dict[str, Any] = {"symbol": "BTCUSDT", "side": side, "type": kind, "quantity": "0.01"}
        return await self.signed("POST", "/order", **(base | params))


def serve(market: Market, act: Callable[[Caller], Awaitable[None]], **options: Any) -> None:
    async def scenario() -> None:
        clock = SystemClock()
        source = GeneratedSource(market, ("BTCUSDT",), 5, clock.now_ns())
        async with SimulatorServer(source, ServerOptions(accounts=ENTRIES, **options), clock) as server:
            async with asyncio.timeout(30):
                await act(Caller(server, market))

    asyncio.run(scenario())


def test_the_documented_hmac_example_verifies() -> None:
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"  # noqa: S105 - the venue's published example
    stamp = 1499827319559
    payload = f"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp={stamp}"
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    keys = Keyring([AccountEntry(key="k", secret=secret)], lambda: stamp, 1.0)
    params = {"timestamp": str(stamp), "recvWindow": "5000", "signature": signature}
    keys.check("k", payload, params)
    keys.check("k", payload, params | {"signature": signature.upper()})
    with pytest.raises(ApiError, match="Signature"):
        keys.check("k", payload.replace("quantity=1", "quantity=2"), params)


def test_keys_signatures_and_time_are_checked_in_the_venues_words() -> None:
    async def act(caller: Caller) -> None:
        async def code(**options: Any) -> tuple[int, int]:
            status, body = await caller.signed("GET", "/account", **options)
            return status, int(body["code"])

        assert (await caller.signed("GET", "/account"))[0] == 200
        assert (await caller.signed("GET", "/account", key="kb"))[0] == 200
        assert await code(key="nobody") == (401, -2015)
        assert await code(skew_ms=-6000) == (400, -1021)
        assert await code(skew_ms=1500) == (400, -1021)
        assert (await caller.signed("GET", "/account", skew_ms=-6000, recvWindow=10_000))[0] == 200
        assert (await caller.call("GET", "/account", "timestamp=1"))[1]["code"] == -1102
        wrong = f"timestamp={await caller.now_ms()}&signature={'0' * 64}"
        assert (await caller.call("GET", "/account", wrong))[1] == {
            "code": -1022,
            "msg": "Signature for this request is not valid.",
        }
        assert (await caller.call("GET", "/account", wrong, key=""))[1]["code"] == -2014
        assert (await caller.signed("POST", "/order", key="kc", symbol="BTCUSDT", side="BUY", type="MARKET", quantity=1))[
            0
        ] == 401

    serve(Market.SPOT, act)


@pytest.mark.parametrize(
    ("market", "change", "code"),
    [
        ("spot", {"symbol": "NOPE"}, -1121),
        ("spot", {"side": "HOLD"}, -1117),
        ("spot", {"type": "HOPE"}, -1116),
        ("spot", {"type": "LIMIT", "price": "50000"}, -1102),
        ("spot", {"quantity": "0.000001"}, -1013),
        ("spot", {"quantity": "0.00001"}, -1013),
        ("spot", {"quantity": "1e3"}, -1100),
        ("spot", {"type": "LIMIT", "timeInForce": "GTC", "price": "50000.001"}, -1013),
        ("spot", {"type": "LIMIT", "timeInForce": "GTC", "price": "500"}, -1013),
        ("spot", {"type": "LIMIT", "timeInForce": "GTC", "price": "50000.000000001"}, -1111),
        ("spot", {"quantity": "50"}, -2010),
        ("spot", {"newClientOrderId": "with blank"}, -1100),
        ("usdm", {"quantity": "0.0001"}, -1111),
        ("usdm", {"quantity": "0"}, -4003),
        ("usdm", {"quantity": "0.001"}, -4164),
        ("usdm", {"type": "LIMIT", "timeInForce": "GTC", "price": "50000.01"}, -4014),
        ("usdm", {"type": "LIMIT", "timeInForce": "GTC", "price": "90000"}, -4016),
        ("usdm", {"quantity": "100"}, -2019),
        ("usdm", {"type": "STOP_MARKET", "stopPrice": "50000"}, -4120),
        ("usdm", {"reduceOnly": "true"}, -2022),
        ("usdm", {"positionSide": "LONG"}, -4061),
    ],
)
def test_each_filter_answers_with_its_own_code(market: str, change: dict[str, str], code: int) -> None:
    async def act(caller: Caller) -> None:
        status, body = await caller.order(**change)
        assert (status, body["code"]) == (400, code), body

    serve(Market(market), act)


@pytest.mark.parametrize("answer_first", [False, True])
def test_spot_user_data_comes_in_either_order_with_the_answer(answer_first: bool) -> None:
    async def act(caller: Caller) -> None:
        order: list[str] = []
        async with connect(f"ws://127.0.0.1:{caller.port}/ws-api/v3") as ws:
            params: dict[str, object] = {"apiKey": "ka", "timestamp": await caller.now_ms()}
            params["signature"] = caller.sign("&".join(f"{name}={params[name]}" for name in sorted(params)), "ka")
            await ws.send(json.dumps({"id": "1", "method": "userDataStream.subscribe.signature", "params": params}))
            assert json.loads(await ws.recv())["result"] == {"subscriptionId": 0}
            params = {"apiKey": "ka", "timestamp": await caller.now_ms(), "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}
            params |= {"quantity": "0.01", "newClientOrderId": "mine"}
            params["signature"] = caller.sign("&".join(f"{name}={params[name]}" for name in sorted(params)), "ka")
            await ws.send(json.dumps({"id": "2", "method": "order.place", "params": params}))
            seen: list[dict[str, Any]] = []
            while order.count("answer") < 1 or not any(event.get("X") == "FILLED" for event in seen):
                message = json.loads(await ws.recv())
                order.append("event" if "event" in message else "answer")
                seen.append(message.get("event", {}))
        assert order[0] == ("answer" if answer_first else "event")
        kinds = [event["e"] for event in seen if event]
        assert kinds[:2] == ["executionReport", "outboundAccountPosition"]
        trades = [event for event in seen if event.get("x") == "TRADE"]
        assert sum(Decimal(event["l"]) for event in trades) == Decimal("0.01")
        assert {event["c"] for event in trades} == {"mine"}

    serve(Market.SPOT, act, answer_first=answer_first)


def test_an_ed25519_session_logs_on_and_needs_no_more_signatures() -> None:
    async def act(caller: Caller) -> None:
        async with connect(f"ws://127.0.0.1:{caller.port}/ws-api/v3") as ws:
            stamp = await caller.now_ms()
            signature = base64.b64encode(PRIVATE.sign(f"apiKey=kb&timestamp={stamp}".encode())).decode()
            params: dict[str, object] = {"apiKey": "kb", "timestamp": stamp, "signature": signature}
            await ws.send(json.dumps({"id": 1, "method": "session.logon", "params": params}))
            assert json.loads(await ws.recv())["result"]["apiKey"] == "kb"
            await ws.send(json.dumps({"id": 2, "method": "userDataStream.subscribe"}))
            assert json.loads(await ws.recv())["status"] == 200
            await ws.send(json.dumps({"id": 3, "method": "account.status", "params": {"timestamp": stamp}}))
            assert json.loads(await ws.recv())["result"]["balances"][0]["free"] == "50000.00000000"
            await ws.send(json.dumps({"id": 4, "method": "userDataStream.start", "params": {}}))
            assert json.loads(await ws.recv())["status"] == 410

    serve(Market.SPOT, act)


def test_futures_listen_key_carries_orders_and_account_until_it_ends() -> None:
    async def act(caller: Caller) -> None:
        key = (await caller.call("POST", "/listenKey"))[1]["listenKey"]
        assert (await caller.call("PUT", "/listenKey"))[1] == {"listenKey": key}
        async with connect(
            f"ws://127.0.0.1:{caller.port}/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE/listenKeyExpired"
        ) as ws:
            status, placed = await caller.order(newClientOrderId="mine", newOrderRespType="RESULT")
            assert (status, placed["status"]) == (200, "FILLED")
            new, trade = json.loads(await ws.recv()), json.loads(await ws.recv())
            assert [new["e"], new["o"]["x"], trade["o"]["x"], trade["o"]["c"]] == ["ORDER_TRADE_UPDATE", "NEW", "TRADE", "mine"]
            assert caller.server.trading is not None
            caller.server.trading.listen_keys.expire_due(everything=True)
            while "listenKeyExpired" not in (last := str(await ws.recv())):
                pass
            assert json.loads(last)["listenKey"] == key
            await caller.order()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.3)
        assert (await caller.call("PUT", "/listenKey"))[1]["code"] == -1125

    serve(Market.USDM, act)


def test_a_conditional_order_lives_apart_until_it_fires() -> None:
    async def act(caller: Caller) -> None:
        await caller.order()
        bid = Decimal((await caller.call("GET", "/depth", "symbol=BTCUSDT&limit=5", key=""))[1]["bids"][0][0])
        stop: dict[str, Any] = {
            "algoType": "CONDITIONAL",
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "STOP_MARKET",
            "quantity": "0.01",
        }
        stop |= {"triggerPrice": str(bid * Decimal("0.9") // 1), "reduceOnly": "true", "clientAlgoId": "guard"}
        assert (await caller.signed("POST", "/algoOrder", **stop))[1]["algoStatus"] == "NEW"
        assert (await caller.signed("GET", "/openOrders", symbol="BTCUSDT"))[1] == []
        assert (await caller.signed("GET", "/order", symbol="BTCUSDT", origClientOrderId="guard"))[1]["code"] == -2013
        assert [row["clientAlgoId"] for row in (await caller.signed("GET", "/openAlgoOrders"))[1]] == ["guard"]
        assert caller.server.trading is not None
        caller.server.trading.venue.on_print("BTCUSDT", bid * Decimal("0.89") // 1, Decimal(1), buyer_is_maker=True)
        assert (await caller.signed("GET", "/algoOrder", clientAlgoId="guard"))[1]["algoStatus"] == "FINISHED"
        risk = (await caller.signed("GET", "/fapi/v3/positionRisk", symbol="BTCUSDT"))[1]
        assert Decimal(risk[0]["positionAmt"]) == 0

    serve(Market.USDM, act)


def test_the_dead_mans_switch_counts_in_venue_time() -> None:
    async def act(caller: Caller) -> None:
        bid = Decimal((await caller.call("GET", "/depth", "symbol=BTCUSDT&limit=5", key=""))[1]["bids"][0][0])
        order = {"type": "LIMIT", "timeInForce": "GTX", "price": str(bid * Decimal("0.98") // 1)}
        assert (await caller.order(**order))[0] == 200
        assert (await caller.signed("POST", "/countdownCancelAll", symbol="BTCUSDT", countdownTime=300))[0] == 200
        for _ in range(100):
            if not (await caller.signed("GET", "/openOrders", symbol="BTCUSDT"))[1]:
                return
            await asyncio.sleep(0.05)
        pytest.fail("the order outlived the countdown")

    serve(Market.USDM, act)


def test_ignoring_429_gets_the_address_banned() -> None:
    budget = RequestBudget(Market.SPOT, SystemClock())

    def status() -> int:
        try:
            budget.charge(1000)
        except ApiError as error:
            return error.status if error.retry_after_s else 0
        return 200

    statuses = [status() for _ in range(30)]
    assert statuses[:7] == [200] * 6 + [429]
    assert statuses[-1] == 418
