"""How much a venue lets an address ask: one allowance for all requests of this process, led by what the venue itself counts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import numpy as np

from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import FeedError

MINUTE_NS = 60 * NS_PER_S
TOO_MANY = (429, 418)  # slow down; banned for as long as Retry-After says
RESERVE = 0.8  # above this share of the used weight we pause: other programs share the address
MAX_WAIT_S = 60.0  # rather tell the caller than sleep longer than this
DEFAULT_RETRY_S = 10.0
_JITTER_S = 0.25
_BANNED_UNTIL = re.compile(rb"banned until (\d{13})")


class Budget:
    """The allowance of one address at one host.

    Parameters
    ----------
    per_min
        Weight the venue allows in a minute.
    clock, rng
        For the pauses, and their jitter.
    """

    def __init__(self, per_min: int, clock: Clock, rng: np.random.Generator) -> None:
        self._per_min = per_min
        self._clock = clock
        self._rng = rng
        self._minute = -1
        self._not_before_ns = 0
        self.used = 0

    async def spend(self, weight: int, what: str) -> None:
        """Wait until a request of ``weight`` may be sent, and count it.

        Errors
        ------
        FeedError
            If that takes longer than :data:`MAX_WAIT_S`; names ``what``.
        """
        while True:
            self._turn_minute()
            wait_s = (self._not_before_ns - self._clock.monotonic_ns()) / NS_PER_S
            if self.used and self.used + weight > RESERVE * self._per_min:
                wait_s = max(wait_s, self._minute_left_s())
            if wait_s <= 0.0:
                self.used += weight
                return
            if wait_s > MAX_WAIT_S:
                raise FeedError(f"{what}: was not sent, expected after the {wait_s:.0f} s the venue told us to wait")
            await asyncio.sleep(wait_s + float(self._rng.uniform(0.0, _JITTER_S)))  # not all at the same instant

    def obey(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Take what an answer says of the allowance: the weight used by the whole address, and a pause it asks for."""
        self._turn_minute()
        self.used = max(self.used, int(_number(headers.get("X-MBX-USED-WEIGHT-1M"), 0.0)))
        if status in TOO_MANY:
            wait_s = _number(headers.get("Retry-After"), self._until_unbanned_s(body))
            self._not_before_ns = max(self._not_before_ns, self._clock.monotonic_ns() + int(wait_s * NS_PER_S))

    def _until_unbanned_s(self, body: bytes) -> float:
        """Return how long a ban lasts by its text, where no header tells."""
        found = _BANNED_UNTIL.search(body)
        if found is None:
            return DEFAULT_RETRY_S
        return max((int(found.group(1)) * NS_PER_MS - self._clock.now_ns()) / NS_PER_S, DEFAULT_RETRY_S)

    def _turn_minute(self) -> None:
        minute = self._clock.now_ns() // MINUTE_NS
        if minute != self._minute:
            self._minute, self.used = minute, 0

    def _minute_left_s(self) -> float:
        return (MINUTE_NS - self._clock.now_ns() % MINUTE_NS) / NS_PER_S


def _number(text: str | None, default: float) -> float:
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return default
    return value if 0.0 <= value < 1e9 else default
