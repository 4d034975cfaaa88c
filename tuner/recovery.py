"""What was in flight when the tuner died: found out from the trader, and concluded in the audit."""

from __future__ import annotations

from typing import Any

from shared.clock import NS_PER_S
from shared.events import EventKind
from shared.layout import EVENTS_CAPACITY
from shared.workspace import Workspace
from tuner.apply import Status
from tuner.audit import Audit

VALID_S = 3.0  # a wish or command of the tuner is void this long after it was written, with room to spare


def settle(audit: Audit, workspace: Workspace, now_ns: int) -> list[str] | None:
    """Conclude every decision that was sent and never concluded; None while one of them may still take effect.

    A wish is applied whole or not at all, so the trader's events say all there is to know.

    Returns
    -------
    What was found, in words.
    """
    unfinished = audit.unfinished()
    if not unfinished:
        return []
    if any(now_ns - int(record["time_ns"]) < VALID_S * NS_PER_S for record in unfinished):
        return None
    done = _taken(workspace)
    told = []
    for record in unfinished:
        revision = done.get(int(record["decision_id"]))
        status = Status.EXPIRED if revision is None else Status.APPLIED
        text = "the tuner ended while it was sent; " + ("the trader took it" if revision is not None else "it was never taken")
        audit.append(_concluded(record, status, text, revision or 0, now_ns))
        told.append(f"{record['symbol']} decision {record['decision_id']}: {text}")
    return told


def _taken(workspace: Workspace) -> dict[int, int]:
    """Return the decisions the trader has taken, with the revision they made."""
    rows = [row.applied() for row in workspace.symbol_rows]
    taken = {int(row["decision_id"]): int(row["revision"]) for row in rows}
    events = workspace.events(from_start=True).read(EVENTS_CAPACITY)
    for event in events[events["kind"] == EventKind.TUNER_CONFIG]:
        taken.setdefault(int(event["decision_id"]), int(event["generation"]))
    return taken


def _concluded(record: dict[str, Any], status: Status, text: str, revision: int, now_ns: int) -> dict[str, Any]:
    applied = {"reason": "NONE", "generation": 0, "revision": revision, "waited_ms": 0.0, "text": text}
    return record | {"status": status.value, "time_ns": now_ns, "recovered": True, "applied": applied}
