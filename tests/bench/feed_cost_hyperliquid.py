"""What a Hyperliquid frame costs in this handler and in ccxt.pro, in one run over the same recorded frames.

``python -m tests.bench.feed_cost_hyperliquid PYTHON`` with the interpreter of an environment that has ccxt.
Processor time, best of five rounds each: a busy machine disturbs that least. cryptofeed 2.4.1 has no Hyperliquid.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from shared.clock import ManualClock
from tests.bench.feed_cost import ROUNDS, ask_peers, frame_ns
from tests.chaos.fuzz_hyperliquid import COINS, DATA, TABLES
from trader.feeds.hyperliquid.handler import HyperliquidHandler
from trader.feeds.hyperliquid.venue import endpoints
from trader.feeds.stats import FeedStats
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.recorder import RecordedOrigin
from trader.simulator.hyperliquid.wire import encode, message

MOST = 3_000  # frames of a kind
KINDS = ("l2Book", "bbo", "trades", "candle", "activeAssetCtx")
PEERS = Path(__file__).with_name("feed_peers_hyperliquid.py")


def recorded_frames() -> dict[str, list[bytes]]:
    """Return frames by kind: books, quotes and trades as recorded, candles and contexts as derived from them."""
    frames: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    flow = Flow(RecordedOrigin(DATA / TABLES))
    for item in flow.items():
        if item.channel not in frames or item.coin not in COINS:
            continue
        data = item.data if item.channel != "candle" else encode(flow.state.coins[item.coin].candle("1m"))
        frames[item.channel].append(message(item.channel, data))
        if min(map(len, frames.values())) >= MOST:
            break
    return {kind: lines[:MOST] for kind, lines in frames.items()}


@click.command()
@click.argument("python")
def main(*, python: str) -> None:
    """Print the table; PYTHON is the interpreter of an environment with ccxt."""
    frames = recorded_frames()
    peers: dict[str, float] = ask_peers(python, PEERS, frames)
    handler = partial(HyperliquidHandler, COINS, endpoints(), ManualClock(), FeedStats())
    table = Table("frame", "frames", "bytes", "this handler µs", "ccxt.pro µs", "× ccxt.pro")
    for kind, lines in frames.items():
        own, size = min(frame_ns(handler(), lines) for _ in range(ROUNDS)), sum(map(len, lines)) // max(len(lines), 1)
        theirs = [f"{peers[kind] / 1e3:.2f}", f"{peers[kind] / own:.1f}"] if kind in peers else ["-", "-"]
        table.add_row(kind, f"{len(lines):,}", f"{size:,}", f"{own / 1e3:.2f}", *theirs)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
