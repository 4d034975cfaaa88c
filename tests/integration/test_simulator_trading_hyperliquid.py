"""Hyperliquid's trading over real sockets: signed actions, refusals in the venue's words, user channels, ccxt."""

from __future__ import annotations

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from shared.clock import NS_PER_MS, SystemClock
from shared.errors import ConfigError
from trader.simulator.faults.script import Fault, Kind, Script
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.generated import GeneratedOrigin
from trader.simulator.hyperliquid.server import HyperliquidOptions, HyperliquidServer
from trader.simulator.hyperliquid_trading.signing import action_hash
from trader.simulator.trading.accounts_file import AccountEntry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WALLET, AGENT, STRANGER = (Account.from_key("0x" + byte * 32) for byte in ("11", "22", "33"))
ENTRY = AccountEntry(name="a", address=WALLET.address, agents=[AGENT.address], balances={"USDC": Decimal(100_000)})
WITHIN_S = 30


class Trader:
    """Signs actions by itself and asks about its account."""

    def __init__(self, server: HyperliquidServer) -> None:
        self.port = server.port
        self.server = server
        self.user = WALLET.address.lower()
        self._nonce = SystemClock().now_ns() // NS_PER_MS

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        return await asyncio.to_thread(self._post, path, body)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.loads(answer.read())

    async def act(self, action: dict[str, Any], wallet: Any = WALLET, nonce: int = 0) -> Any:
        self._nonce += 1
        nonce = nonce or self._nonce
        domain = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": "0x" + "0" * 40}
        types = {"Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]}
        content = {"source": "b", "connectionId": action_hash(action, nonce, None, None)}
        signed = wallet.sign_message(encode_typed_data(domain, types, content))
        signature = {"r": hex(signed.r), "s": hex(signed.s), "v": signed.v}
        return await self.post("/exchange", {"action": action, "nonce": nonce, "signature": signature, "vaultAddress": None})

    async def order(self, price: str, size: str = "0.01", tif: str = "Gtc", **options: Any) -> Any:
        wire = {
            "a": 0,
            "b": options.get("buys", True),
            "p": price,
            "s": size,
            "r": options.get("reduces", False),
            "t": {"limit": {"tif": tif}},
        }
        action = {"type": "order", "orders": [wire | ({"c": options["cloid"]} if "cloid" in options else {})], "grouping": "na"}
        answer = await self.act(action)
        return answer["response"]["data"]["statuses"][0]

    async def info(self, kind: str, **fields: Any) -> Any:
        return await self.post("/info", {"type": kind, "user": self.user, **fields})

    async def touch(self) -> tuple[int, int]:
        bids, asks = (await self.info("l2Book", coin="BTC"))["levels"]
        return int(float(bids[0]["px"])), int(float(asks[0]["px"]))


def trading(act: Callable[[Trader], Awaitable[None]], faults: Script | None = None) -> None:
    async def scenario() -> None:
        clock = SystemClock()
        flow = Flow(GeneratedOrigin(["BTC", "ETH"], 5, clock.now_ns()))
        async with (
            HyperliquidServer(flow, HyperliquidOptions(accounts=(ENTRY,), faults=faults), clock) as server,
            asyncio.timeout(WITHIN_S),
        ):
            await act(Trader(server))

    asyncio.run(scenario())


def test_orders_fill_rest_and_are_refused_in_the_venues_words() -> None:
    async def act(trader: Trader) -> None:
        bid, ask = await trader.touch()
        assert (await trader.order(str(ask + 600), tif="Ioc"))["filled"]["totalSz"] == "0.01"
        state = await trader.info("clearinghouseState")
        assert state["assetPositions"][0]["position"]["szi"] == "0.01"
        name = "0x" + "0" * 31 + "1"
        resting = (await trader.order(str(bid - 3000), cloid=name))["resting"]
        assert (await trader.info("orderStatus", oid=name))["order"]["order"]["oid"] == resting["oid"]
        assert [row["oid"] for row in await trader.info("openOrders")] == [resting["oid"]]
        cancel = {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": name}]}
        assert (await trader.act(cancel))["response"]["data"]["statuses"] == ["success"]
        assert "never placed" in (await trader.act(cancel))["response"]["data"]["statuses"][0]["error"]
        assert (await trader.info("orderStatus", oid=resting["oid"]))["order"]["status"] == "canceled"
        assert (await trader.info("orderStatus", oid=1)) == {"status": "unknownOid"}
        for words, order in {
            "Post only order would": trader.order(str(ask + 600), tif="Alo"),
            "Order could not immediately": trader.order(str(bid - 3000), tif="Ioc"),
            "Order must have minimum value of $10.": trader.order(str(bid), size="0.0001"),
            "Order has invalid size.": trader.order(str(bid), size="0.0000001"),
            "Price must be divisible by tick size.": trader.order(f"{bid}.5"),
            "Insufficient margin": trader.order(str(bid), size="900"),
            "Reduce only order would increase": trader.order(str(bid), reduces=True),
            "Order price cannot be more than 95%": trader.order("100", size="1"),
        }.items():
            assert (await order)["error"].startswith(words)

    trading(act)


def test_only_the_wallet_and_its_agents_may_sign_and_a_nonce_works_once() -> None:
    async def act(trader: Trader) -> None:
        action = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 10}
        assert (await trader.act(action, AGENT))["status"] == "ok"
        roles = {who.address: await trader.post("/info", {"type": "userRole", "user": who.address}) for who in (AGENT, STRANGER)}
        assert roles[AGENT.address] == {"role": "agent", "data": {"user": WALLET.address.lower()}}
        assert roles[STRANGER.address] == {"role": "missing"}
        refused = await trader.act(action, STRANGER)
        assert refused["status"] == "err"
        assert "does not exist" in refused["response"]
        stamp = SystemClock().now_ns() // NS_PER_MS + 1000
        assert (await trader.act(action, nonce=stamp))["status"] == "ok"
        assert (await trader.act(action, nonce=stamp))["response"] == f"Invalid nonce: duplicate nonce {stamp}"
        assert (await trader.post("/exchange", {"action": action, "nonce": 1, "signature": {}}))[
            "response"
        ] == "Unable to recover signer."
        too_high = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 41}
        assert (await trader.act(too_high))["response"] == "Invalid leverage value"

    trading(act)


def test_user_channels_tell_of_orders_and_fills_before_the_answer() -> None:
    async def act(trader: Trader) -> None:
        _, ask = await trader.touch()
        async with connect(f"ws://127.0.0.1:{trader.port}/ws", max_size=None) as ws:
            for kind in ("orderUpdates", "userFills", "userEvents"):
                await ws.send(json.dumps({"method": "subscribe", "subscription": {"type": kind, "user": WALLET.address}}))
            heard: list[dict[str, Any]] = []
            while sum(message["channel"] == "subscriptionResponse" for message in heard) < 3:
                heard.append(json.loads(await ws.recv()))
            await trader.order(str(ask + 600), tif="Ioc")
            while not {"orderUpdates", "userFills", "user"} <= {message["channel"] for message in heard[4:]}:
                heard.append(json.loads(await ws.recv()))
        fills = [message["data"] for message in heard if message["channel"] == "userFills"]
        assert fills[0]["isSnapshot"]
        assert "isSnapshot" not in fills[-1]
        assert fills[-1]["fills"][0]["dir"] == "Open Long"
        statuses = [row["status"] for message in heard if message["channel"] == "orderUpdates" for row in message["data"]]
        assert statuses[0] == "open"

    trading(act)


def test_the_venues_time_is_the_walls_however_long_the_start_took() -> None:
    async def scenario() -> None:
        clock = SystemClock()
        flow = Flow(GeneratedOrigin(["BTC"], 5, clock.now_ns() - 5_000 * NS_PER_MS))
        async with (
            HyperliquidServer(flow, HyperliquidOptions(accounts=(ENTRY,)), clock) as server,
            asyncio.timeout(WITHIN_S),
        ):
            trader = Trader(server)
            for _ in range(100):
                if (await trader.info("exchangeStatus"))["time"] > clock.now_ns() // NS_PER_MS - 1_000:
                    return
                await asyncio.sleep(0.05)
            pytest.fail("the venue stays behind")

    asyncio.run(scenario())


def test_a_scheduled_cancel_ends_everything() -> None:
    async def act(trader: Trader) -> None:
        bid, _ = await trader.touch()
        resting = (await trader.order(str(bid - 3000)))["resting"]
        now_ms = trader.server.trading.venue.now_ns() // NS_PER_MS if trader.server.trading else 0
        assert "at least 5 seconds" in (await trader.act({"type": "scheduleCancel", "time": now_ms + 1000}))["response"]
        assert (await trader.act({"type": "scheduleCancel", "time": now_ms + 60_000}))["status"] == "ok"
        assert trader.server.trading is not None
        (account,) = trader.server.trading.venue.accounts.values()
        account.countdowns[""] = 0
        for _ in range(100):
            if not await trader.info("openOrders"):
                assert (await trader.info("orderStatus", oid=resting["oid"]))["order"]["status"] == "scheduledCancel"
                return
            await asyncio.sleep(0.05)
        pytest.fail("the order outlived the scheduled cancel")

    trading(act)


def test_ccxt_trades_on_it() -> None:
    import ccxt

    def orders(exchange: Any) -> None:
        symbol = "BTC/USDC:USDC"
        exchange.load_markets()
        ask = exchange.fetch_order_book(symbol, 5)["asks"][0][0]
        assert exchange.create_order(symbol, "market", "buy", 0.01, ask)["filled"] == 0.01
        resting = exchange.create_order(symbol, "limit", "buy", 0.01, float(int(ask * 0.97)))
        assert [order["id"] for order in exchange.fetch_open_orders(symbol)] == [resting["id"]]
        exchange.cancel_order(resting["id"], symbol)
        assert exchange.fetch_positions([symbol])[0]["contracts"] == 0.01
        assert exchange.fetch_balance()["USDC"]["total"] > 99_000

    async def act(trader: Trader) -> None:
        exchange = ccxt.hyperliquid({"walletAddress": WALLET.address, "privateKey": "0x" + "11" * 32})
        base = f"http://127.0.0.1:{trader.port}"
        exchange.urls["api"] |= {"public": base, "private": base}
        exchange.options["fetchMarkets"] = {"types": ["swap"]}
        exchange.enableRateLimit = False
        try:
            await asyncio.to_thread(orders, exchange)
        finally:
            exchange.session.close()

    trading(act)


def test_an_answer_can_be_lost_and_the_order_unknown_for_a_while() -> None:
    async def act(trader: Trader) -> None:
        bid, _ = await trader.touch()
        name = "0x" + "0" * 31 + "7"
        with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
            await trader.order(str(bid - 3000), cloid=name)
        assert await trader.info("orderStatus", oid=name) == {"status": "unknownOid"}
        assert (await trader.info("orderStatus", oid=name))["order"]["status"] == "open"

    lost = Fault(at_s=0, for_s=60, kind=Kind.LOST_ANSWER, count=1)
    trading(act, Script([lost, Fault(at_s=0, for_s=60, kind=Kind.UNKNOWN_ORDER, count=1)]))


@pytest.mark.parametrize("code", [1000, 1006])
def test_connections_end_and_books_can_be_silent(code: int) -> None:
    async def act(trader: Trader) -> None:
        async with connect(f"ws://127.0.0.1:{trader.port}/ws", max_size=None) as ws:
            for kind in ("l2Book", "bbo"):
                await ws.send(json.dumps({"method": "subscribe", "subscription": {"type": kind, "coin": "BTC"}}))
            heard: list[str] = []
            with pytest.raises(ConnectionClosed):
                await drain(ws, heard)
            assert (ws.close_code or 1006) == code
            assert heard.count("l2Book") <= 1  # what a subscription begins with
            assert heard.count("bbo") > 1

    silent = Fault(at_s=0, for_s=60, kind=Kind.SILENCE, stream="l2Book")
    trading(act, Script([silent, Fault(at_s=2.0, kind=Kind.CLOSE, code=code)]))


def test_an_answer_may_leave_before_its_events_and_only_user_connections_may_end() -> None:
    async def act(trader: Trader) -> None:
        _, ask = await trader.touch()
        server = trader.server
        told, answered = asyncio.Event(), asyncio.Event()
        tell = server._tell_users

        async def hold() -> None:
            if server.trading is not None and server.trading._queue:
                told.set()
                await answered.wait()
            await tell()

        server._tell_users = hold  # type: ignore[method-assign]
        url = f"ws://127.0.0.1:{trader.port}/ws"
        async with connect(url, max_size=None) as user, connect(url, max_size=None, max_queue=None) as market:
            await user.send(json.dumps({"method": "subscribe", "subscription": {"type": "userFills", "user": WALLET.address}}))
            await market.send(json.dumps({"method": "subscribe", "subscription": {"type": "bbo", "coin": "BTC"}}))
            assert "filled" in await trader.order(str(ask + 600), tif="Ioc")
            assert told.is_set(), "the answer came while the events were held back"
            answered.set()
            with pytest.raises(ConnectionClosed):
                await drain(user, [])
            heard = json.loads(await market.recv())["channel"]
            assert heard in ("subscriptionResponse", "bbo")
            await market.ping()

    first = Fault(at_s=0, for_s=60, kind=Kind.ANSWER_FIRST)
    trading(act, Script([first, Fault(at_s=2.0, kind=Kind.CLOSE, code=1006, stream="user")]))


async def drain(ws: ClientConnection, heard: list[str]) -> None:
    while True:
        heard.append(json.loads(await ws.recv())["channel"])


def test_accounts_without_an_address_cannot_trade_here() -> None:
    clock = SystemClock()
    flow = Flow(GeneratedOrigin(["BTC"], 5, clock.now_ns()))
    with pytest.raises(ConfigError, match="address"):
        HyperliquidServer(flow, HyperliquidOptions(accounts=(AccountEntry(name="x", key="k"),)), clock)
