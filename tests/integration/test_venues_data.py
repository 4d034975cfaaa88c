"""``trader_data``: dumps in all their forms, candles over REST from a real simulator, gaps, and going on where it stopped."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import SystemClock
from shared.errors import ConfigError
from shared.paths import project_root
from tests.processes import simulator
from tests.support import recorded
from trader.data.cli import main
from trader.data.dumps import read_dump
from trader.data.store import CANDLES, Series, Store, gaps, missing_ranges

MINUTE_US = 60_000_000
T0_MS = 1_750_000_020_000
HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--folder", str(folder), *arguments])


def klines(count: int, *, unit: int = 1, first_ms: int = T0_MS) -> str:
    rows = [(first_ms + 60_000 * i) * unit for i in range(count)]
    return "".join(f"{at},1.5,2,1,1.75,10,{at + 60_000 * unit - 1},15,3,4,6,0\n" for at in rows)


def zipped(text: str) -> bytes:
    space = io.BytesIO()
    with zipfile.ZipFile(space, "w") as archive:
        archive.writestr("inside.csv", text)
    return space.getvalue()


FORMS = {
    "plain": lambda text: text.encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "zip": zipped,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("unit", [1, 1_000], ids=["ms", "us"])
def test_candles_are_the_same_in_every_form(form: str, *, header: bool, unit: int, tmp_path: Path) -> None:
    path = tmp_path / "whatever.bin"  # what it is stands in it, not in its name
    path.write_bytes(FORMS[form]((HEADER + "\n" if header else "") + klines(3, unit=unit)))
    dump = read_dump(path)
    assert (dump.kind, dump.interval) == ("klines", "1m")
    first = dump.rows.to_pylist()[0]
    assert (first["open_time_us"], first["close_time_us"]) == (T0_MS * 1_000, T0_MS * 1_000 + MINUTE_US - 1)
    assert [first[name] for name in ("open", "high", "low", "close", "volume", "trades")] == [1.5, 2.0, 1.0, 1.75, 10.0, 3]


@pytest.mark.parametrize("row", ["7,1.5,2.0,70,72,{t},true", "7,1.5,2.0,70,72,{t},True,True"], ids=["usdm", "spot"])
@pytest.mark.parametrize("unit", [1, 1_000], ids=["ms", "us"])
def test_trades_of_both_markets(row: str, unit: int, tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-aggTrades-2026-01-01.csv"
    path.write_text(row.format(t=T0_MS * unit) + "\n")
    (trade,) = read_dump(path).rows.to_pylist()
    expected = {"id": 7, "price": 1.5, "qty": 2.0, "first_id": 70, "last_id": 72, "time_us": T0_MS * 1_000, "taker_sold": True}
    assert trade == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"1,2,3\n", "was 3 columns"),
        (b"PK\x03\x04broken", "could not be read"),
        (gzip.compress(klines(5).encode(), mtime=0)[:-20], "could not be read"),
        (klines(1).replace("1.5", "x").encode(), "expected the columns"),
        (klines(1).replace("1.5", "0").encode(), "price of 0"),
        (klines(1, first_ms=60).encode(), "was a time of"),
        (b"5,1.0,2.0,2.0,1750000000000,true,true\n", "was 7 columns"),
    ],
)
def test_a_file_that_is_no_dump_is_refused_with_its_name(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m.csv"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"^BTCUSDT-1m\.csv: .*{words}"):
        read_dump(path)


def test_a_wrong_checksum_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m.csv"
    path.write_text(klines(2))
    beside = tmp_path / "BTCUSDT-1m.csv.CHECKSUM"
    beside.write_text(hashlib.sha256(path.read_bytes()).hexdigest() + "  BTCUSDT-1m.csv\n")
    assert len(read_dump(path).rows) == 2
    path.write_text(klines(3))
    with pytest.raises(ConfigError, match="was sha256"):
        read_dump(path)


def test_imports_are_joined_and_what_is_missing_is_told(tmp_path: Path) -> None:
    for name, text in (
        ("a", klines(10)),
        ("b", klines(10, unit=1_000, first_ms=T0_MS + 8 * 60_000)),
        ("c", klines(1, first_ms=T0_MS + 30 * 60_000)),
    ):
        (tmp_path / f"BTCUSDT-1m-{name}.csv").write_text(text)
    result = call(tmp_path / "store", "import", *(str(path) for path in sorted(tmp_path.glob("*.csv"))))
    assert result.exit_code == 0, result.output
    assert "19 rows, 1 gaps, 12 missing" in result.output
    (facts,) = map(json.loads, call(tmp_path / "store", "list", "--json").output.splitlines())
    assert (facts["rows"], facts["gaps"], facts["missing"], facts["symbol"]) == (19, 1, 12, "BTCUSDT")
    again = call(tmp_path / "store", "import", str(tmp_path / "BTCUSDT-1m-a.csv"))
    assert "19 rows" in again.output
    assert "BTCUSDT" in call(tmp_path / "store", "list").output


@pytest.mark.recorded
def test_the_venues_own_files(tmp_path: Path) -> None:
    files = sorted(recorded("binance_vision_usdm_klines_1m").glob("*.gz"))
    result = call(tmp_path, "import", *map(str, files))
    assert "87,840 rows, 0 gaps, 0 missing" in result.output, result.output


@given(st.sets(st.integers(0, 60)), st.integers(0, 60), st.integers(0, 60))
def test_what_is_missing_and_what_is_known_make_up_the_whole(known: set[int], one: int, other: int) -> None:
    first, last = sorted((one, other))
    keys = np.array(sorted(known), np.int64) * 5
    ranges = missing_ranges(keys, first * 5, last * 5, 5)
    missing = {key // 5 for low, high in ranges for key in range(low, high + 1, 5)}
    assert missing == set(range(first, last + 1)) - known
    holes = {key for gap in gaps(keys, 5) for key in range(gap.first, gap.last + 1, 5)}
    assert {key // 5 for key in holes} == (set(range(min(known), max(known))) - known if known else set())


def test_candles_are_fetched_once_and_only_where_they_are_missing(tmp_path: Path) -> None:
    arguments = ("--market", "usdm", "--symbols", "BTCUSDT")
    store, series = Store(tmp_path / "store"), Series("binance-usdm", "klines", "BTCUSDT", "1m")
    day = f"{np.datetime64(SystemClock().now_ns() - 4 * 3_600 * 10**9, 'ns').astype('datetime64[D]')}"
    with simulator(tmp_path, *arguments, "--speed", "1") as port:
        given_arguments = ("fetch", "--symbols", "BTCUSDT", "--from", day, "--port", str(port))
        result = call(store.folder, *given_arguments)
        assert result.exit_code == 0, result.output
        before = store.read(series)
        assert len(before) >= 200  # the simulator begins with some hours of history
        hole = before.slice(0, 50), before.slice(90)
        (store.folder / series.path).unlink()
        for part in hole:
            store.merge(series, part)
        assert len(gaps(store.keys(series), series.step)) == 1
        again = call(store.folder, *given_arguments)
        assert "0 gaps" in again.output, again.output
        after = store.read(series)
        assert after.slice(0, len(before)).equals(before)
    assert after.schema.equals(CANDLES)


def test_an_unknown_symbol_and_an_impossible_interval_are_refused(tmp_path: Path) -> None:
    assert "interval: was '7m'" in call(tmp_path, "fetch", "--interval", "7m").output
    with simulator(tmp_path, "--symbols", "BTCUSDT", "--speed", "1") as port:
        result = call(tmp_path / "store", "fetch", "--symbols", "NOPE", "--port", str(port))
    assert result.exit_code == 1
    assert "Invalid symbol" in result.output


def test_help_needs_none_of_the_heavy_libraries() -> None:
    code = "import sys, trader.data.cli; sys.exit(bool({'pyarrow', 'numpy', 'rich', 'httpx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=project_root()).returncode == 0
