"""Parquet files of candles and aggregated trades: one for each venue, kind, symbol and interval; written whole, then renamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared.errors import ConfigError

MINUTE_MS = 60_000
INTERVALS_MS = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS, "2h": 120 * MINUTE_MS, "4h": 240 * MINUTE_MS, "6h": 360 * MINUTE_MS, "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS, "1d": 1440 * MINUTE_MS,
}  # fmt: skip
CANDLES = pa.schema(
    [("open_time_us", pa.int64())]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume")]
    + [("close_time_us", pa.int64()), ("quote_volume", pa.float64()), ("trades", pa.int64())]
    + [(name, pa.float64()) for name in ("taker_base", "taker_quote")]
)
TRADES = pa.schema(
    [
        ("id", pa.int64()),
        ("price", pa.float64()),
        ("qty", pa.float64()),
        ("first_id", pa.int64()),
        ("last_id", pa.int64()),
        ("time_us", pa.int64()),
        ("taker_sold", pa.bool_()),
    ]
)
KINDS = {"klines": CANDLES, "aggTrades": TRADES}


class Series(msgspec.Struct, frozen=True):
    """What a file holds. ``interval`` is empty for trades."""

    venue: str
    kind: str
    symbol: str
    interval: str = ""

    @property
    def path(self) -> Path:
        """Return where it lies below the store's folder."""
        name = f"{self.symbol}-{self.interval}" if self.interval else self.symbol
        return Path(self.venue) / self.kind / f"{name}.parquet"

    @property
    def step(self) -> int:
        """Return the distance of neighbours: µs between candles, 1 between ids."""
        return INTERVALS_MS[self.interval] * 1_000 if self.interval else 1


class Gap(msgspec.Struct, frozen=True):
    """What is missing between two neighbours: the first and last key that should be there, and how many."""

    first: int
    last: int
    missing: int


class Store:
    """The folder of all series."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, series: Series) -> pa.Table:
        """Return a series, sorted; an empty table if there is none."""
        path = self.folder / series.path
        if not path.exists():
            return KINDS[series.kind].empty_table()
        try:
            return pq.read_table(path, schema=KINDS[series.kind])
        except (pa.ArrowInvalid, OSError) as error:
            raise ConfigError(
                f"{path.name}: is not a Parquet file of {series.kind} ({error}); delete it and get it anew"
            ) from None

    def merge(self, series: Series, rows: pa.Table) -> int:
        """Add rows, later ones in place of earlier ones with the same key; return how many there are then."""
        known = self.read(series)
        key = KINDS[series.kind].names[0]
        both = pa.concat_tables([known, rows.cast(KINDS[series.kind])])
        keys = both[key].to_numpy()
        order = np.argsort(keys, kind="stable")
        last = np.append(np.diff(keys[order]) != 0, True) if len(order) else np.zeros(0, bool)
        merged = both.take(pa.array(order[last]))
        path = self.folder / series.path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_suffix(".tmp")
        pq.write_table(merged, beside, compression="zstd")
        beside.rename(path)  # a kill leaves the old file or the new one
        return len(merged)

    def keys(self, series: Series) -> npt.NDArray[np.int64]:
        """Return the keys of a series in order: open times (µs), or ids."""
        path = self.folder / series.path
        name = KINDS[series.kind].names[0]
        if not path.exists():
            return np.zeros(0, np.int64)
        keys: npt.NDArray[np.int64] = pq.read_table(path, columns=[name])[name].to_numpy()
        return keys

    def all(self) -> Iterator[Series]:
        """Yield every series there is, in order."""
        for path in sorted(self.folder.glob("*/*/*.parquet")):
            kind, venue = path.parent.name, path.parent.parent.name
            symbol, _, interval = path.stem.partition("-") if kind == "klines" else (path.stem, "", "")
            yield Series(venue, kind, symbol, interval)


def gaps(keys: npt.NDArray[np.int64], step: int) -> list[Gap]:
    """Return what is missing inside of sorted keys, shape (n,), that should be ``step`` apart."""
    jumps = np.flatnonzero(np.diff(keys) > step)
    return [
        Gap(int(keys[i]) + step, int(keys[i + 1]) - step, (int(keys[i + 1]) - int(keys[i]) - 1) // step)
        for i in jumps
    ]  # fmt: skip


def missing_ranges(keys: npt.NDArray[np.int64], first: int, last: int, step: int) -> list[tuple[int, int]]:
    """Return the ranges (inclusive) of ``first`` to ``last`` of which no key is known: what is still to be fetched."""
    inside = keys[(keys >= first) & (keys <= last)]
    edges = np.concatenate(([first - step], inside, [last + step]))
    return [(gap.first, gap.last) for gap in gaps(edges, step)]


def is_sound(rows: pa.Table) -> bool:
    """Say whether candles or trades have prices above 0 and nothing that is not a number."""
    floats = [rows[field.name] for field in rows.schema if field.type == pa.float64()]
    prices = [rows[name] for name in ("open", "high", "low", "close", "price") if name in rows.schema.names]
    finite = all(pc.all(pc.is_finite(column), min_count=0).as_py() for column in floats)
    return finite and all(pc.all(pc.greater(column, 0.0), min_count=0).as_py() for column in prices)
