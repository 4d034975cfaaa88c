"""The order journal: what we are about to do is on disk before it is done, and what came of it is only ever added.

SQLite in WAL mode with ``synchronous=FULL``: a committed row survives kill -9 and a power cut. One row an order, one row a
transition, one row a fill, and one row a report to the engine. The engine counts the reports it has taken, so after a crash it is
told exactly those it has not.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from shared.errors import JournalError
from trader.execution.live.venue import OrderRequest, VenueFill

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    client_id TEXT PRIMARY KEY, order_id INTEGER NOT NULL, created_ns INTEGER NOT NULL, reason INTEGER NOT NULL,
    request BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS transitions (
    seq INTEGER PRIMARY KEY, client_id TEXT NOT NULL, time_ns INTEGER NOT NULL, state TEXT NOT NULL, venue_id TEXT NOT NULL,
    words TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS transitions_of ON transitions (client_id, seq);
CREATE INDEX IF NOT EXISTS transitions_by_venue ON transitions (venue_id);
CREATE TABLE IF NOT EXISTS fills (
    symbol INTEGER NOT NULL, trade_id TEXT NOT NULL, client_id TEXT NOT NULL, time_ms INTEGER NOT NULL, qty REAL NOT NULL,
    price_usd REAL NOT NULL, fee_usd REAL NOT NULL, fee_qty REAL NOT NULL, booked_qty REAL NOT NULL,
    PRIMARY KEY (symbol, trade_id));
CREATE INDEX IF NOT EXISTS fills_of ON fills (client_id);
CREATE TABLE IF NOT EXISTS reports (
    seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, symbol INTEGER NOT NULL, order_id INTEGER NOT NULL, qty REAL NOT NULL,
    price_usd REAL NOT NULL, fee_usd REAL NOT NULL, reason INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value REAL NOT NULL);
"""


class OrderState(StrEnum):
    """Where an order is. ``ambiguous`` is a state of its own: neither there nor not there."""

    PLANNED = "planned"  # in the journal; perhaps sent
    ACCEPTED = "accepted"  # the venue has it
    AMBIGUOUS = "ambiguous"  # the venue is being asked
    ENDED = "ended"  # nothing more comes


class Report(msgspec.Struct, frozen=True):
    """One report to the engine. ``seq`` counts from 1 without a hole."""

    seq: int
    kind: int
    symbol: int
    order_id: int
    qty: float
    price_usd: float
    fee_usd: float
    reason: int


class StoredOrder(msgspec.Struct, frozen=True):
    """An order as the journal knows it."""

    request: OrderRequest
    order_id: int
    reason: int
    created_ns: int
    state: OrderState
    venue_id: str
    filled_qty: float
    booked_qty: float
    net_qty: float


class OrderJournal:
    """The journal of one account.

    Parameters
    ----------
    path
        The database file; made with mode 0600.
    """

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None, timeout=10.0)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(_SCHEMA)
        self._reports = int(self._one("SELECT coalesce(max(seq), 0) FROM reports"))

    def _one(self, query: str, *values: object) -> Any:
        return self._database.execute(query, values).fetchone()[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make that all that is written inside is on disk at the end, or none of it.

        Errors
        ------
        JournalError
            If it cannot be written: then nothing may be sent either.
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise JournalError(f"order journal: could not be written ({error}); free disk space, then restart") from error

    def add_order(self, request: OrderRequest, order_id: int, reason: int, now_ns: int) -> None:
        """Write an order that is about to be sent."""
        row = (request.client_id, order_id, now_ns, reason, msgspec.json.encode(request))
        self._database.execute("INSERT INTO orders VALUES (?,?,?,?,?)", row)
        self.add_transition(request.client_id, now_ns, OrderState.PLANNED)

    def add_transition(self, client_id: str, now_ns: int, state: OrderState, venue_id: str = "", words: str = "") -> None:
        """Write what an order has become."""
        row = (client_id, now_ns, state.value, venue_id, words[:300])
        self._database.execute("INSERT INTO transitions (client_id, time_ns, state, venue_id, words) VALUES (?,?,?,?,?)", row)

    def add_fill(self, fill: VenueFill, client_id: str, booked_qty: float) -> None:
        """Write a fill. One of the same trade id is an error: ask :meth:`has_fill` first."""
        row = (
            fill.symbol, fill.trade_id, client_id, fill.time_ms, fill.qty, fill.price_usd, fill.fee_usd, fill.fee_qty, booked_qty,
        )  # fmt: skip
        self._database.execute("INSERT INTO fills VALUES (?,?,?,?,?,?,?,?,?)", row)

    def has_fill(self, symbol: int, trade_id: str) -> bool:
        """Say whether a fill is known: it comes from the stream, from polling, and after every reconnect."""
        return bool(self._one("SELECT count(*) FROM fills WHERE symbol = ? AND trade_id = ?", symbol, trade_id))

    def add_report(
        self,
        kind: int,
        symbol: int,
        order_id: int,
        *,
        qty: float = 0.0,
        price_usd: float = 0.0,
        fee_usd: float = 0.0,
        reason: int = 0,
    ) -> Report:
        """Write a report to the engine and return it."""
        report = Report(self._reports + 1, kind, symbol, order_id, qty, price_usd, fee_usd, reason)
        self._database.execute("INSERT INTO reports VALUES (?,?,?,?,?,?,?,?)", msgspec.structs.astuple(report))
        self._reports += 1
        return report

    def reports_after(self, seq: int) -> list[Report]:
        """Return what the engine was not told, in order."""
        rows = self._database.execute("SELECT * FROM reports WHERE seq > ? ORDER BY seq", (seq,)).fetchall()
        return [Report(*row) for row in rows]

    def set_fact(self, name: str, value: float) -> None:
        """Keep a number."""
        self._database.execute(
            "INSERT INTO facts VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    def fact(self, name: str) -> float | None:
        """Return a number that was kept."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else float(row[0])

    def last_order(self) -> int:
        """Return how many orders there are: the number in the next client id."""
        return int(self._one("SELECT count(*) FROM orders"))

    def unfinished(self) -> list[StoredOrder]:
        """Return every order of which more may come, oldest first."""
        query = (
            "SELECT client_id FROM orders o WHERE NOT EXISTS "
            "(SELECT 1 FROM transitions t WHERE t.client_id = o.client_id AND t.state = ?) ORDER BY rowid"
        )
        names = self._database.execute(query, (OrderState.ENDED.value,)).fetchall()
        return [self.order(name) for (name,) in names]

    def order(self, client_id: str) -> StoredOrder:
        """Return an order with the state of its last transition."""
        head = "SELECT order_id, created_ns, reason, request FROM orders WHERE client_id = ?"
        order_id, created_ns, reason, request = self._database.execute(head, (client_id,)).fetchone()
        state = self._one("SELECT state FROM transitions WHERE client_id = ? ORDER BY seq DESC LIMIT 1", client_id)
        venue = "SELECT venue_id FROM transitions WHERE client_id = ? AND venue_id != '' ORDER BY seq DESC LIMIT 1"
        venue_row = self._database.execute(venue, (client_id,)).fetchone()
        sums = "SELECT total(abs(qty)), total(abs(booked_qty)), total(abs(qty) - fee_qty) FROM fills WHERE client_id = ?"
        filled, booked, net = self._database.execute(sums, (client_id,)).fetchone()
        return StoredOrder(
            msgspec.json.decode(request, type=OrderRequest), order_id, reason, created_ns, OrderState(state),
            venue_row[0] if venue_row else "", filled, booked, net,
        )  # fmt: skip

    def knows(self, client_id: str) -> bool:
        """Say whether an order is in the journal."""
        return bool(self._one("SELECT count(*) FROM orders WHERE client_id = ?", client_id))

    def owner_of(self, fill: VenueFill) -> str:
        """Return the client id of the order a fill belongs to, "" if it is none of ours."""
        if fill.client_id and self.knows(fill.client_id):
            return fill.client_id
        if not fill.venue_id:
            return ""
        query = "SELECT client_id FROM transitions WHERE venue_id = ? ORDER BY seq DESC LIMIT 1"
        row = self._database.execute(query, (fill.venue_id,)).fetchone()
        return str(row[0]) if row else ""

    def crumbs(self, symbol: int) -> float:
        """Return what the venue holds of a bought asset beyond whole steps: paid for and booked as a cost, never sold."""
        return float(self._one("SELECT total(qty - fee_qty - booked_qty) FROM fills WHERE symbol = ?", symbol))

    def newest_fill_ms(self, symbol: int) -> int:
        """Return the venue's time of the newest known fill of a symbol, 0 if there is none."""
        return int(self._one("SELECT coalesce(max(time_ms), 0) FROM fills WHERE symbol = ?", symbol))

    def close(self) -> None:
        """Close the database."""
        self._database.close()
