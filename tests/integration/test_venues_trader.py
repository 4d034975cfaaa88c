"""The trader as a process on two venues at once, each a simulator of its own, frames kept as they come."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

from shared.paths import project_root
from tests.processes import simulator

SYMBOLS = "BTCUSDT@binance-usdm,BTC@hyperliquid"


def test_two_venues_in_one_trader_and_their_frames_on_disk(tmp_path: Path) -> None:
    usdm = ("--market", "usdm", "--symbols", "BTCUSDT", "--speed", "1")
    coins = ("--market", "hyperliquid", "--symbols", "BTC", "--speed", "1")
    with simulator(tmp_path / "u", *usdm) as one, simulator(tmp_path / "h", *coins) as other:
        command = [
            sys.executable, "-m", "trader.cli", "--paper", "--json", "--venue", "binance,hyperliquid", "--symbols", SYMBOLS,
            "--local", f"binance={one}", "--local", f"hyperliquid={other}", "--costs", "hyperliquid",
            "--instance", "venues", "--session", "both", "--raw", "--duration", "8",
        ]  # fmt: skip
        environment = {**os.environ, "TRADER_HOME": str(tmp_path), "PYTHONPATH": str(project_root())}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
    said = [json.loads(line) for line in (ran.stdout + ran.stderr).splitlines()]
    (summary,) = [line for line in said if line["event"] == "summary"]
    assert set(summary["tops"]) == set(SYMBOLS.split(","))
    assert all(0.0 < bid < ask for bid, ask in summary["tops"].values())
    assert summary["bad_messages"] == 0
    assert any("hyperliquid as of" in line.get("text", "") for line in said)
    assert any("SIMULATED" in line.get("text", "") for line in said)
    raw = tmp_path / "venues" / "sessions" / "both" / "raw"
    for venue, mark in (("binance-usdm", b"btcusdt@depth"), ("hyperliquid", b'"l2Book"')):
        frames = b"".join(gzip.decompress(path.read_bytes()) for path in sorted((raw / venue).glob("*.gz")))
        assert mark in frames
        assert (raw / venue / "index.jsonl").exists()
