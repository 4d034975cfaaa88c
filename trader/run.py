"""Running a trader in the terminal: start, what is printed, signals, end."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from typing import TYPE_CHECKING

import click
import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import SystemClock, clock_time
from shared.console import INTERRUPTED
from shared.events import EventKind, describe
from trader.app import LiveOrders, Summary, Trader
from trader.engine.warmup import warm_up
from trader.settings import ALONE, Settings
from trader.venues import Venue

if TYPE_CHECKING:
    from trader.execution.live.gates import LiveMode

_QUIET = (EventKind.ORDER, EventKind.SIGNAL, EventKind.REGIME_CHANGE, EventKind.FILL)


class Terminal:
    """What the trader says on the terminal."""

    def __init__(self, symbols: list[str], *, verbose: bool, as_json: bool) -> None:
        self._symbols = symbols
        self._verbose = verbose
        self._as_json = as_json

    def say(self, words: str) -> None:
        """Say something about the program itself."""
        click.echo(json.dumps({"event": "note", "text": words}) if self._as_json else words, err=True)

    def events(self, events: npt.NDArray[np.void]) -> None:
        """Print events: all of them with ``--verbose``, else those a human would want to be told."""
        for event in events:
            if not self._verbose and event["kind"] in _QUIET:
                continue
            text = describe(event, self._symbols)
            if self._as_json:
                kind = EventKind(int(event["kind"])).name
                click.echo(json.dumps({"event": kind, "seq": int(event["seq"]), "time_ns": int(event["time_ns"]), "text": text}))
            else:
                click.echo(f"{clock_time(int(event['time_ns']))} {text}")
            if event["kind"] == EventKind.FEED_STALE:
                self.say("FEED STALE: entries are blocked, exits stay armed; check the network or the venue's status page")

    def summary(self, summary: Summary) -> None:
        """Print what the run came to."""
        if self._as_json:
            click.echo(json.dumps({"event": "summary", **msgspec.to_builtins(summary)}))
            return
        for name, value in msgspec.to_builtins(summary).items():
            click.echo(f"{name:14} {value}")


def run(settings: Settings, *, verbose: bool, as_json: bool) -> None:
    """Run until the end of the feed, the duration, or a signal. Exits 130 after Ctrl-C."""
    clock = SystemClock()
    terminal = Terminal([], verbose=verbose, as_json=as_json)
    live_mode = _pass_gates(settings, terminal) if settings.live else None
    warm_up(clock, terminal.say)
    venue = Venue(settings)
    try:
        terminal = Terminal(list(venue.symbols), verbose=verbose, as_json=as_json)
        resolved = msgspec.structs.replace(settings, market=venue.market, symbols=tuple(venue.symbols))
        mode = "PAPER · REPLAY" if settings.replays else "PAPER · SIMULATED DATA" if venue.simulated else "PAPER"
        mode = live_mode.words if live_mode else mode
        where = f" {venue.market}" if settings.venue in ALONE else ""
        terminal.say(f"{mode}: {' '.join(resolved.venues)}{where} {', '.join(venue.symbols)}")
        if settings.costs and not settings.replays:
            terminal.say(f"costs: {settings.costs} (a trader that goes on keeps those it has)")
        summary, interrupted = asyncio.run(_run(resolved, venue, clock, terminal, live_mode))
    finally:
        venue.close()
    terminal.summary(summary)
    if interrupted:
        sys.exit(INTERRUPTED)


def _pass_gates(settings: Settings, terminal: Terminal) -> LiveMode:
    """Return the live mode, or end with the reason why not. Paper runs never load what live orders need."""
    from trader.execution.live.gates import pass_gates

    def ask(question: str) -> str:
        terminal.say(f"{question}: ")
        return sys.stdin.readline()

    return pass_gates(settings, ask)


async def _run(
    settings: Settings, venue: Venue, clock: SystemClock, terminal: Terminal, mode: LiveMode | None
) -> tuple[Summary, bool]:
    if mode is None:
        return await _trade(settings, venue, clock, terminal, None)
    from trader.execution.live.room import open_room

    room = await open_room(mode, settings, venue, clock, terminal.say)
    try:
        return await _trade(msgspec.structs.replace(settings, capital_usd=room.capital_usd), venue, clock, terminal, room)
    finally:
        await room.close()


async def _trade(
    settings: Settings, venue: Venue, clock: SystemClock, terminal: Terminal, live: LiveOrders | None
) -> tuple[Summary, bool]:
    trader = Trader(
        settings,
        venue.symbols,
        clock,
        simulated=venue.simulated,
        on_event=terminal.events,
        on_trouble=terminal.say,
        start=venue.start,
        live=live,
    )
    interrupted = False

    def stop(number: int) -> None:
        nonlocal interrupted
        interrupted = number == signal.SIGINT
        trader.stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    # a recovered position must be protected by the first price there is: nothing is held back then
    feed = venue.feed(clock, trader.stats, trader.ingest, trader.state, hold=not trader.recovered)
    gc.freeze()  # what has been loaded stays; to look through it again and again would stop the trader for 70 ms each time
    return await trader.run(feed), interrupted
