"""The audit: chained, append-only, private."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from shared.errors import JournalError, NotRunning
from shared.events import Action
from tuner.apply import Status
from tuner.audit import Audit, verify


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
