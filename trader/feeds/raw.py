"""Raw frames on disk as they came, for ``trader_sim --replay``: ``<local ns> <raw JSON>`` lines in gzip files, with an index.

Frames are compressed in pieces that each stand for themselves (members of one gzip file), so a kill costs at most the last second
and never makes a file unreadable.
"""

from __future__ import annotations

import gzip
import os
import queue
import threading
from pathlib import Path
from typing import Any

import msgspec

from shared.clock import NS_PER_S, Clock
from trader.feeds.connection import Receiver
from trader.feeds.stats import FeedStats

ROTATE_BYTES = 64 << 20  # of raw text a file
PIECE_BYTES = 256 << 10
PIECE_S = 1.0
INDEX = "index.jsonl"
_LEVEL = 6


class Part(msgspec.Struct):
    """One file of a recording: what the index says of it. Times in ns of this machine's clock, sizes in bytes."""

    file: str
    first_ns: int = 0
    last_ns: int = 0
    frames: int = 0
    raw_bytes: int = 0
    file_bytes: int = 0


class RawRecorder:
    """Keeps the frames of one venue.

    Parameters
    ----------
    folder
        Made with mode 0700. A recording that is there already is continued in a new file.
    clock
        Stamps the frames.
    stats
        Gets told when the disk does not take any more; the trader goes on without a recording.
    rotate_bytes
        Raw text after which a new file begins.
    """

    def __init__(self, folder: Path, clock: Clock, stats: FeedStats, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._clock = clock
        self._stats = stats
        self._rotate_bytes = rotate_bytes
        self._number = len(list(folder.glob("frames-*.gz")))
        self._part: Part | None = None
        self._queue: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self._failed = False
        self._thread = threading.Thread(target=self._work, name="raw", daemon=True)
        self._thread.start()

    def keep(self, frame: bytes) -> None:
        """Queue a frame, or the body of a REST answer."""
        if not self._failed:
            self._queue.put((self._clock.now_ns(), frame))

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            while self._write(*self._gather()):
                pass
            self._finish()
        except OSError as error:
            self._failed = True
            self._stats.last_error = f"raw recording: could not be written ({error}); free disk space, then restart"

    def _gather(self) -> tuple[list[tuple[int, bytes]], bool]:
        """Return the frames of a piece, and whether more may come."""
        frames: list[tuple[int, bytes]] = []
        size = 0
        begun_ns = self._clock.monotonic_ns()
        while size < PIECE_BYTES:
            left_s = PIECE_S - (self._clock.monotonic_ns() - begun_ns) / NS_PER_S
            try:
                item = self._queue.get(timeout=max(left_s, 0.0)) if left_s > 0.0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return frames, False
            frames.append(item)
            size += len(item[1])
        return frames, True

    def _write(self, frames: list[tuple[int, bytes]], more: bool) -> bool:
        if not frames:
            return more
        if self._part is None:
            self._number += 1
            self._part = Part(file=f"frames-{self._number:05d}.gz", first_ns=frames[0][0])
        part = self._part
        text = b"".join(b"%d %s\n" % (ns, frame.replace(b"\n", b" ")) for ns, frame in frames)
        piece = gzip.compress(text, _LEVEL)
        _append(self._folder / part.file, piece)
        part.last_ns = frames[-1][0]
        part.frames += len(frames)
        part.raw_bytes += len(text)
        part.file_bytes += len(piece)
        if part.raw_bytes >= self._rotate_bytes:
            self._finish()
        return more

    def _finish(self) -> None:
        if self._part is not None:
            _append(self._folder / INDEX, msgspec.json.encode(self._part) + b"\n")
            self._part = None


class Recorded:
    """A receiver whose frames are kept: those it could use, each once."""

    def __init__(self, receiver: Receiver, recorder: RawRecorder, stats: FeedStats) -> None:
        self._receiver = receiver
        self._recorder = recorder
        self._stats = stats

    @property
    def finished(self) -> bool:
        """See :class:`trader.feeds.connection.Receiver`."""
        return self._receiver.finished

    def on_frame(self, frame: bytes) -> str:
        """Hand a frame on; keep it if it was market data, and no repetition by a connection that carries on."""
        before = self._stats.repetitions
        stream = self._receiver.on_frame(frame)
        if stream and stream[0] != "!" and self._stats.repetitions == before:
            self._recorder.keep(frame)
        return stream

    def deliver(self) -> None:
        """Hand it on."""
        self._receiver.deliver()

    def on_connected(self) -> None:
        """Hand it on."""
        self._receiver.on_connected()

    def on_disconnected(self) -> None:
        """Hand it on."""
        self._receiver.on_disconnected()


def read_index(folder: Path) -> list[Part]:
    """Return what a recording's index says; of a file it does not know (the recorder was killed) only name and size."""
    lines = (folder / INDEX).read_bytes().splitlines() if (folder / INDEX).exists() else []
    known = {part.file: part for part in (msgspec.json.decode(line, type=Part) for line in lines)}
    files = sorted(folder.glob("frames-*.gz"))
    return [known.get(path.name, Part(file=path.name, file_bytes=path.stat().st_size)) for path in files]


def _append(path: Path, data: bytes) -> None:
    file: Any = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    with os.fdopen(file, "ab") as opened:
        opened.write(data)
