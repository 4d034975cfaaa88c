"""Hyperliquid through the same door: what is sent, what is believed, and which keys are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from shared.errors import ConfigError, FeedError
from tests.live_room import AGENT, AGENT_KEY
from tests.live_room import WALLET as ACCOUNT
from trader.execution.live.hyperliquid import HyperliquidVenue, make_exchange
from trader.execution.live.keys import Keys, Secret
from trader.execution.live.venue import OrderRequest, Outcome

CLIENT_ID = "7ade" + "0" * 27 + "1"
UNIVERSE = [{"name": name, "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56} for name in ("BTC", "ETH")]
CONTEXT = {
    "funding": "0.0000125", "openInterest": "1.0", "prevDayPx": "60000.0", "dayNtlVlm": "1.0", "premium": "0.0",
    "oraclePx": "60000.0", "markPx": "60000.0", "midPx": "60000.0", "impactPxs": ["60000.0", "60000.1"], "dayBaseVlm": "1.0",
}  # fmt: skip


class ScriptedHyperliquid:
    """Answers by the type of a request; what it was sent is kept."""

    def __init__(self) -> None:
        self.role: dict[str, Any] = {"role": "agent", "data": {"user": ACCOUNT}}
        self.answer: Any = {"resting": {"oid": 77}}
        self.sent: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.status: Any = {"status": "unknownOid"}
        self.notional = "6000.0"
        self.whole: Any = None  # an answer to an action as a whole: a status of HTTP and a body
        self.fills: list[dict[str, Any]] = []

    async def start(self) -> int:
        app = web.Application()
        app.router.add_post("/info", self._info)
        app.router.add_post("/exchange", self._exchange)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _info(self, request: web.Request) -> web.Response:
        given = await request.json()
        self.asked.append(given)
        position = {"coin": "BTC", "szi": "-0.1", "entryPx": "60000.0"}
        answers = {
            "meta": {"universe": UNIVERSE, "marginTables": []},
            "metaAndAssetCtxs": [{"universe": UNIVERSE, "marginTables": []}, [CONTEXT, CONTEXT]],
            "spotMeta": {"tokens": [], "universe": []},
            "spotMetaAndAssetCtxs": [{"tokens": [], "universe": []}, []],
            "perpDexs": [None],
            "userRole": self.role,
            "orderStatus": self.status,
            "userFillsByTime": [row for row in self.fills if row["time"] >= given.get("startTime", 0)][:500],
            "exchangeStatus": {"specialStatuses": None, "time": 1_700_000_000_000},
            "clearinghouseState": {
                "assetPositions": [{"type": "oneWay", "position": position}],
                "marginSummary": {"accountValue": "10000.0", "totalNtlPos": self.notional, "totalRawUsd": "16000.0"},
                "time": 1,
            },
        }
        return web.json_response(answers.get(given["type"], []))

    async def _exchange(self, request: web.Request) -> web.Response:
        self.sent.append(await request.json())
        if self.whole is not None:
            return web.json_response(self.whole[1], status=self.whole[0])
        body = {"status": "ok", "response": {"type": "order", "data": {"statuses": [self.answer]}}}
        return web.json_response(body)


Story = Callable[[ScriptedHyperliquid, HyperliquidVenue], Awaitable[None]]


def play(story: Story, *, key: str = AGENT_KEY, account: str = ACCOUNT, role: dict[str, Any] | None = None) -> None:
    async def whole() -> None:
        server = ScriptedHyperliquid()
        server.role = role or server.role
        exchange = make_exchange(Keys(Secret(account), Secret(key)))
        url = f"http://127.0.0.1:{await server.start()}"
        exchange.enableRateLimit = False
        exchange.urls["api"].update({"public": url, "private": url})
        venue = HyperliquidVenue(exchange, ["BTC", "ETH@hyperliquid"])
        try:
            await venue.open()
            await story(server, venue)
        finally:
            await venue.close()
            await server.stop()

    asyncio.run(whole())


def order(**given: Any) -> OrderRequest:
    return OrderRequest(**{"client_id": CLIENT_ID, "symbol": 0, "side": 1, "qty": 0.1, "seen_usd": 60_000.0, **given})


def test_only_the_order_is_signed_and_it_carries_our_id_from_the_start() -> None:
    async def story(server: ScriptedHyperliquid, venue: HyperliquidVenue) -> None:
        answer = await venue.send(order(limit_usd=59_000.0))
        assert (answer.outcome, answer.order and answer.order.venue_id) == (Outcome.KNOWN, "77")
        [sent] = server.sent
        assert set(sent["action"]) == {"type", "orders", "grouping"}, "no builder takes a fee"
        assert sent["action"]["orders"] == [
            {"a": 0, "b": True, "p": "59000", "s": "0.1", "r": False, "t": {"limit": {"tif": "Alo"}}, "c": f"0x{CLIENT_ID}"}
        ]

    play(story)


def test_a_stop_reduces_only_and_a_market_order_is_bounded() -> None:
    async def story(server: ScriptedHyperliquid, venue: HyperliquidVenue) -> None:
        server.answer = "waitingForTrigger"
        assert (await venue.send(order(side=-1, trigger_usd=59_400.0, reduce_only=True))).outcome is Outcome.KNOWN
        server.answer = {"filled": {"totalSz": "0.1", "avgPx": "60001.0", "oid": 78}}
        filled = await venue.send(order())
        assert filled.order is not None
        assert (filled.order.is_open, filled.order.filled_qty) == (False, 0.1)
        stop, market = (sent["action"]["orders"][0] for sent in server.sent)
        assert (stop["r"], stop["t"]["trigger"]) == (True, {"isMarket": True, "triggerPx": "59400", "tpsl": "sl"})
        assert market["t"] == {"limit": {"tif": "Ioc"}}
        assert float(market["p"]) == pytest.approx(61_200.0)

    play(story)


def test_a_refusal_is_certain_and_an_unknown_order_is_not_found() -> None:
    async def story(server: ScriptedHyperliquid, venue: HyperliquidVenue) -> None:
        server.answer = {"error": "Insufficient margin to place order. asset=0"}
        assert (await venue.send(order())).outcome is Outcome.REFUSED
        assert (await venue.query(order())).outcome is Outcome.NOT_FOUND
        assert server.asked[-1]["oid"] == f"0x{CLIENT_ID}"

    play(story)


def test_a_word_of_the_venue_is_certain_even_an_unheard_of_one_and_a_gateways_is_not() -> None:
    async def story(server: ScriptedHyperliquid, venue: HyperliquidVenue) -> None:
        server.answer = {"error": "Trading is halted for this asset. asset=0"}
        assert (await venue.send(order())).outcome is Outcome.REFUSED
        for status, words, outcome in (
            (200, "Too many open positions", Outcome.REFUSED),
            (200, "Invalid nonce: duplicate nonce 1", Outcome.AMBIGUOUS),  # a request of that number has arrived
            (502, "Too many open positions", Outcome.AMBIGUOUS),
        ):
            server.whole = (status, {"status": "err", "response": words})
            assert (await venue.send(order())).outcome is outcome, words

    play(story)


def test_the_switch_is_taken_back_by_naming_no_time() -> None:
    async def story(server: ScriptedHyperliquid, venue: HyperliquidVenue) -> None:
        assert await venue.time_ms() == 1_700_000_000_000
        assert await venue.arm(0, 60_000)
        assert await venue.arm(0, 0)
        armed, taken_back = (sent["action"] for sent in server.sent)
        assert set(taken_back) == {"type"}
        assert abs(armed["time"] - 1_700_000_060_000) < 5_000, "on the venue's clock"
        server.whole = (200, {"status": "err", "response": "Cannot set scheduled cancel time until enough volume traded."})
        assert not await venue.arm(0, 60_000)
        server.whole = (200, {"status": "err", "response": "something else"})
        with pytest.raises(FeedError, match="something else"):
            await venue.arm(0, 60_000)

    play(story)


def test_fills_of_all_symbols_come_at_once_and_page_by_page() -> None:
    async def story(server: ScriptedHyperliquid, venue: HyperliquidVenue) -> None:
        coins = ("BTC", "ETH", "DOGE")
        server.fills = [
            {"coin": coins[i % 3], "px": "10.0", "sz": "1.0", "side": "B", "time": 1_000 + i // 2, "oid": i, "tid": i,
             "fee": "0.1", "feeToken": "USDC", "cloid": f"0x{CLIENT_ID}", "crossed": True}
            for i in range(1_200)
        ]  # fmt: skip
        found = await venue.fills(0, 1_000)
        assert [sum(fill.symbol == i for fill in found) for i in (0, 1)] == [400, 400]
        assert len(found) == len({fill.trade_id for fill in found}) == 800
        assert found[0].client_id == CLIENT_ID
        assert sum(asked["type"] == "userFillsByTime" for asked in server.asked) == 3

    play(story)


def test_positions_that_disagree_with_the_sums_beside_them_are_not_confirmed() -> None:
    async def story(server: ScriptedHyperliquid, venue: HyperliquidVenue) -> None:
        holdings = await venue.holdings()
        assert (holdings.positions, holdings.cash_usd, holdings.confirmed) == ((-0.1, 0.0), 16_000.0, True)
        server.notional = "0.0"
        assert not (await venue.holdings()).confirmed

    play(story)


async def nothing(_: ScriptedHyperliquid, __: HyperliquidVenue) -> None:
    raise AssertionError("it was opened")


def test_a_key_that_may_withdraw_or_is_of_another_account_is_refused() -> None:
    with pytest.raises(ConfigError, match="may withdraw"):
        play(nothing, account=AGENT)
    with pytest.raises(ConfigError, match="may withdraw"):
        play(nothing, role={"role": "user"})
    with pytest.raises(ConfigError, match="is no agent of the account"):
        play(nothing, role={"role": "agent", "data": {"user": AGENT}})
    with pytest.raises(ConfigError, match="is no agent of the account"):
        play(nothing, role={"role": "missing"})
    with pytest.raises(ConfigError, match="was not a private key"):
        play(nothing, key="0x12")
