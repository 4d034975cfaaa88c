"""What one batch of inputs brought about: trade events, in order, before they are published and stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.compiled import compiled
from shared.events import NO_FIELD
from shared.layout import TRADE_EVENT, record

OUTBOX_CAPACITY = 16_384
OUTBOX_MARGIN = 8192  # more than one input can bring about: ten seconds caught up x 64 symbols x nine events

OUTBOX = record(("count", "i8"), ("blank", TRADE_EVENT), ("events", TRADE_EVENT, (OUTBOX_CAPACITY,)))


def new_outbox() -> npt.NDArray[np.void]:
    """Return an empty outbox, a (1,) array of :data:`OUTBOX`."""
    box: Any = np.zeros(1, OUTBOX)
    box["blank"]["symbol"] = -1
    box["blank"]["field"] = NO_FIELD
    made: npt.NDArray[np.void] = box
    return made


@compiled
def new_event(state: Any, box: Any, kind: int, symbol: int) -> Any:
    """Append an event of a kind and return it to be filled."""
    state.event_seq += 1
    box.events[box.count] = box.blank
    event = box.events[box.count]
    box.count += 1
    event.seq = state.event_seq
    event.time_ns = state.time_ns
    event.input_seq = state.input_seq
    event.kind = kind
    event.symbol = symbol
    return event
