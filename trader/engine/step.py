"""``step``: the engine's only way forward. No clock, no I/O, no chance: the record carries the time."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import EventKind, Reason, Source, Status
from shared.layout import EQUITY_HISTORY
from trader.engine.entry import consider_entry
from trader.engine.exchange import match_quote, match_trade, orders_due
from trader.engine.inputs import ALL, ASK, FIRST, LAST, SELL_TAKER, Gap, InputKind
from trader.engine.outbox import OUTBOX_CAPACITY, OUTBOX_MARGIN, new_event
from trader.engine.quoting import requote
from trader.engine.reports import on_reconciled, on_report
from trader.engine.risk_step import on_kill, second_of_account
from trader.engine.settings_step import on_command, on_control, on_param, on_refusal
from trader.engine.state import LEVERAGE, STALE
from trader.engine.trading import leave, market_order_pending
from trader.execution.paper import show_anew
from trader.execution.queue import on_level_shown
from trader.market.bars import SECOND_NS, close_minute, close_second
from trader.market.book import clear_book, photograph, set_level
from trader.market.regime import regime_step
from trader.market.tape import exit_price, on_quote, on_trade
from trader.portfolio.accounting import equity_usd, liquidation_usd, settle_funding, venue_mark
from trader.risk.drift import watch_drift
from trader.risk.exits import exit_reason, reversal_reason
from trader.strategies.decide import decide

BOOK_SNAPSHOT_SECONDS = 5
MAX_CATCH_UP_SECONDS = 10  # after a longer silence the bars start anew: flat bars by the hour would mean nothing

_TRADE = int(InputKind.TRADE)
_QUOTE = int(InputKind.QUOTE)
_DEPTH = int(InputKind.DEPTH)
_SNAPSHOT = int(InputKind.SNAPSHOT)
_PARAM = int(InputKind.PARAM)
_CONTROL = int(InputKind.CONTROL)
_REFUSAL = int(InputKind.REFUSAL)
_COMMAND = int(InputKind.COMMAND)
_GAP = int(InputKind.GAP)
_NOTE = int(InputKind.NOTE)
_BAR = int(InputKind.BAR)
_INSTRUMENT = int(InputKind.INSTRUMENT)
_KILL = int(InputKind.KILL)
_FUNDING = int(InputKind.FUNDING)
_MARK = int(InputKind.MARK)
_REPORT = int(InputKind.REPORT)
_RECONCILED = int(InputKind.RECONCILED)
_ASIDE = int(InputKind.ASIDE)
_GAP_BOOK = int(Gap.BOOK)
_NONE = int(Reason.NONE)
_ENGINE = int(Source.ENGINE)
_LIQUIDATION = int(Reason.LIQUIDATION)
_EV_STALE = int(EventKind.FEED_STALE)
_EV_RESTORED = int(EventKind.FEED_RESTORED)
_EV_REGIME = int(EventKind.REGIME_CHANGE)
_EV_FUNDING = int(EventKind.FUNDING)
_EV_STATUS = int(EventKind.STATUS)
_BOOK_IN_STEP = int(Status.BOOK_IN_STEP)
_BOOK_LOST = int(Status.BOOK_LOST)


@compiled
def _fresh(state: Any, box: Any, index: int) -> None:
    """Note that market data of the symbol came in."""
    symbol = state.symbols[index]
    symbol.last_market_ns = state.time_ns
    if symbol.stale:
        symbol.stale = 0
        new_event(state, box, _EV_RESTORED, index)


@compiled
def _liquidated(state: Any, symbol: Any) -> bool:
    """Say whether the mark has reached the price at which the venue closes the position."""
    limit = liquidation_usd(symbol, state.controls.values[LEVERAGE])
    return bool(limit > 0.0 and (venue_mark(symbol) - limit) * symbol.position_qty <= 0.0)


@compiled
def _leave_if_told(state: Any, box: Any, index: int) -> None:
    """Close what was filled after everything was to be closed."""
    symbol = state.symbols[index]
    if symbol.flatten != _NONE and symbol.position_qty != 0.0 and not market_order_pending(symbol):
        leave(state, box, index, int(symbol.flatten), _ENGINE)


@compiled
def _check_exits(state: Any, box: Any, index: int) -> None:
    """Close the position if the price demands it. Runs on every price, whatever anybody has paused."""
    symbol = state.symbols[index]
    if symbol.position_qty == 0.0 or market_order_pending(symbol):
        return
    if symbol.perpetual and _liquidated(state, symbol):
        leave(state, box, index, _LIQUIDATION, _ENGINE)
        return
    price = exit_price(symbol)
    if price <= 0.0:
        return
    if (price - symbol.best_price_usd) * symbol.position_qty > 0.0:
        symbol.best_price_usd = price
    reason = exit_reason(state, symbol, price)
    if reason != _NONE:
        leave(state, box, index, reason, _ENGINE)


@compiled
def _on_level(state: Any, box: Any, index: int, r: Any) -> None:
    symbol = state.symbols[index]
    if r.flags & FIRST:
        clear_book(symbol)
        symbol.taken.count = 0
    if r.a > 0.0:
        side = 1 if r.flags & ASK else 0
        set_level(symbol, side, r.a, r.b)
        if symbol.taken.count > 0:
            show_anew(symbol, side, r.a)
        if symbol.resting > 0:
            on_level_shown(symbol, side, r.a, r.b)
    if r.flags & LAST:
        symbol.book_id = r.ref
        if r.kind == _SNAPSHOT and not symbol.book_valid:
            symbol.book_valid = 1
            new_event(state, box, _EV_STATUS, index).status = _BOOK_IN_STEP


@compiled
def _lose(state: Any, box: Any, index: int, gap: int) -> None:
    symbol = state.symbols[index]
    if symbol.book_valid:
        symbol.book_valid = 0
        new_event(state, box, _EV_STATUS, index).status = _BOOK_LOST
    if gap != _GAP_BOOK and not symbol.stale:
        symbol.stale = 1
        new_event(state, box, _EV_STALE, index)


@compiled
def _second_of_symbol(state: Any, box: Any, index: int, end_ns: int) -> None:
    """Close a second of one symbol: bar, indicators, regime, staleness, reversal, entry."""
    symbol = state.symbols[index]
    silent_ns = state.time_ns - symbol.last_market_ns
    if symbol.last_market_ns > 0 and not symbol.stale and silent_ns > state.controls.values[STALE] * 1e6:
        symbol.stale = 1
        event = new_event(state, box, _EV_STALE, index)
        event.new = silent_ns / 1e6
    if not close_second(symbol, end_ns):
        consider_entry(state, box, index)  # nothing to enter on yet, but "why no trade" has an answer
        return
    before = regime_step(symbol)
    if before != symbol.regime:
        event = new_event(state, box, _EV_REGIME, index)
        event.old = before
        event.new = symbol.regime
    decide(state, index)
    if symbol.position_qty != 0.0 and not symbol.stale and not symbol.manual:
        reason = reversal_reason(symbol, state.time_ns)
        if reason != _NONE and not market_order_pending(symbol):
            leave(state, box, index, reason, _ENGINE)
    consider_entry(state, box, index)
    requote(state, box, index)
    if (end_ns // SECOND_NS) % BOOK_SNAPSHOT_SECONDS == 0:
        photograph(symbol, end_ns)


@compiled
def _fund(state: Any, box: Any, index: int) -> None:
    """Settle funding once its time has come; the venue then names the next."""
    symbol = state.symbols[index]
    if symbol.funding_ns == 0 or state.time_ns < symbol.funding_ns:
        return
    symbol.funding_settled_ns = symbol.funding_ns
    symbol.funding_ns = 0
    if symbol.position_qty == 0.0:
        return
    paid = settle_funding(state, symbol)
    event = new_event(state, box, _EV_FUNDING, index)
    event.pnl_usd = -paid
    event.new = symbol.funding_rate
    event.price_usd = venue_mark(symbol)
    event.position_qty = symbol.position_qty
    event.trade_id = symbol.trade_id
    event.cash_usd = state.cash_usd
    event.equity_usd = equity_usd(state)


@compiled
def _on_funding(symbol: Any, r: Any) -> None:
    """Take the coming settlement; one that has just passed is told for a moment longer and must not be paid twice."""
    if r.ref > symbol.funding_settled_ns:
        symbol.funding_rate = r.a
        symbol.funding_ns = r.ref


@compiled
def _advance_time(state: Any, box: Any) -> None:
    """Close every second that has passed since the last input."""
    behind = (state.time_ns - state.next_second_ns) // SECOND_NS
    if state.next_second_ns == 0 or behind > MAX_CATCH_UP_SECONDS:
        state.next_second_ns = state.time_ns - state.time_ns % SECOND_NS + SECOND_NS
        return
    while state.next_second_ns <= state.time_ns:
        watch_drift(state, box)
        for index in range(state.n_symbols):
            _second_of_symbol(state, box, index, state.next_second_ns)
            _fund(state, box, index)
            _leave_if_told(state, box, index)
        second_of_account(state, box)
        state.equity_usd_1s[int(state.seconds % EQUITY_HISTORY)] = equity_usd(state)
        state.seconds += 1
        state.next_second_ns += SECOND_NS


@compiled
def _on_market(state: Any, box: Any, index: int, r: Any) -> None:
    _fresh(state, box, index)
    symbol = state.symbols[index]
    if r.kind == _TRADE:
        on_trade(symbol, r.a, r.b, r.flags & SELL_TAKER)
        if symbol.resting > 0:
            match_trade(state, box, index, r.a, r.b, r.flags & SELL_TAKER)
        _check_exits(state, box, index)
    elif r.kind == _QUOTE:
        on_quote(symbol, r.a, r.b, r.c, r.d)
        if symbol.resting > 0:
            match_quote(state, box, index, r.a, r.c)
        _check_exits(state, box, index)
    else:
        _on_level(state, box, index, r)


@compiled
def _on_gap(state: Any, box: Any, r: Any) -> None:
    if r.symbol == ALL:
        for index in range(state.n_symbols):
            _lose(state, box, index, r.aux)
    elif r.symbol < state.n_symbols:
        _lose(state, box, r.symbol, r.aux)


@compiled
def _on_instrument(symbol: Any, r: Any) -> None:
    symbol.tick_size = r.a
    symbol.step_size = r.b
    symbol.min_notional_usd = r.c
    symbol.perpetual = r.flags & 1
    symbol.asset = int(r.d)


@compiled
def _on_note(state: Any, box: Any, r: Any) -> None:
    event = new_event(state, box, _EV_STATUS, -1)
    event.status = r.aux
    event.cash_usd = state.cash_usd
    event.equity_usd = equity_usd(state)


@compiled
def step(state: Any, box: Any, r: Any) -> None:
    """Take one input record."""
    state.input_seq = r.seq
    state.time_ns = max(state.time_ns, r.time_ns)
    if state.time_ns >= state.due_ns:
        orders_due(state, box)
    if state.time_ns >= state.next_second_ns:
        _advance_time(state, box)
    kind = r.kind
    if kind <= _SNAPSHOT:
        if r.symbol < state.n_symbols:
            _on_market(state, box, r.symbol, r)
    elif kind == _PARAM:
        on_param(state, box, r)
    elif kind == _CONTROL:
        on_control(state, box, r)
    elif kind == _REFUSAL:
        on_refusal(state, box, r)
    elif kind == _COMMAND:
        on_command(state, box, r)
    elif kind == _GAP:
        _on_gap(state, box, r)
    elif kind == _NOTE:
        _on_note(state, box, r)
    elif kind == _BAR:
        close_minute(state.symbols[r.symbol], r.a, r.b, r.c)
    elif kind == _FUNDING:
        _on_funding(state.symbols[r.symbol], r)
    elif kind == _MARK:
        state.symbols[r.symbol].venue_mark_usd = r.a
        state.symbols[r.symbol].index_usd = r.b
    elif kind == _REPORT:
        on_report(state, box, r)
    elif kind == _RECONCILED:
        on_reconciled(state, box, r)
    elif kind == _INSTRUMENT:
        _on_instrument(state.symbols[r.symbol], r)
    elif kind == _ASIDE:
        state.replay.asides += 1 + r.aux
    elif kind == _KILL:
        on_kill(state, box, r.a)


@compiled
def run(state: Any, box: Any, records: Any, start: int) -> int:
    """Take ``records[start:]`` until all are taken or the outbox is nearly full; return the index of the first not taken."""
    whole = state[0]
    out = box[0]
    for i in range(start, len(records)):
        if out.count >= OUTBOX_CAPACITY - OUTBOX_MARGIN:
            return i
        step(whole, out, records[i])
    return len(records)
