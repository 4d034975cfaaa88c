"""The command ``trader_sim``."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.clock import Clock, SystemClock
from shared.console import exit_codes
from shared.errors import ConfigError, OutOfRange, UsageError
from shared.paths import instance_name

if TYPE_CHECKING:
    from trader.simulator.faults.plan import Change
    from trader.simulator.server import ServerOptions
    from trader.simulator.source import Source


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--replay", "path", metavar="PATH", help="Replay a recording: a .gz file, or a folder of them in name order.")
@click.option(
    "--speed", default="1", show_default=True, metavar="N|max", help="Simulated seconds per second; max = as fast as read."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the generated market.")
@click.option("--market", type=click.Choice(["spot", "usdm"]), help="Venue to play; a replay knows its own. [default: usdm]")
@click.option("--symbols", default="BTCUSDT,ETHUSDT,SOLUSDT", show_default=True, help="Symbols of the generated market.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="TCP port on 127.0.0.1; 0 takes a free one.")
@click.option("--duration", metavar="S", type=float, help="Simulated seconds until the flow ends.")
@click.option("--once", is_flag=True, help="Exit when the flow has ended and all clients have left.")
@click.option("--instance", help="Instance whose folder gets simulator.json (or TRADER_INSTANCE).")
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when standard input closes: with the process that started it."
)
@click.option(
    "--accounts", "accounts_path", metavar="FILE", help="JSON file (mode 0600) of accounts; with it the exchange takes orders."
)
@click.option("--faults", metavar="FILE", help="Fault script (.toml or .jsonl), or random:SEED for one minute of chance.")
@click.option("--answer-first", is_flag=True, help="Answer a call before the events it caused (usually events lead).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when listening.")
def main(
    *,
    path: str | None,
    speed: str,
    seed: int,
    market: str | None,
    symbols: str,
    port: int,
    duration: float | None,
    once: bool,
    instance: str | None,
    with_parent: bool,
    accounts_path: str | None,
    answer_first: bool,
    faults: str | None,
    as_json: bool,
) -> None:
    """Run a SIMULATED Binance on 127.0.0.1: a recording replayed, or a generated market.

    For example `trader_sim --replay recordings/ --speed max`, or `trader_sim --market spot --seed 7`.
    """
    with exit_codes():
        pace = parse_speed(speed)
        name = instance_name(instance)
        clock = SystemClock()
        source = _open_source(clock, path=path, market=market, symbols=symbols, seed=seed, duration_s=duration)
        from trader.simulator.faults.script import read_script
        from trader.simulator.server import ServerOptions
        from trader.simulator.trading.accounts_file import read_accounts

        accounts = tuple(read_accounts(Path(accounts_path))) if accounts_path else ()
        script = read_script(faults, Path()) if faults else None
        options = ServerOptions(
            port,
            pace,
            once,
            accounts=accounts,
            answer_first=answer_first,
            faults=script,
            tell_fault=_tell_fault if as_json else None,
        )
        sys.exit(asyncio.run(_serve(source, options, clock, name, with_parent=with_parent, as_json=as_json)))


def _tell_fault(change: Change, ns: int) -> None:
    fault = {"kind": str(change.fault.kind), "at_s": change.fault.at_s, "for_s": change.fault.for_s}
    click.echo(json.dumps({"event": "fault", "begins": change.begins, "venue_ns": ns, **fault}))


def parse_speed(text: str) -> float | None:
    """Read ``--speed``: a positive number, or ``max`` for None.

    Errors
    ------
    UsageError
        For anything else.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not (0.0 < speed < math.inf):
        raise UsageError(f"speed: was {text!r}, expected a number above 0, or max")
    return speed


def _open_source(
    clock: Clock, *, path: str | None, market: str | None, symbols: str, seed: int, duration_s: float | None
) -> Source:
    from trader.simulator.generated import GeneratedSource
    from trader.simulator.replay import ReplaySource
    from trader.simulator.source import Market

    if duration_s is not None and not 0.0 < duration_s < math.inf:
        raise OutOfRange("duration", duration_s, "seconds above 0")
    if path is not None:
        source = ReplaySource(Path(path), duration_s)
        if market is not None and source.market != market:
            raise UsageError(f"market: was {market}, expected {source.market} as recorded; leave --market out")
        return source
    if seed < 0:
        raise OutOfRange("seed", seed, "0 or more")
    names = list(dict.fromkeys(name.strip().upper() for name in symbols.split(",") if name.strip()))
    if not names:
        raise UsageError(f"symbols: was {symbols!r}, expected at least one such as BTCUSDT")
    return GeneratedSource(Market(market or "usdm"), names, seed, clock.now_ns(), duration_s)


async def _serve(source: Source, options: ServerOptions, clock: Clock, instance: str, *, with_parent: bool, as_json: bool) -> int:
    from trader.simulator.presence import announced
    from trader.simulator.server import HOST, SimulatorServer

    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        loop.add_signal_handler(number, _stop, stopped, code)
    if with_parent:  # even a killed parent closes the pipe
        loop.add_reader(sys.stdin.fileno(), _stop, stopped, 0)
    try:
        async with SimulatorServer(source, options, clock) as server:
            facts: dict[str, object] = {
                "port": server.port,
                "market": str(source.market),
                "symbols": list(source.specs),
                "mode": source.mode,
            }
            with announced(instance, facts | {"speed": options.speed or "max"}):
                where = f"{source.mode} {source.market} {','.join(source.specs)} on {HOST}:{server.port}"
                click.echo(json.dumps({"event": "listening", **facts}) if as_json else f"SIMULATED exchange: {where}")
                finished = asyncio.create_task(server.finished())
                waiting: set[asyncio.Future[Any]] = {stopped, finished}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if stopped.done():
                    finished.cancel()
                    return stopped.result()
                finished.result()
                return 0
    except OSError as error:
        raise ConfigError(f"port: was {options.port}, expected a free port on {HOST} ({error.strerror})") from None


def _stop(stopped: asyncio.Future[int], code: int) -> None:
    if not stopped.done():
        stopped.set_result(code)


if __name__ == "__main__":
    main()
