"""An independent client against the simulated Hyperliquid; the others come with ``tests.clients.hyperliquid_market_table``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.clients.hyperliquid_market_table import MARKET
from tests.clients.table import run
from tests.processes import simulator


def test_ccxt_reads_every_kind_of_market_data(tmp_path: Path) -> None:
    with simulator(tmp_path, *MARKET) as port:
        rows = run(sys.executable, "ccxt_hyperliquid_market", port)
    assert [row for row in rows if row["result"] != "ok"] == []
    assert len(rows) == 15
