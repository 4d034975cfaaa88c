"""The facts of Binance that change: addresses, paths, limits. Everything as of 2026-09; look here first when it breaks.

2026-04-23: USD-M split its streams by path (``/public``, ``/market``, ``/private``). The old path still connects and acknowledges
every subscription, then carries the public ones only: hence a deadline for the first message of each stream.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.errors import ConfigError

Market = Literal["spot", "usdm"]

SIM_STREAM = "!sim"  # our own simulator's extension: its time, and the end of a replay
PULSE_STREAM = "markPrice@1s"  # comes every second: aggTrade alone can be silent for minutes, and silence means "reconnect"
KLINE_INTERVAL = "1m"
MINUTE_MS = 60_000
WEIGHT_RESERVE = 0.8  # above this share of the used weight we pause: other programs share the address


class SocketPlan(msgspec.Struct, frozen=True):
    """One connection: its path, and the streams of each symbol it carries (without the symbol)."""

    path: str
    kinds: tuple[str, ...]

    def streams(self, symbols: list[str]) -> list[str]:
        """Return the stream names for ``symbols``; a name in capitals is acknowledged and then silent."""
        return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in self.kinds]


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
    depth_weight, weight_per_min
        What a snapshot costs, and the allowance of an address.
    direct
        Use no proxy: the exchange is on this machine.
    """

    market: Market
    rest_url: str
    rest_prefix: str
    ws_url: str
    sockets: tuple[SocketPlan, ...]
    trade_stream: str
    depth_limit: int = 1000
    klines_limit: int
    depth_weight: int
    weight_per_min: int
    direct: bool = False


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
            sockets=(SocketPlan("/stream", ("trade", "bookTicker", "depth@100ms")),),
            trade_stream="trade",
            klines_limit=1000,
            depth_weight=50,
            weight_per_min=6000,
        )
    if market == "usdm":
        return Endpoints(
            market="usdm",
            rest_url="https://fapi.binance.com",
            rest_prefix="/fapi/v1",
            ws_url="wss://fstream.binance.com",
            sockets=(
                SocketPlan("/public/stream", ("bookTicker", "depth@100ms")),
                SocketPlan("/market/stream", ("aggTrade", PULSE_STREAM)),
            ),
            trade_stream="aggTrade",
            klines_limit=1500,
            depth_weight=20,
            weight_per_min=2400,
        )
    raise ConfigError(f"market: was {market!r}, expected spot or usdm")


def loopback(market: Market, port: int, depth_speed: str = "") -> Endpoints:
    """Return the addresses of a simulator on this machine: one socket, so that two replays interleave alike.

    Parameters
    ----------
    port
        Its TCP port.
    depth_speed
        ``0ms``, ``100ms`` or ``500ms``; by default what the recordings of the market hold.
    """
    venue = endpoints(market)
    speed = depth_speed or ("0ms" if market == "usdm" else "100ms")
    path = "/public/stream" if market == "usdm" else "/stream"
    return msgspec.structs.replace(
        venue,
        rest_url=f"http://127.0.0.1:{port}",
        ws_url=f"ws://127.0.0.1:{port}",
        sockets=(SocketPlan(path, ("trade", "bookTicker", f"depth@{speed}")),),
        trade_stream="trade",
        direct=True,
    )
