"""Independent clients against the local exchange: ``python -m tests.clients.table ENVIRONMENTS`` prints client × call × result.

ENVIRONMENTS is a folder of virtual environments named after the clients, as ``make test-clients`` builds it; those that are
missing are left out. Leaves with the number of calls that did not do as they should.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.clients.report import KEY, SECRET, WALLET
from tests.processes import simulator

# environment ("" is this one), module, markets
CLIENTS = (
    ("", "ccxt_binance", ("spot", "usdm")),
    ("python-binance", "python_binance", ("spot", "usdm")),
    ("binance-sdk", "binance_sdk", ("spot", "usdm")),
    ("", "ccxt_hyperliquid", ("hyperliquid",)),
    ("hyperliquid", "hyperliquid_sdk", ("hyperliquid",)),
)
_KEYS = {"key": KEY, "secret": SECRET, "address": WALLET}
_ACCOUNT = _KEYS | {"name": "client", "balances": {"USDT": "100000", "USDC": "100000", "BTC": "1"}}
_LONGEST_S = 120.0


@contextmanager
def exchange(market: str, folder: Path) -> Iterator[int]:
    """Run a local exchange with one funded account; yield its port."""
    accounts = folder / "accounts.json"
    accounts.write_text(json.dumps({"accounts": [_ACCOUNT]}))
    accounts.chmod(0o600)
    symbols = "BTC" if market == "hyperliquid" else "BTCUSDT"
    with simulator(folder, "--speed", "1", "--market", market, "--symbols", symbols, "--accounts", str(accounts)) as port:
        yield port


def run(python: str, module: str, port: int, *market: str) -> list[dict[str, str]]:
    """Run one client script; return what it told."""
    command = [python, "-m", f"tests.clients.{module}", str(port), *market]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    rows = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith('{"client"')]
    if ended.returncode and not any(row["result"] != "ok" for row in rows):
        rows.append({"client": " ".join((module, *market)), "call": "script", "result": "FAILED", "detail": ended.stderr[-400:]})
    return rows


def pivot(rows: list[dict[str, str]]) -> Table:
    """Return calls down, clients across; a cell names the ways (REST, WS) that did as they should."""
    cells: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        client, _, way = row["client"].rpartition(" ")
        way = "WS" if way == "WebSocket" else way
        cells.setdefault((row["call"], client), []).append(way if row["result"] == "ok" else f"{way} {row['result']}")
    clients = list(dict.fromkeys(client for _, client in cells))
    table = Table(box=None, pad_edge=False)
    table.add_column("call", no_wrap=True)
    for client in clients:
        table.add_column("\n".join(client.split()), justify="center")
    for call in dict.fromkeys(call for call, _ in cells):
        table.add_row(call, *(" ".join(cells.get((call, client), [])) for client in clients))
    return table


def main(environments: Path, *wanted: str) -> int:
    """Run every client there is an environment for (or only the ``wanted`` modules), print the table."""
    rows: list[dict[str, str]] = []
    for environment, module, markets in CLIENTS:
        if wanted and module not in wanted:
            continue
        python = Path(sys.executable) if not environment else environments / environment / "bin" / "python"
        for market in markets if python.exists() else ():
            with tempfile.TemporaryDirectory() as folder, exchange(market, Path(folder)) as port:
                rows += run(str(python), module, port, market)
    return told(pivot(rows), rows)


def told(table: Table, rows: list[dict[str, str]]) -> int:
    """Print the table and what did not do as it should; return how many did not."""
    console = Console(width=150)
    console.print(table)
    wrong = [row for row in rows if row["result"] != "ok"]
    for row in wrong:
        console.print(f"{row['client']}, {row['call']}: {row['result']}: {row['detail']}", markup=False)
    console.print(f"{len(rows)} calls, {len(wrong)} not as they should be")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(100, main(Path(sys.argv[1] if len(sys.argv) > 1 else ".venv-clients"), *sys.argv[2:])))
