"""What a feed counts: the raw material of "is the data good?"."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FeedStats:
    """Counters of one feed since its start. Written by the feed's event loop only.

    Attributes
    ----------
    messages, bad_messages
        Frames received, and those of them that could not be used.
    unknown_events
        Well-formed frames of a kind nobody asked for; harmless.
    duplicate_trades
        Trades left out because their id had been seen.
    replayed_trades
        Trades left out because they happened before we subscribed and are told again by the venue.
    reconnects
        Connection attempts after the first, over all sockets.
    planned_changes
        Connections that were replaced before their end, without a gap.
    repetitions
        Frames left out because the connection before had delivered them.
    chain_breaks
        Books that were in step and lost an update.
    crossed_books
        Books in step that an update left with bids at or above asks: something in them was wrong.
    resyncs
        Books that came into step again after a break or a disconnect.
    stale_snapshots, failed_fetches
        Snapshots older than the buffered updates, and requests without a usable answer; both are asked again.
    sockets_open, sockets_wanted
        Connections that stand, and those there should be.
    last_message_ns
        Arrival of the last market data frame by this machine's clock, ns since the epoch; 0: none yet.
    stream_last_ns
        The same for each stream name.
    silent_streams
        Subscribed streams that missed the deadline of their first message and are still silent.
    clock_offset_ms, clock_round_trip_ms
        The venue's clock less this machine's, and how long the question took that measured it; 0 and 0: not measured.
    feed_lag_ms
        Age of market data when it was received, corrected for the offset: median of the last second.
    venues
        The counters of each venue, where there are several.
    last_error
        The last thing that went wrong, in words.
    """

    messages: int = 0
    bad_messages: int = 0
    unknown_events: int = 0
    duplicate_trades: int = 0
    replayed_trades: int = 0
    reconnects: int = 0
    planned_changes: int = 0
    repetitions: int = 0
    chain_breaks: int = 0
    crossed_books: int = 0
    resyncs: int = 0
    stale_snapshots: int = 0
    failed_fetches: int = 0
    sockets_open: int = 0
    sockets_wanted: int = 0
    last_message_ns: int = 0
    stream_last_ns: dict[str, int] = field(default_factory=dict)
    silent_streams: set[str] = field(default_factory=set)
    clock_offset_ms: float = 0.0
    clock_round_trip_ms: float = 0.0
    feed_lag_ms: float = 0.0
    venues: dict[str, FeedStats] = field(default_factory=dict)
    last_error: str = ""

    @property
    def connected(self) -> bool:
        """Say whether every socket stands."""
        return 0 < self.sockets_wanted == self.sockets_open
