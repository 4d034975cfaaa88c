"""What the real Hyperliquid is known to do, as of 2026-09: rhythms, limits, coins. The numbers that change live here."""

from __future__ import annotations

from shared.clock import NS_PER_MS, NS_PER_S

BOOK_EVERY_NS = 540 * NS_PER_MS  # of the fast book, and of every book until June 2026; one rhythm for all coins
CONTEXT_EVERY_NS = NS_PER_S
CANDLE_EVERY_NS = NS_PER_S
MIDS_EVERY_NS = 5 * NS_PER_S
LONG_SILENCE_NS = 60 * NS_PER_S  # whoever has not noticed by then will not; a day of seconds would only take time
TICK_NS = NS_PER_S  # our own extension: simulated time is told at least this often

FULL_LEVELS = 20
FAST_LEVELS = 5
REPLAYED_TRADES = 30
IDLE_S = 60.0  # nothing sent for so long: the connection is cut, without a close frame
UNKNOWN_COIN_S = 0.1  # so long after naming an unknown coin the connection is cut; 90 to 155 ms were measured
MESSAGES_PER_MIN = 2000
SUBSCRIPTIONS = 1000
WEIGHT_PER_MIN = 1200
LIGHT = frozenset({"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"})
LIGHT_WEIGHT = 2
WEIGHT = 20
MOST_CANDLES = 5_000
MOST_FUNDINGS = 500
FUNDING_BEGAN_MS = 1_683_849_600_000  # 2023-05-12

HOUR_MS = 3_600_000
FUNDING_RATE = "0.0000125"  # an hour, where the recording or the generator has none: the venue's interest rate alone
PREMIUM = "0.0"

# coin -> (szDecimals, highest leverage, margin table); anything else gets the last line
ASSETS = {
    "BTC": (5, 40, 56),
    "ETH": (4, 25, 55),
    "SOL": (2, 20, 54),
    "HYPE": (2, 10, 52),
    "kPEPE": (0, 10, 52),
}
OTHER_ASSET = (2, 5, 51)
DELISTED = "MATIC"  # keeps its place in the universe; may be subscribed and has an empty book for ever

CANDLE_MS = {
    "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": HOUR_MS, "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS, "8h": 8 * HOUR_MS, "12h": 12 * HOUR_MS, "1d": 24 * HOUR_MS, "3d": 72 * HOUR_MS, "1w": 168 * HOUR_MS,
    "1M": 720 * HOUR_MS,
}  # fmt: skip
