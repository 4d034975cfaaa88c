"""Replaying a kept session: as it was, or with other parameters.

A session made with ``trader --session NAME`` holds its first checkpoint and every input since. Feeding them to the same
``step`` gives the same fills to the bit; with other parameters it answers "what if".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from shared.errors import JournalError, UsageError
from shared.events import EventKind
from shared.layout import INPUT
from shared.params import SYMBOL_FIELDS, index_of
from trader.engine.engine import Engine
from trader.engine.inputs import ALL, InputKind, batch, row
from trader.engine.journal import check_chain
from trader.engine.state import State, copy_state
from trader.portfolio.accounting import equity_usd
from trader.portfolio.fingerprint import CLOSES, FillsHash
from trader.session import first_checkpoint, read_inputs


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay came to. Money in USD; ``net_usd`` is the change of equity."""

    inputs: int
    fills: int
    trades: int
    wins: int
    net_usd: float
    fees_usd: float
    fills_hash: str


class KeptSession:
    """A session on disk, ready to be replayed any number of times.

    Errors
    ------
    UsageError
        If there is no such session.
    JournalError
        If inputs are missing.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            kept = sorted(path.name for path in folder.parent.glob("*") if path.is_dir())
            raise UsageError(
                f"session: was {folder.name!r}, expected one of {', '.join(kept) or 'none kept yet: trader --session NAME'}"
            )
        identity, self._start = first_checkpoint(folder)
        self.symbols = identity.symbols
        self.market = identity.venue.rpartition("-")[2]
        self._inputs = read_inputs(folder)
        first = int(self._start["input_seq"][0])
        self._inputs = self._inputs[self._inputs["seq"] > first]
        check_chain(self._inputs, first)
        if not len(self._inputs):
            raise JournalError(f"session {folder.name}: was without inputs, expected some; let the trader run longer")

    @property
    def start(self) -> State:
        """The state it began with; a private copy."""
        return copy_state(self._start)

    @property
    def inputs(self) -> npt.NDArray[np.void]:
        """Every input since, in order; not to be changed."""
        return self._inputs

    def replay(self, changes: Mapping[str, float]) -> Result:
        """Run all inputs through the engine; ``changes`` replaces parameters of every symbol, whatever was set meanwhile."""
        fields = {index_of(SYMBOL_FIELDS, name): value for name, value in changes.items()}
        for index, value in fields.items():
            SYMBOL_FIELDS[index].check(value)
        engine = Engine(copy_state(self._start))
        before_usd = float(equity_usd(engine.state[0]))
        events = [engine.process(self._preamble(engine.state, fields)), engine.process(self._without(fields))]
        return _result(engine.state, np.concatenate(events), before_usd, len(self._inputs))

    def _preamble(self, state: State, fields: Mapping[int, float]) -> npt.NDArray[np.void]:
        time_ns = int(state["time_ns"][0])
        rows = [
            row(InputKind.PARAM, time_ns, symbol, aux=index, a=value, ref=1_000_000)
            for symbol in range(len(self.symbols))
            for index, value in fields.items()
        ]
        return batch(rows) if rows else np.zeros(0, INPUT)

    def _without(self, fields: Mapping[int, float]) -> npt.NDArray[np.void]:
        """Return the inputs without those that would set the changed fields again."""
        sets = (self._inputs["kind"] == InputKind.PARAM) & np.isin(self._inputs["aux"], list(fields))
        kept: npt.NDArray[np.void] = self._inputs[~(sets & (self._inputs["symbol"] != ALL))].copy()
        return kept


def _result(state: State, events: npt.NDArray[np.void], before_usd: float, inputs: int) -> Result:
    fills = events[events["kind"] == EventKind.FILL]
    closed = events[np.isin(events["kind"], CLOSES)]
    return Result(
        inputs=inputs,
        fills=len(fills),
        trades=len(closed),
        wins=int((closed["pnl_usd"] > 0).sum()),
        net_usd=float(equity_usd(state[0])) - before_usd,
        fees_usd=float(fills["fee_usd"].sum()),
        fills_hash=FillsHash().add(fills).text,
    )


def describe(results: Mapping[str, Result]) -> str:
    """Return a table, one column a run."""
    data: dict[str, dict[str, Any]] = {name: msgspec.to_builtins(result) for name, result in results.items()}
    lines = [f"{'':12}" + "".join(f"{name:>26}" for name in data)]
    for field in Result.__struct_fields__:
        values = [one[field] for one in data.values()]
        shown = [
            f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value for value in values
        ]
        lines.append(f"{field:12}" + "".join(f"{text:>26}" for text in shown))
    return "\n".join(lines)
