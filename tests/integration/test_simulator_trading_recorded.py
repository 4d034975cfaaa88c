"""Orders against recorded markets: they fill at recorded prices and add up, the same in every run."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import numpy as np
import pytest

from shared.clock import ManualClock
from tests.support import recorded
from trader.simulator.binance_trading.gateway import BinanceTrading
from trader.simulator.binance_trading.limits import RequestBudget
from trader.simulator.replay import ReplaySource
from trader.simulator.source import Frame
from trader.simulator.trading.account import Account
from trader.simulator.trading.accounts_file import AccountEntry
from trader.simulator.trading.ledger import MarginLedger
from trader.simulator.trading.orders import ZERO, OrderRequest, Rejected, Side

ENTRY = AccountEntry(name="a", key="k", balances={"USDT": Decimal(10**6), "BTC": Decimal(10)})
SPAN_S = 20.0


def traded(folder: str) -> Account:
    """Place an order every 40 frames around the touch, at random but the same in every run."""
    source = ReplaySource(recorded(folder), SPAN_S)
    trading = BinanceTrading(source, [ENTRY], RequestBudget(source.market, ManualClock()), 1.0)
    account, rng = trading.venue.accounts["a"], np.random.default_rng(1)
    symbol = next(iter(source.specs))
    spec, view = source.specs[symbol], trading.venue.view(symbol)
    for number, frame in enumerate(source.items()):
        if not isinstance(frame, Frame):
            continue
        trading.take(frame)
        if number % 40 == 0 and view.bid and view.ask:
            side = (Side.BUY, Side.SELL)[int(rng.integers(2))]
            touch = view.bid[0] if side is Side.BUY else view.ask[0]
            price = touch - side.sign * int(rng.integers(-3, 20)) * spec.tick
            with suppress(Rejected):
                trading.venue.place(
                    account, OrderRequest(symbol, side, spec.step * int(rng.integers(1, 50)), price, f"o{number}")
                )
    return account


@pytest.mark.recorded
@pytest.mark.parametrize("folder", ["binance_spot_raw_ws_2024", "binance_usdm_raw_ws_2024"])
def test_orders_on_a_recording_add_up(folder: str) -> None:
    account = traded(folder)
    fills, ledger = account.fills, account.ledger
    assert {fill.is_maker for fill in fills} == {True, False}
    signed = sum((fill.side.sign * fill.qty for fill in fills), ZERO)
    cash = sum((-fill.side.sign * fill.value for fill in fills), ZERO)
    for order in account.orders.values():
        assert all((fill.price - (order.price or ZERO)) * order.side.sign <= 0 for fill in order.fills)
    if isinstance(ledger, MarginLedger):
        (held,) = ledger.positions.values()
        assert held.qty == signed
        assert ledger.wallet == 10**6 + cash + held.cost - sum((fill.fee for fill in fills), ZERO)
    else:
        paid = {asset: sum((fill.fee for fill in fills if fill.fee_asset == asset), ZERO) for asset in ("BTC", "USDT")}
        assert ledger.balances["BTC"].total == 10 + signed - paid["BTC"]
        assert ledger.balances["USDT"].total == 10**6 + cash - paid["USDT"]


@pytest.mark.recorded
def test_two_runs_trade_alike() -> None:
    first, second = (traded("binance_spot_raw_ws_2024") for _ in range(2))
    assert first.fills == second.fills
