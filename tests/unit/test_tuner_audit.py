"""The audit: chained, append-only, private."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from shared.errors import JournalError, NotRunning
from shared.events import Action
from tests.chaos.tuner_session import flips_found
from tuner.apply import Status
from tuner.audit import Audit, reading, stored_text, verify


def _row(decision_id: int, status: Status = Status.APPLIED, **more: Any) -> dict[str, Any]:
    row = {
        "decision_id": decision_id, "time_ns": 10 + decision_id, "symbol": "BTCUSDT", "action": "UPDATE_CONFIG",
        "trigger": "scheduled", "status": status.value, "changes": [{"field": 8, "name": "stop_pct", "old": 1.0, "new": 0.8}],
        "trades": 3,
    }  # fmt: skip
    return row | more


def _filled(path: Path, rows: int = 3) -> Path:
    audit = Audit(path)
    for number in range(1, rows + 1):
        audit.append(_row(number))
    audit.close()
    return path


def _tamper(path: Path, statement: str) -> None:
    """Change the file behind the program's back: whoever can write it can also drop the triggers."""
    database = sqlite3.connect(path)
    database.executescript(f"DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; {statement}")
    database.close()


def test_a_whole_chain_verifies_and_the_file_is_private(tmp_path: Path) -> None:
    path = _filled(tmp_path / "audit.sqlite")
    found = verify(path)
    assert (found.rows, found.bad_row, found.unfinished) == (3, 0, ())
    assert len(found.head) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("statement", ["UPDATE audit SET status = 'HOLD'", "DELETE FROM audit"])
def test_rows_can_neither_be_changed_nor_deleted(tmp_path: Path, statement: str) -> None:
    database = sqlite3.connect(_filled(tmp_path / "audit.sqlite"))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    ("statement", "bad_row", "why"),
    [
        ("UPDATE audit SET record = replace(record, '0.8', '0.7') WHERE id = 2", 2, "the record was changed"),
        ("UPDATE audit SET status = 'REFUSED' WHERE id = 3", 3, "status"),
        ("UPDATE audit SET prev_hash = hash WHERE id = 1", 1, "row before"),
        ("DELETE FROM audit WHERE id = 2", 3, "rows are missing"),
        ("DELETE FROM audit WHERE id = 1", 2, "rows are missing"),
    ],
)
def test_the_first_row_that_was_tampered_with_is_named(tmp_path: Path, statement: str, bad_row: int, why: str) -> None:
    path = _filled(tmp_path / "audit.sqlite")
    _tamper(path, statement)
    found = verify(path)
    assert found.bad_row == bad_row
    assert why in found.why


def test_ids_history_and_chain_go_on_after_a_restart(tmp_path: Path) -> None:
    path = _filled(tmp_path / "audit.sqlite")
    audit = Audit(path)
    assert audit.new_decision_id() == 4
    audit.append(_row(4, Status.REFUSED))
    past = audit.history()
    audit.close()
    assert [entry.time_ns for entry in past] == [13, 12, 11]  # newest first, the refused one not among them
    assert (past[0].action, past[0].fields, past[0].trades) == (Action.UPDATE_CONFIG, (8,), 3)
    assert (verify(path).rows, verify(path).bad_row) == (4, 0)


def test_a_decision_that_was_sent_and_never_concluded_is_named(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    audit = Audit(path)
    audit.append(_row(1, Status.SENDING))
    audit.append(_row(1, Status.APPLIED))
    audit.append(_row(2, Status.SENDING))
    audit.close()
    assert verify(path).unfinished == (2,)


def test_what_cannot_be_recorded_is_an_error_and_leaves_the_chain_whole(tmp_path: Path) -> None:
    path = _filled(tmp_path / "audit.sqlite")
    audit = Audit(path)
    with pytest.raises(JournalError):
        audit.append(_row(4, latency_ms=float("nan")))
    audit.append(_row(4))
    audit.close()
    assert verify(path).bad_row == 0


def test_a_missing_or_foreign_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        verify(tmp_path / "none.sqlite")
    foreign = tmp_path / "audit.sqlite"
    foreign.write_bytes(b"not a database at all, but long enough" * 10)
    with pytest.raises(JournalError):
        verify(foreign)
    with pytest.raises(JournalError):
        Audit(foreign)


def _with_texts(path: Path) -> Path:
    audit = Audit(path)
    for number in range(1, 4):
        with audit.together():
            stored = {"user": audit.keep(f"prompt {number} " * 50), "system": audit.keep("the same for all")}
            audit.append(_row(number, stored=stored))
    audit.close()
    return path


def test_long_texts_are_kept_once_and_the_chain_covers_them(tmp_path: Path) -> None:
    path = _with_texts(tmp_path / "audit.sqlite")
    found = verify(path)
    assert (found.rows, found.stored, found.why, found.sealed) == (3, 4, "", True)
    with reading(path) as database:
        name = json.loads(database.execute("SELECT record FROM audit WHERE id = 2").fetchone()[0])["stored"]["user"]
        assert stored_text(database, name).decode() == "prompt 2 " * 50
        with pytest.raises(JournalError, match="no whole text"):
            stored_text(database, "0" * 64)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE store SET body = x'00' WHERE rowid = 2", "store"),
        ("DELETE FROM store WHERE rowid = 1", "not in the store"),
        ("UPDATE audit SET action = 'HOLD' WHERE id = 2", "action: was not what the record says"),
    ],
)
def test_a_changed_or_missing_text_is_found(tmp_path: Path, statement: str, named: str) -> None:
    path = _with_texts(tmp_path / "audit.sqlite")
    database = sqlite3.connect(path)
    database.executescript(
        f"DROP TRIGGER audit_no_update; DROP TRIGGER store_no_update; DROP TRIGGER store_no_delete; {statement}"
    )
    database.close()
    assert named in verify(path).why


def test_any_flipped_byte_of_a_sealed_file_is_found(tmp_path: Path) -> None:
    path = _with_texts(tmp_path / "audit.sqlite")
    assert flips_found(path, flips=40, seed=3) == 40


def test_an_audit_that_is_open_or_was_killed_has_no_seal_and_still_verifies(tmp_path: Path) -> None:
    path = _with_texts(tmp_path / "audit.sqlite")
    audit = Audit(path)
    assert (verify(path).sealed, verify(path).why) == (False, "")
    audit.append(_row(4))
    assert verify(path).rows == 4
    audit.close()
    assert verify(path).sealed


def test_rows_written_together_are_all_there_or_none_and_the_chain_goes_on(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.sqlite")
    audit.append(_row(1))

    def fails() -> None:
        with audit.together():
            audit.append(_row(2))
            raise NotRunning("the trader died")

    with pytest.raises(NotRunning):
        fails()
    audit.append(_row(3))
    audit.close()
    found = verify(tmp_path / "audit.sqlite")
    assert (found.rows, found.why) == (2, "")


def test_what_was_sent_and_never_concluded_is_known(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.sqlite")
    for row in (_row(1, Status.SENDING), _row(1), _row(2, Status.SENDING), _row(3, Status.HOLD)):
        audit.append(row)
    assert [record["decision_id"] for record in audit.unfinished()] == [2]
    audit.close()
