"""The quick reader of levels against the ordinary one: the same rows to the bit, or it says that it cannot."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import FeedError
from trader.engine.inputs import InputKind
from trader.feeds.binance.messages import DEPTH_TEXT, read_levels
from trader.feeds.levels import LevelReader
from trader.feeds.rows import append_levels

decimals = st.decimals(min_value=Decimal(0), max_value=Decimal(10**12), allow_nan=False, allow_infinity=False, places=8)
plain = (
    decimals.map(lambda number: f"{number:f}")
    | st.integers(0, 10**17).map(str)
    | st.sampled_from(("61800.30", "0", "0.000", "1"))
)
odd = st.sampled_from(("-1", "1e5", "01", ".5", "5.", "", "nan", "1.2.3", " 1", "9" * 30, "0.1234567890123456789012345", "１"))
levels = st.lists(st.tuples(plain | odd, plain | odd).map(list), max_size=6)
READER = LevelReader()


def both(text: bytes) -> tuple[bytes | None, bytes | None]:
    """Return what the quick reader and the ordinary one make of an update; None is no."""
    try:
        depth = DEPTH_TEXT.alone(text)
    except FeedError:
        return None, None
    quick = READER.rows(depth.bids, depth.asks, 7, 3, venue_ms=9.0, ref=11)
    out = bytearray()
    try:
        bids, asks = read_levels(depth)
    except FeedError:
        return quick, None
    append_levels(out, InputKind.DEPTH, 7, 3, bids=bids, asks=asks, venue_ms=9.0, ref=11)
    return quick, bytes(out)


def frame(bids: object, asks: object) -> bytes:
    return msgspec.json.encode({"s": "X", "E": 1, "U": 1, "u": 2, "b": bids, "a": asks})


@given(levels, levels)
@example([["61800.30", "2.507"]], [])
@example([], [])
def test_both_readers_agree_to_the_bit(bids: list[list[str]], asks: list[list[str]]) -> None:
    quick, ordinary = both(frame(bids, asks))
    assert quick is None or quick == ordinary


@given(st.lists(st.tuples(plain, plain).map(list).filter(lambda level: float(level[0]) > 0.0), min_size=1, max_size=400))
def test_what_venues_send_is_read_quickly(bids: list[list[str]]) -> None:
    quick, ordinary = both(frame(bids, bids))
    short = all(Decimal(number).scaleb(8) < 2**53 for level in bids for number in level)
    assert quick == ordinary or (quick is None and not short)


@given(levels, st.integers(0, 400), st.integers(0, 400), st.binary(max_size=4))
def test_damage_is_never_read_as_something_else(bids: list[list[str]], at: int, until: int, other: bytes) -> None:
    whole = frame(bids, [["5.0", "1"]])
    quick, ordinary = both(whole[:at] + other + whole[max(at, until) :])
    assert quick is None or quick == ordinary


@given(st.text(alphabet='[]",.0159', max_size=40))
def test_no_text_is_read_as_what_it_is_not(text: str) -> None:
    depth = DEPTH_TEXT.alone(frame([], []))
    broken = msgspec.Raw(text.encode())
    quick = READER.rows(broken, depth.asks, 7, 3, venue_ms=9.0, ref=11)
    if quick is not None:
        assert all(len(level) == 2 for level in json.loads(text))
