"""Stops asking an advisor that keeps failing, and tries again after a while."""

from __future__ import annotations

from enum import IntEnum

from shared.clock import NS_PER_S


class BreakerState(IntEnum):
    """Whether an advisor may be asked."""

    CLOSED = 0  # all is well
    OPEN = 1  # it is left alone
    HALF_OPEN = 2  # one question decides


class CircuitBreaker:
    """Three failures in a row open it; after ``rest_s`` one call is let through, which closes or opens it again."""

    def __init__(self, failures: int = 3, rest_s: float = 60.0) -> None:
        self._limit = failures
        self._rest_ns = int(rest_s * NS_PER_S)
        self._failures = 0
        self._opened_ns = 0
        self.state = BreakerState.CLOSED

    @property
    def rests_until_ns(self) -> int:
        """When one call is let through again, ns; 0 while all is well."""
        return self._opened_ns + self._rest_ns if self.state is BreakerState.OPEN else 0

    def allows(self, now_ns: int) -> bool:
        """Say whether the advisor may be asked now."""
        if self.state is BreakerState.OPEN and now_ns - self._opened_ns >= self._rest_ns:
            self.state = BreakerState.HALF_OPEN
        return self.state is not BreakerState.OPEN

    def record(self, *, ok: bool, now_ns: int) -> bool:
        """Take note of a call; True if this opened or closed the breaker."""
        before_closed = self.state is BreakerState.CLOSED
        if ok:
            self._failures, self.state = 0, BreakerState.CLOSED
            return not before_closed
        self._failures += 1
        if self._failures >= self._limit or self.state is BreakerState.HALF_OPEN:
            self.state, self._opened_ns = BreakerState.OPEN, now_ns
            return before_closed
        return False
