"""The record of every decision: SQLite, append-only, each row chained to the one before by its hash."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from shared.errors import JournalError, NotRunning
from shared.events import Action
from tuner.apply import Status
from tuner.limits import Past

GENESIS = "0" * 64
_COLUMNS = ("decision_id", "time_ns", "symbol", "action", "trigger", "status")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY,
    decision_id INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    action TEXT NOT NULL,
    trigger TEXT NOT NULL,
    status TEXT NOT NULL,
    record TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS audit_decision ON audit (decision_id);
CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
"""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Result of walking the chain. ``bad_row`` is the id of the first row that does not hold, 0 if all do.

    ``unfinished`` are decisions that were sent to the trader and never concluded here: the tuner died in between.
    """

    rows: int
    head: str
    bad_row: int = 0
    why: str = ""
    unfinished: tuple[int, ...] = ()


class Audit:
    """The writing end; one process, one thread.

    Errors
    ------
    JournalError
        If the file cannot be opened or written: a tuner that cannot account for a decision may not make it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives its side files the same mode
            path.chmod(0o600)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            last = self._db.execute("SELECT hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
            highest = self._db.execute("SELECT COALESCE(MAX(decision_id), 0) FROM audit").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"audit: was unusable ({path}: {error}), expected a writable database; move it away") from error
        self._head: str = last[0] if last else GENESIS
        self._decision_id = int(highest[0])

    def new_decision_id(self) -> int:
        """Return the next decision's id: unique over restarts."""
        self._decision_id += 1
        return self._decision_id

    def append(self, record: Mapping[str, Any]) -> str:
        """Add a row and return its hash. ``record`` must hold decision_id, time_ns, symbol, action, trigger and status."""
        try:
            text = canonical(record)
            chained = chain(self._head, text)
            values = [record[name] for name in _COLUMNS]
            self._db.execute(
                "INSERT INTO audit (decision_id, time_ns, symbol, action, trigger, status, record, prev_hash, hash)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [*values, text, self._head, chained],
            )
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise JournalError(f"audit: could not be written ({error}), expected every decision on record") from error
        self._head = chained
        return chained

    def history(self, limit: int = 500) -> list[Past]:
        """Return what was applied lately, newest first, as the guard wants it."""
        rows = self._db.execute(
            "SELECT record FROM audit WHERE status = ? ORDER BY id DESC LIMIT ?", [Status.APPLIED, limit]
        ).fetchall()
        return [_past(json.loads(row[0])) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def verify(path: Path) -> Verification:
    """Walk the chain from its start and name the first row that does not hold.

    Errors
    ------
    NotRunning
        If there is no audit yet.
    JournalError
        If the file is no database.
    """
    if not path.is_file():
        raise NotRunning(f"audit: was not at {path}, expected one after the first cycle; run trader_tuner --once")
    try:
        database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            rows = database.execute(
                "SELECT id, decision_id, time_ns, symbol, action, trigger, status, record, prev_hash, hash FROM audit ORDER BY id"
            )
            return _walk(rows)
        finally:
            database.close()
    except sqlite3.Error as error:
        raise JournalError(f"audit: was no readable database ({path}: {error}), expected one") from error


def canonical(record: Mapping[str, Any]) -> str:
    """Return the one text of a record: sorted keys, no spaces, no NaN."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def chain(previous: str, text: str) -> str:
    """Return the hash of a row: over the hash before it and its own text."""
    return hashlib.sha256(f"{previous}{text}".encode()).hexdigest()


def _walk(rows: sqlite3.Cursor) -> Verification:
    head, count, sent = GENESIS, 0, dict[int, bool]()
    for row_id, *columns, text, previous, stored in rows:
        count += 1
        why = _fault(row_id, count, columns, text, (head, previous, stored))
        if why:
            return Verification(rows=count, head=head, bad_row=row_id, why=why)
        head = stored
        decision_id, status = int(columns[0]), columns[5]
        if status == Status.SENDING:
            sent[decision_id] = False
        elif decision_id in sent:
            sent[decision_id] = True
    return Verification(rows=count, head=head, unfinished=tuple(i for i, done in sent.items() if not done))


def _fault(row_id: int, count: int, columns: list[Any], text: str, hashes: tuple[str, str, str]) -> str:
    """Return what is wrong with a row, or an empty text. ``hashes`` are the head so far, and the row's two."""
    head, previous, stored = hashes
    if row_id != count:
        return f"id: was {row_id}, expected {count}: rows are missing before it"
    if previous != head:
        return "prev_hash: was not the hash of the row before"
    if chain(previous, text) != stored:
        return "hash: was not that of the record: the record was changed"
    try:
        record = json.loads(text)
    except ValueError:
        return "record: was not JSON"
    wrong = [name for name, value in zip(_COLUMNS, columns, strict=True) if record.get(name) != value]
    return f"{', '.join(wrong)}: was not what the record says" if wrong else ""


def _past(record: dict[str, Any]) -> Past:
    return Past(
        symbol=record["symbol"],
        action=Action[record["action"]],
        time_ns=int(record["time_ns"]),
        fields=tuple(int(change["field"]) for change in record["changes"]),
        trades=int(record["trades"]),
    )
