"""``trader_control buy``, ``sell`` and ``close``: orders of a human through the real trader, marked as his."""

from __future__ import annotations

import sqlite3

from shared.events import Reason
from tests.processes import System
from tests.support import eventually


def test_a_human_buys_and_closes_and_the_ledger_says_who(system: System) -> None:
    _, workspace = system.trader("--speed", "1", "--seed", "3", "--symbols", "BTCUSDT,ETHUSDT")
    eventually(lambda: workspace.portfolio()["rows"][0]["bid_price_usd"] > 0, 30)
    refused = system.control("buy", "BTCUSDT", "--usd", "90000")
    assert Reason(refused["reason"]) is Reason.SYMBOL_EXPOSURE
    assert system.control("buy", "BTCUSDT", "--usd", "2000")["reason"] == 0
    eventually(lambda: workspace.portfolio()["rows"][0]["position_qty"] > 0)
    row = workspace.portfolio()["rows"][0]
    assert (int(row["manual"]), int(workspace.portfolio()["rows"][1]["manual"])) == (1, 0)
    assert float(row["stop_price_usd"]) < float(row["entry_price_usd"]) < float(row["target_price_usd"])
    assert system.control("close", "BTCUSDT")["reason"] == 0
    eventually(lambda: workspace.portfolio()["rows"][0]["position_qty"] == 0)
    assert int(workspace.portfolio()["rows"][0]["enabled"]) == 1

    def stored() -> list[tuple[str, str]]:
        (ledger,) = system.home.rglob("ledger.sqlite")
        with sqlite3.connect(ledger) as database:
            return database.execute("SELECT reason, source FROM trades WHERE symbol = 'BTCUSDT'").fetchall()

    eventually(lambda: stored() == [("manual", "operator")])
