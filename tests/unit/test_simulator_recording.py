"""Recordings: what is read, what is measured, and what a damaged one is told."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from shared.errors import ConfigError
from trader.simulator.cli import main
from trader.simulator.klines import Bar, MinuteBars, aggregate
from trader.simulator.recording import recording_files, scan_recording
from trader.simulator.replay import ReplaySource
from trader.simulator.source import Frame, GateMark, Market

START_NS = 1_700_000_000_000_000_000


def depth_line(ns: int, first: int, final: int, bids: list[list[str]], pu: int | None = None) -> str:
    data = {"e": "depthUpdate", "E": ns // 10**6 + 1200, "s": "ABCUSDT", "U": first, "u": final}
    extra = {} if pu is None else {"pu": pu}
    body = json.dumps({"stream": "abcusdt@depth@100ms", "data": {**data, **extra, "b": bids, "a": [["10.30", "1.500"]]}})
    return f"{ns} {body}"


def snapshot_line(ns: int, update_id: int) -> str:
    body = {"lastUpdateId": update_id, "bids": [["10.10", "4.000"], ["10.00", "2.500"]], "asks": [["10.20", "3.000"]]}
    return f"{ns} {json.dumps(body)}"


def small_recording() -> list[str]:
    return [
        depth_line(START_NS, 1, 5, [["9.90", "1.000"]]),
        depth_line(START_NS + 10, 6, 9, [["10.00", "0.000"], ["9.80", "7.000"]]),
        snapshot_line(START_NS + 20, 7),
        depth_line(START_NS + 30, 10, 12, [["10.10", "0.000"]]),
    ]


def write(path: Path, lines: list[str]) -> Path:
    with gzip.open(path, "wt") as stream:
        stream.write("\n".join(lines) + "\n")
    return path


def test_grids_market_and_clock_lead_are_measured(tmp_path: Path) -> None:
    info = scan_recording(recording_files(write(tmp_path / "a.gz", small_recording())))
    spec = info.specs["ABCUSDT"]
    assert (info.market, info.ahead_ms) == (Market.SPOT, 1200)
    assert (spec.tick, spec.step, spec.base, spec.quote) == (Decimal("0.10"), Decimal("0.1"), "ABC", "USDT")


def test_pu_makes_it_a_futures_recording(tmp_path: Path) -> None:
    lines = [depth_line(START_NS, 3, 5, [["9.90", "1.000"]], pu=1)]
    assert scan_recording(recording_files(write(tmp_path / "a.gz", lines))).market is Market.USDM


def test_the_book_joins_snapshot_and_the_diffs_sent_before_it(tmp_path: Path) -> None:
    source = ReplaySource(write(tmp_path / "a.gz", small_recording()))
    items = list(source.items())
    assert [type(item) for item in items] == [Frame, Frame, GateMark, Frame]
    book = json.loads(source.depth("ABCUSDT", 10))
    # 10.00 left with the diff that spans the snapshot (6..9), 10.10 with the one after it.
    assert book == {"lastUpdateId": 12, "bids": [["9.80", "7.000"]], "asks": [["10.20", "3.000"], ["10.30", "1.500"]]}


def test_up_to_its_gate_the_snapshot_is_answered_verbatim(tmp_path: Path) -> None:
    lines = small_recording()
    source = ReplaySource(write(tmp_path / "a.gz", lines))
    flow = source.items()
    for _ in range(3):
        next(flow)
    assert source.depth("ABCUSDT", 100) == lines[2].partition(" ")[2].encode()
    assert json.loads(source.depth("ABCUSDT", 1))["bids"] == [["10.10", "4.000"]]


def test_files_of_a_folder_continue_each_other(tmp_path: Path) -> None:
    lines = small_recording()
    write(tmp_path / "b.gz", lines[2:])
    write(tmp_path / "a.gz", lines[:2])
    frames = [item for item in ReplaySource(tmp_path).items() if isinstance(item, Frame)]
    assert [f"{frame.ns} {frame.envelope.decode()}" for frame in frames] == [lines[0], lines[1], lines[3]]


@pytest.mark.parametrize("bad", ["rubbish", "", "12x {}", f"{START_NS} {{}}", f'{START_NS} {{"stream":"a@trade","data":'])
def test_a_bad_line_is_named(tmp_path: Path, bad: str) -> None:
    path = write(tmp_path / "a.gz", [small_recording()[0], bad, small_recording()[1]])
    with pytest.raises(ConfigError, match=r"a\.gz, line 2: "):
        ReplaySource(path)


def test_a_cut_file_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gz", small_recording())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ConfigError, match=r"a\.gz.*expected a complete gzip file"):
        ReplaySource(path)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--replay", "nowhere.gz"], 4, "error: replay: was nowhere.gz, expected an existing .gz recording"),
        (["--speed", "fast"], 2, "error: speed: was 'fast', expected a number above 0, or max"),
        (["--speed", "-1"], 2, "error: speed: was '-1'"),
        (["--symbols", "btc"], 4, "error: symbol: was 'BTC', expected"),
        (["--duration", "0"], 4, "error: duration: was 0.0, expected"),
        (["--instance", "Über"], 4, "error: instance: was"),
        (["--port", "70000"], 2, "70000"),
    ],
)
def test_bad_arguments_get_one_clear_error_and_their_code(arguments: list[str], code: int, says: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code
    assert says in result.stderr


def test_minutes_are_folded_and_joined() -> None:
    bars = MinuteBars()
    one, two = Decimal(1), Decimal(2)
    start_ms = 1_700_000_040_000  # a whole minute
    assert bars.add(start_ms, 1, two, one, buyer_is_maker=False) is None
    bars.add(start_ms + 59_999, 2, one, one, buyer_is_maker=True)
    closed = bars.add(start_ms + 180_000, 3, two, two, buyer_is_maker=False)
    assert closed is bars.bars[0]
    assert [bar.open_ms - start_ms for bar in bars.bars] == [0, 60_000, 120_000, 180_000]
    assert (closed.open, closed.high, closed.low, closed.close, closed.volume) == (two, two, one, one, two)
    assert (closed.quote_volume, closed.taker_base, closed.taker_quote, closed.trades) == (Decimal(3), one, two, 2)
    assert (bars.bars[1].open, bars.bars[1].volume) == (one, Decimal(0))
    joined = aggregate([Bar(120_000, one, two, one, two), Bar(180_000, two, two, one, one), Bar(300_000, one, one, one, one)], 3)
    assert [(bar.open_ms, bar.close, bar.close_ms) for bar in joined] == [(0, two, 179_999), (180_000, one, 359_999)]
