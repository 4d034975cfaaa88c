"""Reading and setting parameters and controls by name."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.clock import SystemClock
from shared.errors import UsageError
from shared.events import Reason, Source, words
from shared.params import CONTROLS, SYMBOL_FIELDS, Param
from shared.wishes import Wish, WishRow
from shared.workspace import Workspace


class Change(msgspec.Struct, frozen=True):
    """What became of one wish."""

    where: str
    name: str
    old: float
    new: float
    revision: int
    refusal: str
    waited_ms: float

    @property
    def refused(self) -> bool:
        """Say whether the trader refused it."""
        return bool(self.refusal)

    @property
    def words(self) -> str:
        """One line for a human."""
        verdict = (
            f"✗ refused: {self.refusal}" if self.refused else f"✓ applied in {self.waited_ms:.1f} ms (revision {self.revision})"
        )
        return f"{self.where} {self.name} {self.old:g} → {self.new:g} {verdict}"

    def as_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


def _targets(workspace: Workspace, symbol: str | None, name: str | None) -> list[tuple[str, WishRow, int]]:
    """Return (where, row, field index) of everything a name means; None means every field."""
    found: list[tuple[str, WishRow, int]] = []
    if symbol is None:
        found += [("control", workspace.controls, i) for i, field in enumerate(CONTROLS) if name in (None, field.name)]
    chosen = range(len(workspace.symbols)) if symbol is None else [workspace.symbol_index(symbol)]
    for at in chosen:
        row = workspace.symbol_rows[at]
        found += [(workspace.symbols[at], row, i) for i, field in enumerate(SYMBOL_FIELDS) if name in (None, field.name)]
    if not found:
        known = ", ".join(field.name for field in (*SYMBOL_FIELDS, *CONTROLS))
        raise UsageError(f"name: was {name!r}, expected one of {known}")
    return found


def values_data(workspace: Workspace, symbol: str | None, name: str | None = None) -> list[dict[str, Any]]:
    """Return every value asked for, with its bounds and who set it last."""
    rows = []
    for where, row, i in _targets(workspace, symbol, name):
        applied, field = row.applied(), row.fields[i]
        rows.append(
            {
                "where": where,
                "name": field.name,
                "value": float(applied["values"][i]),
                "unit": field.unit,
                "minimum": field.minimum,
                "maximum": field.maximum,
                "default": field.default,
                "set_by": words(Source(int(applied["sources"][i]))) if int(applied["sources"][i]) else "default",
                "revision": int(applied["revision"]),
            }
        )
    return rows


def value_table(rows: list[dict[str, Any]]) -> str:
    """Return an aligned table of :func:`values_data`."""
    head = f"{'where':10} {'name':22} {'value':>10} {'unit':4} {'range':>16} {'default':>8} set by"
    lines = [
        f"{r['where']:10} {r['name']:22} {r['value']:>10g} {r['unit']:4} "
        f"{r['minimum']:>7g} to {r['maximum']:<5g} {r['default']:>8g} {r['set_by']}"
        for r in rows
    ]
    return "\n".join([head, *lines])


def set_values(workspace: Workspace, name: str, value: float, symbol: str | None) -> list[Change]:
    """Wish one value, for one symbol or all (or the control of that name), and wait for the trader's answer.

    Errors
    ------
    OutOfRange
        Before anything is written.
    """
    targets = _targets(workspace, symbol, name)
    for _, row, i in targets:
        row.fields[i].check(value)
    return [_set_one(where, row, i, value) for where, row, i in targets]


def undo_values(workspace: Workspace, symbol: str | None) -> list[Change]:
    """Go back to before the last change of one symbol, of ``all``, or of the one changed last, and wait for the answer.

    A change that comes in between is not overwritten: the trader refuses the wish then.

    Errors
    ------
    UsageError
        If there is nothing to go back to.
    """
    named = list(zip(workspace.symbols, workspace.symbol_rows, strict=True))
    changed = [(where, row) for where, row in named if row.undo()]
    if symbol is None:
        changed = sorted(changed, key=lambda one: int(one[1].applied()["updated_ns"]))[-1:]
    elif symbol != "all":
        changed = [one for one in changed if one[0] == workspace.symbols[workspace.symbol_index(symbol)]]
    if not changed:
        raise UsageError(f"undo: {symbol or 'no symbol'} was never changed, expected a change to take back")
    return [change for where, row in changed for change in _undo_one(where, row)]


def _undo_one(where: str, row: WishRow) -> list[Change]:
    before, patch = row.applied(), row.undo()
    wish = Wish(changes=patch, source=Source.OPERATOR, base_revision=int(before["revision"]))
    outcome = row.post(wish, SystemClock())
    refusal = words(outcome.refusal) if outcome.refusal != Reason.NONE else ""
    return [
        Change(where, row.fields[i].name, float(before["values"][i]), value, outcome.revision, refusal, outcome.waited_ms)
        for i, value in patch.items()
    ]


def _set_one(where: str, row: WishRow, index: int, value: float) -> Change:
    field: Param = row.fields[index]
    old = row.value(index)
    outcome = row.post(Wish(changes={index: value}, source=Source.OPERATOR), SystemClock())
    refusal = words(outcome.refusal) if outcome.refusal != Reason.NONE else ""
    return Change(
        where, field.name, old, row.value(index) if not refusal else value, outcome.revision, refusal, outcome.waited_ms
    )
