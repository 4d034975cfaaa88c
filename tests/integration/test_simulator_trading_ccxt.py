"""ccxt, an independent client, trades on the local exchange."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from shared.clock import SystemClock
from trader.simulator.generated import GeneratedSource
from trader.simulator.server import ServerOptions, SimulatorServer
from trader.simulator.source import Market
from trader.simulator.trading.accounts_file import AccountEntry

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRY = AccountEntry(name="main", key="k", secret="s", balances={"USDT": Decimal(100_000), "BTC": Decimal(1)})  # noqa: S106
CASES = [("spot", "BTC/USDT"), ("usdm", "BTC/USDT:USDT")]


def client(port: int, market: str) -> Any:
    import ccxt

    from tests.clients.ccxt_binance import pointed

    return pointed((ccxt.binance if market == "spot" else ccxt.binanceusdm)({"apiKey": "k", "secret": "s"}), port, market)


def with_client(market: str, act: Callable[[Any], None]) -> SimulatorServer:
    async def scenario() -> SimulatorServer:
        clock = SystemClock()
        source = GeneratedSource(Market(market), ("BTCUSDT",), 5, clock.now_ns())
        async with SimulatorServer(source, ServerOptions(accounts=(ENTRY,)), clock) as server:
            exchange = client(server.port, market)
            try:
                await asyncio.to_thread(act, exchange)
            finally:
                exchange.session.close()
            return server

    return asyncio.run(scenario())


@pytest.mark.parametrize(("market", "symbol"), CASES)
def test_orders_live_and_end_as_ccxt_expects(market: str, symbol: str) -> None:
    import ccxt

    def act(exchange: Any) -> None:
        exchange.load_markets()
        bid, _ = exchange.fetch_order_book(symbol, limit=5)["bids"][0]
        bought = exchange.create_order(symbol, "market", "buy", 0.01)
        assert (bought["status"], bought["filled"]) == ("closed", 0.01)
        resting = exchange.create_order(symbol, "limit", "buy", 0.01, round(bid * 0.99, 1), {"clientOrderId": "mine-1"})
        again = exchange.fetch_order(None, symbol, {"origClientOrderId": "mine-1"})
        assert (again["id"], again["status"]) == (resting["id"], "open")
        assert [order["id"] for order in exchange.fetch_open_orders(symbol)] == [resting["id"]]
        assert exchange.cancel_order(resting["id"], symbol)["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            exchange.cancel_order(resting["id"], symbol)
        with pytest.raises(ccxt.BaseError, match=r"immediately match|Post Only"):
            exchange.create_order(symbol, "limit", "buy", 0.01, round(bid * 1.01, 1), {"postOnly": True})
        taken = exchange.create_order(symbol, "limit", "buy", 0.01, round(bid * 1.01, 1), {"timeInForce": "IOC"})
        assert taken["status"] == "closed"
        assert sum(trade["amount"] for trade in exchange.fetch_my_trades(symbol)) == pytest.approx(0.02)
        balance = exchange.fetch_balance()["USDT"]["total"]
        assert balance < 100_000 if market == "usdm" else balance < 99_000

    with_client(market, act)


def test_a_futures_position_is_stopped_reduced_and_seen() -> None:
    import ccxt

    symbol = CASES[1][1]

    def act(exchange: Any) -> None:
        exchange.load_markets()
        exchange.create_order(symbol, "market", "sell", 0.01)
        (position,) = exchange.fetch_positions([symbol])
        assert (position["side"], position["contracts"]) == ("short", 0.01)
        stop_price = round(position["entryPrice"] * 1.02, 1)
        guard = {"stopLossPrice": stop_price, "reduceOnly": True}
        stop = exchange.create_order(symbol, "market", "buy", 0.01, None, guard)
        (waiting,) = exchange.fetch_open_orders(symbol, params={"trigger": True})
        assert (waiting["id"], waiting["stopPrice"]) == (stop["id"], stop_price)
        assert exchange.fetch_open_orders(symbol) == []
        exchange.cancel_order(stop["id"], symbol, {"trigger": True})
        exchange.create_order(symbol, "market", "buy", 0.01, None, {"reduceOnly": True})
        assert exchange.fetch_positions([symbol]) == []
        with pytest.raises(ccxt.BaseError, match="-2022"):
            exchange.create_order(symbol, "market", "buy", 0.01, None, {"reduceOnly": True})

    with_client("usdm", act)
