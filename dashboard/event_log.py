"""LIVE EVENTS: the trader's and the tuner's, in one order, in words and tones, the last 500."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from dashboard.model import Colour, EventLine, Tone
from shared.clock import clock_time, iso_utc
from shared.events import CYAN, GREEN, GREY, ORANGE, PURPLE, RED, YELLOW, EventKind, Source, colour_of, describe
from shared.tuner_events import tuner_colour, tuner_words

LINES = 500
CHARS = 230  # of one line; trader_events shows the whole of it

AI, TRADE, SIGNAL, RISK, CONFIG, SYSTEM = "AI", "TRADE", "SIGNAL", "RISK", "CONFIG", "SYSTEM"
KINDS = (AI, TRADE, SIGNAL, RISK, CONFIG, SYSTEM)
"""Types a human may filter by."""

_TONES: dict[Colour, Tone] = {
    PURPLE: Tone.AI,
    RED: Tone.BAD,
    GREEN: Tone.GOOD,
    ORANGE: Tone.WARN,
    CYAN: Tone.INFO,
    YELLOW: Tone.YELLOW,
    GREY: Tone.GREY,
}
_KINDS: dict[EventKind, str] = {
    EventKind.SIGNAL: SIGNAL,
    EventKind.REGIME_CHANGE: SIGNAL,
    EventKind.MODE_CHANGE: RISK,
    EventKind.RISK_HALT: RISK,
    EventKind.FEED_STALE: RISK,
    EventKind.FEED_RESTORED: RISK,
    EventKind.DISCREPANCY: RISK,
    EventKind.RECONCILED: RISK,
    EventKind.VENUE_DRIFT: RISK,
    EventKind.ERROR: RISK,
    EventKind.CONFIG_APPLIED: CONFIG,
    EventKind.CONFIG_REFUSED: CONFIG,
    EventKind.COMMAND_ACK: CONFIG,
    EventKind.TUNER_CONFIG: AI,
    EventKind.STATUS: SYSTEM,
}


class EventLog:
    """A bounded list of lines that only grows at its end.

    Parameters
    ----------
    limit
        Lines kept; older ones are dropped.
    """

    def __init__(self, limit: int = LINES) -> None:
        self._lines: deque[EventLine] = deque(maxlen=limit)
        self._number = 0

    @property
    def lines(self) -> tuple[EventLine, ...]:
        """The lines, oldest first."""
        return tuple(self._lines)

    def extend(self, trade: Sequence[Any], tuner: Sequence[Any], symbols: Sequence[str], shift_ns: int) -> None:
        """Add what is new, in order of time.

        Parameters
        ----------
        trade, tuner
            Records of ``TRADE_EVENT`` and ``TUNER_EVENT``.
        shift_ns
            Machine clock minus engine clock. A replay runs in the time of its recording; the tuner does not. Its lines are
            shown in engine time so that a decision stands beside what it was about.
        """
        entries = [(int(e["time_ns"]), *_trade_words(e, symbols), _name(e, symbols)) for e in trade]
        entries += [(int(e["time_ns"]) - shift_ns, *_tuner_words(e, symbols), _name(e, symbols)) for e in tuner]
        for time_ns, text, tone, kind, symbol in sorted(entries, key=lambda entry: entry[0]):
            self._add(time_ns, text, tone, kind, symbol)

    def note(self, time_ns: int, text: str) -> None:
        """Add a line of the dashboard's own, e.g. that the trader came back."""
        self._add(time_ns, text, Tone.GREY, SYSTEM, "")

    def _add(self, time_ns: int, text: str, tone: Tone, kind: str, symbol: str) -> None:
        self._number += 1
        stamp = clock_time(time_ns)
        text = text if len(text) <= CHARS else text[: CHARS - 1] + "…"
        line = EventLine(
            number=self._number, time_ns=time_ns, time=stamp, text=text, tone=tone, ai=kind == AI, kind=kind, symbol=symbol
        )
        self._lines.append(line)


def _name(event: Any, symbols: Sequence[str]) -> str:
    index = int(event["symbol"])
    return symbols[index] if 0 <= index < len(symbols) else ""


def _trade_words(event: Any, symbols: Sequence[str]) -> tuple[str, Tone, str]:
    try:
        kind = EventKind(int(event["kind"]))
        tone = _TONES.get(colour_of(event), Tone.GREY)
        if kind is EventKind.FILL:
            tone = Tone.UP if event["side"] > 0 else Tone.DOWN
        by_ai = int(event["source"]) == Source.TUNER
        return describe(event, symbols), tone, AI if by_ai else _KINDS.get(kind, TRADE)
    except ValueError:  # a code this dashboard does not know yet must not end it
        text = f"EVENT kind {int(event['kind'])} status {int(event['status'])} reason {int(event['reason'])}"
        return text, Tone.GREY, SYSTEM


def _tuner_words(event: Any, symbols: Sequence[str]) -> tuple[str, Tone, str]:
    try:
        return tuner_words(event, symbols), _TONES.get(tuner_colour(event), Tone.AI), AI
    except ValueError:
        return f"AI EVENT kind {int(event['kind'])} action {int(event['action'])}", Tone.AI, AI


def matches(line: EventLine, typed: str, *, kind: str = "", symbol: str = "") -> bool:
    """Say whether a line passes: every typed word must be in it, every word after a ``-`` must not; type and symbol as chosen."""
    if (kind and line.kind != kind) or (symbol and line.symbol != symbol):
        return False
    text = f"{line.time} {line.text}".lower()
    return all(_passes(word, text) for word in typed.lower().split())


def _passes(word: str, text: str) -> bool:
    if word.startswith("-"):
        return word == "-" or word[1:] not in text  # a minus alone is a word still being typed
    return word in text


def as_text(lines: Iterable[EventLine]) -> str:
    """Return lines as text for the clipboard."""
    return "\n".join(f"{line.time}  {line.text}" for line in lines)


def as_csv(lines: Iterable[EventLine]) -> str:
    """Return lines as CSV with a head: time (UTC), type, symbol, text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("time_utc", "type", "symbol", "text"))
    writer.writerows((iso_utc(line.time_ns), line.kind, line.symbol, line.text) for line in lines)
    return out.getvalue()
