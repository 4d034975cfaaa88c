"""The replays themselves: a checkpoint the trader kept, the inputs since, and the engine's own ``step``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_S
from shared.errors import JournalError, Timeout
from shared.events import EventKind, Source
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind, batch, row
from trader.engine.state import COMMISSION, SLIPPAGE, State
from trader.portfolio.accounting import equity_usd, gross_usd
from trader.portfolio.fingerprint import CLOSES
from trader.session import checkpoints, read_after, read_state
from tuner.outcome.tasks import Arm, Both, Measure, WhatIf

Inputs = npt.NDArray[np.void]

_LEAST_WINDOW_S = 30.0
_PATIENCE_NS = 600 * NS_PER_S  # of market time: a wish is in the log at once or never, but a simulated market runs fast
_REVISION = 1 << 40  # of values put in force by a replay: unlike any that a trader counted


class _Run:
    """One way it goes: an engine, and what its events add up to."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._before_usd = worth_usd(engine.state)
        self._trades = self._wins = 0
        self._fees_usd = self._slippage_usd = 0.0

    def take(self, inputs: Inputs) -> None:
        events = self.engine.replay(inputs)
        fills = events[events["kind"] == EventKind.FILL]
        closed = events[np.isin(events["kind"], CLOSES)]
        self._trades += len(closed)
        self._wins += int((closed["pnl_usd"] > 0).sum())
        self._fees_usd += float(fills["fee_usd"].sum())
        self._slippage_usd += float(fills["slippage_usd"].sum())

    def put_in_force(self, symbol: int, values: Mapping[int, float]) -> None:
        """Set values of a symbol, as the tuner's wish would."""
        time_ns = int(self.engine.state["time_ns"][0])
        rows = [
            row(InputKind.PARAM, time_ns, symbol, flags=Source.TUNER, aux=field, a=value, ref=_REVISION)
            for field, value in values.items()
        ]
        if rows:
            self.take(batch(rows))

    @property
    def arm(self) -> Arm:
        return Arm(
            net_usd=worth_usd(self.engine.state) - self._before_usd, trades=self._trades, wins=self._wins,
            fees_usd=self._fees_usd, slippage_usd=self._slippage_usd,
        )  # fmt: skip


def worth_usd(state: State) -> float:
    """Return equity less what closing every open position would cost: commission and slippage of one side."""
    whole: Any = state[0]
    cost = (whole["controls"]["values"][COMMISSION] + whole["controls"]["values"][SLIPPAGE]) * 1e-4
    return float(equity_usd(whole)) - float(gross_usd(whole)) * float(cost)


def what_if(task: WhatIf) -> Both:
    """Replay the recent past with the values in force, and with the proposed ones.

    Errors
    ------
    JournalError
        If too little is kept, or a log disappeared meanwhile.
    """
    folder = Path(task.folder)
    kept = checkpoints(folder)
    if not kept:
        raise JournalError("session: was without a checkpoint, expected one; let the trader run longer")
    now_ns = _last_time_ns(folder, kept[-1][0], kept[-1][1])
    since_ns = now_ns - int(task.window_s * NS_PER_S)
    seq, _, path = next((one for one in reversed(kept) if one[1] <= since_ns), kept[0])
    start = Engine(read_state(path)[1])
    old, new = _Run(start.fork()), _Run(start.fork())
    old.put_in_force(task.symbol, task.in_force)
    new.put_in_force(task.symbol, task.in_force | task.changes)
    count, first_ns = 0, 0
    for inputs in read_after(folder, seq):
        first_ns = first_ns or (int(inputs["time_ns"][0]) if len(inputs) else 0)
        market = inputs[~_sets(inputs, task.symbol)]  # what was set meanwhile is what the two ways differ in
        old.take(market)
        new.take(market)
        count += len(inputs)
    span_s = (int(new.engine.state["time_ns"][0]) - first_ns) / NS_PER_S if first_ns else 0.0
    if span_s < _LEAST_WINDOW_S:
        raise JournalError(f"session: held {span_s:.0f} s of market, expected {_LEAST_WINDOW_S:.0f} s at least to replay")
    return Both(horizon_s=span_s, inputs=count, old=old.arm, new=new.arm)


def measure(task: Measure) -> Both:
    """Replay what really happened after a decision, without it and with it.

    Errors
    ------
    JournalError
        If the inputs are not kept any more, or hold no trace of the decision.
    Timeout
        If they do not reach to the horizon yet.
    """
    folder = Path(task.folder)
    seq, _, path = next((one for one in reversed(checkpoints(folder)) if one[1] < task.from_ns), (0, 0, None))
    if path is None:
        raise JournalError("session: was without a checkpoint from before the decision, expected one")
    start = Engine(read_state(path)[1])
    runs: tuple[_Run, _Run] | None = None
    end_ns, count = 0, 0
    for inputs in read_after(folder, seq):
        rest = inputs
        if runs is None:
            at = _first(inputs, task)
            start.replay(inputs[:at])
            if at == len(inputs):
                continue
            rest = inputs[at:]
            end_ns = int(rest["time_ns"][0]) + int(task.horizon_s * NS_PER_S)
            runs = _Run(start.fork()), _Run(start)
            runs[1].put_in_force(task.symbol, task.changes)
        over = np.flatnonzero(rest["time_ns"] > end_ns)
        part = rest[: over[0]] if len(over) else rest
        runs[0].take(part[~_of_decision(part, task)])
        runs[1].take(part)
        count += len(part)
        if len(over):
            return Both(horizon_s=task.horizon_s, inputs=count, old=runs[0].arm, new=runs[1].arm)
    last_ns = int((runs[1].engine if runs else start).state["time_ns"][0])
    if runs is None and last_ns > task.from_ns + _PATIENCE_NS:
        raise JournalError(f"session: held no trace of decision {task.decision_id}, expected its inputs")
    raise Timeout(f"session: did not reach {task.horizon_s:.0f} s past the decision yet, expected it to; ask again later")


def _first(inputs: Inputs, task: Measure) -> int:
    """Return where the two ways part; the length if not in these inputs."""
    found = np.flatnonzero(inputs["time_ns"] >= task.from_ns if task.changes else _of_decision(inputs, task))
    return int(found[0]) if len(found) else len(inputs)


def _of_decision(inputs: Inputs, task: Measure) -> npt.NDArray[np.bool_]:
    """Say which inputs are the decision's own: its wishes (all that carry its id, a roll-back too) and its command."""
    kinds = np.isin(inputs["kind"], (InputKind.PARAM, InputKind.COMMAND))
    tuner = (inputs["flags"] & 255) == Source.TUNER
    found: npt.NDArray[np.bool_] = kinds & tuner & (inputs["c"] == task.decision_id) & (inputs["time_ns"] >= task.from_ns)
    return found


def _sets(inputs: Inputs, symbol: int) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (inputs["kind"] == InputKind.PARAM) & (inputs["symbol"] == symbol)
    return found


def _last_time_ns(folder: Path, seq: int, at_least_ns: int) -> int:
    """Return the market time of the newest input on disk, ns."""
    return max([at_least_ns, *(int(inputs["time_ns"][-1]) for inputs in read_after(folder, seq) if len(inputs))])
