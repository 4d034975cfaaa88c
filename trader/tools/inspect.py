"""``trader_control inspect``: any segment of a live system, field by field."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.clock import SystemClock
from shared.errors import UsageError
from shared.params import CONTROLS, SYMBOL_FIELDS
from shared.segment import Segment
from shared.workspace import LAYOUTS
from trader.engine.journal import CHECKPOINT, JOURNAL

_UNITS = {"usd": "USD", "pct": "%", "bps": "bps", "ms": "ms", "ns": "ns", "s": "s"}
_WRITERS = {
    "config": "desired: tools (locked); applied: trader",
    "symbol_cfgs": "desired: tools, tuner (locked); applied: trader",
    "portfolio": "trader",
    "events": "trader",
    "commands": "tools, tuner (locked)",
    "tuner": "tuner",
    "journal": "trader",
    "checkpoint": "trader",
}
_LATCHED = ("desired", "applied")
_SHOWN = 8  # values of a long array, and slots of a ring


def inspect_data(segment: str, instance: str) -> dict[str, Any]:
    """Return the header and every field of a segment.

    Errors
    ------
    UsageError
        If there is no segment of that name in the design.
    NotRunning
        If it does not exist now.
    """
    layouts = {**LAYOUTS, "journal": JOURNAL, "checkpoint": CHECKPOINT}
    name = segment.removeprefix("/").removeprefix("trader_")
    if name not in layouts:
        raise UsageError(f"segment: was {segment!r}, expected one of {', '.join(layouts)}")
    attached = Segment.attach(name, layouts[name], instance)
    header = attached.header[0]
    body = _readable_body(name, attached.body[0])
    rows: list[dict[str, Any]] = []
    _walk(body, "", rows)
    age_ms = (SystemClock().now_ns() - int(header["heartbeat_ns"])) / 1e6
    return {
        "segment": attached.name,
        "bytes": int(header["body_bytes"]),
        "layout": header["layout_hash"].decode(),
        "owner_pid": int(header["owner_pid"]),
        "owner_alive": attached.owner_alive,
        "epoch_ns": int(header["epoch"]),
        "age_ms": round(age_ms, 1),
        "writer": _WRITERS[name],
        "fields": rows,
    }


def _readable_body(name: str, body: Any) -> Any:
    """Return the readable copy of a latched segment, else the body as it is."""
    if name in ("portfolio", "checkpoint"):
        return body["copies"][int(body["version"]) & 1].copy()
    return body.copy() if body.nbytes < 1 << 20 else body


def _walk(value: Any, path: str, rows: list[dict[str, Any]]) -> None:
    """Append a row for each leaf; latched pairs show their readable copy, rings their newest slots."""
    names = value.dtype.names
    if names is None:
        rows.append({"field": path, "unit": _unit(path), "value": _plain(value)})
        return
    for name in names:
        _walk_field(value, name, f"{path}.{name}" if path else name, rows)


def _walk_field(value: Any, name: str, path: str, rows: list[dict[str, Any]]) -> None:
    field = value[name]
    if name in _LATCHED and f"{name}_version" in value.dtype.names:
        _walk_latched(value, name, path, rows)
    elif name in ("values", "previous", "sources") and field.shape:
        _walk_values(field, path, rows)
    elif field.dtype.names is None:
        rows.append({"field": path, "unit": _unit(name), "value": _plain(field)})
    elif field.shape == ():
        _walk(field, path, rows)
    elif name == "slots":
        head = int(value["head"])
        for seq in range(max(0, head - _SHOWN), head):
            _walk(field[seq % len(field)], f"{path}[{seq}]", rows)
    else:
        flat = field.reshape(-1)
        used = [i for i in range(len(flat)) if flat[i].tobytes().strip(b"\0")]
        for i in used[:64]:
            _walk(flat[i], f"{path}[{i}]", rows)


def _walk_latched(value: Any, name: str, path: str, rows: list[dict[str, Any]]) -> None:
    """Show the readable copy of each latched pair: of the controls, or of every configured symbol."""
    versions = np.atleast_1d(value[f"{name}_version"])
    pairs = value[name].reshape(len(versions), 2)
    used = len(versions) if len(versions) == 1 else int(value["count"])
    for i in range(used):
        where = path if len(versions) == 1 else f"{value['symbols'][i].decode()}.{name}"
        _walk(pairs[i][int(versions[i]) & 1], where, rows)


def _walk_values(field: Any, path: str, rows: list[dict[str, Any]]) -> None:
    """Show a row of parameters or controls by name."""
    names = CONTROLS if path.startswith(_LATCHED) else SYMBOL_FIELDS
    rows.extend({"field": f"{path}.{p.name}", "unit": p.unit, "value": _plain(field[i])} for i, p in enumerate(names))


def _unit(name: str) -> str:
    return _UNITS.get(name.rpartition("_")[2], "")


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    if array.ndim:
        flat = array.reshape(-1)
        last = [_plain(item) for item in flat[-_SHOWN:]]
        return last if len(flat) <= _SHOWN else [f"… {len(flat) - _SHOWN} before", *last]
    item = array.item()
    return item.decode(errors="replace") if isinstance(item, bytes) else item


def inspect_table(data: dict[str, Any]) -> str:
    """Return the table for a human."""
    alive = "alive" if data["owner_alive"] else "DEAD"
    lines = [
        f"{data['segment']}  {data['bytes']:,} bytes  layout {data['layout']}  owner {data['owner_pid']} ({alive})",
        f"writer: {data['writer']}   age {data['age_ms']:.0f} ms",
        f"{'field':44} {'unit':5} value",
    ]
    for row in data["fields"]:
        value = row["value"]
        shown = f"{value:.10g}" if isinstance(value, float) else str(value)
        lines.append(f"{row['field']:44} {row['unit']:5} {shown}")
    return "\n".join(lines)
