"""What the server needs from a market, whether replayed or generated: timed frames, gates, and answers for REST."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from trader.simulator.klines import Bar
    from trader.simulator.spec import SymbolSpec


class Market(StrEnum):
    """Which market a server plays: one of the two of Binance, or the perpetuals of Hyperliquid."""

    SPOT = "spot"
    USDM = "usdm"
    HYPERLIQUID = "hyperliquid"


class Frame(NamedTuple):
    """One stream message and the moment it is due.

    Attributes
    ----------
    ns
        Simulated receive time, nanoseconds since the epoch.
    stream
        Stream name as the source carries it.
    payload
        The bare payload, exactly as it goes to an un-combined client.
    envelope
        The whole combined message as recorded, or empty when it is still to be built.
    """

    ns: int
    stream: str
    payload: bytes
    envelope: bytes = b""


class GateMark(NamedTuple):
    """The place where the flow waits for the REST depth requests of ``symbols``."""

    ns: int
    symbols: frozenset[str]


class Source(Protocol):
    """A market that can be served."""

    @property
    def market(self) -> Market:
        """Which venue the frames belong to."""
        ...

    @property
    def mode(self) -> str:
        """``replay`` or ``generated``."""
        ...

    @property
    def specs(self) -> Mapping[str, SymbolSpec]:
        """Symbols by upper-case name, in a fixed order."""
        ...

    @property
    def streams(self) -> AbstractSet[str]:
        """Names of every stream the source can emit."""
        ...

    @property
    def gated(self) -> AbstractSet[str]:
        """Symbols whose flow will stop at a gate."""
        ...

    def items(self) -> Iterator[Frame | GateMark]:
        """Yield the flow in order; the state behind the REST answers moves along with it."""
        ...

    def depth(self, symbol: str, limit: int) -> bytes:
        """Return the REST depth body at the present position, at most ``limit`` levels a side."""
        ...

    def bars(self, symbol: str) -> list[Bar]:
        """Return the one-minute bars up to the present position, oldest first; the last may be open."""
        ...

    def server_time_ms(self) -> int:
        """Exchange time at the present position, milliseconds since the epoch."""
        ...
