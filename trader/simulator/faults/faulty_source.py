"""A source whose clock and snapshots can be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.simulator.faults.script import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from trader.simulator.faults.plan import FaultPlan
    from trader.simulator.klines import Bar
    from trader.simulator.source import Frame, GateMark, Market, Source
    from trader.simulator.spec import SymbolSpec

_DEPTH = 1000


class FaultySource:
    """Hands everything through to a source, but tells skewed time and, while a snapshot is stale, an old book.

    Parameters
    ----------
    source
        The honest one.
    plan
        The faults.
    """

    def __init__(self, source: Source, plan: FaultPlan) -> None:
        self._source = source
        self._plan = plan
        self._frozen: dict[str, bytes] = {}

    @property
    def market(self) -> Market:
        """Which venue it is."""
        return self._source.market

    @property
    def mode(self) -> str:
        """``replay`` or ``generated``."""
        return self._source.mode

    @property
    def specs(self) -> Mapping[str, SymbolSpec]:
        """Symbols by name."""
        return self._source.specs

    @property
    def streams(self) -> AbstractSet[str]:
        """Names of every stream."""
        return self._source.streams

    @property
    def gated(self) -> AbstractSet[str]:
        """Symbols whose flow stops at a gate."""
        return self._source.gated

    def items(self) -> Iterator[Frame | GateMark]:
        """Yield the honest flow; frames are damaged on their way out."""
        return self._source.items()

    def freeze(self) -> None:
        """Keep the books as they are now for the time snapshots are stale."""
        self._frozen = {symbol: self._source.depth(symbol, _DEPTH) for symbol in self._source.specs}

    def depth(self, symbol: str, limit: int) -> bytes:
        """Return the book, an old one while snapshots are stale."""
        if self._plan.active(Kind.STALE_SNAPSHOT) is not None and symbol in self._frozen:
            return self._frozen[symbol]
        return self._source.depth(symbol, limit)

    def bars(self, symbol: str) -> list[Bar]:
        """Return the minutes so far."""
        return self._source.bars(symbol)

    def server_time_ms(self) -> int:
        """Return the venue's time as its own, perhaps wrong, clock has it."""
        return self._source.server_time_ms() + self._plan.skew_ms
