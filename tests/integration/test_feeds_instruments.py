from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from shared.clock import SystemClock
from shared.errors import ConfigError, FeedError, TradingError, UsageError
from tests.support import recorded
from trader.feeds.binance.rest import BinanceRest
from trader.feeds.binance.venue import Market, endpoints, loopback
from trader.feeds.instruments import Instrument

pytestmark = pytest.mark.recorded


def ask(market: Market, answers: Callable[[str], bytes], symbols: list[str]) -> list[Instrument]:
    """Ask a venue that gives these answers for the facts of ``symbols``."""

    async def answer(_connection: ServerConnection, request: Request) -> Response:
        body = answers(request.path)
        status = 400 if body.startswith(b'{"code"') else 200
        return Response(status, "", Headers({"Content-Length": str(len(body)), "Connection": "close"}), body)

    async def nobody(_connection: ServerConnection) -> None: ...

    async def scenario() -> list[Instrument]:
        async with serve(nobody, "127.0.0.1", 0, process_request=answer) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with BinanceRest(loopback(market, port), SystemClock(), np.random.default_rng(1)) as rest:
                return await rest.instruments(symbols)

    return asyncio.run(scenario())


def body_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_the_facts_of_spot_and_futures() -> None:
    folder = recorded("binance_wire_frames_2026")
    (spot,) = ask("spot", lambda _: body_of(folder / "spot_exchange_info_testnet_20260913.json"), ["BTCUSDT"])
    assert (spot.tick_size, spot.step_size, spot.min_qty, spot.perpetual) == (0.01, 0.00001, 0.00001, False)
    assert spot.min_notional_usd == 5.0
    (future,) = ask("usdm", lambda _: body_of(folder / "usdm_exchange_info_demo_20260910.json"), ["BTCUSDT"])
    expected = Instrument(
        symbol="BTCUSDT", tick_size=0.1, step_size=0.0001, min_qty=0.0001, max_qty=1000.0, min_notional_usd=50.0, perpetual=True
    )
    assert future == expected


def test_among_seven_hundred_symbols_a_wrong_name_gets_near_ones() -> None:
    everything = body_of(recorded("binance_exchange_info") / "usdm_exchangeInfo_20260331_705symbols.json.gz")
    with pytest.raises(UsageError, match=r"symbol: was 'ETHUSTD', expected one the venue lists, such as .*ETHUSDT"):
        ask("usdm", lambda _: everything, ["BTCUSDT", "ETHUSTD"])


def test_spot_lists_everything_only_when_a_name_is_unknown() -> None:
    listed = body_of(recorded("binance_wire_frames_2026") / "spot_exchange_info_testnet_20260913.json")
    paths: list[str] = []

    def answers(path: str) -> bytes:
        paths.append(path)
        return b'{"code":-1121,"msg":"Invalid symbol."}' if "symbols=" in path else listed

    with pytest.raises(UsageError, match=r"'BTCUSTD', expected one the venue lists, such as BTCUSDT"):
        ask("spot", answers, ["BTCUSTD"])
    assert len(paths) == 2


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b"<html>", FeedError, "exchangeInfo: was b'<html>', expected JSON"),
        (b'{"code":-1003,"msg":"Too much"}', FeedError, "was 400 -1003 'Too much', expected 200"),
        (b'{"symbols":[{"symbol":"X","status":"HALT","filters":[]}]}', UsageError, "was X with status HALT, expected"),
        (b'{"symbols":[{"symbol":"X","status":"TRADING","filters":[]}]}', FeedError, "expected 'PRICE_FILTER' among them"),
        (b'{"symbols":[{"symbol":"X","filters":[]}]}', FeedError, "status: was missing"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(body: bytes, error: type[TradingError], words: str) -> None:
    with pytest.raises(error) as raised:
        ask("usdm", lambda _: body, ["X"])
    assert words in str(raised.value)


def test_the_futures_streams_go_to_their_own_paths() -> None:
    public, market = endpoints("usdm").sockets
    assert (public.path, market.path) == ("/public/stream", "/market/stream")
    assert "btcusdt@depth@100ms" in public.streams(["BTCUSDT"])
    assert "btcusdt@aggTrade" in market.streams(["BTCUSDT"])
    assert loopback("usdm", 1).sockets[0].streams(["BTCUSDT"]) == ["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@0ms"]
    with pytest.raises(ConfigError, match="expected spot or usdm"):
        endpoints("margin")  # type: ignore[arg-type]
