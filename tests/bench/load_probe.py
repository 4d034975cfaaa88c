"""The command ``trader``, noting when each frame came and was published: ``python -m tests.bench.load_probe FOLDER FRAMES ...``.

The stamps cost about 0.4 µs a frame. ``received`` is when the handler gets a frame, ``published`` when a view that knows it
stands in shared memory: both by the monotonic clock that the exchange stamps with.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from trader.cli import main
from trader.feeds.binance.handler import BinanceHandler
from trader.portfolio.publish import Publisher


class Probe:
    """Stamps in files that outlive the process."""

    def __init__(self, folder: Path, frames: int) -> None:
        self._received = np.lib.format.open_memmap(folder / "received.npy", "w+", np.int64, (frames,))
        self._published = np.lib.format.open_memmap(folder / "published.npy", "w+", np.int64, (frames,))
        self._count = self._told = 0

    def install(self) -> None:
        on_frame, publish = BinanceHandler.on_frame, Publisher.publish

        def stamped_frame(handler: BinanceHandler, frame: bytes | str) -> str:
            now_ns = time.monotonic_ns()
            stream = on_frame(handler, frame)
            if stream and self._count < len(self._received):
                self._received[self._count] = now_ns
                self._count += 1
            return stream

        def stamped_publish(publisher: Publisher, *arguments: Any) -> None:
            publish(publisher, *arguments)
            self._published[self._told : self._count] = time.monotonic_ns()
            self._told = self._count

        BinanceHandler.on_frame = stamped_frame  # type: ignore[method-assign, assignment]
        Publisher.publish = stamped_publish  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    Probe(Path(sys.argv[1]), int(sys.argv[2])).install()
    sys.argv = ["trader", *sys.argv[3:]]
    main()
