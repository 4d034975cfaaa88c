"""What a trader is started with, checked before anything is made."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from shared.errors import OutOfRange, UsageError
from shared.params import CONTROLS, MAX_SYMBOLS, index_of
from shared.paths import home_dir

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
DEFAULT_COINS = ("BTC", "ETH", "SOL")  # Hyperliquid names perpetuals by their coin alone
HYPERLIQUID = "hyperliquid"
REPLAY_VENUE = "replay"
_SYMBOL = re.compile(r"^[A-Z0-9_]{2,24}$")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one run. ``symbols`` empty means: what the simulator offers, or :data:`DEFAULT_SYMBOLS`."""

    instance: str
    venue: str = "binance"
    market: str = "usdm"
    symbols: tuple[str, ...] = ()
    capital_usd: float = 100_000.0
    duration_s: float | None = None
    replay: str | None = None
    speed: str = "1"
    seed: int = 1
    session: str | None = None
    fresh: bool = False
    controls: tuple[tuple[int, float], ...] = ()  # index and value of global controls a fresh trader begins with

    @property
    def replays(self) -> bool:
        """Whether a kept session takes the place of a market."""
        return self.venue == REPLAY_VENUE

    @property
    def folder(self) -> Path:
        """Where state and ledger are stored. A replay writes nothing into the session it reads."""
        home = home_dir(self.instance)
        return home / "replays" / str(self.session) if self.replays else home / "sessions" / (self.session or "current")


def parse_symbols(text: str | None) -> tuple[str, ...]:
    """Return the symbols of a comma-separated list, upper case, each once.

    Errors
    ------
    UsageError
        For an empty or impossible name, a repeated one, or more than fit in shared memory.
    """
    if text is None:
        return ()
    symbols = tuple(part.strip().upper() for part in text.split(","))
    for symbol in symbols:
        if not _SYMBOL.match(symbol):
            raise UsageError(f"symbols: was {symbol!r}, expected names such as BTCUSDT, separated by commas")
    if len(set(symbols)) != len(symbols):
        raise UsageError(f"symbols: was {text!r}, expected each symbol once")
    if len(symbols) > MAX_SYMBOLS:
        raise UsageError(f"symbols: was {len(symbols)} of them, expected at most {MAX_SYMBOLS}")
    return symbols


def check_capital(capital_usd: float) -> float:
    """Return the capital, or raise :class:`OutOfRange`."""
    if not 100.0 <= capital_usd <= 1e9:  # NaN fails too
        raise OutOfRange("capital", capital_usd, "100 to 1000000000 USD")
    return capital_usd


def parse_controls(texts: tuple[str, ...]) -> tuple[tuple[int, float], ...]:
    """Return index and value of each ``NAME=VALUE``.

    Errors
    ------
    UsageError
        For an unknown name or a text without a number.
    OutOfRange
        For a value out of its bounds.
    """
    parsed = []
    for text in texts:
        name, _, value = text.partition("=")
        index = index_of(CONTROLS, name.strip())
        try:
            number = float(value)
        except ValueError:
            raise UsageError(f"control: was {text!r}, expected NAME=VALUE such as min_edge_factor=2") from None
        parsed.append((index, CONTROLS[index].check(number)))
    return tuple(parsed)
