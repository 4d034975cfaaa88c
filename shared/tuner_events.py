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
    TunerEventKind.FALLBACK: "⚠ FALLBACK",
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
    text = bytes(event["text"]).decode("utf-8", "replace").strip("\0 \n").replace("\n", " ")
    if (kind in _WITH_ACTION or not text) and (effect := effect_text(event)):
        parts.append(f"({effect})")
    return " ".join(parts) + (f" · {text}" if text else "")


def changes_text(event: Any) -> str:
    """Return ``stop_pct 1 → 0.8, target_pct 1.5 → 2`` for a tuner event."""
    count = min(int(event["changes"]), len(event["fields"]))
    return ", ".join(
        f"{field_name(int(event['fields'][i])) or 'field'} {event['old'][i]:g} → {event['new'][i]:g}" for i in range(count)
    )


def effect_text(event: Any) -> str:
    """Return what a replay said of a decision: results without and with it, the effect and its interval; ``""`` if none did."""
    if not event["horizon_s"]:
        return ""
    text = f"{event['horizon_s'] / 60:.0f} min: {event['pnl_old_usd']:+.2f} without, {event['pnl_new_usd']:+.2f} USD with it"
    if event["trades_old"] or event["trades_new"]:
        text += f", {event['trades_old']} and {event['trades_new']} trades"
    if event["effect_usd"]:
        text += f", effect {event['effect_usd']:+.2f} USD"
    if event["samples"]:
        text += f", mean of {event['samples']}: {event['effect_low_usd']:+.2f} to {event['effect_high_usd']:+.2f}"
    return text


def tuner_colour(event: Any) -> tuple[int, int, int]:
    """Return purple, except for what really happened: red for an emergency exit, orange for a pause."""
    if int(event["kind"]) != TunerEventKind.APPLIED:
        return PURPLE
    action = int(event["action"])
    return RED if action == Action.EMERGENCY_EXIT else ORANGE if action == Action.PAUSE else PURPLE
