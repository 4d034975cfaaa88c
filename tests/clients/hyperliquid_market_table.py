"""Independent clients on the local Hyperliquid, market data: ``python -m tests.clients.hyperliquid_market_table ENVIRONMENTS``.

ENVIRONMENTS is a folder of virtual environments named after the clients (``hyperliquid``, ``ccxt``); ccxt is otherwise taken
from this one. Leaves with the number of calls that did not do as they should.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

CLIENTS = (("hyperliquid", "hyperliquid_sdk_market"), ("ccxt", "ccxt_hyperliquid_market"))
_LONGEST_S = 120.0


@contextmanager
def exchange() -> Iterator[int]:
    """Run a local Hyperliquid with a generated market; yield its port."""
    command = [sys.executable, "-m", "trader.simulator.cli", "--market", "hyperliquid", "--symbols", "BTC,ETH", "--json"]
    with subprocess.Popen([*command, "--instance", f"clients{os.getpid()}"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(json.loads(process.stdout.readline())["port"])
        finally:
            process.terminate()


def run(python: str, module: str, port: int) -> list[dict[str, str]]:
    """Run one client script; return what it told."""
    command = [python, "-m", f"tests.clients.{module}", str(port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    rows = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith('{"client"')]
    if ended.returncode and not any(row["result"] != "ok" for row in rows):
        rows.append({"client": module, "call": "script", "result": "FAILED", "detail": ended.stderr[-400:]})
    return rows


def main(environments: Path) -> int:
    """Run every client there is an environment for, print the table."""
    rows: list[dict[str, str]] = []
    with exchange() as port:
        for environment, module in CLIENTS:
            python = environments / environment / "bin" / "python"
            if python.exists() or environment == "ccxt":
                rows += run(str(python) if python.exists() else sys.executable, module, port)
    clients = list(dict.fromkeys(row["client"] for row in rows))
    table = Table("call", *clients, box=None)
    for call in dict.fromkeys(row["call"] for row in rows):
        found = {row["client"]: row["result"] for row in rows if row["call"] == call}
        table.add_row(call, *(found.get(client, "") for client in clients))
    console = Console(width=130)
    console.print(table)
    failed = [row for row in rows if row["result"] != "ok"]
    for row in failed:
        console.print(f"{row['client']}, {row['call']}: {row['result']}: {row['detail']}", markup=False)
    console.print(f"{len(rows)} calls, {len(failed)} not as they should be")
    return len(failed)


if __name__ == "__main__":
    sys.exit(min(100, main(Path(sys.argv[1] if len(sys.argv) > 1 else ".venv-clients"))))
