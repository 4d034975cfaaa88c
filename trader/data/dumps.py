"""Public dumps of Binance as tables: what a file holds is told by its columns, never by its name or date.

Spot times are microseconds since 2025-01-01 and were milliseconds before; USD-M stays with milliseconds. Spot files have no
header, newer USD-M files have one. All times become microseconds.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from shared.errors import ConfigError
from trader.data.store import CANDLES, INTERVALS_MS, TRADES, is_sound

MICROSECONDS_FROM = 10**14  # in milliseconds that is the year 5138, in microseconds 1973
_NAME = re.compile(r"^([A-Z0-9_]+)-")
_CANDLE_COLUMNS = 12
_FALSE_WORDS, _TRUE_WORDS = ["false", "False", "FALSE", "0"], ["true", "True", "TRUE", "1"]


class Dump(NamedTuple):
    """What a file held: kind, interval (of candles) and rows."""

    kind: str
    interval: str
    rows: pa.Table


def symbol_of(path: Path) -> str:
    """Return the symbol at the beginning of a dump's name, "" if it does not begin with one."""
    found = _NAME.match(path.name)
    return found.group(1) if found else ""


def read_dump(path: Path) -> Dump:
    """Read a CSV file, plain, gzip or zip.

    Errors
    ------
    ConfigError
        If it cannot be read, is damaged, or holds neither candles nor aggregated trades; names file and reason.
    """
    text = _text(path)
    first, _, rest = text.partition(b"\n")
    fields = first.strip().split(b",")
    body = rest if fields and not _is_number(fields[0]) else text
    columns = len(fields)
    if columns == _CANDLE_COLUMNS:
        return _candles(path, body)
    if columns in {7, 8} and _has_ids(body):
        return _trades(path, body, columns)
    shown = first[:60].decode(errors="replace")
    raise ConfigError(
        f"{path.name}: was {columns} columns beginning with {shown!r}, expected klines (12 columns) "
        "or aggTrades (7 or 8, with first and last trade id)"
    )


def _text(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        _check_sum(path, data)
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names = [name for name in archive.namelist() if name.endswith(".csv")]
                if len(names) != 1:
                    raise ConfigError(f"{path.name}: was {len(names)} CSV files in one archive, expected one")
                return archive.read(names[0])
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path.name}: could not be read ({error}), expected a whole CSV file, plain, gzip or zip") from None


def _check_sum(path: Path, data: bytes) -> None:
    """Compare with the checksum that is published beside a dump, if it lies there."""
    beside = path.with_name(path.name + ".CHECKSUM")
    if beside.exists():
        expected = beside.read_text().split()[0].lower()
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise ConfigError(f"{path.name}: was sha256 {found[:12]}…, expected {expected[:12]}… as {beside.name} says")


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _has_ids(body: bytes) -> bool:
    fields = body.partition(b"\n")[0].strip().split(b",")
    return len(fields) > 5 and all(field.isdigit() for field in (fields[0], fields[3], fields[4], fields[5]))


def _parsed(path: Path, body: bytes, types: dict[str, pa.DataType]) -> pa.Table:
    options = csv.ConvertOptions(column_types=types, true_values=_TRUE_WORDS, false_values=_FALSE_WORDS)
    try:
        table = csv.read_csv(io.BytesIO(body), csv.ReadOptions(column_names=list(types)), convert_options=options)
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{path.name}: {error}; expected the columns {', '.join(types)}") from None
    if not len(table):
        raise ConfigError(f"{path.name}: was empty, expected at least one row")
    return table


def _micros(path: Path, column: pa.ChunkedArray) -> pa.Array:
    """Return times as microseconds, whatever each of them is."""
    times = column.to_numpy()
    if (times < MICROSECONDS_FROM // 1_000).any():
        raise ConfigError(f"{path.name}: was a time of {int(times.min())}, expected milliseconds or microseconds since 1970")
    return pa.array(np.where(times < MICROSECONDS_FROM, times * 1_000, times))


def _candles(path: Path, body: bytes) -> Dump:
    names = [*CANDLES.names, "ignore"]
    types = {name: CANDLES.field(name).type if name in CANDLES.names else pa.string() for name in names}
    table = _parsed(path, body, types).drop_columns(["ignore"])
    opened = _micros(path, table["open_time_us"])
    lasts = np.asarray(_micros(path, table["close_time_us"])) - np.asarray(opened)
    step_ms = int(np.median(lasts) + 1_000) // 1_000
    interval = next((name for name, ms in INTERVALS_MS.items() if ms == step_ms), "")
    if not interval:
        raise ConfigError(f"{path.name}: was candles of {step_ms / 60_000:g} minutes, expected {', '.join(INTERVALS_MS)}")
    table = table.set_column(0, "open_time_us", opened)
    # the last microsecond of a candle, in both kinds of file
    table = table.set_column(6, "close_time_us", pc.add(opened, step_ms * 1_000 - 1))
    return Dump("klines", interval, _sound(path, table))


def _trades(path: Path, body: bytes, columns: int) -> Dump:
    types = {name: TRADES.field(name).type for name in TRADES.names}
    if columns > len(types):
        types["best_match"] = pa.string()
    table = _parsed(path, body, types).select(TRADES.names)
    table = table.set_column(5, "time_us", _micros(path, table["time_us"]))
    return Dump("aggTrades", "", _sound(path, table))


def _sound(path: Path, rows: pa.Table) -> pa.Table:
    if not is_sound(rows):
        raise ConfigError(f"{path.name}: was with a price of 0, or none, expected prices above 0")
    return rows
