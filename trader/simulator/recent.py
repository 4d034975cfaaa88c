"""The last frames of each symbol, kept as sent, for the REST calls that look back."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from trader.simulator.streams import kind_of, symbol_of

if TYPE_CHECKING:
    from trader.simulator.source import Frame

_KEPT = 1000
_LISTS = ("trade", "aggTrade")
_LATEST = ("bookTicker", "markPrice")


class RecentFrames:
    """Payloads by symbol and kind."""

    def __init__(self) -> None:
        self._lists: defaultdict[tuple[str, str], deque[bytes]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._latest: dict[tuple[str, str], bytes] = {}

    def take(self, frame: Frame) -> None:
        """Keep a frame that may be asked for."""
        kind = kind_of(frame.stream)
        if kind in _LISTS:
            self._lists[symbol_of(frame.stream), kind].append(frame.payload)
        elif kind in _LATEST:
            self._latest[symbol_of(frame.stream), kind] = frame.payload

    def last(self, symbol: str, kind: str, count: int) -> list[bytes]:
        """Return up to ``count`` newest payloads of ``kind``, oldest first."""
        kept = self._lists.get((symbol, kind), ())
        return list(kept)[-count:]

    def latest(self, symbol: str, kind: str) -> bytes | None:
        """Return the newest payload of ``kind``."""
        return self._latest.get((symbol, kind))
