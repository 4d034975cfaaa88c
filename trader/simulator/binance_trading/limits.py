"""Request weight and order counts, and what the venue does to those who use too much."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from shared.clock import NS_PER_S
from trader.simulator.binance_trading.errors import ApiError
from trader.simulator.source import Market

if TYPE_CHECKING:
    from shared.clock import Clock

# As of 2026-04; REQUEST_WEIGHT per minute and per address.
WEIGHT_LIMIT = {Market.SPOT: 6000, Market.USDM: 2400, Market.HYPERLIQUID: 1200}
# Name in the header, seconds, orders.
ORDER_LIMITS = {
    Market.SPOT: (("10S", "10 SECOND", 10, 100), ("1D", "1 DAY", 86_400, 200_000)),
    Market.USDM: (("10S", "10 SECOND", 10, 300), ("1M", "1 MINUTE", 60, 1200)),
}
_PATIENCE = 10  # requests over the limit before the address is banned
_BAN_S = 120
_TOO_MUCH = (
    "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API."
)
_BANNED = (
    "Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live updates to avoid bans."
)


class RequestBudget:
    """The weight of one address per minute of wall time, and the bans for ignoring it.

    Parameters
    ----------
    market
        Whose limits apply.
    clock
        Measures the minute.
    """

    def __init__(self, market: Market, clock: Clock) -> None:
        self._limit = WEIGHT_LIMIT[market]
        self._clock = clock
        self._minute = -1
        self._over = 0
        self._banned_until_ns = 0
        self.used = 0

    def charge(self, weight: int) -> None:
        """Count ``weight``.

        Errors
        ------
        ApiError
            429 over the limit, 418 for those who go on regardless; both with the seconds to wait.
        """
        now_ns = self._clock.now_ns()
        minute = now_ns // (60 * NS_PER_S)
        if minute != self._minute:
            self._minute, self.used, self._over = minute, 0, 0
        if now_ns < self._banned_until_ns:
            raise self._banned(now_ns)
        self.used += weight
        if self.used > self._limit:
            self._over += 1
            if self._over > _PATIENCE:
                self._banned_until_ns = now_ns + _BAN_S * NS_PER_S
                raise self._banned(now_ns)
            seconds = 60 - now_ns // NS_PER_S % 60
            raise ApiError(429, -1003, _TOO_MUCH.format(limit=self._limit), retry_after_s=seconds)

    def _banned(self, now_ns: int) -> ApiError:
        text = _BANNED.format(until_ms=self._banned_until_ns // 1_000_000)
        return ApiError(418, -1003, text, retry_after_s=max(1, (self._banned_until_ns - now_ns) // NS_PER_S))


class OrderCounter:
    """Orders of one account per interval, in venue time."""

    def __init__(self, market: Market) -> None:
        self._limits = ORDER_LIMITS[market]
        self._recent: dict[str, deque[int]] = {name: deque() for name, *_ in self._limits}

    def count(self, now_ns: int) -> dict[str, str]:
        """Count one order and return the headers, or raise -1015."""
        for name, words, seconds, limit in self._limits:
            recent = self._recent[name]
            while recent and recent[0] <= now_ns - seconds * NS_PER_S:
                recent.popleft()
            if len(recent) >= limit:
                text = f"Too many new orders; current limit is {limit} orders per {words}."
                raise ApiError(429, -1015, text, retry_after_s=seconds)
        for name, *_ in self._limits:
            self._recent[name].append(now_ns)
        return {f"X-MBX-ORDER-COUNT-{name}": str(len(self._recent[name])) for name, *_ in self._limits}
