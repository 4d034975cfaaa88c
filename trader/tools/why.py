"""``trader_control why``: every check before an entry, with value, limit and verdict, and what has blocked entries so far."""

from __future__ import annotations

import math
from typing import Any

from shared.events import Mode, Reason, RiskState, Strategy, words
from shared.workspace import Workspace


def why_data(workspace: Workspace, symbol: str | None) -> dict[str, Any]:
    """Return the checks of one symbol or of all, and the histogram of blocking reasons, as plain data."""
    view: Any = workspace.portfolio()
    chosen = range(len(workspace.symbols)) if symbol is None else [workspace.symbol_index(symbol)]
    return {
        "mode": words(Mode(int(view["mode"]))),
        "risk": words(RiskState(int(view["risk"]))),
        "symbols": [_symbol_data(workspace.symbols[i], view["rows"][i]) for i in chosen],
        "blocked_s": blocked_seconds(view["blocked"]),
    }


def blocked_seconds(blocked: Any) -> dict[str, int]:
    """Return how many closed seconds each reason was the first to block an entry, most frequent first."""
    counts = {words(code): int(blocked[code]) for code in Reason if code and int(blocked[code])}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _symbol_data(symbol: str, row: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "strategy": words(Strategy(int(row["strategy"]))),
        "why": words(Reason(int(row["why"]))),
        "checks": [_check_data(check) for check in row["checks"][: int(row["n_checks"])]],
    }


def _check_data(check: Any) -> dict[str, Any]:
    return {
        "reason": words(Reason(int(check["reason"]))),
        "passed": bool(check["passed"]),
        "value": _number(float(check["value"])),
        "limit": _number(float(check["limit"])),
    }


def _number(value: float) -> float | None:
    """Return a number JSON knows; None for what is not known or has no end."""
    return value if math.isfinite(value) else None


def why_words(data: dict[str, Any]) -> str:
    """Return the page for a human."""
    lines = [f"mode {data['mode']} · risk {data['risk']}"]
    for symbol in data["symbols"]:
        verdict = "may enter" if symbol["why"] == "none" else f"no entry: {symbol['why']}"
        lines += ["", f"{symbol['symbol']} · {symbol['strategy']} · {verdict}"]
        lines.append(f"  {'':4} {'check':22} {'value':>14} {'limit':>14}")
        lines += [_check_words(check) for check in symbol["checks"]]
        if not symbol["checks"]:
            lines.append("  no second has closed yet")
    total = sum(data["blocked_s"].values())
    lines += ["", "seconds without an entry, by the first reason (all symbols):" if total else "nothing has blocked an entry yet"]
    lines += [f"  {reason:22} {count:>8,} {100 * count / total:5.1f} %" for reason, count in data["blocked_s"].items()]
    return "\n".join(lines)


def _check_words(check: dict[str, Any]) -> str:
    known = check["passed"] or check["value"] is not None
    verdict = ("ok" if check["passed"] else "FAIL") if known else "?"
    return f"  {verdict:4} {check['reason']:22} {_shown(check['value']):>14} {_shown(check['limit']):>14}"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6g}"
