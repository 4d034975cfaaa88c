"""A fault script at work on the simulated Hyperliquid."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from aiohttp import web

from trader.simulator.faults.closing import NO_CLOSE_FRAME, RESET
from trader.simulator.faults.plan import USER, Change, FaultPlan, Outgoing
from trader.simulator.faults.script import Kind, Script

if TYPE_CHECKING:
    from trader.simulator.hyperliquid.clients import Clients
    from trader.simulator.hyperliquid.wire import Told

_GOING_AWAY = 1001


class FaultyVenue:
    """Does to frames, connections and requests what the script says.

    Parameters
    ----------
    script, tell
        As of :class:`trader.simulator.faults.plan.FaultPlan`.
    """

    def __init__(self, script: Script, tell: Callable[[Change, int], None] | None) -> None:
        self.plan = FaultPlan(script, tell)

    async def advance(self, ns: int, clients: Clients) -> None:
        """Move to venue time ``ns`` and end the connections that are to end there."""
        for change in self.plan.advance(ns):
            fault = change.fault
            ends = fault.kind is Kind.CLOSE or (fault.kind is Kind.SERVER_SHUTDOWN and not change.begins)
            code = fault.code if fault.kind is Kind.CLOSE else _GOING_AWAY
            for client in list(clients) if ends else ():
                if fault.stream == USER and not client.session.hears_user:
                    continue
                if code in {RESET, NO_CLOSE_FRAME}:
                    client.cut()
                else:
                    await client.socket.close(code=code)

    def sent(self, item: Told) -> Iterator[Told]:
        """Yield what is sent in place of ``item``."""
        stream = f"{item.channel}:{item.coin}" if item.coin else item.channel
        for out in self.plan.frames(Outgoing(item.ns, stream, item.data, item)):
            whole: Told = out.origin
            yield whole if out.payload is whole.data else whole._replace(data=out.payload)

    async def before(self, path: str, body: bytes) -> web.Response | None:
        """Delay or refuse a request; None lets it through."""
        slow = self.plan.strikes(Kind.SLOW, path)
        if slow is not None:
            await asyncio.sleep(slow.delay_s)
        broken = self.plan.strikes(Kind.HTTP, path)
        if broken is not None:
            wait = {"Retry-After": str(broken.retry_after_s)} if broken.code == 429 else None
            return web.Response(status=broken.code, text="null" if broken.code == 429 else "simulated", headers=wait)
        if b'"orderStatus"' in body and self.plan.strikes(Kind.UNKNOWN_ORDER, path) is not None:
            return web.Response(body=b'{"status":"unknownOid"}', content_type="application/json")
        return None

    def after(self, request: web.Request, body: bytes, whole: web.Response) -> web.Response:
        """Lose the answer to an action that has been carried out."""
        lost = self.plan.strikes(Kind.LOST_ANSWER, "POST /exchange order") if b'"order"' in body or b'"cancel' in body else None
        if lost is None:
            return whole
        if not lost.code and request.transport is not None:
            request.transport.close()
        return web.Response(status=lost.code or 502, text="simulated")
