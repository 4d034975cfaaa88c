"""The layout of every shared-memory segment, with the unit in each field's name, and the hash that identifies it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from shared.params import MAX_FIELDS, MAX_SYMBOLS

LAYOUT_VERSION = 2
MAGIC = b"TRADERSM"

EVENTS_CAPACITY = 65_536
COMMANDS_CAPACITY = 256
TUNER_EVENTS_CAPACITY = 4_096
SYMBOL_BYTES = 32  # BTCUSDT@binance-usdm fits, with room for the longest names
TUNER_TEXT_BYTES = 1_000
JOURNAL_CAPACITY = 1_000_000
PRICE_HISTORY = 300  # closes of 1 s bars published per symbol
EQUITY_HISTORY = 600  # equity once a second
BOOK_LEVELS_SHOWN = 5
RECENT_TRADES = 50


def record(*fields: tuple[Any, ...]) -> np.dtype[np.void]:
    """Return an aligned structured dtype: compiled code then needs no unaligned access."""
    return np.dtype(list(fields), align=True)


HEADER = record(
    ("magic", "S8"),
    ("layout_version", "u4"),
    ("active", "u4"),  # written last at creation: 1 means complete
    ("layout_hash", "S16"),
    ("name", "S40"),
    ("owner_pid", "i8"),
    ("owner_start", "i8"),  # start time of the owner's process in clock ticks: tells a reused pid
    ("epoch", "u8"),  # time of creation, ns; a new epoch means a new life
    ("heartbeat_ns", "i8"),  # last write of the owner's working loop, ns since the epoch
    ("body_bytes", "u8"),
)
HEADER_BYTES = 256  # the body starts on a cache line, with room for later header fields

INPUT = record(
    ("seq", "u8"),
    ("time_ns", "i8"),
    ("kind", "u1"),
    ("symbol", "u1"),
    ("flags", "u2"),
    ("aux", "u4"),
    ("a", "f8"),
    ("b", "f8"),
    ("c", "f8"),
    ("d", "f8"),
    ("ref", "i8"),
)
"""One input of the engine, 64 bytes. What a to d, aux and ref mean depends on the kind: see ``trader.engine.inputs``."""

TRADE_EVENT = record(
    ("seq", "u8"),
    ("time_ns", "i8"),
    ("input_seq", "u8"),  # the input that caused it
    ("kind", "u1"),
    ("status", "u1"),
    ("symbol", "i1"),  # -1: none
    ("side", "i1"),  # +1 buy, -1 sell
    ("reason", "u2"),
    ("field", "u1"),  # index of the parameter, 255: none
    ("source", "u1"),
    ("order_id", "u8"),
    ("trade_id", "u8"),
    ("command_id", "u8"),
    ("decision_id", "u8"),
    ("generation", "u8"),
    ("price_usd", "f8"),
    ("qty", "f8"),
    ("fee_usd", "f8"),
    ("slippage_usd", "f8"),
    ("pnl_usd", "f8"),
    ("old", "f8"),
    ("new", "f8"),
    ("position_qty", "f8"),
    ("cash_usd", "f8"),
    ("equity_usd", "f8"),
    ("score", "f8"),
    ("confidence_pct", "f8"),
)

DESIRED = record(
    ("generation", "u8"),  # counts wishes
    ("base_revision", "u8"),  # revision of the applied state the writer saw; 0: any
    ("override_epoch", "u8"),
    ("issued_ns", "i8"),
    ("expires_ns", "i8"),
    ("decision_id", "u8"),
    ("confidence_pct", "f8"),
    ("mask", "u4"),  # bit i: field i is named by this patch
    ("source", "u1"),
    ("values", "f8", (MAX_FIELDS,)),
)

APPLIED = record(
    ("observed_generation", "u8"),  # last wish looked at, applied or refused
    ("revision", "u8"),  # counts changes
    ("updated_ns", "i8"),
    ("decision_id", "u8"),
    ("refusal", "u2"),  # reason code of the last refusal, 0: it was applied
    ("source", "u1"),
    ("values", "f8", (MAX_FIELDS,)),
    ("previous", "f8", (MAX_FIELDS,)),  # before the last change: what undo goes back to
    ("sources", "u1", (MAX_FIELDS,)),  # who set each field last
)

CONFIG = record(
    ("override_epoch", "u8"),
    ("desired_version", "u8"),
    ("desired", DESIRED, (2,)),
    ("applied_version", "u8"),
    ("applied", APPLIED, (2,)),
)

SYMBOL_CFGS = record(
    ("count", "u8"),
    ("symbols", f"S{SYMBOL_BYTES}", (MAX_SYMBOLS,)),
    ("desired_version", "u8", (MAX_SYMBOLS,)),
    ("desired", DESIRED, (MAX_SYMBOLS, 2)),
    ("applied_version", "u8", (MAX_SYMBOLS,)),
    ("applied", APPLIED, (MAX_SYMBOLS, 2)),
)

BOOK_SNAPSHOT = record(
    ("time_ns", "i8"),
    ("bid_price_usd", "f8", (BOOK_LEVELS_SHOWN,)),
    ("bid_qty", "f8", (BOOK_LEVELS_SHOWN,)),
    ("ask_price_usd", "f8", (BOOK_LEVELS_SHOWN,)),
    ("ask_qty", "f8", (BOOK_LEVELS_SHOWN,)),
)

CHECK = record(
    ("reason", "u2"),  # what it would block an entry with
    ("passed", "u1"),
    ("value", "f8"),
    ("limit", "f8"),
)
"""One line of "why no trade"."""

MAX_CHECKS = 32
REASON_CODES = 128  # size of a histogram over reasons

SYMBOL_ROW = record(
    ("position_qty", "f8"),
    ("entry_price_usd", "f8"),
    ("entry_ns", "i8"),
    ("best_price_usd", "f8"),
    ("mark_price_usd", "f8"),
    ("last_price_usd", "f8"),
    ("bid_price_usd", "f8"),
    ("bid_qty", "f8"),
    ("ask_price_usd", "f8"),
    ("ask_qty", "f8"),
    ("realised_usd", "f8"),
    ("unrealised_usd", "f8"),
    ("fees_usd", "f8"),
    ("trades", "u8"),
    ("wins", "u8"),
    ("losses", "u8"),
    ("loss_streak", "u4"),
    ("win_streak", "u4"),
    ("regime", "u1"),
    ("strategy", "u1"),
    ("enabled", "u1"),
    ("book_valid", "u1"),
    ("stale", "u1"),
    ("strength", "i1"),  # detectors that agree, with the sign of the score
    ("why", "u2"),  # first check that blocks an entry now, 0: none
    ("score", "f8"),
    ("ema_fast_usd", "f8"),
    ("ema_slow_usd", "f8"),
    ("rsi", "f8"),
    ("band_position", "f8"),
    ("atr_usd", "f8"),
    ("volatility_pct", "f8"),
    ("trend_pct", "f8"),
    ("efficiency", "f8"),
    ("high_60s_usd", "f8"),
    ("low_60s_usd", "f8"),
    ("last_market_ns", "i8"),
    ("book_id", "i8"),
    ("bars", "u8"),  # closed 1 s bars so far
    ("minute_bars", "u8"),
    ("minute_ema_fast_usd", "f8"),
    ("minute_ema_slow_usd", "f8"),
    ("minute_rsi", "f8"),
    ("minute_atr_usd", "f8"),
    ("closes_usd", "f8", (PRICE_HISTORY,)),  # oldest first, 0 where there is none yet
    ("books", BOOK_SNAPSHOT, (3,)),
    ("funding_usd", "f8"),  # paid so far; negative: received
    ("liquidation_usd", "f8"),  # price at which the venue would close the position, 0: none
    ("open_orders", "u1"),
    ("expected_bps", "f8"),  # move the acting strategy expects
    ("n_checks", "u1"),
    ("checks", CHECK, (MAX_CHECKS,)),  # every check of the last closed second, in order
    ("regime_confidence", "f8"),  # 0 to 1
    ("target_price_usd", "f8"),  # prices at which the open position is closed now, 0: no position
    ("stop_price_usd", "f8"),  # the nearest of stop, break-even, profit lock and pullback
    ("manual", "u1"),  # 1: a human opened the position
    ("venue_mark_usd", "f8"),  # the venue's own mark price, 0: unknown
    ("funding_rate", "f8"),  # of the coming settlement, fraction
    ("next_funding_ns", "i8"),  # 0: unknown
    ("drift_bps", "f8"),  # distance of the price from the median of the same asset on the other venues
    ("unconfirmed", "u1"),  # live orders whose state at the venue is not known
    ("highs_usd", "f8", (PRICE_HISTORY,)),  # of the 1 s bars behind closes_usd: what candles are drawn from
    ("lows_usd", "f8", (PRICE_HISTORY,)),
    ("volumes", "f8", (PRICE_HISTORY,)),  # traded quantity
)

TRADE_ROW = record(
    ("trade_id", "u8"),
    ("symbol", "u1"),
    ("side", "i1"),
    ("reason", "u2"),
    ("entry_ns", "i8"),
    ("exit_ns", "i8"),
    ("qty", "f8"),
    ("entry_price_usd", "f8"),
    ("exit_price_usd", "f8"),
    ("fees_usd", "f8"),
    ("pnl_usd", "f8"),
)

PORTFOLIO_VIEW = record(
    ("status", "u1"),
    ("live", "u1"),
    ("simulated", "u1"),
    ("connected", "u1"),
    ("stale", "u1"),
    ("halted", "u1"),
    ("n_symbols", "u1"),
    ("venue", "S48"),
    ("symbols", f"S{SYMBOL_BYTES}", (MAX_SYMBOLS,)),
    ("started_ns", "i8"),
    ("time_ns", "i8"),  # engine time: the venue's in a simulation
    ("published_ns", "i8"),  # this machine's clock
    ("input_seq", "u8"),
    ("event_seq", "u8"),
    ("messages", "u8"),
    ("bad_messages", "u8"),
    ("reconnects", "u8"),
    ("resyncs", "u8"),
    ("last_message_ns", "i8"),  # this machine's clock
    ("start_equity_usd", "f8"),
    ("cash_usd", "f8"),
    ("equity_usd", "f8"),
    ("peak_equity_usd", "f8"),
    ("drawdown_pct", "f8"),
    ("realised_usd", "f8"),
    ("unrealised_usd", "f8"),
    ("fees_usd", "f8"),
    ("slippage_usd", "f8"),
    ("trades", "u8"),
    ("wins", "u8"),
    ("losses", "u8"),
    ("funding_usd", "f8"),
    ("reconciliation_usd", "f8"),  # equity change - (realised + unrealised - fees - funding): 0 but for rounding
    ("mode", "u1"),
    ("risk", "u1"),
    ("reconciled", "u1"),  # live: orders, balances and positions agree with the venue; paper: always 1
    ("testnet", "u1"),
    ("unconfirmed", "u4"),  # live orders whose state at the venue is not known
    ("clock_offset_ms", "f8"),  # the venue's clock less this machine's, as measured
    ("feed_lag_ms", "f8"),  # age of market data when it is received, corrected for the offset: median of the last second
    ("blocked", "u8", (REASON_CODES,)),  # seconds each reason blocked an entry, all symbols together
    ("seconds", "u8"),  # closed so far, the last of them the last of the history below
    ("equity_usd_1s", "f8", (EQUITY_HISTORY,)),  # oldest first, 0 where there is none yet
    ("rows", SYMBOL_ROW, (MAX_SYMBOLS,)),
    ("recent", TRADE_ROW, (RECENT_TRADES,)),  # ring by trade_id
)
PORTFOLIO = record(("version", "u8"), ("copies", PORTFOLIO_VIEW, (2,)))

COMMAND = record(
    ("seq", "u8"),  # also the command's id
    ("issued_ns", "i8"),
    ("expires_ns", "i8"),
    ("override_epoch", "u8"),
    ("decision_id", "u8"),
    ("kind", "u1"),
    ("source", "u1"),
    ("symbol", "i1"),  # -1: all
    ("notional_usd", "f8"),  # of a manual buy or sell, 0: the symbol's own base size
)

TUNER_EVENT = record(
    ("seq", "u8"),
    ("time_ns", "i8"),
    ("kind", "u1"),
    ("action", "u1"),
    ("symbol", "i1"),
    ("trigger", "u1"),
    ("reason", "u2"),
    ("changes", "u1"),
    ("fields", "u1", (MAX_FIELDS,)),
    ("old", "f8", (MAX_FIELDS,)),
    ("new", "f8", (MAX_FIELDS,)),
    ("confidence_pct", "f8"),
    ("decision_id", "u8"),
    ("generation", "u8"),
    ("latency_ms", "f8"),
    ("input_tokens", "u4"),
    ("output_tokens", "u4"),
    ("cost_usd", "f8"),
    # what if, and what came of it; "old" is without the decision, "new" with it
    ("horizon_s", "f8"),  # market time replayed
    ("pnl_old_usd", "f8"),
    ("pnl_new_usd", "f8"),
    ("trades_old", "u4"),
    ("trades_new", "u4"),
    ("effect_usd", "f8"),  # new - old - price of the call
    ("effect_low_usd", "f8"),  # interval of the mean effect over this symbol's decisions so far
    ("effect_high_usd", "f8"),
    ("samples", "u4"),  # decisions behind the interval
    ("text", f"S{TUNER_TEXT_BYTES}"),
)

SCALPER_READ = record(
    ("time_ns", "i8"),  # 0: no scalper has read this symbol
    ("momentum", "f8"),  # -1 to 1
    ("pressure", "f8"),
    ("continuation", "f8"),  # 0 to 1
    ("freshness", "f8"),
    ("action", "i1"),  # +1 buy, -1 sell, 0 wait
    ("quote", "S200"),  # what the scalper says of it
)
"""A scalper's latest read of one symbol."""

TUNER_VIEW = record(
    ("status", "u1"),
    ("dry_run", "u1"),
    ("advisor", "S16"),
    ("model", "S64"),
    ("advisor_why", "S160"),
    ("interval_s", "f8"),
    ("started_ns", "i8"),
    ("last_cycle_ns", "i8"),
    ("next_cycle_ns", "i8"),
    ("cycles", "u8"),
    ("applied", "u8"),
    ("refused", "u8"),
    ("held", "u8"),
    ("dry_runs", "u8"),
    ("failures", "u8"),
    ("last_latency_ms", "f8"),
    ("input_tokens", "u8"),
    ("output_tokens", "u8"),
    ("cost_usd", "f8"),
    ("passages", "u8"),
    ("corpus", "S16"),
    ("last_error", "S160"),
    ("calling", "u1"),  # 1 while an advisor is being asked
    ("why", "S160"),  # why the status is what it is
    ("until_ns", "i8"),  # when a status that ends by itself ends, 0: it does not
    ("chain", "S64"),  # advisors in the order they are asked, comma separated
    ("calls_hour", "u4"),
    ("calls_hour_limit", "u4"),
    ("calls_day", "u4"),
    ("calls_day_limit", "u4"),
    ("cost_hour_usd", "f8"),
    ("cost_hour_limit_usd", "f8"),
    ("cost_day_usd", "f8"),
    ("cost_day_limit_usd", "f8"),
    ("reads", SCALPER_READ, (MAX_SYMBOLS,)),
)


def ring(item: np.dtype[np.void], capacity: int) -> np.dtype[np.void]:
    """Return the layout of a broadcast ring: ``claimed`` and ``head`` counters, then the slots."""
    return record(("claimed", "u8"), ("head", "u8"), ("slots", item, (capacity,)))


EVENTS = ring(TRADE_EVENT, EVENTS_CAPACITY)
COMMANDS = ring(COMMAND, COMMANDS_CAPACITY)
TUNER = record(("version", "u8"), ("copies", TUNER_VIEW, (2,)), ("events", ring(TUNER_EVENT, TUNER_EVENTS_CAPACITY)))


def without_text(layout: np.dtype[np.void]) -> np.dtype[np.void]:
    """Return the same layout with its own text fields as bytes: compiled code takes no arrays of text."""
    fields: Any = layout.fields
    names = list(layout.names or ())
    formats = [("u1", (fields[n][0].itemsize,)) if fields[n][0].base.kind == "S" else fields[n][0] for n in names]
    spec: Any = {"names": names, "formats": formats, "offsets": [fields[n][1] for n in names], "itemsize": layout.itemsize}
    plain: np.dtype[np.void] = np.dtype(spec)
    return plain


def describe_layout(layout: np.dtype[Any]) -> str:
    """Return a canonical text of a dtype: every field's name, format, shape and offset, nested ones included."""
    if layout.subdtype is not None:
        base, shape = layout.subdtype
        return f"{describe_layout(base)}{list(shape)}"
    if layout.fields is None:
        return layout.str
    parts = [f"{name}@{layout.fields[name][1]}:{describe_layout(layout.fields[name][0])}" for name in layout.names or ()]
    return f"{{{','.join(parts)}}}#{layout.itemsize}"


def layout_hash(layout: np.dtype[Any]) -> str:
    """Return the 16 hex digits that identify a layout."""
    return hashlib.sha256(describe_layout(layout).encode()).hexdigest()[:16]
