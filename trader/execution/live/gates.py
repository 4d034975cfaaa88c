"""What must hold before a live order can exist. Checked before anything is made, in words that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from shared.errors import ConfigError
from trader.execution.live.keys import Keys, load_keys
from trader.settings import BINANCE, HYPERLIQUID
from trader.simulated import running_simulator

if TYPE_CHECKING:
    from trader.settings import Settings

SIM = "sim"
VENUES = (BINANCE, HYPERLIQUID)


class LiveMode(msgspec.Struct, frozen=True, kw_only=True):
    """That orders are real, and where: the only thing from which an executor can be made.

    Attributes
    ----------
    venue
        ``binance``, ``hyperliquid``, or ``sim`` for the local exchange.
    mainnet
        Whether it is real money; else the venue's test network.
    port
        Of a local exchange that plays the venue, 0 if the venue itself is meant; ``sim`` finds its own.
    """

    venue: str
    market: str
    mainnet: bool
    keys: Keys
    port: int = 0

    @property
    def is_local(self) -> bool:
        """Whether the orders go to an exchange on this machine."""
        return self.venue == SIM or self.port > 0

    @property
    def words(self) -> str:
        """How the mode is called on the terminal."""
        return "LIVE · LOCAL EXCHANGE" if self.is_local else "LIVE · MAINNET · REAL MONEY" if self.mainnet else "LIVE · TESTNET"


def pass_gates(settings: Settings, ask: Callable[[str], str]) -> LiveMode:
    """Return the mode if every gate is open.

    Parameters
    ----------
    ask
        Asks the human a question and returns the answer; used on the main network only.

    Errors
    ------
    ConfigError
        For the first gate that is shut.
    """
    venue, _, market = settings.venues[0].partition("-")
    if len(settings.venues) > 1 or venue not in (*VENUES, SIM):
        raise ConfigError(f"venue: was {settings.venue!r}, expected one alone of {', '.join((*VENUES, SIM))} with --live")
    if not settings.accept_real_orders:
        raise ConfigError("--i-accept-real-orders: was not given, expected it with --live; nothing was sent")
    named = settings.mainnet
    if named is not None and named != venue:
        raise ConfigError(
            f"--mainnet: was {named!r}, expected the venue's own name, {venue!r}; without it the test network is used"
        )
    port = dict(settings.local).get(settings.venues[0], 0)
    if named is not None and (venue == SIM or port):
        raise ConfigError("--mainnet: was given with the local exchange, expected a real venue")
    keys = load_keys(_protocol(settings, venue), testnet=named is None)
    if named is not None:
        typed = ask(f"REAL MONEY: orders will be sent to {venue}. Type the venue's name to go on").strip()
        if typed != venue:
            raise ConfigError(f"confirmation: was {typed!r}, expected {venue!r}; nothing was sent")
    return LiveMode(venue=venue, market=market or settings.market, mainnet=named is not None, keys=keys, port=port)


def _protocol(settings: Settings, venue: str) -> str:
    """Return whose protocol the venue speaks and whose keys it takes: a local exchange plays one of the real ones."""
    if venue != SIM:
        return venue
    simulator = running_simulator(settings.instance)
    return HYPERLIQUID if simulator is not None and simulator.market == HYPERLIQUID else BINANCE
