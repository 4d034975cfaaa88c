"""The ledger: SQLite with orders, fills, trades, applied configurations and every event. One writer thread, one row once.

The event's sequence number is the key everywhere, so writing the same event again after a recovery changes nothing.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.errors import JournalError
from shared.events import EventKind, Reason, Source, describe, field_name, words
from shared.layout import TRADE_EVENT
from trader.portfolio.fingerprint import CLOSES

_CACHE_KIB = 256  # rows are only added at the end: the 2 MB that SQLite takes by default fill for hours and look like a leak

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind TEXT NOT NULL, symbol TEXT, text TEXT NOT NULL, raw BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    seq INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, trade_id INTEGER NOT NULL, time_ns INTEGER NOT NULL,
    symbol TEXT NOT NULL, side INTEGER NOT NULL, qty REAL NOT NULL, price_usd REAL NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fills (
    seq INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, trade_id INTEGER NOT NULL, time_ns INTEGER NOT NULL,
    symbol TEXT NOT NULL, side INTEGER NOT NULL, qty REAL NOT NULL, price_usd REAL NOT NULL, fee_usd REAL NOT NULL,
    slippage_usd REAL NOT NULL, realised_usd REAL NOT NULL, cash_usd REAL NOT NULL, position_qty REAL NOT NULL,
    reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trades (
    seq INTEGER PRIMARY KEY, trade_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, symbol TEXT NOT NULL, side INTEGER NOT NULL,
    qty REAL NOT NULL, entry_price_usd REAL NOT NULL, exit_price_usd REAL NOT NULL, fees_usd REAL NOT NULL,
    pnl_usd REAL NOT NULL, reason TEXT NOT NULL, source TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS applied (
    seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, symbol TEXT, field TEXT NOT NULL, old REAL NOT NULL, new REAL NOT NULL,
    source TEXT NOT NULL, revision INTEGER NOT NULL, decision_id INTEGER NOT NULL);
"""


class Ledger:
    """The writing end. :meth:`write` returns at once; :meth:`close` returns when everything is stored.

    Parameters
    ----------
    path
        The database file; made with mode 0600.
    symbols
        Names of the configured symbols, in order.
    """

    def __init__(self, path: Path, symbols: list[str]) -> None:
        self._symbols = symbols
        self._queue: queue.SimpleQueue[npt.NDArray[np.void] | None] = queue.SimpleQueue()
        self._failure: sqlite3.Error | None = None
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._database.executescript(_SCHEMA)
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def last_event_seq(self) -> int:
        """Return the sequence number of the newest stored event, 0 if there is none. Call before the first write."""
        return int(self._database.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def take_up(self, events: npt.NDArray[np.void]) -> None:
        """Store what a killed trader told, before anything else: at once, not by the thread."""
        with self._database:
            store(self._database, events[events["seq"] > self.last_event_seq()], self._symbols)

    def write(self, events: npt.NDArray[np.void]) -> None:
        """Queue events for storing.

        Errors
        ------
        JournalError
            If the writer thread has failed: trading must not go on without a record.
        """
        if self._failure is not None:
            raise JournalError(f"ledger: could not be written ({self._failure}); free disk space or repair it, then restart")
        if len(events):
            self._queue.put(events)

    def close(self) -> None:
        """Store what is queued and close the database."""
        self._queue.put(None)
        self._thread.join()
        self._database.close()

    def _work(self) -> None:
        while True:
            batch = self._queue.get()
            if batch is None:
                return
            batches = [batch]
            stopping = False
            while not self._queue.empty():  # whatever has gathered goes into one transaction
                more = self._queue.get()
                if more is None:
                    stopping = True
                    break
                batches.append(more)
            try:
                with self._database:
                    store(self._database, (event for part in batches for event in part), self._symbols)
            except sqlite3.Error as error:
                self._failure = error
                return
            if stopping:
                return


def store(database: sqlite3.Connection, events: Iterable[Any], symbols: list[str]) -> None:
    """Insert events and the rows they stand for; those already there are left alone."""
    for event in events:
        kind = EventKind(int(event["kind"]))
        index = int(event["symbol"])
        symbol = symbols[index] if 0 <= index < len(symbols) else None
        head = (int(event["seq"]), int(event["time_ns"]), kind.name, symbol, describe(event, symbols), event.tobytes())
        database.execute("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?)", head)
        if kind is EventKind.ORDER:
            database.execute("INSERT OR IGNORE INTO orders VALUES (?,?,?,?,?,?,?,?,?)", _order(event, symbol))
        elif kind is EventKind.FILL:
            database.execute("INSERT OR IGNORE INTO fills VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", _fill(event, symbol))
        elif kind in CLOSES:
            database.execute("INSERT OR IGNORE INTO trades VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", _trade(event, symbol))
        elif kind in (EventKind.CONFIG_APPLIED, EventKind.TUNER_CONFIG) and field_name(int(event["field"])):
            database.execute("INSERT OR IGNORE INTO applied VALUES (?,?,?,?,?,?,?,?,?)", _applied(event, symbol))


def _common(event: Any, symbol: str | None) -> tuple[Any, ...]:
    return (int(event["time_ns"]), symbol, int(event["side"]), float(event["qty"]))


def _reason(event: Any) -> str:
    return words(Reason(int(event["reason"])))


def _order(event: Any, symbol: str | None) -> tuple[Any, ...]:
    ids = (int(event["seq"]), int(event["order_id"]), int(event["trade_id"]))
    return (*ids, *_common(event, symbol), float(event["price_usd"]), _reason(event))


def _fill(event: Any, symbol: str | None) -> tuple[Any, ...]:
    ids = (int(event["seq"]), int(event["order_id"]), int(event["trade_id"]))
    money = tuple(float(event[name]) for name in ("price_usd", "fee_usd", "slippage_usd", "pnl_usd", "cash_usd", "position_qty"))
    return (*ids, *_common(event, symbol), *money, _reason(event))


def _trade(event: Any, symbol: str | None) -> tuple[Any, ...]:
    money = tuple(float(event[name]) for name in ("old", "new", "fee_usd", "pnl_usd"))
    source = words(Source(int(event["source"])))
    return (int(event["seq"]), int(event["trade_id"]), *_common(event, symbol), *money, _reason(event), source)


def _applied(event: Any, symbol: str | None) -> tuple[Any, ...]:
    change = (field_name(int(event["field"])), float(event["old"]), float(event["new"]))
    source = words(Source(int(event["source"])))
    head = (int(event["seq"]), int(event["time_ns"]), symbol)
    return (*head, *change, source, int(event["generation"]), int(event["decision_id"]))


def stored_events(path: Path, last: int) -> npt.NDArray[np.void]:
    """Return the newest stored events, oldest first, dtype :data:`shared.layout.TRADE_EVENT`."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT raw FROM events ORDER BY seq DESC LIMIT ?", (last,)).fetchall()
    return np.frombuffer(b"".join(raw for (raw,) in reversed(rows)), TRADE_EVENT)
