"""User-data delivery: events of an account, in order, to whoever listens to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from trader.simulator.binance_trading.errors import ApiError
from trader.simulator.binance_trading.spot_events import spot_events
from trader.simulator.binance_trading.usdm_events import usdm_events
from trader.simulator.trading.ledger import MarginLedger

if TYPE_CHECKING:
    from trader.simulator.trading.events import Event
    from trader.simulator.trading.venue import TradingVenue

Sink = Callable[[bytes], Awaitable[None]]
_KEY_LIFE_MS = 60 * 60_000


class UserData:
    """Translates the core's events and queues them until they are flushed.

    Parameters
    ----------
    venue
        The exchange core.
    now_ms
        Venue time.
    """

    def __init__(self, venue: TradingVenue, now_ms: Callable[[], int]) -> None:
        self._venue = venue
        self._now_ms = now_ms
        self._queue: deque[tuple[str, bytes]] = deque()
        self._sinks: dict[str, dict[object, Sink]] = {}
        self._lock = asyncio.Lock()
        self.copies: Callable[[], int] = lambda: 1  # how often the next event is sent: faults swallow or repeat it
        venue.listeners.append(self._take)

    @property
    def is_pending(self) -> bool:
        """Whether events wait to be sent."""
        return bool(self._queue)

    def subscribe(self, owner: str, token: object, sink: Sink) -> None:
        """Send the events of ``owner`` to ``sink`` from now on; ``token`` names the subscription."""
        self._sinks.setdefault(owner, {})[token] = sink

    def unsubscribe(self, token: object) -> None:
        """End a subscription, if there is one."""
        for sinks in self._sinks.values():
            sinks.pop(token, None)

    def push(self, owner: str, body: dict[str, object]) -> None:
        """Queue an event of the protocol's own."""
        self._queue.append((owner, msgspec.json.encode(body)))

    async def flush(self) -> None:
        """Send everything queued, in order."""
        async with self._lock:
            while self._queue:
                owner, payload = self._queue.popleft()
                for _ in range(self.copies()):
                    for sink in list(self._sinks.get(owner, {}).values()):
                        await sink(payload)

    def _take(self, event: Event) -> None:
        account = self._venue.accounts[event.owner]
        ledger = account.ledger
        if isinstance(ledger, MarginLedger):
            bodies = usdm_events(event, ledger, self._now_ms())
        else:
            bodies = spot_events(event, account, ledger, self._now_ms())
        self._queue.extend((event.owner, msgspec.json.encode(body)) for body in bodies)


class ListenKeys:
    """The futures market's listen keys: one an account, alive for 60 minutes of venue time after each touch."""

    def __init__(self, user_data: UserData, now_ms: Callable[[], int]) -> None:
        self._user_data = user_data
        self._now_ms = now_ms
        self._keys: dict[str, tuple[str, int]] = {}  # owner -> key, end of life in ms
        self._made = 0

    def open(self, owner: str) -> str:
        """Return the account's key, made anew if there is none alive, with its life extended."""
        self.expire_due()
        key = self._keys[owner][0] if owner in self._keys else self._fresh()
        self._keys[owner] = (key, self._now_ms() + _KEY_LIFE_MS)
        return key

    def extend(self, owner: str) -> str:
        """Extend the life of the account's key, or raise -1125."""
        self.expire_due()
        if owner not in self._keys:
            raise ApiError(400, -1125, "This listenKey does not exist.")
        return self.open(owner)

    def close(self, owner: str) -> None:
        """End the account's key; the socket stays open and silent."""
        self._keys.pop(owner, None)

    def expire_due(self, *, everything: bool = False) -> None:
        """Let keys end whose time has come, and say so on their streams."""
        now_ms = self._now_ms()
        for owner, (key, end_ms) in list(self._keys.items()):
            if everything or end_ms <= now_ms:
                self._user_data.push(owner, {"e": "listenKeyExpired", "E": now_ms, "listenKey": key})
                del self._keys[owner]

    def owner(self, key: str) -> str | None:
        """Return whose key it is, None for an unknown or ended one."""
        return next((owner for owner, (known, _) in self._keys.items() if known == key), None)

    def is_alive(self, key: str) -> bool:
        """Whether ``key`` still carries events."""
        return self.owner(key) is not None

    def _fresh(self) -> str:
        self._made += 1
        return f"{self._made:04d}" + "simulatedListenKey" * 3
