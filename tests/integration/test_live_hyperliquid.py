"""Hyperliquid through the same door: what is sent, what is believed, and which keys are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from shared.errors import ConfigError
from trader.execution.live.hyperliquid import HyperliquidVenue, make_exchange
from trader.execution.live.keys import Keys, Secret
from trader.execution.live.venue import OrderRequest, Outcome

# The venue's public test vectors; never fund them.
AGENT_KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
AGENT = "0x14791697260E4c9A71f18484C9f997B308e59325"
ACCOUNT = "0xcD49bbAc6E85fdEB167EB7cA41A945d2b8758F6F"
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
            "clearinghouseState": {
                "assetPositions": [{"type": "oneWay", "position": position}],
                "marginSummary": {"accountValue": "10000.0", "totalNtlPos": self.notional, "totalRawUsd": "16000.0"},
                "time": 1,
            },
        }
        return web.json_response(answers.get(given["type"], []))

    async def _exchange(self, request: web.Request) -> web.Response:
        self.sent.append(await request.json())
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
