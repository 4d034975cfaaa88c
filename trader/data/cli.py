"""The command ``trader_data``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.console import exit_codes

if TYPE_CHECKING:
    from trader.data.store import Series, Store

_INTERVALS = "1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h or 1d"
_MOST_GAPS = 20  # lines of a report


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--folder", type=click.Path(path_type=Path), help="Where the Parquet files are. [default: data/ of the instance]")
@click.option("--instance", help="Instance whose folder is used (or TRADER_INSTANCE).")
@click.pass_context
def main(context: click.Context, *, folder: Path | None, instance: str | None) -> None:
    """Keep market history as Parquet: public dumps, and candles over REST.

    \b
    trader_data import BTCUSDT-1m-2026-06.zip BTCUSDT-aggTrades-2026-06-01.zip
    trader_data fetch --symbols BTCUSDT --from 2026-01-01
    trader_data list
    """  # noqa: D301 - \b is for click: it keeps these lines as they are
    context.obj = (folder, instance)


def _store(context: click.Context) -> Store:
    from shared.paths import home_dir, instance_name
    from trader.data.store import Store

    folder, instance = context.obj
    return Store(folder or home_dir(instance_name(instance)) / "data")


@main.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--market", type=click.Choice(["spot", "usdm"]), default="usdm", show_default=True, help="Market of the dumps.")
@click.option("--symbol", help="Symbol of the dumps. [default: what their names begin with]")
@click.pass_context
def import_command(context: click.Context, *, files: tuple[Path, ...], market: str, symbol: str | None) -> None:
    """Add public dumps: klines and aggTrades, CSV, gzip or zip."""
    with exit_codes():
        from rich.progress import track

        from shared.errors import UsageError
        from trader.data.dumps import read_dump, symbol_of
        from trader.data.store import Series

        store = _store(context)
        added: dict[Series, int] = {}
        for path in track(files, description="import", disable=len(files) == 1):
            dump = read_dump(path)
            name = (symbol or symbol_of(path)).upper()
            if not name:
                raise UsageError(f"{path.name}: was without a symbol in its name, expected --symbol")
            series = Series(f"binance-{market}", dump.kind, name, dump.interval)
            store.merge(series, dump.rows)
            added[series] = added.get(series, 0) + len(dump.rows)
        for series, count in added.items():
            click.echo(f"{series.path}: {count:,} rows read")
            _report(store, series)


@main.command()
@click.option("--market", type=click.Choice(["spot", "usdm"]), default="usdm", show_default=True, help="Market of Binance.")
@click.option("--symbols", default="BTCUSDT,ETHUSDT,SOLUSDT", show_default=True, help="Symbols, separated by commas.")
@click.option("--interval", default="1m", show_default=True, help=f"{_INTERVALS}.")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), help="First day, UTC. [default: 7 days ago]")
@click.option("--to", "end", type=click.DateTime(["%Y-%m-%d"]), help="Last day, UTC. [default: now]")
@click.option("--port", type=click.IntRange(1, 65535), help="Ask the simulator on this port instead of the venue.")
@click.pass_context
def fetch(
    context: click.Context,
    *,
    market: str,
    symbols: str,
    interval: str,
    start: datetime | None,
    end: datetime | None,
    port: int | None,
) -> None:
    """Fetch candles over REST: what is there already is not asked for again, and Ctrl-C loses nothing."""
    with exit_codes():
        import asyncio

        from shared.clock import SystemClock
        from shared.errors import UsageError
        from trader.data.store import INTERVALS_MS, Series

        if interval not in INTERVALS_MS:
            raise UsageError(f"interval: was {interval!r}, expected {_INTERVALS}")
        now = datetime.fromtimestamp(SystemClock().now_ns() / 1e9, UTC)
        first = (
            start.replace(tzinfo=UTC) if start else (now - timedelta(days=7)).replace(hour=0, minute=0, second=0, microsecond=0)
        )
        last = end.replace(tzinfo=UTC) + timedelta(days=1) if end else now
        if first >= last:
            raise UsageError(f"from: was {first:%Y-%m-%d}, expected a day before {last:%Y-%m-%d}")
        store = _store(context)
        names = [name.strip().upper() for name in symbols.split(",") if name.strip()]
        wanted = [Series(f"binance-{market}", "klines", name, interval) for name in names]
        bounds = (int(first.timestamp() * 1e3), int(last.timestamp() * 1e3) - INTERVALS_MS[interval])
        asyncio.run(_fetch(store, wanted, bounds, market, port))
        for series in wanted:
            _report(store, series)


async def _fetch(store: Store, wanted: list[Series], bounds: tuple[int, int], market: Any, port: int | None) -> None:
    from functools import partial

    import numpy as np
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from shared.clock import SystemClock
    from trader.data.fetch import fetch_candles
    from trader.data.store import INTERVALS_MS
    from trader.feeds.binance.rest import BinanceRest
    from trader.feeds.binance.venue import endpoints, loopback

    where = loopback(market, port) if port else endpoints(market)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    async with BinanceRest(where, SystemClock(), np.random.default_rng()) as rest:
        with Progress(*columns) as progress:
            for series in wanted:
                total = (bounds[1] - bounds[0]) // INTERVALS_MS[series.interval] + 1
                task = progress.add_task(f"{series.symbol} {series.interval}", total=total)
                came = await fetch_candles(rest, store, series, *bounds, partial(progress.advance, task))
                progress.update(task, description=f"{series.symbol} {series.interval}: {came:,} new")


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per series.")
@click.pass_context
def list_command(context: click.Context, *, as_json: bool) -> None:
    """Show what there is: rows, span, gaps, size."""
    with exit_codes():
        from rich.console import Console
        from rich.table import Table

        store = _store(context)
        table = Table("venue", "kind", "symbol", "rows", "from", "to", "gaps", "missing", "MB")
        for series in store.all():
            facts = _facts(store, series)
            if as_json:
                click.echo(json.dumps(facts))
                continue
            what = f"{series.kind} {series.interval}".strip()
            numbers = (f"{facts['gaps']:,}", f"{facts['missing']:,}", f"{facts['bytes'] / 1e6:.2f}")
            table.add_row(series.venue, what, series.symbol, f"{facts['rows']:,}", facts["from"], facts["to"], *numbers)
        if not as_json:
            Console().print(table if table.row_count else "nothing yet: trader_data import FILES, or trader_data fetch")


def _facts(store: Store, series: Series) -> dict[str, Any]:
    from trader.data.store import gaps

    keys = store.keys(series)
    times = keys if series.interval else store.read(series)["time_us"].to_numpy()
    holes = gaps(keys, series.step)
    span = [_day(int(time)) for time in (times[0], times[-1])] if len(times) else ["-", "-"]
    return {
        "venue": series.venue, "kind": series.kind, "symbol": series.symbol, "interval": series.interval, "rows": len(keys),
        "from": span[0], "to": span[1], "gaps": len(holes), "missing": sum(hole.missing for hole in holes),
        "bytes": (store.folder / series.path).stat().st_size,
    }  # fmt: skip


def _report(store: Store, series: Series) -> None:
    """Say what a series holds, and what is missing inside of it."""
    from trader.data.store import gaps

    keys = store.keys(series)
    holes = gaps(keys, series.step)
    click.echo(f"{series.path}: {len(keys):,} rows, {len(holes)} gaps, {sum(hole.missing for hole in holes):,} missing")
    for hole in holes[:_MOST_GAPS]:
        where = f"{_day(hole.first)} to {_day(hole.last)}" if series.interval else f"ids {hole.first} to {hole.last}"
        click.echo(f"  {where}: {hole.missing:,} missing")
    if len(holes) > _MOST_GAPS:
        click.echo(f"  … and {len(holes) - _MOST_GAPS} more")


def _day(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}"


if __name__ == "__main__":
    main()
