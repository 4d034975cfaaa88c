"""Which trades are news: the venue tells the last 30 again after every subscription, and its trade ids have no order."""

from __future__ import annotations

from collections.abc import Sequence

from trader.feeds.hyperliquid.messages import Trade
from trader.feeds.hyperliquid.venue import REMEMBERED_TRADES, REPLAY_AGE_MS, REPLAYED_TRADES


class Tape:
    """The trades of one coin that were seen, newest last.

    A trade is known by (time, id): the id alone is a hash of two order ids and promises nothing.

    Attributes
    ----------
    repeated
        Trades left out because they had been seen.
    replayed
        Trades left out because they happened before the subscription, and had not been seen.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], None] = {}
        self._awaits_replay = True
        self.repeated = 0
        self.replayed = 0

    def subscribe(self) -> None:
        """Expect a repetition: the next message is the first of a subscription."""
        self._awaits_replay = True

    def news(self, trades: Sequence[Trade], now_ms: int) -> list[Trade]:
        """Return those to be told on, in their order, and remember all."""
        first, self._awaits_replay = self._awaits_replay, False
        told: list[Trade] = []
        for trade in trades:
            key = (trade.time_ms, trade.trade_id)
            if key in self._seen:
                self.repeated += 1
                continue
            self._seen[key] = None
            if first and (len(trades) >= REPLAYED_TRADES or now_ms - trade.time_ms > REPLAY_AGE_MS):
                self.replayed += 1
                continue
            told.append(trade)
        while len(self._seen) > REMEMBERED_TRADES:
            del self._seen[next(iter(self._seen))]
        return told
