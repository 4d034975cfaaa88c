"""A source seen otherwise: with a clock that follows the wall, or one that is wrong and shows old books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.clock import NS_PER_MS
from trader.simulator.faults.script import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from shared.clock import Clock
    from trader.simulator.faults.plan import FaultPlan
    from trader.simulator.klines import Bar
    from trader.simulator.source import Frame, GateMark, Market, Source
    from trader.simulator.spec import SymbolSpec

_DEPTH = 1000


class SourceView:
    """Hands everything through to a source.

    Parameters
    ----------
    source
        Where it comes from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

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

    def depth(self, symbol: str, limit: int) -> bytes:
        """Return the book."""
        return self._source.depth(symbol, limit)

    def bars(self, symbol: str) -> list[Bar]:
        """Return the minutes so far."""
        return self._source.bars(symbol)

    def server_time_ms(self) -> int:
        """Return the venue's time."""
        return self._source.server_time_ms()


class RunningSource(SourceView):
    """A source whose clock runs on while its flow is late, so that clients agree with it however busy the machine is.

    Parameters
    ----------
    source
        Generated just now.
    clock
        The wall.
    speed
        Simulated seconds per wall second.
    """

    def __init__(self, source: Source, clock: Clock, speed: float) -> None:
        super().__init__(source)
        self._clock = clock
        self._speed = speed
        self._begin_ms, self._begin_ns = source.server_time_ms(), clock.monotonic_ns()
        if speed == 1.0:  # what passed since the source was made has passed for the clients as well
            self._begin_ns -= max(0, clock.now_ns() - self._begin_ms * NS_PER_MS)

    @property
    def begin_ns(self) -> int:
        """The monotonic time at which the flow's time began."""
        return self._begin_ns

    @property
    def server_begin_ns(self) -> int:
        """The flow's time when it began, ns since the epoch."""
        return self._begin_ms * NS_PER_MS

    def server_time_ms(self) -> int:
        """Return the later of the flow's time and the wall's."""
        passed_ms = int((self._clock.monotonic_ns() - self._begin_ns) * self._speed) // NS_PER_MS
        return max(self._source.server_time_ms(), self._begin_ms + passed_ms)


class FaultySource(SourceView):
    """Tells skewed time and, while a snapshot is stale, shows an old book.

    Parameters
    ----------
    source
        The honest one.
    plan
        The faults.
    """

    def __init__(self, source: Source, plan: FaultPlan) -> None:
        super().__init__(source)
        self._plan = plan
        self._frozen: dict[str, bytes] = {}

    def freeze(self) -> None:
        """Keep the books as they are now for the time snapshots are stale."""
        self._frozen = {symbol: self._source.depth(symbol, _DEPTH) for symbol in self._source.specs}

    def depth(self, symbol: str, limit: int) -> bytes:
        """Return the book, an old one while snapshots are stale."""
        if self._plan.active(Kind.STALE_SNAPSHOT) is not None and symbol in self._frozen:
            return self._frozen[symbol]
        return self._source.depth(symbol, limit)

    def server_time_ms(self) -> int:
        """Return the venue's time as its own, perhaps wrong, clock has it."""
        return self._source.server_time_ms() + self._plan.skew_ms
