"""The inputs of the engine: everything that can change the outcome, one 64-byte record each.

===========  ==========================================================================================================
kind         fields
===========  ==========================================================================================================
TRADE        a price, b quantity, c venue time (ms), flags SELL_TAKER, ref trade id
QUOTE        a bid, b bid quantity, c ask, d ask quantity, ref update id
DEPTH        a price, b quantity (0 removes), c venue time (ms), flags ASK and LAST of its update, ref final update id
SNAPSHOT     as DEPTH, the first level carries FIRST and clears the book; a level of price 0 is none
PARAM        aux field, a value, b confidence (%), c decision id, flags source, ref revision
CONTROL      the same for a global control
REFUSAL      aux field, a value in force, d value refused, b confidence, c decision id, flags source + 256 reason, ref generation
COMMAND      aux kind, a notional of a manual trade (USD, 0: the symbol's own size), c decision id,
             flags source (+ 256 × reason: refused), ref command id
TIMER        nothing: time passes
GAP          aux :class:`Gap`
NOTE         aux status code, to be told as an event
BAR          a closed minute from the venue's history, before trading starts: a high, b low, c close, ref open time (ms)
FUNDING      a rate of the coming settlement (fraction, longs pay a positive one), ref its time (ns)
MARK         a the venue's mark price, b its index price
REPORT       live: what the venue said of an order: flags :class:`Report`, ref order id, a quantity filled now, b its price,
             c its fee (USD), aux reason
RECONCILED   live: a 1 the venue and the ledger agree, 0 they do not; b orders whose state is not known
KILL         a 1 the kill file is there, 0 it is gone
INSTRUMENT   a tick size, b step size, c minimum notional (USD), flags 1: perpetual,
             d number of its asset, the same on every venue (0: on one venue only)
ASIDE        in a replay of a session: this input and the ``aux`` after it are not the session's, but of the moment
===========  ==========================================================================================================

``symbol`` is the index of the instrument, :data:`ALL` for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from shared.layout import INPUT

ALL = 255
SELL_TAKER = 1
ASK = 1
LAST = 2
FIRST = 4


class InputKind(IntEnum):
    """Kinds of an input record."""

    TRADE = 1
    QUOTE = 2
    DEPTH = 3
    SNAPSHOT = 4
    PARAM = 5
    CONTROL = 6
    REFUSAL = 7
    COMMAND = 8
    TIMER = 9
    GAP = 10
    NOTE = 11
    BAR = 12
    INSTRUMENT = 13
    KILL = 14
    FUNDING = 15
    ASIDE = 16
    MARK = 17
    REPORT = 18
    RECONCILED = 19


class Report(IntEnum):
    """What a venue said of an order of ours."""

    ACCEPTED = 1
    FILLED = 2  # in part or whole; what is left is in the quantities
    ENDED = 3  # cancelled, expired or refused: nothing more comes
    UNCONFIRMED = 4  # its state is not known; nothing may be concluded until the venue has been asked


class Gap(IntEnum):
    """What was lost."""

    BOOK = 1  # this symbol's book is not to be trusted until the next snapshot
    DISCONNECTED = 2  # nothing of this symbol (or of any) is current until data comes again


InputRow = tuple[int, int, int, int, int, int, float, float, float, float, int]


def row(
    kind: InputKind,
    time_ns: int,
    symbol: int = ALL,
    *,
    flags: int = 0,
    aux: int = 0,
    a: float = 0.0,
    b: float = 0.0,
    c: float = 0.0,
    d: float = 0.0,
    ref: int = 0,
) -> InputRow:
    """Return one input as a tuple in the order of :data:`shared.layout.INPUT` (``seq`` is given by the journal)."""
    return (0, time_ns, kind, symbol, flags, aux, a, b, c, d, ref)


def batch(rows: Sequence[InputRow]) -> npt.NDArray[np.void]:
    """Return inputs as an array of dtype :data:`shared.layout.INPUT`, shape (n,)."""
    return np.array(rows, INPUT)
