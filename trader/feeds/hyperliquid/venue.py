"""The facts of Hyperliquid that change: addresses, limits, cadences. Everything as of 2026-09; look here first when it breaks.

2026-06 to 2026-07-25: ``l2Book`` slowed from 0.5 s to 5 s for 20 levels. ``"fast":true`` keeps 0.5 s with 5 levels. The book is
for depth; the price comes from ``bbo``, which speaks only when it changes and may be silent for a minute on a quiet coin.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trader.feeds.fees import Fees

FACTS_OF = "2026-09-30"
FEES = Fees(maker_bps=1.5, taker_bps=4.5, slippage_bps=1.5)  # perpetuals, the tier every account begins in
BOOK, QUOTES, TRADES, CANDLES, CONTEXT = "l2Book", "bbo", "trades", "candle", "activeAssetCtx"
SIM_TIME, SIM_END = "simTime", "simEnd"  # our own simulator's extension: its time, and the end of a replay

CANDLE_INTERVAL = "1m"
MINUTE_MS = 60_000
HOUR_NS = 3_600_000_000_000
FUNDING_EVERY_NS = HOUR_NS  # settled at every full hour
MOST_PRICE_DECIMALS = 6  # perpetuals: a price has at most 6 - szDecimals places
MIN_NOTIONAL_USD = 10.0
USUAL_AGE_MS = 300.0  # of the quickest frames on arrival; 250 to 900 ms were measured for all
PING_EVERY_S = 20.0  # the venue closes a connection to which it has sent nothing for 60 s; our own messages do not count
REPLAYED_TRADES = 30  # told again after every subscription, seconds to minutes old
REPLAY_AGE_MS = 5_000  # a first message of fewer trades is still a repetition as far as they are older than this
REMEMBERED_TRADES = 4_096  # of one coin: the venue repeats 30 at most, a recorder that joins two sessions somewhat more
CANDLES_PER_REQUEST = 5_000
TOO_MANY = 429

# Longest silence of a channel, seconds, before it is called stale. A channel that is not here speaks only when something happens.
STALE_FAST_BOOK_S = 10.0  # sent every 0.54 s, changed or not
STALE_FULL_BOOK_S = 20.0  # sent every 5.3 s since 2026-07-25
STALE_CONTEXT_S = 10.0  # sent every second


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where the venue is and which book is wanted of it.

    Attributes
    ----------
    rest_url, ws_url
        The address of ``/info``'s host, and the whole address of the socket.
    fast_book
        Follow 5 levels every 0.5 s instead of 20 every 5 s. Never both on one socket: a frame does not say whose it is.
    direct
        Use no proxy: the exchange is on this machine.
    """

    rest_url: str
    ws_url: str
    fast_book: bool = True
    direct: bool = False

    def subscriptions(self, coins: list[str]) -> list[dict[str, Any]]:
        """Return what to subscribe to, one coin each, the trades last: their repetition is told from what came before."""
        wanted: list[dict[str, Any]] = []
        for coin in coins:
            book = {"type": BOOK, "coin": coin}
            wanted += [book | {"fast": True} if self.fast_book else book, {"type": QUOTES, "coin": coin}]
            wanted += [{"type": CONTEXT, "coin": coin}, {"type": CANDLES, "coin": coin, "interval": CANDLE_INTERVAL}]
        return wanted + [{"type": TRADES, "coin": coin} for coin in coins]

    def stale_s(self) -> dict[str, float]:
        """Return the longest silence of each channel that has a rhythm, seconds."""
        return {BOOK: STALE_FAST_BOOK_S if self.fast_book else STALE_FULL_BOOK_S, CONTEXT: STALE_CONTEXT_S}


def endpoints() -> Endpoints:
    """Return the addresses of the real venue."""
    return Endpoints(rest_url="https://api.hyperliquid.xyz", ws_url="wss://api.hyperliquid.xyz/ws")


def testnet() -> Endpoints:
    """Return the addresses of the venue's test network."""
    return Endpoints(rest_url="https://api.hyperliquid-testnet.xyz", ws_url="wss://api.hyperliquid-testnet.xyz/ws")


def loopback(port: int) -> Endpoints:
    """Return the addresses of a simulator on this machine; its full book is as quick as the recordings are."""
    return Endpoints(rest_url=f"http://127.0.0.1:{port}", ws_url=f"ws://127.0.0.1:{port}/ws", fast_book=False, direct=True)
