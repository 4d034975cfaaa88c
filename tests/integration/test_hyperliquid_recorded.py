"""Recorded sessions through the real socket into the feed; ``python -m tests.chaos.hyperliquid_recorded`` plays them whole."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from shared.clock import NS_PER_S, ManualClock
from shared.errors import ConfigError
from tests.chaos.hyperliquid_recorded import checks
from tests.processes import System
from tests.support import recorded
from trader.engine.inputs import InputKind
from trader.feeds.hyperliquid.handler import HyperliquidHandler
from trader.feeds.hyperliquid.venue import endpoints
from trader.feeds.stats import FeedStats
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.recorder import RecordedOrigin, is_hyperliquid
from trader.simulator.hyperliquid.wire import Book, Quote, Trade

SHIFT_S = 86_400 * 31
STALL_AT_S = 1_757_015_892.0
KEPT_S = ((1_757_015_216.0, 1_757_015_226.0), (STALL_AT_S - 12.0, STALL_AT_S + 25.0))


@pytest.fixture(scope="module")
def second_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make another recording of the same format: other coins, another month, another order of files, holes, and the stall."""
    folder = tmp_path_factory.mktemp("another")
    for path in recorded("hyperliquid_recorder_20250904").glob("*.gz"):
        kind, coin = path.name.partition(".")[0].split("_")
        names = {"orderbooks": "z_levels", "prices": "a_tops", "trades": "m_deals"}
        coins = {"BTC": "FARTCOIN", "ETH": "WIF", "SOL": "kBONK"}
        with gzip.open(path, "rt") as source, gzip.open(folder / f"{names[kind]}_{coins[coin]}.csv.gz", "wt") as target:
            reader = csv.DictReader(source)
            writer = csv.DictWriter(target, list(reader.fieldnames or ()))
            writer.writeheader()
            writer.writerows(_moved(row) for row in reader if any(a <= float(row["timestamp"]) < b for a, b in KEPT_S))
    return folder


def _moved(row: dict[str, str]) -> dict[str, str]:
    whole, _, places = row["timestamp"].partition(".")
    exchange_ms = str(int(row["exchange_timestamp"]) + SHIFT_S * 1000)
    return row | {"timestamp": f"{int(whole) + SHIFT_S}.{places}", "exchange_timestamp": exchange_ms}


def failed(folder: Path) -> list[Any]:
    return [line for line in checks(folder) if not line.holds]


@pytest.mark.recorded
def test_another_recording_comes_out_as_it_stands_in_its_files(second_recording: Path) -> None:
    lines = checks(second_recording)
    assert [line for line in lines if not line.holds] == []
    found = {line.what: line.got for line in lines}
    assert found["coins"] == ["FARTCOIN", "WIF", "kBONK"]
    assert found["duplicate trades left out"] > 10
    assert found["trades told again at subscription, left out"] == 90
    assert len(found["kBONK stalls over 5 s"]) == 2  # the hole cut by us, and the venue's own stall
    assert found["kBONK stalls over 5 s"][-1] == pytest.approx(17.9, abs=0.1)


@pytest.mark.recorded
def test_raw_frames_come_out_as_they_were_recorded() -> None:
    folder = recorded("hyperliquid_raw_ws_2025")
    assert failed(folder) == []
    with gzip.open(next(folder.glob("*.gz"))) as file:
        frames = [line.rstrip().partition(b" ")[2] for line in file]
    said = [item for item in RecordedOrigin(folder).items() if item.channel in ("l2Book", "trades")]
    assert [b'{"channel":"%s","data":%s}' % (item.channel.encode(), item.data) for item in said] == [
        frame for frame in frames if b'"channel":"l2Book"' in frame or b'"channel":"trades"' in frame
    ]


@pytest.mark.recorded
def test_every_single_frame_of_2026_is_understood() -> None:
    stats, clock = FeedStats(), ManualClock(1_790_232_237 * NS_PER_S)
    handler = HyperliquidHandler(["BTC", "kPEPE", "xyz:SP500", "MATIC", "SOL"], endpoints(), clock, stats)
    frames = (recorded("hyperliquid_wire_frames_2026") / "frames.jsonl").read_bytes().splitlines()
    heard = [handler.on_frame(frame) for frame in frames]
    rows = handler.take()
    books = rows[rows["kind"] == InputKind.SNAPSHOT]
    assert sorted(set(books["symbol"].tolist())) == [0, 1, 2]  # a delisted coin has an empty book: none
    assert [stream for stream in heard if stream] == [
        "l2Book:BTC", "l2Book:kPEPE", "l2Book:xyz:SP500", "l2Book:MATIC", "bbo:BTC", "activeAssetCtx:BTC", "trades:BTC",
        "candle:BTC",
    ]  # fmt: skip
    assert (stats.bad_messages, stats.unknown_events) == (1, 2)  # the parse error; "already subscribed" and the answer to a post
    assert stats.replayed_trades == 1


@pytest.mark.recorded
def test_a_frame_of_all_coins_of_all_markets_is_ignored_not_feared() -> None:
    with gzip.open(recorded("hyperliquid_fixtures_nautilus") / "ws_all_dexs_asset_ctxs.json.gz") as file:
        frame = msgspec.json.encode(msgspec.json.decode(file.read()))
    stats = FeedStats()
    handler = HyperliquidHandler(["BTC"], endpoints(), ManualClock(), stats)
    assert handler.on_frame(frame) == ""
    assert (stats.unknown_events, stats.bad_messages) == (1, 0)


def test_a_recording_is_known_by_its_content(tmp_path: Path) -> None:
    binance = tmp_path / "hyperliquid_BTC.gz"
    binance.write_bytes(gzip.compress(b'1700000000000000000 {"stream":"btcusdt@trade","data":{}}\n'))
    assert not is_hyperliquid(binance)
    ours = tmp_path / "binance.gz"
    ours.write_bytes(gzip.compress(b'1700000000000000000 {"channel":"pong"}\n'))
    assert is_hyperliquid(ours)
    table = tmp_path / "x_HYPE.csv.gz"
    table.write_bytes(
        gzip.compress(b"timestamp,price,size,side,exchange_timestamp\n1.5,40.5,1,bid,1500\n1.5,40.6,2.25,ask,1500\n")
    )
    flow = Flow(RecordedOrigin(table))
    assert flow.specs == {"HYPE": 2}
    quotes = [item.value for item in flow.items() if isinstance(item.value, Quote)]
    assert [[level.px for level in quote.bbo if level] for quote in quotes] == [["40.5", "40.6"]]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"timestamp,price,size,side,exchange_timestamp\n1.5,abc,1,bid,1500\n", "line 2"),
        (b"timestamp,price,size,side,exchange_timestamp\n1.5,40.0,1,up,1500\n", "line 2"),
        (b"timestamp,price,size,side,trade_id,exchange_timestamp\n1.5,4,1,buy,7,1500\n1.5,4,1,swap,8,1500\n", "line 3"),
        (b'1 {"channel":"l2Book","data":{"coin":"BTC"}}\n', "line 1"),
        (b'1 {"channel":"pong"}\n', "expected a Hyperliquid recording"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, where: str) -> None:
    path = tmp_path / "x_BTC.csv.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ConfigError, match=where):
        list(RecordedOrigin(path).items())


def test_a_recording_that_has_no_quotes_gets_those_of_its_books(tmp_path: Path) -> None:
    level = {"px": "1.0", "sz": "2.0", "n": 1}
    books = [
        {"coin": "X", "time": at, "levels": [[level], [level | {"px": px}]]} for at, px in ((1, "1.1"), (2, "1.1"), (3, "1.2"))
    ]
    lines = [f"{book['time']} {json.dumps({'channel': 'l2Book', 'data': book})}\n" for book in books]
    path = tmp_path / "any.gz"
    path.write_bytes(gzip.compress("".join(lines).encode()))
    said = list(Flow(RecordedOrigin(path)).items())
    assert [item.value.time for item in said if isinstance(item.value, Quote)] == [1, 3]
    assert [item.value.time for item in said if isinstance(item.value, Book)][:1] == [1]
    assert not [item for item in said if isinstance(item.value, list) and isinstance(item.value[0], Trade)]


@pytest.mark.recorded
def test_the_trader_trades_on_a_recording_of_this_venue(tmp_path: Path, second_recording: Path) -> None:
    system = System(tmp_path)
    try:
        done = system.run(
            "trader.cli",
            "--paper",
            "--venue",
            "sim",
            "--replay",
            str(second_recording),
            "--speed",
            "max",
            "--json",
            within_s=110.0,
        )
    finally:
        system.stop()
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    stale = [line["text"] for line in said if line["event"] == "FEED_STALE"]
    restored = [line["text"] for line in said if line["event"] == "FEED_RESTORED"]
    assert len(stale) == len(restored) == 6  # three coins, the hole and the stall
    summary = said[-1]
    assert summary["bad_messages"] == 0
    assert sorted(summary["tops"]) == ["FARTCOIN", "WIF", "kBONK"]
    assert all(np.less(*top) for top in summary["tops"].values())
