"""Reading the audit: lists, one decision whole, an export that carries its own proof."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.clock import iso_utc
from shared.errors import UsageError
from tuner.apply import Status
from tuner.audit import Verification, reading, stored_text

LATER = (Status.OUTCOME, Status.UNMEASURED, Status.PROMOTED, Status.ROLLED_BACK, Status.LEFT)
"""What came of a decision, in rows after the one that concluded it."""


def decisions(path: Path, *, symbol: str | None = None, status: str | None = None, last: int = 30) -> list[dict[str, Any]]:
    """Return one line a decision, oldest first: how it ended and what it did."""
    with reading(path) as database:
        rows = [json.loads(text) for (text,) in database.execute("SELECT record FROM audit ORDER BY id")]
    later: dict[int, list[dict[str, Any]]] = {}
    found = []
    for row in rows:
        if row["status"] in LATER:
            later.setdefault(int(row["decision_id"]), []).append(row)
        elif row["status"] != Status.SENDING:
            found.append(row)
    lines = [_line(row, later.get(int(row["decision_id"]), [])) for row in found]
    named = [line for line in lines if symbol in (None, line["symbol"]) and status in (None, line["status"])]
    return named[-last:]


def decisions_table(lines: Sequence[dict[str, Any]]) -> str:
    """Return the list as a table."""
    rows = [f"{'id':>5} {'time (UTC)':19} {'symbol':10} {'action':14} {'conf':>4} {'ended':11} {'effect':>10}  what"]
    for line in lines:
        effect = "" if line["effect_usd"] is None else f"{line['effect_usd']:+.2f} USD"
        rows.append(
            f"{line['decision_id']:>5} {iso_utc(line['time_ns'])[:19]:19} {line['symbol']:10} {line['action']:14} "
            f"{line['confidence_pct']:>3.0f}% {line['status']:11} {effect:>10}  {line['what']}"
        )
    return "\n".join(rows)


def decision_data(path: Path, decision_id: int) -> dict[str, Any]:
    """Return every row of a decision and the texts they name.

    Errors
    ------
    UsageError
        If there is no such decision.
    """
    with reading(path) as database:
        texts = database.execute("SELECT record FROM audit WHERE decision_id = ? ORDER BY id", [decision_id])
        rows = [json.loads(text) for (text,) in texts]
        if not rows:
            last = database.execute("SELECT COALESCE(MAX(decision_id), 0) FROM audit").fetchone()[0]
            raise UsageError(f"decision: was {decision_id}, expected 1 to {last}; see trader_tuner audit list")
        names: dict[str, str] = next((row["stored"] for row in reversed(rows) if row.get("stored")), {})
        stored = {key: stored_text(database, name).decode() for key, name in names.items() if key != "basis"}
    return {"decision_id": decision_id, "rows": rows, "texts": stored}


def decision_words(data: dict[str, Any]) -> str:
    """Return a decision for people: its rows as they came, then prompt and reply."""
    parts = []
    for row in data["rows"]:
        shown = {key: value for key, value in row.items() if key != "stored"}
        parts.append(f"── {row['status']} at {iso_utc(row['time_ns'])} ──\n{json.dumps(shown, indent=2, ensure_ascii=False)}")
    parts += [f"── {key} ──\n{text}" for key, text in data["texts"].items()]
    return "\n\n".join(parts)


def verification_words(found: Verification) -> str:
    """Return a verification for people."""
    if found.why:
        row = f"row {found.bad_row}: " if found.bad_row else ""
        return f"BROKEN: {row}{found.why}"
    sealed = (
        "sealed: every byte is as the tuner left it" if found.sealed else "not sealed: the tuner runs, or did not end in order"
    )
    open_ends = f"; sent and not concluded: {', '.join(map(str, found.unfinished))}" if found.unfinished else ""
    return f"{found.rows} rows and {found.stored} texts hold; head {found.head[:16]}; {sealed}{open_ends}"


def export(path: Path, file: Path) -> int:
    """Write every row with its texts as JSON lines (mode 0600) and return how many.

    ``record`` is the text that was hashed, so ``sha256(prev_hash + record) = hash`` can be checked line by line.
    """
    count = 0
    with reading(path) as database, os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        for row_id, record, previous, hashed in database.execute("SELECT id, record, prev_hash, hash FROM audit ORDER BY id"):
            names = json.loads(record).get("stored", {})
            texts = {key: stored_text(database, name).decode() for key, name in names.items() if key != "basis"}
            line = {"id": row_id, "prev_hash": previous, "hash": hashed, "record": record, "texts": texts}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count


def _line(row: dict[str, Any], later: list[dict[str, Any]]) -> dict[str, Any]:
    outcome = next((one for one in later if one["status"] == Status.OUTCOME), None)
    changes = ", ".join(f"{change['name']} {change['old']:g} → {change['new']:g}" for change in row.get("changes", []))
    reasons = "; ".join(row.get("verdict", {}).get("reasons", []))
    canary = next((one["status"] for one in later if one.get("canary")), "")
    return {
        "decision_id": row["decision_id"],
        "time_ns": row["time_ns"],
        "symbol": row["symbol"],
        "action": row["action"],
        "trigger": row["trigger"],
        "status": row["status"],
        "confidence_pct": row.get("decision", {}).get("confidence_pct", 0.0),
        "what": "; ".join(part for part in (changes, reasons, canary) if part) or row.get("decision", {}).get("error", ""),
        "effect_usd": outcome["effect_usd"] if outcome else None,
        "interval": outcome["interval"] if outcome else None,
    }
