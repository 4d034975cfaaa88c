"""The REST side over real sockets: shapes, errors, weights, and ccxt as an independent client."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from shared.clock import ManualClock
from trader.simulator.generated import GeneratedSource
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market

if TYPE_CHECKING:
    from collections.abc import Callable

START_NS = 1_700_000_000_000_000_000


def fetch(port: int, target: str) -> tuple[int, dict[str, str], Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{target}", timeout=20) as answer:
            return answer.status, dict(answer.headers), json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), json.loads(error.read())


def with_server(market: Market, act: Callable[[int], Any]) -> Any:
    async def scenario() -> Any:
        source = GeneratedSource(market, ("BTCUSDT", "ETHUSDT", "SOLUSDT"), 5, START_NS)
        async with SimulatorServer(source, ServerOptions(speed=None), ManualClock(START_NS)) as server:
            return await asyncio.to_thread(act, server.port)

    return asyncio.run(scenario())


def answers(market: Market, *targets: str) -> list[tuple[int, dict[str, str], Any]]:
    answered: list[tuple[int, dict[str, str], Any]] = with_server(market, lambda port: [fetch(port, t) for t in targets])
    return answered


@pytest.mark.parametrize(
    ("market", "target", "status", "body"),
    [
        ("spot", "/api/v3/depth?symbol=NOPE", 400, {"code": -1121, "msg": "Invalid symbol."}),
        ("usdm", "/fapi/v1/klines?symbol=NOPE&interval=1m", 400, {"code": -1121, "msg": "Invalid symbol."}),
        ("spot", "/api/v3/klines?symbol=BTCUSDT&interval=7m", 400, {"code": -1120, "msg": "Invalid interval."}),
        (
            "spot",
            "/api/v3/depth?symbol=BTCUSDT&limit=x",
            400,
            {"code": -1100, "msg": "Illegal characters found in parameter 'limit'."},
        ),
        ("usdm", "/fapi/v1/depth?symbol=BTCUSDT&limit=7", 400, {"code": -4021, "msg": "7 is not valid depth limit."}),
        ("spot", "/fapi/v1/ping", 404, {"code": -5000, "msg": "Path /fapi/v1/ping, Method GET is invalid"}),
        ("usdm", "/fapi/v1/nothing", 404, {"code": -5000, "msg": "Path /fapi/v1/nothing, Method GET is invalid"}),
    ],
)
def test_errors(market: str, target: str, status: int, body: dict[str, object]) -> None:
    ((got, headers, answer),) = answers(Market(market), target)
    assert (got, answer) == (status, body)
    assert "X-MBX-USED-WEIGHT-1M" in headers


@pytest.mark.parametrize("name", ["symbol", "interval"])
def test_a_missing_parameter_is_named(name: str) -> None:
    target = "/api/v3/klines?" + "&".join(f"{k}={v}" for k, v in (("symbol", "BTCUSDT"), ("interval", "1m")) if k != name)
    ((status, _, answer),) = answers(Market.SPOT, target)
    assert (status, answer["code"]) == (400, -1102)
    assert f"'{name}'" in answer["msg"]


def test_weights_add_up_and_the_limit_answers_429() -> None:
    ping, info, *rest = answers(
        Market.SPOT, "/api/v3/ping", "/api/v3/exchangeInfo", *["/api/v3/depth?symbol=BTCUSDT&limit=5000"] * 24
    )
    assert (ping[1]["X-MBX-USED-WEIGHT-1M"], info[1]["X-MBX-USED-WEIGHT-1M"]) == ("1", "21")
    assert [status for status, _, _ in rest] == [200] * 23 + [429]
    assert rest[-1][2]["code"] == -1003
    assert 0 < int(rest[-1][1]["Retry-After"]) <= 60


@pytest.mark.parametrize(("market", "prefix", "notional"), [("spot", "/api/v3", "5"), ("usdm", "/fapi/v1", "100")])
def test_time_and_exchange_info(market: str, prefix: str, notional: str) -> None:
    (_, _, time_), (_, _, info) = answers(Market(market), f"{prefix}/time", f"{prefix}/exchangeInfo")
    assert time_ == {"serverTime": START_NS // 10**6}
    assert [entry["symbol"] for entry in info["symbols"]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    filters = {entry["filterType"]: entry for entry in info["symbols"][0]["filters"]}
    assert info["symbols"][0]["filters"][0]["filterType"] == "PRICE_FILTER"
    assert float(filters["PRICE_FILTER"]["tickSize"]) == (0.01 if market == "spot" else 0.10)
    assert float(filters["LOT_SIZE"]["stepSize"]) == (0.00001 if market == "spot" else 0.001)
    least = filters["NOTIONAL"]["minNotional"] if market == "spot" else filters["MIN_NOTIONAL"]["notional"]
    assert float(least) == float(notional)


def test_klines_page_like_the_venue() -> None:
    base = "/fapi/v1/klines?symbol=BTCUSDT&interval="
    (_, _, newest), (_, _, fives) = answers(Market.USDM, base + "1m&limit=3", base + "5m&limit=1000")
    assert all(len(row) == 12 for row in newest)
    assert newest[-1][0] == START_NS // 10**6 // 60_000 * 60_000
    assert newest[1][0] - newest[0][0] == 60_000 == newest[0][6] - newest[0][0] + 1
    assert {row[0] % 300_000 for row in fives} == {0}
    ((_, _, page),) = answers(Market.USDM, f"{base}1m&limit=2&startTime={newest[0][0] - 600_000}")
    assert [row[0] for row in page] == [newest[0][0] - 600_000, newest[0][0] - 540_000]


def test_spot_exchange_info_can_be_narrowed() -> None:
    targets = ("/api/v3/exchangeInfo?symbol=ETHUSDT", '/api/v3/exchangeInfo?symbols=["SOLUSDT"]'.replace('"', "%22"))
    first, second = (answer["symbols"] for _, _, answer in answers(Market.SPOT, *targets))
    assert [entry["symbol"] for entry in first + second] == ["ETHUSDT", "SOLUSDT"]


@pytest.mark.parametrize(("market", "kind", "symbol"), [("spot", "spot", "BTC/USDT"), ("usdm", "linear", "BTC/USDT:USDT")])
def test_ccxt_reads_markets_book_and_candles(market: str, kind: str, symbol: str) -> None:
    import ccxt

    def act(port: int) -> None:
        exchange = ccxt.binance() if market == "spot" else ccxt.binanceusdm()
        exchange.options |= {"fetchMarkets": {"types": [kind]}, "fetchCurrencies": False}
        urls = exchange.urls["api"]
        for name, url in urls.items():
            if isinstance(url, str):
                urls[name] = f"http://127.0.0.1:{port}/" + url.split("/", 3)[3]
        exchange.load_markets()
        assert exchange.markets[symbol]["precision"]["price"] == (0.01 if market == "spot" else 0.1)
        book = exchange.fetch_order_book(symbol, limit=100)
        assert len(book["bids"]) == len(book["asks"]) == 100
        assert 0 < book["asks"][0][0] - book["bids"][0][0] < 1.0
        candles = exchange.fetch_ohlcv(symbol, "1m", limit=100)
        assert len(candles) == 100
        assert all(low <= min(open_, close) <= max(open_, close) <= high for _, open_, high, low, close, _ in candles)
        exchange.session.close()

    with_server(Market(market), act)
