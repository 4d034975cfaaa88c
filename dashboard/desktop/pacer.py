"""How often the window is drawn: quickly while a hand is on it, slowly while nothing happens."""

from __future__ import annotations

from shared.clock import NS_PER_S

ACTIVE_FPS = 30
DATA_FPS = 10
IDLE_FPS = 4
_ACTIVE_NS = NS_PER_S  # after the last input
_LATE_NS = NS_PER_S // 4


class Pacer:
    """Decides when the next frame is due. It reads no clock and sleeps not: the loop does both."""

    def __init__(self) -> None:
        self._last_input_ns = -_ACTIVE_NS
        self._due_ns = 0

    def next_pause_s(self, now_ns: int, *, touched: bool, changed: bool) -> float:
        """Return how long to sleep before the next frame.

        Parameters
        ----------
        now_ns
            Monotonic time.
        touched
            The mouse moved or a button or key was down since the last frame.
        changed
            The data changed since the last frame.
        """
        if touched:
            self._last_input_ns = now_ns
        active = now_ns - self._last_input_ns < _ACTIVE_NS
        step_ns = NS_PER_S // (ACTIVE_FPS if active else DATA_FPS if changed else IDLE_FPS)
        due_ns = self._due_ns + step_ns
        # A late frame is not made up for: frames in a burst would only cost and show the same.
        self._due_ns = now_ns if due_ns < now_ns - _LATE_NS else max(due_ns, now_ns)
        return min(max(self._due_ns - now_ns, 0), step_ns) / NS_PER_S
