"""The published view: the engine's state in the words of ``/trader_portfolio``, written in one latched copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.compiled import compiled
from shared.events import TraderStatus
from shared.layout import PORTFOLIO_VIEW, PRICE_HISTORY, without_text
from shared.segment import Segment
from shared.seqlock import begin_write, commit_write
from trader.engine.state import ENABLED_FIELD, LEVERAGE, ORDER_SLOTS, State
from trader.feeds.stats import FeedStats
from trader.market.tape import mark_price
from trader.portfolio.accounting import equity_usd, liquidation_usd, reconciliation_usd, unrealised_usd
from trader.risk.exits import exit_levels
from trader.risk.limits import drawdown_pct

PUBLISHED = without_text(PORTFOLIO_VIEW)


@compiled
def _unroll(ring: Any, count: int, out: Any) -> None:
    """Write a ring oldest first, right-aligned: the newest value always stands last."""
    size = len(ring)
    have = min(count, size)
    for i in range(size - have):
        out[i] = 0.0
    for i in range(have):
        out[size - have + i] = ring[(count - have + i) % size]


@compiled
def _row(symbol: Any, row: Any) -> None:
    row.position_qty = symbol.position_qty
    row.entry_price_usd = symbol.entry_price_usd
    row.entry_ns = symbol.entry_ns
    row.best_price_usd = symbol.best_price_usd
    row.mark_price_usd = mark_price(symbol)
    row.last_price_usd = symbol.last_price_usd
    row.bid_price_usd = symbol.bid_price_usd
    row.bid_qty = symbol.bid_qty
    row.ask_price_usd = symbol.ask_price_usd
    row.ask_qty = symbol.ask_qty
    row.realised_usd = symbol.realised_usd
    row.unrealised_usd = unrealised_usd(symbol)
    row.fees_usd = symbol.fees_usd
    row.trades = symbol.trades
    row.wins = symbol.wins
    row.losses = symbol.losses
    row.loss_streak = symbol.loss_streak
    row.win_streak = symbol.win_streak
    row.regime = symbol.regime
    row.strategy = symbol.strategy
    row.enabled = 1 if symbol.settings.values[ENABLED_FIELD] > 0.0 else 0
    row.book_valid = symbol.book_valid
    row.stale = symbol.stale
    row.why = symbol.why
    row.last_market_ns = symbol.last_market_ns
    row.book_id = symbol.book_id
    row.books[:] = symbol.books
    row.funding_usd = symbol.funding_usd
    row.open_orders = 0
    row.unconfirmed = 0
    for slot in range(ORDER_SLOTS):
        row.open_orders += 1 if symbol.orders[slot].status != 0 else 0
        row.unconfirmed += 1 if symbol.orders[slot].unconfirmed else 0
    row.expected_bps = symbol.expected_bps
    row.regime_confidence = symbol.regimes.confidence
    row.manual = symbol.manual if symbol.position_qty != 0.0 else 0
    row.venue_mark_usd = symbol.venue_mark_usd
    row.funding_rate = symbol.funding_rate
    row.next_funding_ns = symbol.funding_ns
    row.drift_bps = symbol.drift_bps
    row.n_checks = symbol.n_checks
    row.checks[:] = symbol.checks
    _analysis(symbol, row)


@compiled
def _analysis(symbol: Any, row: Any) -> None:
    row.strength = symbol.strength if symbol.score > 0.0 else -symbol.strength
    row.score = symbol.score
    fast = symbol.fast
    row.ema_fast_usd = fast.ema_fast_usd
    row.ema_slow_usd = fast.ema_slow_usd
    row.rsi = fast.rsi
    deviation = 2.0 * fast.band_width_usd
    row.band_position = (fast.previous_close - fast.band_middle_usd) / deviation if deviation > 0.0 else 0.0
    row.atr_usd = fast.atr_usd
    row.volatility_pct = 100.0 * symbol.volatility_short
    row.trend_pct = symbol.trend_pct
    row.efficiency = symbol.efficiency
    row.bars = symbol.bars
    row.minute_bars = symbol.minute_bars
    row.minute_ema_fast_usd = symbol.slow.ema_fast_usd
    row.minute_ema_slow_usd = symbol.slow.ema_slow_usd
    row.minute_rsi = symbol.slow.rsi
    row.minute_atr_usd = symbol.slow.atr_usd
    bars = symbol.bars
    _unroll(symbol.closes_usd, bars, row.closes_usd)
    high = 0.0
    low = 0.0
    for back in range(min(bars, 60)):
        slot = (bars - 1 - back) % PRICE_HISTORY
        high = max(high, symbol.highs_usd[slot])
        low = symbol.lows_usd[slot] if back == 0 else min(low, symbol.lows_usd[slot])
    row.high_60s_usd = high
    row.low_60s_usd = low


@compiled
def _fill(state: Any, view: Any) -> None:
    view.n_symbols = state.n_symbols
    view.time_ns = state.time_ns
    view.input_seq = state.input_seq
    view.event_seq = state.event_seq
    view.halted = state.halted
    view.start_equity_usd = state.start_equity_usd
    view.cash_usd = state.cash_usd
    equity = equity_usd(state)
    view.equity_usd = equity
    view.peak_equity_usd = max(state.peak_equity_usd, equity)
    view.drawdown_pct = max(drawdown_pct(state, equity), 0.0)
    _unroll(state.equity_usd_1s, state.seconds, view.equity_usd_1s)
    view.recent[:] = state.recent
    view.mode = state.mode
    view.risk = state.risk
    view.live = state.live
    view.reconciled = state.reconciled
    view.unconfirmed = state.unconfirmed
    for code in range(len(state.blocked)):
        view.blocked[code] = state.blocked[code]
    view.realised_usd = 0.0
    view.unrealised_usd = 0.0
    view.fees_usd = 0.0
    view.funding_usd = 0.0
    view.reconciliation_usd = reconciliation_usd(state)
    view.slippage_usd = 0.0
    view.trades = 0
    view.wins = 0
    view.losses = 0
    view.stale = 0
    for i in range(state.n_symbols):
        symbol = state.symbols[i]
        row = view.rows[i]
        _row(symbol, row)
        row.target_price_usd, row.stop_price_usd = exit_levels(state, symbol)
        row.liquidation_usd = liquidation_usd(symbol, state.controls.values[LEVERAGE])
        view.funding_usd += row.funding_usd
        view.realised_usd += row.realised_usd
        view.unrealised_usd += row.unrealised_usd
        view.fees_usd += row.fees_usd
        view.slippage_usd += symbol.slippage_usd
        view.trades += row.trades
        view.wins += row.wins
        view.losses += row.losses
        if row.stale:
            view.stale = 1


@compiled
def publish_into(state: Any, version: Any, copies: Any, feed: Any, clock_ms: Any) -> None:
    """Fill the spare copy and commit it.

    ``feed`` is int64 (8,): status, connected, messages, bad messages, reconnects, resyncs, last message ns, published ns.
    ``clock_ms`` is float64 (2,): offset of the venue's clock, lag of its data.
    """
    view = copies[begin_write(version)]
    _fill(state[0], view)
    view.status = feed[0]
    view.connected = feed[1]
    view.messages = feed[2]
    view.bad_messages = feed[3]
    view.reconnects = feed[4]
    view.resyncs = feed[5]
    view.last_message_ns = feed[6]
    view.published_ns = feed[7]
    view.clock_offset_ms = clock_ms[0]
    view.feed_lag_ms = clock_ms[1]
    commit_write(version)


def no_feed() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return what :func:`publish_into` wants of a feed, all zero."""
    return np.zeros(8, np.int64), np.zeros(2)


class Publisher:
    """Writes ``/trader_portfolio``.

    Parameters
    ----------
    segment
        The segment, created by this process.
    venue, symbols, simulated, started_ns
        What does not change while the trader runs; written once into both copies.
    """

    def __init__(self, segment: Segment, venue: str, symbols: list[str], *, simulated: bool, started_ns: int) -> None:
        self._segment = segment
        body = segment.body
        self._version: npt.NDArray[np.uint64] = body["version"]
        self._copies = body["copies"][0]
        self._numbers = self._copies.view(PUBLISHED)
        self._copies["venue"] = venue.encode()
        self._copies["simulated"] = simulated
        self._copies["started_ns"] = started_ns
        for copy in self._copies["symbols"]:
            copy[: len(symbols)] = [symbol.encode() for symbol in symbols]
        self._feed, self._clock_ms = no_feed()

    def publish(self, state: State, stats: FeedStats, now_ns: int, status: TraderStatus = TraderStatus.RUNNING) -> None:
        """Publish the state and the feed's health, and stamp the heartbeat: to be called by the working loop only."""
        feed = self._feed
        feed[0], feed[1], feed[2], feed[3] = status, stats.connected, stats.messages, stats.bad_messages
        feed[4], feed[5], feed[6], feed[7] = stats.reconnects, stats.resyncs, stats.last_message_ns, now_ns
        self._clock_ms[0], self._clock_ms[1] = stats.clock_offset_ms, stats.feed_lag_ms
        publish_into(state, self._version, self._numbers, feed, self._clock_ms)
        self._segment.beat(now_ns)
