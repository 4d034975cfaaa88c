"""What a trader is started with, checked before anything is made."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from shared.errors import OutOfRange, UsageError
from shared.layout import SYMBOL_BYTES
from shared.params import CONTROLS, MAX_SYMBOLS, index_of
from shared.paths import home_dir

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
DEFAULT_COINS = ("BTC", "ETH", "SOL")
REPLAY_VENUE = "replay"
BINANCE, HYPERLIQUID = "binance", "hyperliquid"
MARKETS = ("spot", "usdm")
ALONE = ("sim", REPLAY_VENUE)  # no other venue beside them: their time is their own
VENUES = (BINANCE, *(f"{BINANCE}-{market}" for market in MARKETS), HYPERLIQUID, *ALONE)
_SYMBOL = re.compile(r"^k?[A-Z0-9_:]{1,24}(@[a-z-]+)?$")
_THOUSANDS = re.compile(r"^k[A-Z0-9]+$")  # Hyperliquid: a thousand of the coin


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one run. ``symbols`` empty means: what the simulator offers, or :data:`DEFAULT_SYMBOLS`."""

    instance: str
    venue: str = "binance"
    market: str = "usdm"
    local: tuple[tuple[str, int], ...] = ()  # venues taken from simulators on this machine, and their ports
    symbols: tuple[str, ...] = ()
    capital_usd: float = 100_000.0
    duration_s: float | None = None
    replay: str | None = None
    speed: str = "1"
    seed: int = 1
    session: str | None = None
    fresh: bool = False
    raw: bool = False  # keep the frames as they came, with the session
    costs: str = ""  # the cost controls among them, in words
    controls: tuple[tuple[int, float], ...] = ()  # index and value of global controls a fresh trader begins with
    live: bool = False  # real orders; refused unless every gate of trader.execution.live.gates is open
    accept_real_orders: bool = False
    mainnet: str | None = None  # the venue's own name: real money

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues by their full names, ``binance-usdm`` and not ``binance``."""
        return parse_venues(self.venue, self.market)

    @property
    def venue_name(self) -> str:
        """What the trader calls where it trades, and what a stored state belongs to."""
        return f"{self.venue}-{self.market}" if self.venue in ALONE else "+".join(self.venues)

    @property
    def replays(self) -> bool:
        """Whether a kept session takes the place of a market."""
        return self.venue == REPLAY_VENUE

    @property
    def on_testnet(self) -> bool:
        """Whether orders go to a test network: prices of the main one would be another market's."""
        return self.live and self.mainnet is None

    @property
    def network(self) -> str:
        """What tells states of different money apart: nothing on paper."""
        return "" if not self.live else "-live-mainnet" if self.mainnet else "-live-testnet"

    @property
    def folder(self) -> Path:
        """Where state and ledger are stored. A replay writes nothing into the session it reads."""
        home = home_dir(self.instance)
        if self.live:
            return home / "sessions" / (self.session or self.network.removeprefix("-"))
        return home / "replays" / str(self.session) if self.replays else home / "sessions" / (self.session or "current")


def parse_venues(text: str, market: str) -> tuple[str, ...]:
    """Return the full names of a comma-separated list of venues; ``binance`` means its ``market``.

    Errors
    ------
    UsageError
        For an unknown venue, a repeated one, or one that stands alone among others.
    """
    names = tuple(part.strip().lower() for part in text.split(","))
    for name in names:
        if name not in VENUES:
            raise UsageError(f"venue: was {name!r}, expected some of {', '.join(VENUES)}, separated by commas")
    if len(names) > 1 and set(names) & set(ALONE):
        raise UsageError(f"venue: was {text!r}, expected {' or '.join(ALONE)} alone")
    full = tuple(f"{name}-{market}" if name == BINANCE else name for name in names)
    if len(set(full)) != len(full):
        raise UsageError(f"venue: was {text!r}, expected each venue once")
    return full


def parse_local(texts: tuple[str, ...], venues: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return venue and port of each ``VENUE=PORT``.

    Errors
    ------
    UsageError
        For a venue that is not used, or no port.
    """
    parsed = []
    for text in texts:
        name, _, port = text.partition("=")
        found = [venue for venue in venues if name.strip().lower() in (venue, venue.partition("-")[0])]
        if len(found) != 1 or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise UsageError(f"local: was {text!r}, expected VENUE=PORT with one of {', '.join(venues)}")
        parsed.append((found[0], int(port)))
    return tuple(parsed)


def default_symbols(venues: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is traded where nothing was asked for: BTC, ETH and SOL on each venue."""
    if len(venues) == 1:
        return DEFAULT_COINS if venues[0] == HYPERLIQUID else DEFAULT_SYMBOLS
    return tuple(f"{name}@{venue}" for venue in venues for name in default_symbols((venue,)))


def parse_symbols(text: str | None, venues: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the symbols of a comma-separated list, upper case, each once.

    Where there are several ``venues`` each symbol names its own: ``BTCUSDT@binance-usdm,BTC@hyperliquid``; with one it may.

    Errors
    ------
    UsageError
        For an empty or impossible name, one of no venue, a repeated one, or more than fit in shared memory.
    """
    if text is None:
        return ()
    symbols = tuple(_place(part.strip(), venues) for part in text.split(","))
    if len(set(symbols)) != len(symbols):
        raise UsageError(f"symbols: was {text!r}, expected each symbol once")
    if len(symbols) > MAX_SYMBOLS:
        raise UsageError(f"symbols: was {len(symbols)} of them, expected at most {MAX_SYMBOLS}")
    return symbols


def _place(text: str, venues: tuple[str, ...]) -> str:
    """Return one symbol as it is called everywhere: with its venue where there are several."""
    name, at, venue = text.partition("@")
    of_hyperliquid = venue.lower() == HYPERLIQUID or (not at and venues == (HYPERLIQUID,))
    name = name if of_hyperliquid and _THOUSANDS.match(name) else name.upper()
    symbol = name + at + venue.lower()
    if not _SYMBOL.match(symbol) or not name.isascii() or (len(name) < len("XX") and not of_hyperliquid):
        raise UsageError(f"symbols: was {symbol!r}, expected names such as BTCUSDT, separated by commas")
    if len(symbol) > SYMBOL_BYTES:
        raise UsageError(f"symbols: was {symbol!r}, expected at most {SYMBOL_BYTES} characters")
    if len(venues) > 1 and not at:
        raise UsageError(f"symbols: was {symbol!r}, expected its venue with it, such as {symbol}@{venues[0]}")
    if not at:
        return symbol
    found = [known for known in venues if venue.lower() in (known, known.partition("-")[0])]
    if len(found) != 1:
        raise UsageError(f"symbols: was {symbol!r}, expected one of the venues {', '.join(venues) or 'given'} after @")
    return name if len(venues) == 1 else f"{name}@{found[0]}"


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
