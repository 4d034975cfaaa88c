"""Writes the tape and the orders that the peers get, and times this engine over both doing its whole job.

``make bench-peers`` runs this and the peers. The strategy is the plainest there is, so that trades can be compared before time: a
market order of 0.01 BTC every ten seconds, buying and selling in turn.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from shared.events import CommandKind, EventKind, Source
from shared.params import CONTROLS, SYMBOL_FIELDS, index_of
from tests.bench.test_engine_speed import as_inputs, best_of
from trader.app import book_top
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind, InputRow, batch, row
from trader.engine.state import State, new_state

FRAMES = 60_000
EVERY_NS = 10_000_000_000
ORDER_BTC = 0.01
ROOM = 1.04  # the engine takes an order's value and rounds its quantity down to whole steps


def beginning() -> State:
    """Return a state that fills at once and without slippage, and trades nothing of its own."""
    state: Any = new_state(1, 100_000.0)
    for name in ("latency_ms", "slippage_bps"):
        state["controls"]["values"][0, index_of(CONTROLS, name)] = 0.0
    state["symbols"]["settings"]["values"][0, 0, index_of(SYMBOL_FIELDS, "enabled")] = 0.0
    fresh: State = state
    return fresh


def with_orders(tape: npt.NDArray[np.void]) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]:
    """Return the tape with the strategy's orders in it, and their times: int64 (n,), ns. They buy and sell in turn.

    Without quotes the engine would take the worse of book and last trade; so each order comes after a quote read off the book.
    """
    times = np.arange(int(tape["time_ns"][0]) + EVERY_NS, int(tape["time_ns"][-1]), EVERY_NS, dtype=np.int64)
    price = float(tape["a"][tape["kind"] == InputKind.TRADE][0])
    engine, parts, begin = Engine(beginning()), [], 0
    for number, (at, end) in enumerate(zip(times, np.searchsorted(tape["time_ns"], times, "right"), strict=True)):
        engine.replay(tape[begin:end].copy())
        bid, ask = book_top(engine.state, 0)
        parts.append(tape[begin:end])
        parts.append(batch([row(InputKind.QUOTE, int(at), 0, a=bid, b=1.0, c=ask, d=1.0), order(number, int(at), price)]))
        begin = end
    joined = np.concatenate([*parts, tape[begin:]])
    joined["seq"] = np.arange(1, len(joined) + 1)
    return joined, times


def order(number: int, at_ns: int, price_usd: float) -> InputRow:
    """Return the strategy's order of a number as a human's: it asks no signal."""
    kind = CommandKind.MANUAL_BUY if number % 2 == 0 else CommandKind.MANUAL_SELL
    value_usd = ORDER_BTC * price_usd * ROOM
    return row(InputKind.COMMAND, at_ns, 0, flags=Source.OPERATOR, a=value_usd, ref=number + 1, aux=kind)


def main(folder: str) -> None:
    """Write ``tape.npy``, ``orders.npy`` and ``fills.npy`` (side, price), and print what this engine needs."""
    everything = as_inputs(FRAMES)
    without_quotes = everything[everything["kind"] != InputKind.QUOTE]
    traded, times = with_orders(without_quotes)
    np.save(Path(folder) / "tape.npy", without_quotes)
    np.save(Path(folder) / "orders.npy", times)
    cases = (("strategies of its own", without_quotes, new_state(1, 100_000.0)), ("the same, with quotes", everything, None))
    for name, inputs, state in (*cases, ("orders on the clock", traded, beginning())):
        start = new_state(1, 100_000.0) if state is None else state
        engine = Engine(start.copy())
        events = engine.replay(inputs)
        fresh = iter([Engine(start.copy()) for _ in range(5)])  # made before the clock starts, as the peers' are
        seconds = best_of(5, lambda inputs=inputs, fresh=fresh: next(fresh).replay(inputs))
        bid, ask = book_top(engine.state, 0)
        fills = events[events["kind"] == EventKind.FILL]
        click.echo(
            f"this engine, {name}: {len(inputs):,} events, {len(inputs) / seconds / 1e6:.2f} M/s, "
            f"{len(fills)} fills, last top {bid:.2f} / {ask:.2f}"
        )
    np.save(Path(folder) / "fills.npy", np.stack([fills["side"].astype(np.float64), fills["price_usd"], fills["qty"]], axis=1))


if __name__ == "__main__":
    main(sys.argv[1])
