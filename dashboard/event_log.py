"""The live events: the trader's and the tuner's, in one order, in words and colours, the last 500."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from dashboard.model import Colour, EventLine
from shared.clock import clock_time
from shared.events import GREY, PURPLE, EventKind, Source, colour_of, describe
from shared.tuner_events import tuner_colour, tuner_words

LINES = 500
CHARS = 230  # of one line; trader_events shows the whole of it


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
        entries = [(int(e["time_ns"]), *_trade_words(e, symbols)) for e in trade]
        entries += [(int(e["time_ns"]) - shift_ns, *_tuner_words(e, symbols)) for e in tuner]
        for time_ns, text, colour, ai in sorted(entries, key=lambda entry: entry[0]):
            self._add(time_ns, text, colour, ai=ai)

    def note(self, time_ns: int, text: str) -> None:
        """Add a line of the dashboard's own, e.g. that the trader came back."""
        self._add(time_ns, text, GREY, ai=False)

    def _add(self, time_ns: int, text: str, colour: Colour, *, ai: bool) -> None:
        self._number += 1
        stamp = clock_time(time_ns)
        text = text if len(text) <= CHARS else text[: CHARS - 1] + "…"
        line = EventLine(number=self._number, time_ns=time_ns, time=stamp, text=text, colour=colour, ai=ai)
        self._lines.append(line)


def _trade_words(event: Any, symbols: Sequence[str]) -> tuple[str, Colour, bool]:
    try:
        ai = int(event["source"]) == Source.TUNER or int(event["kind"]) == EventKind.TUNER_CONFIG
        return describe(event, symbols), colour_of(event), ai
    except ValueError:  # a code this dashboard does not know yet must not end it
        return f"EVENT kind {int(event['kind'])} status {int(event['status'])} reason {int(event['reason'])}", GREY, False


def _tuner_words(event: Any, symbols: Sequence[str]) -> tuple[str, Colour, bool]:
    try:
        return tuner_words(event, symbols), tuner_colour(event), True
    except ValueError:
        return f"AI EVENT kind {int(event['kind'])} action {int(event['action'])}", PURPLE, True
