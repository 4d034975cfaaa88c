"""Writes the tape that the peers get, and times this engine over it doing its whole job. ``make bench-peers`` runs both."""

from __future__ import annotations

import sys

import click
import numpy as np

from tests.bench.test_engine_speed import as_inputs, best_of
from trader.app import book_top
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind
from trader.engine.state import new_state

FRAMES = 60_000


def main(path: str) -> None:
    """Write the tape without quotes, which the peers do not take, and print what this engine needs for it and for the whole."""
    everything = as_inputs(FRAMES)
    without_quotes = everything[everything["kind"] != InputKind.QUOTE]
    np.save(path, without_quotes)
    for name, inputs in (("trades and levels", without_quotes), ("with quotes", everything)):
        engine = Engine(new_state(1, 100_000.0))
        events = engine.replay(inputs)
        seconds = best_of(5, lambda inputs=inputs: Engine(new_state(1, 100_000.0)).replay(inputs))
        bid, ask = book_top(engine.state, 0)
        click.echo(
            f"this engine, all on, {name}: {len(inputs):,} events, {len(inputs) / seconds / 1e6:.1f} M/s, "
            f"{len(events)} trade events, last top {bid:.2f} / {ask:.2f}"
        )


if __name__ == "__main__":
    main(sys.argv[1])
