"""The fingerprint of a run's fills, and which events close a trade."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from shared.events import EventKind

FILL_FIELDS = ("time_ns", "symbol", "side", "price_usd", "qty", "fee_usd", "cash_usd")
CLOSES = (EventKind.POSITION_CLOSE, EventKind.TARGET_HIT, EventKind.STOP_LOSS, EventKind.TRAILING_EXIT)


class FillsHash:
    """The same for the same fills, to the bit, however they were batched."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, fills: npt.NDArray[np.void]) -> FillsHash:
        """Take more fills, one after another."""
        for fill in fills:
            self._hash.update(b"".join(fill[name].tobytes() for name in FILL_FIELDS))
        return self

    @property
    def text(self) -> str:
        """16 hex digits."""
        return self._hash.hexdigest()[:16]
