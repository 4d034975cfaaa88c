"""The tuner's end of the replaying process: starts it, asks it, starts it anew where it died, never waits longer than told."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

import msgspec

from tuner.outcome.tasks import Answer, Task

_BEAT_S = 0.05
_STARTING_S = 1.0  # a decision is not kept waiting for a process that is still loading the engine


class Replayer:
    """One replaying process and the thread that talks to it; tasks are answered in turn.

    Parameters
    ----------
    command
        How to start the process; the default is this project's own.
    """

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "tuner.outcome.worker")) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._ready = self._warming = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replayer")

    def warm(self) -> None:
        """Start the process before it is needed: the engine takes seconds to load."""
        self._warming = True
        self._thread.submit(self._loaded)

    def submit(self, task: Task) -> Future[Answer]:
        """Ask; the answer comes when it comes."""
        return self._thread.submit(self._ask, task)

    def ask(self, task: Task, within_s: float, beat: Callable[[], None]) -> Answer:
        """Ask and wait, calling ``beat`` meanwhile; an answer that is not there in time is an error in words."""
        future = self.submit(task)
        if self._warming and not self._ready:
            within_s = min(within_s, _STARTING_S)
        for _ in range(max(1, int(within_s / _BEAT_S))):
            beat()
            try:
                return future.result(_BEAT_S)
            except NotYet:
                continue
        future.cancel()
        return Answer(error=f"not replayed within {within_s:.1f} s")

    def close(self) -> None:
        """End the process; what was asked and not answered is dropped."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._kill()
        self._thread.shutdown(wait=True)
        self._kill()  # one that was just being started

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what was still to be written has no reader
                        pipe.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._kill()
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, start_new_session=True)  # noqa: S603 - ours
        return self._process

    def _loaded(self) -> subprocess.Popen[bytes]:
        """Return the process once its engine is loaded."""
        before, process = self._process, self._started()
        if process is not before or not self._ready:
            self._ready = process.stdout is not None and bool(process.stdout.readline())
        return process

    def _ask(self, task: Task) -> Answer:
        try:
            process = self._loaded()
            if self._closed or process.stdin is None or process.stdout is None:
                return Answer(error="the tuner is ending")
            process.stdin.write(msgspec.json.encode(task) + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
            return msgspec.json.decode(line, type=Answer) if line else Answer(error="the replaying process ended")
        except (OSError, ValueError) as error:
            return Answer(error=f"the replaying process could not be asked: {error}")
