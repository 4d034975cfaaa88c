"""Requests in, answers out: the trading calls, the public ones, and whatever the fault script does to both."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from trader.simulator.faults.script import Fault, Kind
from trader.simulator.http_front import HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from trader.simulator.binance_trading.gateway import BinanceTrading
    from trader.simulator.binance_trading.ws_api import WsApiSession
    from trader.simulator.faults.plan import FaultPlan
    from trader.simulator.rest import RestApi

_EVENT_LEAD_S = 0.002
_PREFIXES = ("/api/", "/fapi/", "/sapi/")
_WORDS = {
    429: (-1003, "Too much request weight used; please use WebSocket Streams for live updates to avoid polling the API."),
    418: (-1003, "Way too much request weight used; IP banned until {until_ms}."),
    503: (-1008, "Server is currently overloaded with other requests. Please try again in a few minutes."),
    504: (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
}
_OTHER = (-1000, "An unknown error occurred while processing the request.")


class Front:
    """Answers requests.

    Parameters
    ----------
    rest, trading
        The public calls and the trading calls; no accounts, no trading.
    plan
        Faults, if any.
    speed
        Simulated seconds per second, for delays; None for as fast as possible.
    answer_first
        Whether answers leave before the events they caused.
    """

    def __init__(
        self, rest: RestApi, trading: BinanceTrading | None, plan: FaultPlan | None, *, speed: float | None, answer_first: bool
    ) -> None:
        self._rest = rest
        self._trading = trading
        self._plan = plan
        self._speed = speed or 1.0
        self._answer_first = answer_first

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one HTTP request."""
        path = f"{request.method} {request.target.partition('?')[0]}"
        refused = await self._before(path)
        if refused is not None:
            return refused
        answer = self._trading.answer(request) if self._trading is not None else None
        if answer is None:
            return await self._public(request)
        lost = self._is_lost(path)
        if lost is not None:
            await self._flush()
            return _failure(lost.code, 0) if lost.code else HttpAnswer(500, b"", lost=True)
        if self.answers_first:
            return replace(answer, after=self._flush_now)
        await self._flush()
        return answer

    @property
    def answers_first(self) -> bool:
        """Whether answers leave before the events they caused, now."""
        return self._answer_first or (self._plan is not None and self._plan.active(Kind.ANSWER_FIRST) is not None)

    async def converse(self, session: WsApiSession, message: str | bytes) -> bytes | None:
        """Answer one WebSocket API message after its events; None if the answer is lost."""
        path = f"POST /{session.method(message)}"
        refused = await self._before(path)
        if refused is not None:
            return session.refusal(message, refused.status, msgspec.json.decode(refused.body))
        reply = session.handle(message)
        if reply.acted and not self.answers_first:
            await self._flush()
        return None if reply.acted and self._is_lost(path) is not None else reply.text

    async def _public(self, request: HttpRequest) -> HttpAnswer:
        if not request.target.startswith(_PREFIXES):
            return HttpAnswer(404, b"Not Found\n", {"Content-Type": "text/plain"})
        return await self._rest.get(request.method, request.target)

    async def _before(self, path: str) -> HttpAnswer | None:
        if self._plan is None:
            return None
        slow = self._plan.strikes(Kind.SLOW, path)
        if slow is not None:
            await asyncio.sleep(slow.delay_s / self._speed)
        broken = self._plan.strikes(Kind.HTTP, path)
        if broken is not None:
            return _failure(broken.code, broken.retry_after_s)
        if _is_query(path) and self._plan.strikes(Kind.UNKNOWN_ORDER, path) is not None:
            return HttpAnswer(400, b'{"code":-2013,"msg":"Order does not exist."}')
        return None

    def _is_lost(self, path: str) -> Fault | None:
        if self._plan is None or "rder" not in path or path.startswith("GET"):
            return None
        return self._plan.strikes(Kind.LOST_ANSWER, path)

    async def _flush_now(self) -> None:
        if self._trading is not None:
            await self._trading.user_data.flush()

    async def _flush(self) -> None:
        """Send the events of a call before its answer, with a lead that survives two sockets."""
        if self._trading is not None and self._trading.user_data.is_pending:
            await self._trading.user_data.flush()
            await asyncio.sleep(_EVENT_LEAD_S)


def _failure(status: int, retry_after_s: int) -> HttpAnswer:
    code, words = _WORDS.get(status, _OTHER)
    wait = {"Retry-After": str(retry_after_s)} if status in {418, 429} else {}
    return HttpAnswer(status, msgspec.json.encode({"code": code, "msg": words.format(until_ms=0)}), wait)


def _is_query(path: str) -> bool:
    return path.startswith("GET") and path.endswith(("/order", "/openOrder", "/algoOrder"))
