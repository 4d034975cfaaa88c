"""What the feeds of all venues do alike: they are the receiving end of their sockets, and hand rows to a sink."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shared.clock import Clock
from trader.feeds.connection import Socket, SocketLimits
from trader.feeds.raw import RawRecorder, Recorded
from trader.feeds.stats import FeedStats

Sink = Callable[[npt.NDArray[np.void]], None]


class Handler(Protocol):
    """The state machine of a venue, without sockets."""

    def on_frame(self, frame: bytes) -> str:
        """Take one frame; return its stream, see :meth:`trader.feeds.connection.Receiver.on_frame`."""
        ...

    def on_disconnected(self) -> None:
        """Note that a connection is gone."""
        ...


class StreamingFeed(ABC):
    """The receiver of its own sockets (:class:`trader.feeds.connection.Receiver`).

    Parameters
    ----------
    clock, rng
        Time, and the jitter of retries.
    stats
        Counters to keep.
    sink
        Gets the rows (dtype ``shared.layout.INPUT``, shape (n,)) on the event loop's thread, in order, after each message or
        several that came together. What it raises ends the feed.
    sim
        Follow the simulator's time and its end.
    limits
        How patient a connection is.
    raw
        Keeps the frames as they came.

    Attributes
    ----------
    handler
        Makes rows of frames.
    ended
        Set when the simulator has said that nothing more comes, and all of it has been delivered.
    """

    handler: Handler

    def __init__(
        self,
        *,
        clock: Clock,
        rng: np.random.Generator,
        stats: FeedStats,
        sink: Sink,
        sim: bool,
        limits: SocketLimits,
        raw: RawRecorder | None,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self.stats = stats
        self._sink = sink
        self._sim = sim
        self._limits = limits
        self._raw = raw
        self.ended = asyncio.Event()

    @property
    def finished(self) -> bool:
        """Say whether to stop instead of reconnecting."""
        return self.ended.is_set()

    def on_frame(self, frame: bytes) -> str:
        """Take one frame; return its stream."""
        return self.handler.on_frame(frame)

    @abstractmethod
    def on_connected(self) -> None:
        """Note that a connection stands."""

    def on_disconnected(self) -> None:
        """Deliver that a connection is gone."""
        self.handler.on_disconnected()
        self.deliver()

    @abstractmethod
    def deliver(self) -> None:
        """Hand what has become known to the sink."""

    def _connection(self, url: str, subscribe_frames: Sequence[str], streams: Sequence[str], **options: Any) -> Socket:
        """Return a connection that this feed receives; ``options`` are those of :class:`trader.feeds.connection.Socket`."""
        receiver = self if self._raw is None else Recorded(self, self._raw, self.stats)
        known: dict[str, Any] = {"clock": self._clock, "rng": self._rng, "stats": self.stats, "limits": self._limits}
        return Socket(url, subscribe_frames, streams, receiver, **known, **options)
