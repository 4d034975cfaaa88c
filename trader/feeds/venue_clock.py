"""How far the venue's clock is from this machine's, and how old data is when it arrives: both as measured, never assumed."""

from __future__ import annotations

from collections import deque
from statistics import median

from shared.clock import NS_PER_MS, NS_PER_S

ALARM_MS = 1_000.0  # beyond this a signed request would be refused, and ages mean nothing
SAMPLES = 8  # the quickest of so many questions is believed
LAG_WINDOW_NS = NS_PER_S
LAG_SAMPLES = 512
DATA_SECONDS = 60


class VenueClock:
    """The offset of a venue's clock, from questions whose round trip is known.

    The answer was written somewhere between question and answer; half-way is wrong by at most half the round trip, so of the last
    few the quickest counts.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)

    @property
    def measured(self) -> bool:
        """Say whether there is an answer yet."""
        return bool(self._samples)

    @property
    def offset_ms(self) -> float:
        """The venue's clock less this machine's; 0 before the first answer."""
        return min(self._samples)[1] if self._samples else 0.0

    @property
    def round_trip_ms(self) -> float:
        """How long the question took whose answer is believed."""
        return min(self._samples)[0] if self._samples else 0.0

    def add(self, sent_ns: int, received_ns: int, venue_ms: float) -> None:
        """Take the venue's time, asked for at ``sent_ns`` and known at ``received_ns`` by this machine's clock.

        A clock that was set in between (it stepped back) makes the sample worthless; so does one that says nothing.
        """
        if received_ns < sent_ns or not venue_ms > 0.0:
            return
        trip_ms = (received_ns - sent_ns) / NS_PER_MS
        offset_ms = venue_ms - (sent_ns + received_ns) / 2 / NS_PER_MS
        believed = self.offset_ms
        if self._samples and abs(offset_ms - believed) > trip_ms + self.round_trip_ms:
            self._samples.clear()  # not an error of measuring: one of the clocks was set
        self._samples.append((trip_ms, offset_ms))

    def alarm(self, venue: str) -> str:
        """Return what to tell a human about an offset beyond :data:`ALARM_MS`, "" if it is not."""
        return clock_alarm(self.offset_ms, venue)


def clock_alarm(offset_ms: float, venue: str) -> str:
    """Return what to tell a human about an offset beyond :data:`ALARM_MS`, "" if it is not."""
    if abs(offset_ms) <= ALARM_MS:
        return ""
    way = "behind" if offset_ms > 0.0 else "ahead of"
    return f"clock: was {abs(offset_ms):,.0f} ms {way} {venue}, expected within {ALARM_MS:,.0f}; set this machine's clock (NTP)"


class LagMeter:
    """How old market data is on arrival."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque(maxlen=LAG_SAMPLES)

    def add(self, received_ns: int, venue_ms: float) -> None:
        """Take the arrival of a frame and the time its venue wrote into it."""
        self._seen.append((received_ns, received_ns / NS_PER_MS - venue_ms))

    def median_ms(self, now_ns: int, offset_ms: float) -> float:
        """Return the median age in the second before ``now_ns``, on the venue's clock; 0 if nothing came."""
        while self._seen and self._seen[0][0] < now_ns - LAG_WINDOW_NS:
            self._seen.popleft()
        return median(age_ms for _, age_ms in self._seen) + offset_ms if self._seen else 0.0

    def least_ms(self) -> float | None:
        """Return the age of the quickest frame of the last second asked for, by this machine's clock; None if none came."""
        return min((age_ms for _, age_ms in self._seen), default=None)


class DataClock:
    """The offset of a venue that cannot be asked for its time, from the data: the quickest frame of a minute took a usual time.

    Parameters
    ----------
    usual_ms
        Age of the venue's quickest frames. Whatever it is off by, the offset is off by as well: good enough for an alarm.
    """

    def __init__(self, usual_ms: float) -> None:
        self._usual_ms = usual_ms
        self._seconds: deque[float] = deque(maxlen=DATA_SECONDS)

    def add(self, least_ms: float | None) -> None:
        """Take the quickest age of one more second; None if nothing came in it."""
        if least_ms is not None:
            self._seconds.append(least_ms)

    @property
    def offset_ms(self) -> float:
        """The venue's clock less this machine's; 0 before there is half a minute of data: a stall must not look like a clock."""
        return self._usual_ms - min(self._seconds) if len(self._seconds) >= DATA_SECONDS // 2 else 0.0
