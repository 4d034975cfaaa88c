"""An independent client against the simulated Hyperliquid; the others come with ``tests.clients.hyperliquid_market_table``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.table import exchange, run


def test_ccxt_reads_every_kind_of_market_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    with exchange("hyperliquid", "BTC,ETH") as port:
        rows = run(sys.executable, "ccxt_hyperliquid_market", port)
    assert [row for row in rows if row["result"] != "ok"] == []
    assert len(rows) == 15
