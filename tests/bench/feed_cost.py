"""What a frame costs in this handler, and in other clients, in one run over the same recorded frames.

``python -m tests.bench.feed_cost PYTHON`` with the interpreter of an environment that has ccxt and cryptofeed
(``make bench-feeds``). Processor time, best of five rounds each: a busy machine disturbs that least.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from shared.clock import ManualClock
from shared.paths import project_root
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.stats import FeedStats

ROUNDS = 5
MOST = 6_000  # frames of a kind
SYMBOL = "BTCUSDT"
PEERS = Path(__file__).with_name("feed_peers.py")


def recorded_frames() -> dict[str, list[bytes]]:
    """Return real USD-M frames by kind, and the snapshot their depth starts from.

    aggTrade is written anew from the recorded trades, as the venue words it: no recording holds both.
    """
    data = project_root().parent / "shared" / "data"
    frames: dict[str, list[bytes]] = {"depth": [], "bookTicker": [], "trade": [], "aggTrade": []}
    for path in sorted((data / "binance_usdm_raw_ws_2024").glob("*.gz")):
        with gzip.open(path) as lines:
            for line in lines:
                _sort(line.rstrip(b"\r\n").partition(b" ")[2], frames)
    last = json.loads(frames["snapshot"][0])["lastUpdateId"]
    frames["depth"] = [frame for frame in frames["depth"] if json.loads(frame)["data"]["u"] >= last]
    single = [
        line for path in sorted((data / "binance_wire_frames_2026").glob("*.jsonl")) for line in path.read_bytes().splitlines()
    ]
    for kind in ("markPrice", "kline"):
        own = [line for line in single if b"btcusdt@" + kind.encode() in line]
        frames[kind] = list(islice(cycle(own), MOST))
    return {kind: lines[:MOST] for kind, lines in frames.items()}


def _sort(frame: bytes, frames: dict[str, list[bytes]]) -> None:
    if b'"lastUpdateId"' in frame[:40]:
        frames.setdefault("snapshot", []).append(frame)
        return
    kind = frame[:60].partition(b"@")[2].partition(b'"')[0].partition(b"@")[0].decode()
    frames[kind].append(frame)
    if kind == "trade":
        data = json.loads(frame)["data"]
        words = {"e": "aggTrade", "E": data["E"], "a": data["t"], "s": data["s"], "p": data["p"], "q": data["q"], "nq": data["q"],
                 "f": data["t"], "l": data["t"], "T": data["T"], "m": data["m"], "st": 1}  # fmt: skip
        text = json.dumps({"stream": "btcusdt@aggTrade", "data": words}, separators=(",", ":"))
        frames["aggTrade"].append(text.encode())


def own_cost_ns(kind: str, frames: list[bytes], snapshot: bytes) -> float:
    """Return the nanoseconds a frame takes in this handler, its book in step."""
    trade_stream = "aggTrade" if kind == "aggTrade" else "trade"
    handler = BinanceHandler("usdm", [SYMBOL], trade_stream, ManualClock(), FeedStats())
    if kind == "depth":
        handler.on_frame(frames[0])
        handler.on_snapshot(SYMBOL, snapshot)
        handler.take()
        frames = frames[1:]
    return frame_ns(handler, frames)


def frame_ns(handler: Any, frames: list[bytes]) -> float:
    """Return the nanoseconds a frame takes in a handler, rows given out after each as the feed does."""
    begun_ns = time.process_time_ns()
    for frame in frames:
        handler.on_frame(frame)
        handler.take()
    return (time.process_time_ns() - begun_ns) / len(frames)


def ask_peers(python: str, script: Path, frames: dict[str, list[bytes]]) -> Any:
    """Return what a script of other clients, run by the interpreter of their environment, prints of these frames."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({kind: [line.decode() for line in lines] for kind, lines in frames.items()}, file)
        file.flush()
        answer = subprocess.run([python, str(script), file.name], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


@click.command()
@click.argument("python")
def main(*, python: str) -> None:
    """Print the table; PYTHON is the interpreter of an environment with ccxt and cryptofeed."""
    frames = recorded_frames()
    peers: dict[str, dict[str, float]] = ask_peers(python, PEERS, frames)
    (snapshot,) = frames.pop("snapshot")
    table = Table("frame", "frames", "this handler µs", *(f"{name} µs" for name in peers), *(f"× {name}" for name in peers))
    for kind, lines in frames.items():
        own = min(own_cost_ns(kind, lines, snapshot) for _ in range(ROUNDS))
        theirs = [peers[name][kind] for name in peers]
        row = [f"{value / 1e3:.2f}" if value == value else "-" for value in (own, *theirs)]  # noqa: PLR0124 - nan
        row += [f"{value / own:.1f}" if value == value else "-" for value in theirs]  # noqa: PLR0124
        table.add_row(kind, f"{len(lines):,}", *row)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
