"""Independent clients on the local Hyperliquid, market data: ``python -m tests.clients.hyperliquid_market_table ENVIRONMENTS``.

ENVIRONMENTS is a folder of virtual environments named after the clients (``hyperliquid``, ``ccxt``); ccxt is otherwise taken
from this one. Leaves with the number of calls that did not do as they should.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.table import Table

from tests.clients.table import run, told
from tests.processes import simulator

MARKET = ("--speed", "1", "--market", "hyperliquid", "--symbols", "BTC,ETH")
CLIENTS = (("hyperliquid", "hyperliquid_sdk_market"), ("ccxt", "ccxt_hyperliquid_market"))


def main(environments: Path) -> int:
    """Run every client there is an environment for, print the table."""
    rows: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as folder, simulator(Path(folder), *MARKET) as port:
        for environment, module in CLIENTS:
            python = environments / environment / "bin" / "python"
            if python.exists() or environment == "ccxt":
                rows += run(str(python) if python.exists() else sys.executable, module, port)
    clients = list(dict.fromkeys(row["client"] for row in rows))
    table = Table("call", *clients, box=None)
    for call in dict.fromkeys(row["call"] for row in rows):
        found = {row["client"]: row["result"] for row in rows if row["call"] == call}
        table.add_row(call, *(found.get(client, "") for client in clients))
    return told(table, rows)


if __name__ == "__main__":
    sys.exit(min(100, main(Path(sys.argv[1] if len(sys.argv) > 1 else ".venv-clients"))))
