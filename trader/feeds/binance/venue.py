"""The facts of Binance that change: addresses, paths, limits, weights, fees. Look here first when it breaks.

Everything as of 2026-09-30; fees are those of an account without any discount.

2026-04-23: USD-M split its streams by path (``/public``, ``/market``, ``/private``). The old path still connects and acknowledges
every subscription, then carries the public ones only: hence a deadline for the first message of each stream.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.errors import ConfigError
from trader.feeds.fees import Fees

Market = Literal["spot", "usdm"]

FACTS_OF = "2026-09-30"
SIM_STREAM = "!sim"  # our own simulator's extension: its time, and the end of a replay
MARK_STREAM = "markPrice@1s"
SLOW_MARK_STREAM = "markPrice"  # the same every 3 s
CANDLE_STREAM = "kline_1m"  # every 250 ms to 2 s while there are trades
KLINE_INTERVAL = "1m"
MINUTE_MS = 60_000
MAX_AGE_S = 23.5 * 3600.0  # the venue ends a connection after 24 h; ours is replaced before
# Streams that come steadily, and the silence of one of them that means it stopped. Trades and candles of a quiet symbol do not.
STALE_S = {MARK_STREAM: 15.0, "bookTicker": 60.0, "depth@100ms": 60.0}
FEES: dict[Market, Fees] = {
    "spot": Fees(maker_bps=10.0, taker_bps=10.0, slippage_bps=2.0),
    "usdm": Fees(maker_bps=2.0, taker_bps=5.0, slippage_bps=1.0),
}


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """What a request costs of the allowance of an address, ``per_min`` a minute."""

    per_min: int
    depth: int
    klines: int
    exchange_info: int
    time: int = 1


_SPOT_WEIGHTS = Weights(per_min=6000, depth=50, klines=2, exchange_info=20)
_USDM_WEIGHTS = Weights(per_min=2400, depth=20, klines=10, exchange_info=1)


class SocketPlan(msgspec.Struct, frozen=True):
    """One connection: its path, and the streams of each symbol it carries (without the symbol).

    Of the ``optional`` ones nothing is expected: a recording need not have them.
    """

    path: str
    kinds: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def streams(self, symbols: list[str]) -> list[str]:
        """Return the stream names for ``symbols``; a name in capitals is acknowledged and then silent."""
        return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in self.kinds]

    def optional_streams(self, symbols: list[str]) -> list[str]:
        """Return the names of those of which nothing is expected."""
        return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in self.optional]

    def stale_s(self, symbols: list[str]) -> dict[str, float]:
        """Return the longest silence of each stream that comes steadily."""
        return {f"{symbol.lower()}@{kind}": STALE_S[kind] for symbol in symbols for kind in self.kinds if kind in STALE_S}


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a market is and how much it allows.

    Attributes
    ----------
    rest_url, rest_prefix
        Host of the REST interface and the path before ``/depth`` and the like.
    ws_url
        Host of the streams; each socket adds its path.
    sockets
        The connections to open.
    trade_stream
        ``trade`` or ``aggTrade``.
    depth_limit, klines_limit
        Levels a side of a snapshot, and candles of a page.
    weights
        What requests cost.
    direct
        Use no proxy: the exchange is on this machine.
    measure_clock
        Ask for the venue's time every now and then. A simulator's time is its own affair.
    """

    market: Market
    rest_url: str
    rest_prefix: str
    ws_url: str
    sockets: tuple[SocketPlan, ...]
    trade_stream: str
    depth_limit: int = 1000
    klines_limit: int
    weights: Weights
    direct: bool = False
    measure_clock: bool = True

    @property
    def venue(self) -> str:
        """The name of venue and market, as symbols and messages carry it."""
        return f"binance-{self.market}"


def endpoints(market: Market) -> Endpoints:
    """Return the addresses of the real venue.

    Errors
    ------
    ConfigError
        If there is no such market.
    """
    if market == "spot":
        return Endpoints(
            market="spot",
            rest_url="https://api.binance.com",
            rest_prefix="/api/v3",
            ws_url="wss://stream.binance.com:9443",
            sockets=(SocketPlan("/stream", ("trade", "bookTicker", "depth@100ms"), (CANDLE_STREAM,)),),
            trade_stream="trade",
            klines_limit=1000,
            weights=_SPOT_WEIGHTS,
        )
    if market == "usdm":
        return Endpoints(
            market="usdm",
            rest_url="https://fapi.binance.com",
            rest_prefix="/fapi/v1",
            ws_url="wss://fstream.binance.com",
            sockets=(
                SocketPlan("/public/stream", ("bookTicker", "depth@100ms")),
                # aggTrade alone can be silent for minutes, and silence of all means "reconnect": the mark price never is
                SocketPlan("/market/stream", ("aggTrade", MARK_STREAM), (CANDLE_STREAM,)),
            ),
            trade_stream="aggTrade",
            klines_limit=1500,
            weights=_USDM_WEIGHTS,
        )
    raise ConfigError(f"market: was {market!r}, expected spot or usdm")


def loopback(market: Market, port: int, depth_speed: str = "", trade_stream: str = "trade") -> Endpoints:
    """Return the addresses of a simulator on this machine: one socket, so that two replays interleave alike.

    Parameters
    ----------
    port
        Its TCP port.
    depth_speed
        ``0ms``, ``100ms`` or ``500ms``; by default what the recordings of the market hold.
    trade_stream
        ``trade``, or ``aggTrade`` for a recording that has no other.
    """
    venue = endpoints(market)
    speed = depth_speed or ("0ms" if market == "usdm" else "100ms")
    path = "/sim/stream" if market == "usdm" else "/stream"  # all categories on one path: an extension of the simulator
    optional = (MARK_STREAM,) if market == "usdm" else ()
    return msgspec.structs.replace(
        venue,
        rest_url=f"http://127.0.0.1:{port}",
        ws_url=f"ws://127.0.0.1:{port}",
        sockets=(SocketPlan(path, (trade_stream, "bookTicker", f"depth@{speed}"), optional),),
        trade_stream=trade_stream,
        direct=True,
        measure_clock=False,
    )
