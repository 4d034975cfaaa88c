"""SIGTERM and Ctrl-C by a thread that waits for them: a minimised window would never run Python's own handlers."""

from __future__ import annotations

import os
import signal
import threading

_GRACE_S = 1.0
_CAUGHT = {signal.SIGTERM, signal.SIGINT}


class StopFlag:
    """Set by SIGTERM or SIGINT; a program that does not end within a second is ended.

    Must be made in the main thread before any other thread starts, so that all inherit the mask.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._done = threading.Event()
        self.exit_code = 0
        signal.pthread_sigmask(signal.SIG_BLOCK, _CAUGHT)
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    @property
    def stopped(self) -> bool:
        """Say whether a signal came."""
        return self._stopped.is_set()

    def finish(self) -> None:
        """Say that the program is ending by itself."""
        self._done.set()

    def _wait(self) -> None:
        received = signal.sigwait(_CAUGHT)
        self.exit_code = 130 if received == signal.SIGINT else 0
        self._stopped.set()
        if not self._done.wait(_GRACE_S):
            os._exit(self.exit_code)  # the loop hangs in a minimised window; nothing here needs saving
