"""What advisors may cost: calls and dollars an hour and a day, reserved before each call and kept over restarts.

The dearest a call can get is reserved first (its whole prompt at the full price, every token it may answer with, thoughts
included) and replaced by what it did cost. A tuner that is killed in between leaves the reservation: a crash never makes room.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from shared.clock import NS_PER_S
from shared.errors import JournalError
from tuner.advisors.base import Advisor
from tuner.advisors.prices import load_models

HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
FREE = ("rules", "replay")  # advisors that call nobody: there is nothing to ration

_KEPT_NS = 8 * DAY_NS
_CHARS_PER_TOKEN = 2.0  # on the safe side: English is about four, numbers about two
_MOST_OUTPUT_TOKENS = 4_096  # what an advisor may answer with at most, thoughts included
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    advisor TEXT NOT NULL,
    reserved_usd REAL NOT NULL,
    cost_usd REAL
) STRICT;
CREATE INDEX IF NOT EXISTS calls_time ON calls (time_ns);
"""


class BudgetLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is allowed in any hour and in any day."""

    calls_hour: int = 240
    calls_day: int = 2_000
    cost_hour_usd: float = 0.5
    cost_day_usd: float = 5.0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What the last hour and the last day took; a call that has not been paid yet counts as what was reserved for it."""

    calls_hour: int
    calls_day: int
    cost_hour_usd: float
    cost_day_usd: float


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no room for a call, and when there is again (ns since the epoch)."""

    why: str
    until_ns: int


class Budget:
    """The ledger of calls; one process, one thread.

    Errors
    ------
    JournalError
        If the file cannot be opened or written: who cannot count may not spend.
    """

    def __init__(self, path: Path, limits: BudgetLimits) -> None:
        self.limits = limits
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"budget: was unusable ({path}: {error}), expected a writable database; move it away") from error

    def reserve(self, advisor: str, most_usd: float, now_ns: int) -> int | Stop:
        """Reserve the dearest a call can get and return its number for :meth:`settle`; or why there is no room for it."""
        stop = self.stop(most_usd, now_ns)
        if stop is not None:
            return stop
        try:
            self._db.execute("DELETE FROM calls WHERE time_ns < ?", [now_ns - _KEPT_NS])
            done = self._db.execute(
                "INSERT INTO calls (time_ns, advisor, reserved_usd) VALUES (?, ?, ?)", [now_ns, advisor, most_usd]
            )
        except sqlite3.Error as error:
            raise JournalError(f"budget: could not be written ({error}), expected every call to be counted") from error
        return int(done.lastrowid or 0)

    def settle(self, call: int, cost_usd: float) -> None:
        """Replace what was reserved by what the call did cost."""
        try:
            self._db.execute("UPDATE calls SET cost_usd = ? WHERE id = ?", [cost_usd, call])
        except sqlite3.Error as error:
            raise JournalError(f"budget: could not be written ({error}), expected every call to be counted") from error

    def usage(self, now_ns: int) -> Usage:
        """Return what the last hour and the last day took."""
        calls_hour, cost_hour_usd = self._since(now_ns - HOUR_NS)
        calls_day, cost_day_usd = self._since(now_ns - DAY_NS)
        return Usage(calls_hour=calls_hour, calls_day=calls_day, cost_hour_usd=cost_hour_usd, cost_day_usd=cost_day_usd)

    def stop(self, most_usd: float, now_ns: int) -> Stop | None:
        """Return why a call that may cost this much has no room now; None if it has."""
        used, limits = self.usage(now_ns), self.limits
        for spent, limit, one, unit, window_ns, window in (
            (used.calls_day, limits.calls_day, 1, "calls", DAY_NS, "day"),
            (used.cost_day_usd, limits.cost_day_usd, most_usd, "USD", DAY_NS, "day"),
            (used.calls_hour, limits.calls_hour, 1, "calls", HOUR_NS, "hour"),
            (used.cost_hour_usd, limits.cost_hour_usd, most_usd, "USD", HOUR_NS, "hour"),
        ):
            if spent + one > limit:
                why = f"budget: {spent:.4g} of {limit:g} {unit} of the {window} are used, the next call may take {one:.4g}"
                return Stop(why=why, until_ns=self._room_at_ns(unit, spent + one - limit, now_ns, window_ns))
        return None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _since(self, since_ns: int) -> tuple[int, float]:
        row = self._db.execute(
            "SELECT COUNT(*), COALESCE(SUM(COALESCE(cost_usd, reserved_usd)), 0.0) FROM calls WHERE time_ns > ?", [since_ns]
        ).fetchone()
        return int(row[0]), float(row[1])

    def _room_at_ns(self, unit: str, over: float, now_ns: int, window_ns: int) -> int:
        """Return when enough of the window has passed; a window from now if a single call is too dear for it."""
        rows = self._db.execute(
            "SELECT time_ns, COALESCE(cost_usd, reserved_usd) FROM calls WHERE time_ns > ? ORDER BY time_ns", [now_ns - window_ns]
        )
        for time_ns, cost_usd in rows:
            over -= cost_usd if unit == "USD" else 1
            if over <= 0:
                return int(time_ns) + window_ns
        return now_ns + window_ns


def paid_links(advisor: Advisor) -> list[tuple[str, str]]:
    """Return kind and model of all that one question to an advisor may ask, one after another, and that are not free."""
    chain: list[Mapping[str, Any]] = getattr(advisor, "identity", {}).get("chain", [])
    links = [(str(link["advisor"]), str(link.get("model", ""))) for link in chain] or [(advisor.name, advisor.model)]
    return [link for link in links if link[0] not in FREE]


def most_usd(model: str, chars: int) -> float:
    """Return the dearest a call with a prompt of so many characters can get; 0 for a model without a price (a local one)."""
    price = load_models().price(model)
    if price is None:
        return 0.0
    input_price = max(price.input, price.cache_write)
    return (chars / _CHARS_PER_TOKEN * input_price + _MOST_OUTPUT_TOKENS * price.output) / 1e6
