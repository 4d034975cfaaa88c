"""Published records made in a test, for views that are pure functions of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared import layout
from shared.clock import NS_PER_S
from shared.events import Reason, TraderStatus
from shared.params import CONTROLS, SYMBOL_FIELDS, Param, defaults, index_of

NOW_NS = 1_780_000_000 * NS_PER_S
SYMBOLS = ["BTCUSDT", "ETHUSDT"]


def portfolio(symbols: list[str] | None = None, **fields: Any) -> Any:
    """Return a running trader's ``PORTFOLIO_VIEW``."""
    view = np.zeros((), layout.PORTFOLIO_VIEW)
    names = symbols or SYMBOLS
    view["n_symbols"], view["status"], view["venue"] = len(names), TraderStatus.RUNNING, b"binance"
    view["time_ns"] = view["published_ns"] = view["last_message_ns"] = NOW_NS
    view["start_equity_usd"] = view["equity_usd"] = view["peak_equity_usd"] = 100_000.0
    view["rows"]["last_market_ns"][: len(names)] = NOW_NS
    view["rows"]["enabled"][: len(names)] = 1
    for name, value in fields.items():
        view[name] = value
    return view


def row(view: Any, index: int = 0, **fields: Any) -> Any:
    """Set fields of a symbol's row and return it."""
    record = view["rows"][index]
    for name, value in fields.items():
        record[name] = value
    return record


def closes(record: Any, values: list[float], last: float | None = None) -> None:
    """Publish 1 s closes, oldest first, the newest at the end; the bars are flat around them."""
    count = len(values)
    for name in ("closes_usd", "highs_usd", "lows_usd"):
        record[name] = 0.0
        record[name][layout.PRICE_HISTORY - count :] = values
    record["volumes"][layout.PRICE_HISTORY - count :] = 1.0
    record["bars"] = count
    record["last_price_usd"] = values[-1] if last is None else last


def check(record: Any, reason: Reason, value: float, limit: float, *, passed: bool) -> None:
    """Add a line to the checks of a row."""
    line = record["checks"][int(record["n_checks"])]
    line["reason"], line["value"], line["limit"], line["passed"] = reason, value, limit, passed
    record["n_checks"] += 1


def applied(fields: tuple[Param, ...] = CONTROLS, **values: float) -> Any:
    """Return an ``APPLIED`` record of defaults with these values changed once."""
    record = np.zeros((), layout.APPLIED)
    record["values"] = record["previous"] = defaults(fields)
    for name, value in values.items():
        record["values"][index_of(fields, name)] = value
        record["revision"] = 1
    return record


def applied_symbol(**values: float) -> Any:
    """Return the ``APPLIED`` record of a symbol."""
    return applied(SYMBOL_FIELDS, **values)


def event(kind: int, **fields: Any) -> Any:
    """Return a ``TRADE_EVENT``."""
    record = np.zeros(1, layout.TRADE_EVENT)[0]
    for name, value in ({"kind": kind, "time_ns": NOW_NS, "field": 255} | fields).items():
        record[name] = value
    return record


def tuner_event(kind: int, changes: tuple[tuple[int, float, float], ...] = (), **fields: Any) -> Any:
    """Return a ``TUNER_EVENT``."""
    record = np.zeros(1, layout.TUNER_EVENT)[0]
    for name, value in ({"kind": kind, "time_ns": NOW_NS, "changes": len(changes)} | fields).items():
        record[name] = value
    for i, (field, old, new) in enumerate(changes):
        record["fields"][i], record["old"][i], record["new"][i] = field, old, new
    return record
