"""Live execution joined to a trader: an opened account before it is made, an executor while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from shared.clock import Clock
from shared.errors import ConfigError, FeedError
from trader.execution.live.connect import Account, connect
from trader.execution.live.executor import Engine, Events, Executor
from trader.execution.live.gates import SIM, LiveMode
from trader.execution.live.journal import OrderJournal

if TYPE_CHECKING:
    from trader.settings import Settings

JOURNAL_FILE = "orders.sqlite"
OPEN_WITHIN_S = 60.0  # a venue that is away for a moment must not keep a trader that holds something from coming back
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0


class LiveRoom:
    """Live orders of one trader.

    Attributes
    ----------
    capital_usd
        What a fresh ledger begins with.
    """

    def __init__(self, account: Account, folder: Path, capital_usd: float, clock: Clock, say: Callable[[str], None]) -> None:
        self.capital_usd = capital_usd
        self._account = account
        self._folder = folder
        self._clock = clock
        self._say = say
        self._executor: Executor | None = None

    def told(self, events: Events) -> None:
        """Take what the engine wants of the venue; what it wanted before :meth:`run` is ended there as never sent."""
        if self._executor is not None:
            self._executor.told(events)

    async def run(self, engine: Engine) -> None:
        """Work until cancelled."""
        journal = OrderJournal(self._folder / JOURNAL_FILE)
        try:
            self._executor = Executor(
                self._account.venue, engine, journal, self._clock, np.random.default_rng(),
                opened_ms=self._account.opened_ms, say=self._say,
            )  # fmt: skip
            await self._executor.run()
        finally:
            self._executor = None
            journal.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._account.venue.close()


async def open_room(mode: LiveMode, settings: Settings, venue: Any, clock: Clock, say: Callable[[str], None]) -> LiveRoom:
    """Open the account, before anything is made that would have to be taken back.

    Parameters
    ----------
    venue
        The resolved venue of the data: its symbols, and the port of a local exchange.

    Errors
    ------
    ConfigError
        If the key is not good for it, or the account holds less than the capital.
    FeedError
        If the venue has not answered for :data:`OPEN_WITHIN_S`.
    """
    if mode.venue == SIM and venue.owns_simulator:
        raise ConfigError("venue sim: was not running, expected a local exchange with accounts: trader_sim --accounts FILE")
    mode = msgspec.structs.replace(mode, market=venue.market) if venue.loopback_port else mode  # a local exchange knows its own
    account = await _connected(mode, venue, say)
    fresh = settings.fresh or not (settings.folder / JOURNAL_FILE).exists()
    if fresh and account.cash_usd < settings.capital_usd:
        await account.venue.close()
        raise ConfigError(
            f"capital: was {settings.capital_usd:,.2f} USD, expected at most the account's {account.cash_usd:,.2f}; use --capital"
        )
    return LiveRoom(account, settings.folder, settings.capital_usd, clock, say)


async def _connected(mode: LiveMode, venue: Any, say: Callable[[str], None]) -> Account:
    loop = asyncio.get_running_loop()
    give_up, wait_s = loop.time() + OPEN_WITHIN_S, FIRST_WAIT_S
    while True:
        try:
            return await connect(mode, venue.symbols, loopback_port=venue.loopback_port)
        except FeedError as error:
            if loop.time() + wait_s > give_up:
                raise
            say(f"{error}; trying again")
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)
