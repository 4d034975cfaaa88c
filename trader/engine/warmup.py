"""Compiling every kernel before the first tick, with a line that says so. ``python -m trader.engine.warmup`` in the set-up."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click
import numpy as np
import numpy.typing as npt
from msgspec import Raw

from shared.clock import Clock, SystemClock
from shared.compiled import compiled_cache_dir


def warm_up(clock: Clock, say: Callable[[str], None]) -> None:
    """Run every compiled function once; the first time this takes seconds and is announced, later it is a cache look-up."""
    cold = not compiled_cache_dir().exists()
    if cold:
        say("compiling the engine (once after each change of its sources, about a minute) …")
    start_ns = clock.monotonic_ns()
    _exercise()
    if cold:
        say(f"compiled in {(clock.monotonic_ns() - start_ns) / 1e9:.1f} s")


def _exercise() -> None:
    from shared import layout
    from shared.ring import RingReader, RingWriter
    from shared.seqlock import read_copy
    from trader.engine.engine import Engine
    from trader.engine.inputs import InputKind, batch, row
    from trader.engine.state import new_state
    from trader.feeds.crossed import ShadowBook
    from trader.feeds.levels import LevelReader
    from trader.portfolio.publish import PUBLISHED, no_feed, publish_into

    engine = Engine(new_state(1, 1000.0))
    engine.process(batch([row(kind, 1, 0) for kind in (InputKind.TIMER, InputKind.GAP)]))
    ShadowBook().crosses(bytearray(layout.INPUT.itemsize))
    LevelReader().rows(Raw(b"[]"), Raw(b"[]"), 0, 0, venue_ms=0.0, ref=0)
    body = np.zeros(1, layout.PORTFOLIO)
    publish_into(engine.state, body["version"], body["copies"][0].view(PUBLISHED), *no_feed())
    for item in (layout.INPUT, layout.TRADE_EVENT, layout.COMMAND, layout.TUNER_EVENT):
        ring = np.zeros(1, layout.ring(item, 4))
        RingWriter(ring).push(np.zeros(1, item))
        for part in (ring, _read_only(ring)):
            RingReader(part, from_start=True).read()
    for part in (body, _read_only(body)):
        read_copy(part["version"], part["copies"][0])


def _read_only(array: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return a view that cannot be written, as other processes map it: compiled code is another one for it."""
    view = array.view()
    view.setflags(write=False)
    return view


if __name__ == "__main__":
    warm_up(SystemClock(), lambda words: click.echo(words, file=sys.stderr))
