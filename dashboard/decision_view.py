"""One decision of the AI in full: every tuner event that carries its number, joined in the order of the way it went."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from dashboard.model import Decision, Passage, Tone
from shared.clock import NS_PER_S, clock_time
from shared.events import Action, Reason, TunerEventKind, words
from shared.tuner_events import changes_text, effect_text

DECISIONS = 50  # kept; the audit keeps all of them

_ENDS: dict[TunerEventKind, tuple[str, Tone]] = {
    TunerEventKind.APPLIED: ("✓ APPLIED", Tone.AI),
    TunerEventKind.DRY_RUN: ("DRY RUN, not applied", Tone.GREY),
    TunerEventKind.REFUSED: ("✗ REFUSED", Tone.WARN),
    TunerEventKind.EXPIRED: ("✗ EXPIRED", Tone.WARN),
    TunerEventKind.ROLLED_BACK: ("↶ ROLLED BACK", Tone.WARN),
}
_STEPS = {
    TunerEventKind.RETRIEVAL: "read",
    TunerEventKind.GUARD_VERDICT: "guard",
    TunerEventKind.WHAT_IF: "what if",
    TunerEventKind.FALLBACK: "fallback",
    TunerEventKind.OUTCOME: "outcome",
    TunerEventKind.ROLLED_BACK: "rolled back",
}


class Decisions:
    """Joins tuner events by their decision. Feed it every event once, in order."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[int, list[Any]] = OrderedDict()
        self._read: dict[int, Any] = {}  # passages told before the decision had a number, by symbol

    def add(self, events: Iterable[Any]) -> None:
        """Take new events."""
        for event in events:
            number, kind = int(event["decision_id"]), int(event["kind"])
            if not number:
                if kind == TunerEventKind.RETRIEVAL:
                    self._read[int(event["symbol"])] = event
                continue
            if number not in self._by_id:
                before = self._read.pop(int(event["symbol"]), None)
                self._by_id[number] = [] if before is None or kind == TunerEventKind.RETRIEVAL else [before]
            self._by_id[number].append(event)
            while len(self._by_id) > DECISIONS:
                self._by_id.popitem(last=False)

    def clear(self) -> None:
        """Forget everything: another tuner counts anew."""
        self._by_id.clear()
        self._read.clear()

    def last(self, symbols: Sequence[str], shift_ns: int = 0) -> Decision | None:
        """Return the newest decision that was made, None before the first.

        Parameters
        ----------
        shift_ns
            Machine clock minus engine clock, as for the event log.
        """
        for number in reversed(self._by_id):
            if any(int(event["kind"]) == TunerEventKind.DECISION for event in self._by_id[number]):
                return join(number, self._by_id[number], symbols, shift_ns)
        return None


def join(number: int, events: Sequence[Any], symbols: Sequence[str], shift_ns: int = 0) -> Decision:
    """Return one decision from its events, of which one is the ``DECISION`` itself."""
    made = next(event for event in events if int(event["kind"]) == TunerEventKind.DECISION)
    index = int(made["symbol"])
    verdict, tone = _verdict(events, int(made["action"]))
    final = next((event for event in reversed(events) if int(event["kind"]) == TunerEventKind.APPLIED), made)
    return Decision(
        decision_id=number,
        time=clock_time(int(made["time_ns"]) - shift_ns),
        symbol=symbols[index] if 0 <= index < len(symbols) else "all",
        symbol_index=max(index, 0),
        action=_action(int(made["action"])),
        verdict=verdict,
        verdict_tone=tone,
        changes=changes_text(final if final["changes"] else made),
        confidence_pct=float(made["confidence_pct"]),
        reasoning=text_of(made),
        steps=tuple(step for event in events if (step := _step(event)) is not None),
        bill=_bill(made),
    )


def _verdict(events: Sequence[Any], action: int) -> tuple[str, Tone]:
    for event in reversed(events):
        kind = int(event["kind"])
        if kind in list(TunerEventKind) and TunerEventKind(kind) in _ENDS:
            sign, tone = _ENDS[TunerEventKind(kind)]
            code = int(event["reason"])
            why = f", {words(Reason(code))}" if code and code in list(Reason) else ""
            return f"{sign}{why}", tone
    return ("HELD, nothing to change", Tone.GREY) if action == Action.HOLD else ("… being judged", Tone.AI)


def _action(code: int) -> str:
    return words(Action(code)).upper() if code in list(Action) else f"ACTION {code}"


def _step(event: Any) -> Passage | None:
    kind = int(event["kind"])
    if kind not in list(TunerEventKind) or TunerEventKind(kind) not in _STEPS:
        return None
    said = text_of(event)
    tone = Tone.PLAIN
    if kind in (TunerEventKind.WHAT_IF, TunerEventKind.OUTCOME):
        said = " · ".join(part for part in (effect_text(event), said) if part)
        effect = float(event["effect_usd"])
        tone = Tone.UP if effect > 0 else Tone.DOWN if effect < 0 else Tone.PLAIN
    elif kind == TunerEventKind.GUARD_VERDICT:
        tone = Tone.WARN if said.startswith(("reject", "refuse")) else Tone.GOOD
    return Passage(name=_STEPS[TunerEventKind(kind)], text=said or "–", tone=tone)


def text_of(event: Any) -> str:
    """Return an event's text on one line."""
    return bytes(event["text"]).decode("utf-8", "replace").strip("\0 \n").replace("\n", " ")


def _bill(made: Any) -> str:
    tokens = f"{int(made['input_tokens']):,} + {int(made['output_tokens']):,} tokens"
    return f"{tokens}   {float(made['cost_usd']):.4f} USD   {float(made['latency_ms']) * 1e6 / NS_PER_S:.1f} s"
