from __future__ import annotations

import numpy as np

from shared.layout import INPUT
from trader.engine.inputs import ASK, FIRST, LAST, InputKind, batch, row
from trader.feeds.rows import ROW_BYTES, RowBuffer, append_levels, pack_row


def test_packed_rows_are_the_engines_inputs() -> None:
    fields = {"flags": 513, "aux": 7, "a": 1.5, "b": -2.5, "c": 3e300, "d": 0.1, "ref": -9}
    packed = np.frombuffer(pack_row(InputKind.TRADE, 123, 4, **fields), INPUT)  # type: ignore[arg-type]
    assert INPUT.itemsize == ROW_BYTES
    assert packed.tobytes() == batch([row(InputKind.TRADE, 123, 4, **fields)]).tobytes()  # type: ignore[arg-type]


def test_levels_carry_side_first_and_last() -> None:
    out = bytearray()
    append_levels(out, InputKind.SNAPSHOT, 5, 1, bids=[(10.0, 1.0), (9.0, 2.0)], asks=[(11.0, 3.0)], venue_ms=77.0, ref=42)
    rows = np.frombuffer(out, INPUT)
    assert rows["flags"].tolist() == [FIRST, 0, ASK | LAST]
    assert rows["a"].tolist() == [10.0, 9.0, 11.0]
    assert set(rows["ref"].tolist()) == {42}
    assert set(rows["c"].tolist()) == {77.0}


def test_an_empty_snapshot_still_clears_the_book_and_an_empty_diff_is_nothing() -> None:
    out = bytearray()
    append_levels(out, InputKind.DEPTH, 5, 1, bids=[], asks=[], venue_ms=0.0, ref=1)
    assert not out
    append_levels(out, InputKind.SNAPSHOT, 5, 1, bids=[], asks=[], venue_ms=0.0, ref=1)
    (only,) = np.frombuffer(out, INPUT)
    assert (only["flags"], only["a"]) == (FIRST | LAST, 0.0)


def test_a_kept_place_stands_before_what_came_after_it() -> None:
    buffer = RowBuffer(holding=True)
    buffer.tail += pack_row(InputKind.TRADE, 1, 0)
    place = buffer.keep_place()
    buffer.tail += pack_row(InputKind.TRADE, 3, 0)
    assert buffer.take().size == 0
    place += pack_row(InputKind.DEPTH, 2, 0)
    buffer.release()
    assert buffer.take()["time_ns"].tolist() == [1, 2, 3]
    assert buffer.take().size == 0


def test_times_never_step_back_within_or_between_batches() -> None:
    buffer = RowBuffer(holding=False)
    buffer.tail += pack_row(InputKind.TRADE, 10, 0) + pack_row(InputKind.TRADE, 8, 0)
    assert buffer.take()["time_ns"].tolist() == [10, 10]
    buffer.tail += pack_row(InputKind.TRADE, 9, 0) + pack_row(InputKind.TRADE, 12, 0)
    buffer.uneven = True
    assert buffer.take()["time_ns"].tolist() == [10, 12]
