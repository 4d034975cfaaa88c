"""The venue's own SDKs, which check every answer against typed models: ``python -m tests.clients.binance_sdk PORT spot|usdm``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
from binance_sdk_spot.spot import Spot

from tests.clients.report import KEY, SECRET, Report


def configured(port: int, market: str) -> Any:
    """Return an SDK client pointed at loopback."""
    base, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    path = "/ws-api/v3" if market == "spot" else "/ws-fapi/v1"
    return (Spot if market == "spot" else DerivativesTradingUsdsFutures)(
        config_rest_api=ConfigurationRestAPI(api_key=KEY, api_secret=SECRET, base_path=base, retries=0),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=ws),
        config_ws_api=ConfigurationWebSocketAPI(api_key=KEY, api_secret=SECRET, stream_url=ws + path),
    )


def rest(port: int, market: str) -> int:
    """Make the REST calls."""
    report, api = Report(f"binance-sdk {market} REST"), configured(port, market).rest_api
    spot, symbol = market == "spot", "BTCUSDT"

    def run(call: str, name: str, check: Any = lambda _: True, **params: Any) -> Any:
        return report.run(call, lambda: getattr(api, name)(**params).data(), check)

    run("markets", "exchange_info" if spot else "exchange_information", lambda i: len(i.symbols) == 1)
    book = run("order book", "depth" if spot else "order_book", symbol=symbol, limit=20)
    bid = float(book.bids[0][0])
    run("trades", "get_trades" if spot else "recent_trades_list", symbol=symbol, limit=10)
    run("balance", "get_account" if spot else "account_information_v3")
    run("market order", "new_order", symbol=symbol, side="BUY", type="MARKET", quantity=0.01, new_order_resp_type="RESULT",
        check=lambda o: o.status == "FILLED")  # fmt: skip
    run("limit order", "new_order", symbol=symbol, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01,
        price=round(bid * 0.99, 1), new_client_order_id="client-3")  # fmt: skip
    named = {"symbol": symbol, "orig_client_order_id": "client-3"}
    run("fetch order by client id", "get_order" if spot else "query_order", lambda o: o.status == "NEW", **named)
    run("open orders", "get_open_orders" if spot else "current_all_open_orders", lambda rows: len(rows) == 1, symbol=symbol)
    run("cancel", "delete_order" if spot else "cancel_order", lambda o: o.status == "CANCELED", **named)
    again = "delete_order" if spot else "cancel_order"
    report.refused("cancel again", lambda: getattr(api, again)(**named).data(), "Unknown order", "-2011")
    run("own trades", "my_trades" if spot else "account_trade_list", lambda rows: len(rows) > 0, symbol=symbol)
    if not spot:
        run("positions", "position_information_v3", lambda rows: float(rows[0].position_amt) > 0, symbol=symbol)
        run("leverage", "change_initial_leverage", symbol=symbol, leverage=10)
        stop = {"algo_type": "CONDITIONAL", "symbol": symbol, "side": "SELL", "type": "STOP_MARKET"}
        run("stop order", "new_algo_order", **stop, quantity=0.01, trigger_price=round(bid * 0.98, 1), client_algo_id="stop-3")
        run("cancel stop", "cancel_algo_order", client_algo_id="stop-3")
        run("countdown", "auto_cancel_all_open_orders", symbol=symbol, countdown_time=5000)
    return report.failed


async def stream(port: int, market: str) -> int:
    """Make the WebSocket calls."""
    report, client = Report(f"binance-sdk {market} WebSocket"), configured(port, market)
    spot = market == "spot"
    streams = await client.websocket_streams.create_connection()
    name = "agg_trade" if spot else "aggregate_trade_streams"
    trades = await report.await_("subscribe trades", lambda: getattr(streams, name)(symbol="btcusdt"))
    await report.await_("trades", lambda: next_message(trades))
    api = await client.websocket_api.create_connection()
    placed = {"symbol": "BTCUSDT", "side": "BUY", "quantity": 0.01}
    if spot:
        answer = await report.await_("subscribe user stream", api.user_data_stream_subscribe_signature)
        user = answer.stream
        place: Any = lambda: api.order_place(**placed, type="MARKET")  # noqa: E731
    else:
        key = client.rest_api.start_user_data_stream().data().listen_key
        user = await report.await_("subscribe user stream", lambda: streams.user_data(key))
        place = lambda: api.new_order(**placed, type="MARKET")  # noqa: E731
    waiting = asyncio.create_task(next_message(user))
    await report.await_("create over WebSocket API", place)
    await report.await_("user stream: orders", lambda: waiting)
    return report.failed


async def next_message(stream: Any) -> Any:
    """Return the next message of a stream handle."""
    arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def take(message: Any) -> None:
        if not arrived.done():
            arrived.set_result(message)

    stream.on("message", take)
    return await asyncio.wait_for(arrived, 10)


if __name__ == "__main__":
    chosen_port, chosen = int(sys.argv[1]), sys.argv[2]
    failed = rest(chosen_port, chosen) + asyncio.run(stream(chosen_port, chosen))
    Report("", failed).end()
