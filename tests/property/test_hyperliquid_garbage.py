from __future__ import annotations

import json

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.clock import ManualClock
from tests.chaos.fuzz_hyperliquid import fuzz
from tests.chaos.hyperliquid_recorded import book_tops
from trader.engine.inputs import InputKind
from trader.feeds.hyperliquid.handler import HyperliquidHandler
from trader.feeds.hyperliquid.messages import Trade
from trader.feeds.hyperliquid.tape import Tape
from trader.feeds.hyperliquid.venue import endpoints
from trader.feeds.stats import FeedStats
from trader.simulator.hyperliquid.session import Session

CHANNELS = (
    "l2Book", "bbo", "trades", "candle", "activeAssetCtx", "simTime", "simEnd", "error", "subscriptionResponse", "pong", "x",
)  # fmt: skip
KEYS = (
    "coin", "time", "levels", "bbo", "ctx", "px", "sz", "n", "side", "tid", "funding", "markPx", "oraclePx", "t", "T", "s", "i",
    "o", "h", "l", "c", "v", "ns", "method", "subscription", "type", "interval", "user", "nSigFigs", "mantissa",
)  # fmt: skip
WORDS = ("BTC", "A", "B", "nan", "-1", "1e400", "0", "1.5", "2.5", "subscribe", "l2Book", "candle", "1m", "userFills")
texts = st.sampled_from(WORDS)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | texts | st.just(2**63)
levels = st.lists(st.fixed_dictionaries({"px": texts | scalars, "sz": texts | scalars}), max_size=3)
values = scalars | st.lists(scalars, max_size=3) | st.tuples(levels, levels).map(list)
things = st.recursive(
    values, lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=5) | st.lists(inner, max_size=3)
)
plain_books = st.fixed_dictionaries({"coin": st.just("BTC"), "time": st.just(1), "levels": st.tuples(levels, levels)})
envelopes = st.fixed_dictionaries({"channel": st.sampled_from(CHANNELS) | scalars, "data": plain_books | things})
frames = st.binary() | st.text() | st.builds(json.dumps, things) | st.builds(json.dumps, envelopes).map(str.encode)


@settings(max_examples=60)
@given(st.lists(frames, max_size=8))
@example([b"[" * 200_000, "\ud800", b"\xff\xfe", b'{"data":' + b'{"a":' * 100_000])
def test_no_frame_breaks_the_handler_or_lets_a_bad_number_or_a_crossed_book_through(received: list[bytes | str]) -> None:
    stats = FeedStats()
    handler = HyperliquidHandler(["BTC"], endpoints(), ManualClock(), stats)
    for frame in received:
        handler.on_frame(frame)
    rows = handler.take()
    assert all(np.isfinite(rows[field]).all() for field in "abcd")
    assert (rows["a"][rows["kind"] <= InputKind.SNAPSHOT] > 0.0).all()
    assert all(0.0 < bid < ask < np.inf for bid, ask in book_tops(rows))
    assert stats.messages == len(received)
    assert not stats.bad_messages or ": was " in stats.last_error


@settings(max_examples=40)
@given(st.lists(frames, max_size=6))
def test_no_message_breaks_the_simulated_venue(received: list[bytes | str]) -> None:
    session = Session({"BTC"})
    for text in received:
        answer = session.handle(text)
        assert answer.hang_up or answer.text or answer.post is not None
    assert all(subscription.form["type"] for subscription in session.subscriptions.values())


@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=40), max_size=8), st.sets(st.integers(0, 7)))
def test_no_trade_is_told_twice_and_none_that_is_new_is_lost(messages: list[list[tuple[int, int]]], subscribed: set[int]) -> None:
    tape = Tape()
    told: list[tuple[int, int]] = []
    first = True
    for number, keys in enumerate(messages):
        if number in subscribed:
            tape.subscribe()
            first = True
        before = set(told) | {key for keys in messages[:number] for key in keys}
        news = tape.news([Trade("X", "A", 1.0, 1.0, time_ms, tid) for tid, time_ms in keys], 3)
        told += [(trade.trade_id, trade.time_ms) for trade in news]
        if not first or len(keys) < 30:
            assert {key for key in keys if key not in before} <= set(told)
        first = False
    assert len(told) == len(set(told))
    assert tape.repeated + tape.replayed + len(told) == sum(map(len, messages))


def test_damaged_recorded_frames_give_documented_errors_and_no_crossed_book() -> None:
    """A short run of ``python -m tests.chaos.fuzz_hyperliquid``."""
    found = fuzz(2_000)
    assert (found.undocumented, found.silently_crossed) == ([], 0)
    assert found.refused > 500
    assert found.crossed_refused > 0
