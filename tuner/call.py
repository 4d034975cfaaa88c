"""One call in a thread of its own, so that the working loop goes on beating while a model thinks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BackgroundCall(Generic[T]):
    """Runs ``function`` at once in a daemon thread: one that never returns cannot keep the process from ending."""

    def __init__(self, function: Callable[[], T], name: str) -> None:
        self._function = function
        self._finished = threading.Event()
        self._result: T | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Wait a moment; True once the call has ended."""
        return self._finished.wait(timeout_s)

    @property
    def result(self) -> T | None:
        """What it returned; None if it has not ended, or ended by an error."""
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._function()
        finally:
            self._finished.set()
