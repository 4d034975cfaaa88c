"""The record of every decision: SQLite, append-only, each row chained to the one before by its hash.

Long texts (prompts, replies, what the decision was made from) lie in a store beside the rows, once each, under their own hash;
a row names them by it, so the chain covers them too. When the tuner ends in good order it seals the file: a hash of every byte,
so that even a change SQLite would not notice is found.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
CREATE TABLE IF NOT EXISTS store (
    sha256 TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS audit_decision ON audit (decision_id);
CREATE TRIGGER IF NOT EXISTS store_no_update BEFORE UPDATE ON store BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER IF NOT EXISTS store_no_delete BEFORE DELETE ON store BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
"""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Result of walking the chain. ``bad_row`` is the id of the first row that does not hold; ``why`` is empty if all is well.

    ``unfinished`` are decisions that were sent to the trader and never concluded here: the tuner died in between. ``sealed``
    says that every byte of the file is as the tuner left it; without a seal (it runs, or was killed) only what the file says is.
    """

    rows: int
    head: str
    bad_row: int = 0
    why: str = ""
    unfinished: tuple[int, ...] = ()
    stored: int = 0
    sealed: bool = False


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
            seal_path(path).unlink(missing_ok=True)  # it will hold no longer
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

    def keep(self, content: str | bytes) -> str:
        """Put a text in the store and return the hash to name it by."""
        data = content.encode() if isinstance(content, str) else content
        name = hashlib.sha256(data).hexdigest()
        try:
            self._db.execute("INSERT OR IGNORE INTO store (sha256, body) VALUES (?, ?)", [name, zlib.compress(data)])
        except sqlite3.Error as error:
            raise JournalError(f"audit: could not be written ({error}), expected every decision on record") from error
        return name

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what follows wholly or not at all.

        Errors
        ------
        JournalError
            If it could not be written; nothing of it was then.
        """
        head = self._head
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            self._head = head
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise JournalError(f"audit: could not be written ({error}), expected every decision on record") from error
            raise

    def history(self, limit: int = 500) -> list[Past]:
        """Return what was applied lately, newest first, as the guard wants it."""
        return [_past(record) for record in self.records((Status.APPLIED, Status.ROLLED_BACK, Status.PROMOTED), limit)]

    def records(self, statuses: Sequence[Status], limit: int = 500) -> list[dict[str, Any]]:
        """Return the last records of some statuses, newest first."""
        marks = ", ".join("?" for _ in statuses)
        rows = self._db.execute(
            f"SELECT record FROM audit WHERE status IN ({marks}) ORDER BY id DESC LIMIT ?", [*statuses, limit]  # noqa: S608
        ).fetchall()  # fmt: skip
        return [json.loads(row[0]) for row in rows]

    def unfinished(self) -> list[dict[str, Any]]:
        """Return what was sent to the trader and never concluded here, oldest first."""
        rows = self._db.execute(
            "SELECT record FROM audit AS sent WHERE status = ? AND NOT EXISTS"
            " (SELECT 1 FROM audit WHERE decision_id = sent.decision_id AND id > sent.id) ORDER BY id",
            [Status.SENDING],
        ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def close(self) -> None:
        """Write everything into the one file, seal it and close it."""
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._db.close()
        _seal(self.path, self._head)


def verify(path: Path) -> Verification:
    """Walk the chain from its start, check every stored text and the seal, and name the first that does not hold.

    Errors
    ------
    NotRunning
        If there is no audit yet.
    JournalError
        If the file is no database.
    """
    with reading(path) as database:
        trouble = [text for (text,) in database.execute("PRAGMA integrity_check") if text != "ok"]
        stored = dict(_stored(database))
        rows = database.execute(f"SELECT id, {', '.join(_COLUMNS)}, record, prev_hash, hash FROM audit ORDER BY id")  # noqa: S608
        found = _walk(rows, stored)
    bad = [name for name, well in stored.items() if not well]
    why = found.why or (f"store: {bad[0][:16]}… was not the text of that hash" if bad else "")
    why = why or (f"file: {trouble[0]}" if trouble else "")
    seal = _seal_of(path)
    if seal and not why and seal != _seal_text(path, found.head):
        why = "file: was not as it was sealed: bytes were changed"
    return msgspec.structs.replace(found, why=why, stored=len(stored), sealed=bool(seal) and not why)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an audit to read it, whether its tuner runs or not.

    Errors
    ------
    NotRunning
        If there is none yet.
    JournalError
        If the file is no readable database.
    """
    if not path.is_file():
        raise NotRunning(f"audit: was not at {path}, expected one after the first cycle; run trader_tuner --once")
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            yield database
        finally:
            database.close()
    except (sqlite3.Error, UnicodeError) as error:  # a flipped bit in a text is found before SQLite hands it over
        raise JournalError(f"audit: was no readable database ({path}: {error}), expected one") from error


def stored_text(database: sqlite3.Connection, name: str) -> bytes:
    """Return a text of the store by its hash.

    Errors
    ------
    JournalError
        If there is none of that name, or it was changed.
    """
    row = database.execute("SELECT body FROM store WHERE sha256 = ?", [name]).fetchone()
    data = _unpacked(row[0]) if row else None
    if data is None or hashlib.sha256(data).hexdigest() != name:
        raise JournalError(f"audit store: had no whole text {name[:16]}…, expected one; see trader_tuner audit verify")
    return data


def seal_path(path: Path) -> Path:
    """Return where the seal of an audit lies."""
    return path.with_name(f"{path.name}.seal")


def _seal(path: Path, head: str) -> None:
    beside = seal_path(path).with_suffix(".tmp")
    beside.write_text(_seal_text(path, head))
    beside.rename(seal_path(path))


def _seal_text(path: Path, head: str) -> str:
    with path.open("rb") as file:
        return f"{head} {hashlib.file_digest(file, 'sha256').hexdigest()}\n"


def _seal_of(path: Path) -> str:
    """Return the seal; empty if there is none, or the tuner runs and has not written everything into the file."""
    return seal_path(path).read_text() if seal_path(path).is_file() else ""


def _stored(database: sqlite3.Connection) -> Iterator[tuple[str, bool]]:
    """Yield the name of every stored text and whether it is the text of that name."""
    for name, body in database.execute("SELECT sha256, body FROM store"):
        data = _unpacked(body)
        yield name, data is not None and hashlib.sha256(data).hexdigest() == name


def _unpacked(body: bytes) -> bytes | None:
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(body)
    except zlib.error:
        return None
    return data if unpacker.eof and not unpacker.unused_data else None


def canonical(record: Mapping[str, Any]) -> str:
    """Return the one text of a record: sorted keys, no spaces, no NaN."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def chain(previous: str, text: str) -> str:
    """Return the hash of a row: over the hash before it and its own text."""
    return hashlib.sha256(f"{previous}{text}".encode()).hexdigest()


def _walk(rows: sqlite3.Cursor, stored: Mapping[str, bool]) -> Verification:
    head, count, sent = GENESIS, 0, dict[int, bool]()
    for row_id, *columns, text, previous, hashed in rows:
        count += 1
        why = _fault(row_id, count, columns, text, (head, previous, hashed)) or _missing(text, stored)
        if why:
            return Verification(rows=count, head=head, bad_row=row_id, why=why)
        head = hashed
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


def _missing(text: str, stored: Mapping[str, bool]) -> str:
    """Return which of the texts a record names is not in the store, or an empty text."""
    for key, name in json.loads(text).get("stored", {}).items():
        if not stored.get(name):
            return f"{key}: the text it names is not in the store, or was changed"
    return ""


def _past(record: dict[str, Any]) -> Past:
    return Past(
        symbol=record["symbol"],
        action=Action[record["action"]],
        time_ns=int(record["time_ns"]),
        fields=tuple(int(change["field"]) for change in record["changes"]),
        trades=int(record["trades"]),
    )
