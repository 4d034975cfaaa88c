"""Time, injected. The only file of the project that asks the operating system what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """A source of time."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start; never goes back. For durations and ages."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()  # noqa: TID251 - the one place that may

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when told to: for tests, replays and simulated venues.

    Parameters
    ----------
    start_ns
        The first answer of :meth:`now_ns`.
    """

    def __init__(self, start_ns: int = 1_700_000_000 * NS_PER_S) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, as last set."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """Return the same value as :meth:`now_ns`."""
        return self._now_ns

    def set(self, now_ns: int) -> None:
        """Move to ``now_ns``; a step back is ignored, as on a real venue's feed."""
        self._now_ns = max(self._now_ns, now_ns)

    def advance(self, by_ns: int) -> None:
        """Move forward by ``by_ns``."""
        self._now_ns += by_ns


def iso_utc(time_ns: int) -> str:
    """Render nanoseconds since the epoch as ``2026-01-19 21:04:30.421`` (UTC, milliseconds)."""
    seconds, rest_ns = divmod(int(time_ns), NS_PER_S)
    stamp = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{stamp}.{rest_ns // NS_PER_MS:03d}"


def clock_time(time_ns: int) -> str:
    """Render nanoseconds since the epoch as ``21:04:30`` (UTC)."""
    return iso_utc(time_ns)[11:19]
