"""How a tuner event is shown: one line of words and a colour, the same in every program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.events import ORANGE, PURPLE, RED, Action, TunerEventKind, field_name

_VERDICTS: dict[TunerEventKind, str] = {
    TunerEventKind.APPLIED: "✓ APPLIED",
    TunerEventKind.DRY_RUN: "DRY RUN",
    TunerEventKind.REFUSED: "✗ REFUSED",
    TunerEventKind.EXPIRED: "✗ EXPIRED",
    TunerEventKind.BUDGET_STOP: "⚠ BUDGET STOP",
    TunerEventKind.DEGRADED: "⚠ DEGRADED",
    TunerEventKind.RECOVERED: "✓ RECOVERED",
    TunerEventKind.ROLLED_BACK: "↩ ROLLED BACK",
}
_WITH_ACTION = {
    TunerEventKind.DECISION,
    TunerEventKind.GUARD_VERDICT,
    TunerEventKind.APPLIED,
    TunerEventKind.DRY_RUN,
    TunerEventKind.REFUSED,
    TunerEventKind.EXPIRED,
}


def tuner_words(event: Any, symbols: Sequence[str]) -> str:
    """Return one line for a tuner event: verdict, symbol, action, old → new, confidence, and its own text."""
    kind = TunerEventKind(int(event["kind"]))
    parts = ["AI", _VERDICTS.get(kind, kind.name.replace("_", " "))]
    index = int(event["symbol"])
    if 0 <= index < len(symbols):
        parts.append(symbols[index])
    if kind in _WITH_ACTION:
        parts.append(Action(int(event["action"])).name.replace("_", " "))
    if changes := changes_text(event):
        parts.append(changes)
    if event["confidence_pct"] > 0:
        parts.append(f"[{event['confidence_pct']:.0f}%]")
    if kind is TunerEventKind.APPLIED and event["generation"]:
        parts.append(f"generation {int(event['generation'])}")
    if kind is TunerEventKind.DRY_RUN:
        parts.append("(not applied)")
    if kind in _WITH_ACTION and (tried := effect_text(event)):
        parts.append(f"({tried})")
    text = bytes(event["text"]).decode("utf-8", "replace").strip("\0 \n").replace("\n", " ")
    return " ".join(parts) + (f" · {text}" if text else "")


def effect_text(event: Any) -> str:
    """Return both ways of a *what if* or an outcome: ``30 min: -3.20 without, +1.10 USD with it``; empty if there are none."""
    if event["horizon_s"] <= 0:
        return ""
    return f"{event['horizon_s'] / 60:.0f} min: {event['pnl_old_usd']:+.2f} without, {event['pnl_new_usd']:+.2f} USD with it"


def changes_text(event: Any) -> str:
    """Return ``stop_pct 1 → 0.8, target_pct 1.5 → 2`` for a tuner event."""
    count = min(int(event["changes"]), len(event["fields"]))
    return ", ".join(
        f"{field_name(int(event['fields'][i])) or 'field'} {event['old'][i]:g} → {event['new'][i]:g}" for i in range(count)
    )


def tuner_colour(event: Any) -> tuple[int, int, int]:
    """Return purple, except for what really happened: red for an emergency exit, orange for a pause."""
    if int(event["kind"]) != TunerEventKind.APPLIED:
        return PURPLE
    action = int(event["action"])
    return RED if action == Action.EMERGENCY_EXIT else ORANGE if action == Action.PAUSE else PURPLE
