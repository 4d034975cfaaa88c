"""The command ``trader_sim``."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.clock import Clock, SystemClock
from shared.console import exit_codes, parse_speed
from shared.errors import ConfigError, OutOfRange, UsageError
from shared.paths import instance_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from trader.simulator.faults.plan import Change
    from trader.simulator.hyperliquid.flow import Flow
    from trader.simulator.source import Source


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--replay", "path", metavar="PATH", help="Replay a recording: a .gz file, or a folder of them in name order.")
@click.option(
    "--speed", default="1", show_default=True, metavar="N|max", help="Simulated seconds per second; max = as fast as read."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the generated market.")
@click.option(
    "--market", type=click.Choice(["spot", "usdm", "hyperliquid"]), help="Venue to play; a replay knows its own. [default: usdm]"
)
@click.option("--symbols", help="Symbols of the generated market. [default: BTC, ETH and SOL in the venue's words]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="TCP port on 127.0.0.1; 0 takes a free one.")
@click.option("--duration", metavar="S", type=float, help="Simulated seconds until the flow ends.")
@click.option(
    "--book-every",
    type=click.FloatRange(min=0.0),
    default=0.0,
    help="Hyperliquid: least seconds between full books; 5.25 as in 2026.",
)
@click.option("--lifetime", metavar="S", type=click.FloatRange(min=0.1), help="Announce the end of each connection after S s.")
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
    symbols: str | None,
    port: int,
    duration: float | None,
    book_every: float,
    lifetime: float | None,
    once: bool,
    instance: str | None,
    with_parent: bool,
    accounts_path: str | None,
    answer_first: bool,
    faults: str | None,
    as_json: bool,
) -> None:
    """Run a SIMULATED Binance or Hyperliquid on 127.0.0.1: a recording replayed, or a generated market.

    For example `trader_sim --replay recordings/ --speed max`, or `trader_sim --market spot --seed 7`.
    """
    with exit_codes():
        pace = parse_speed(speed)
        name = instance_name(instance)
        clock = SystemClock()
        source = _open_source(clock, path=path, market=market, symbols=symbols, seed=seed, duration_s=duration)
        from trader.simulator.faults.script import read_script
        from trader.simulator.trading.accounts_file import read_accounts

        accounts = tuple(read_accounts(Path(accounts_path))) if accounts_path else ()
        script = read_script(faults, Path()) if faults else None
        tell = _tell_fault if as_json else None
        common: dict[str, Any] = {"port": port, "speed": pace, "once": once, "accounts": accounts, "answer_first": answer_first}
        common |= {"faults": script, "tell_fault": tell}
        make = partial(_server, source, clock, common, {"lifetime_s": lifetime}, {"book_every_s": book_every})
        sys.exit(asyncio.run(_serve(source, make, port, pace, name, with_parent=with_parent, as_json=as_json)))


def _tell_fault(change: Change, ns: int) -> None:
    fault = {"kind": str(change.fault.kind), "at_s": change.fault.at_s, "for_s": change.fault.for_s}
    click.echo(json.dumps({"event": "fault", "begins": change.begins, "venue_ns": ns, **fault}))


def _open_source(
    clock: Clock, *, path: str | None, market: str | None, symbols: str | None, seed: int, duration_s: float | None
) -> Source | Flow:
    from trader.simulator.generated import GeneratedSource
    from trader.simulator.hyperliquid.flow import Flow
    from trader.simulator.hyperliquid.generated import GeneratedOrigin
    from trader.simulator.hyperliquid.recorder import RecordedOrigin, is_hyperliquid
    from trader.simulator.replay import ReplaySource
    from trader.simulator.source import Market

    if duration_s is not None and not 0.0 < duration_s < math.inf:
        raise OutOfRange("duration", duration_s, "seconds above 0")
    if path is not None:
        source: Source | Flow
        if is_hyperliquid(Path(path)):
            source = Flow(RecordedOrigin(Path(path), duration_s))
        else:
            source = ReplaySource(Path(path), duration_s)
        if market is not None and source.market != market:
            raise UsageError(f"market: was {market}, expected {source.market} as recorded; leave --market out")
        return source
    if seed < 0:
        raise OutOfRange("seed", seed, "0 or more")
    coins = market == "hyperliquid"
    if symbols is None:
        symbols = "BTC,ETH,SOL" if coins else "BTCUSDT,ETHUSDT,SOLUSDT"
    given = (name.strip() for name in symbols.split(",") if name.strip())
    names = list(dict.fromkeys(name if coins else name.upper() for name in given))
    if not names:
        raise UsageError(f"symbols: was {symbols!r}, expected at least one such as BTCUSDT")
    if coins:
        return Flow(GeneratedOrigin(names, seed, clock.now_ns(), duration_s))
    return GeneratedSource(Market(market or "usdm"), names, seed, clock.now_ns(), duration_s)


def _server(
    source: Source | Flow, clock: Clock, common: dict[str, Any], binance: dict[str, Any], hyperliquid: dict[str, Any]
) -> Any:
    """Return the server that speaks the source's protocol, with the common options and those of the protocol."""
    from trader.simulator.hyperliquid.flow import Flow

    if isinstance(source, Flow):
        from trader.simulator.hyperliquid.server import HyperliquidOptions, HyperliquidServer

        return HyperliquidServer(source, HyperliquidOptions(**common, **hyperliquid), clock)
    from trader.simulator.server import ServerOptions, SimulatorServer

    return SimulatorServer(source, ServerOptions(**common, **binance), clock)


async def _serve(
    source: Source | Flow,
    make: Callable[[], Any],
    port: int,
    speed: float | None,
    instance: str,
    *,
    with_parent: bool,
    as_json: bool,
) -> int:
    from trader.simulator.presence import announced
    from trader.simulator.server import HOST

    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        loop.add_signal_handler(number, _stop, stopped, code)
    if with_parent:  # even a killed parent closes the pipe
        loop.add_reader(sys.stdin.fileno(), _stop, stopped, 0)
    try:
        async with make() as server:
            facts: dict[str, object] = {
                "port": server.port,
                "market": str(source.market),
                "symbols": list(source.specs),
                "mode": source.mode,
                "trades": _trade_stream(source),
            }
            with announced(instance, facts | {"speed": speed or "max"}):
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
        raise ConfigError(f"port: was {port}, expected a free port on {HOST} ({error.strerror})") from None


def _trade_stream(source: Source | Flow) -> str:
    """Return by which stream a Binance source tells its trades: a recording of USD-M may have aggregates only."""
    from trader.simulator.streams import kind_of

    kinds = {kind_of(name) for name in getattr(source, "streams", ())}
    return "aggTrade" if "aggTrade" in kinds and "trade" not in kinds else "trade"


def _stop(stopped: asyncio.Future[int], code: int) -> None:
    if not stopped.done():
        stopped.set_result(code)


if __name__ == "__main__":
    main()
