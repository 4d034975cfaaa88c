from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import msgspec
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from shared.clock import ManualClock
from shared.errors import FeedError
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.binance.messages import read_trade
from trader.feeds.stats import FeedStats

STREAMS = ("btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@0ms", "btcusdt@markPrice@1s", "!sim", "x@y", "")
KEYS = ("e", "E", "T", "s", "t", "p", "q", "m", "X", "u", "U", "pu", "b", "B", "a", "A", "ns", "id", "result", "error", "code")
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(("BTCUSDT", "trade", "depthUpdate", "simTime", "simEnd", "nan", "-1", "1e400", "0", "1.5", 2**63, 2**64))
)
values = scalars | st.lists(st.lists(scalars, max_size=3), max_size=3)
payloads = st.dictionaries(st.sampled_from(KEYS), values)
envelopes = st.fixed_dictionaries({"stream": st.sampled_from(STREAMS) | scalars, "data": payloads | values})
frames = st.binary() | st.text() | st.builds(json.dumps, payloads | envelopes) | st.builds(json.dumps, envelopes).map(str.encode)

GOOD = b'{"stream":"btcusdt@depth@0ms","data":{"s":"BTCUSDT","E":1,"U":1,"u":2,"pu":0,"b":[["1.5","2"]],"a":[["2.5","3"]]}}'
mutations = st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, len(GOOD)), st.binary(max_size=6))


@given(st.lists(frames, max_size=8))
@example([b"[" * 200_000, "\ud800", b"\xff\xfe", b'{"data":' + b'{"a":' * 100_000])
def test_no_frame_breaks_the_handler_or_lets_a_bad_number_through(received: list[bytes | str]) -> None:
    stats = FeedStats()
    handler = BinanceHandler("usdm", ["BTCUSDT"], "trade", ManualClock(), stats)
    for frame in received:
        handler.on_frame(frame)
        with suppress(FeedError):
            handler.on_snapshot("BTCUSDT", frame.encode(errors="replace") if isinstance(frame, str) else frame)
    rows = handler.take()
    assert all(np.isfinite(rows[field]).all() for field in "abcd")
    assert (rows["a"] >= 0.0).all()
    assert stats.messages == len(received)


@given(st.lists(mutations, max_size=4))
def test_a_damaged_update_is_refused_or_read_never_fatal(damage: list[tuple[int, int, bytes]]) -> None:
    frame = GOOD
    for at, until, replacement in damage:
        frame = frame[:at] + replacement + frame[max(at, until) :]
    stats = FeedStats()
    handler = BinanceHandler("usdm", ["BTCUSDT"], "trade", ManualClock(), stats)
    handler.on_frame(frame)
    assert not stats.bad_messages or ": was " in stats.last_error
    assert handler.take().size == 0


@given(st.decimals(min_value=Decimal("1e-12"), max_value=Decimal("1e12"), allow_nan=False, allow_infinity=False, places=12))
def test_a_number_is_the_nearest_double_of_its_text(number: Decimal) -> None:
    text = f"{number:f}"
    frame = msgspec.json.encode({"s": "X", "t": 1, "p": text, "q": "1", "T": 1, "m": True})
    assert read_trade(frame).price == float(text)
