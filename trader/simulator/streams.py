"""Stream names: what each one carries, which connection category may carry it, and which spellings mean the same."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

#: Our own extension, never sent by the venue: simulated time and the end of a replay.
SIM_STREAM = "!sim"

# A recording holds one cadence; a client may ask for another. The chain of updates is the same, so it is served.
_SAME_CONTENT = {
    "depth": ("", "@100ms", "@0ms", "@250ms", "@500ms"),
    "markPrice": ("", "@1s"),
}
PARTIAL_LEVELS = (5, 10, 20)
_PUBLIC_KINDS = ("bookTicker", "depth", "rpiDepth", "trade")


class Category(StrEnum):
    """What a connection may carry; spot connections and tests use ``ALL``."""

    ALL = "all"
    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"


def kind_of(name: str) -> str:
    """Return ``depth`` for ``btcusdt@depth@100ms``, ``bookTicker`` for ``!bookTicker``."""
    symbol, at, rest = name.partition("@")
    return rest.partition("@")[0] if at else symbol.lstrip("!")


def symbol_of(name: str) -> str:
    """Return the upper-case symbol of a stream name, or ``""`` for an all-market stream."""
    symbol, at, _ = name.partition("@")
    return symbol.upper() if at and not symbol.startswith("!") else ""


def allowed(name: str, category: Category) -> bool:
    """Whether a connection of ``category`` delivers ``name``; if not it is acknowledged and silent."""
    if category is Category.ALL or name == SIM_STREAM:
        return True
    if category is Category.PRIVATE:
        return False
    kind = kind_of(name)
    is_public = kind in _PUBLIC_KINDS or (kind.startswith("depth") and kind[5:].isdigit())
    return is_public == (category is Category.PUBLIC)


def resolve(name: str, carried: AbstractSet[str]) -> str | None:
    """Return the stream of ``carried`` that answers a subscription to ``name``, or None for silence."""
    if name in carried:
        return name
    symbol, at, rest = name.partition("@")
    kind, more, cadence = rest.partition("@")
    if kind.startswith("depth") and kind[5:].isdigit():
        return _partial(symbol, int(kind[5:]), carried)
    spellings = _SAME_CONTENT.get(kind, ())
    if not at or (f"@{cadence}" if more else "") not in spellings:
        return None
    return next((other for s in spellings if (other := f"{symbol}@{kind}{s}") in carried), None)


def _partial(symbol: str, levels: int, carried: AbstractSet[str]) -> str | None:
    if levels not in PARTIAL_LEVELS or not any(f"{symbol}@depth{s}" in carried for s in _SAME_CONTENT["depth"]):
        return None
    return f"{symbol}@depth{levels}"
