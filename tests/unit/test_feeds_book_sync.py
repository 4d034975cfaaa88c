from __future__ import annotations

import pytest

from trader.feeds.binance.book_sync import (
    MAX_BUFFERED,
    MAX_OLD,
    MAX_PENDING,
    Action,
    BookSync,
    Rule,
    SpotRule,
    Step,
    Update,
    UsdmRule,
)
from trader.feeds.binance.messages import Depth, Snapshot


def update(first: int, final: int, previous: int = -1) -> Update:
    depth = Depth(symbol="X", event_ms=0, first_id=first, final_id=final, bids=[], asks=[], previous_id=previous)
    return Update(depth, 0)


def snapshot(update_id: int) -> Snapshot:
    return Snapshot(update_id=update_id, bids=[], asks=[])


def short(steps: list[Step]) -> list[tuple[str, int]]:
    return [(step.action.name, step.update.depth.final_id) for step in steps]


@pytest.mark.parametrize(
    ("rule", "last_id", "expected"),
    [
        # Updates [11..20], [21..30]. Spot: u <= id is covered, then U <= id + 1.
        (SpotRule(), 9, [("REFUSE", 20)]),
        (SpotRule(), 10, [("START", 20), ("APPLY", 30)]),
        (SpotRule(), 19, [("START", 20), ("APPLY", 30)]),
        (SpotRule(), 20, [("START", 30)]),
        (SpotRule(), 29, [("START", 30)]),
        (SpotRule(), 30, []),
        # USD-M: u < id is covered, then U <= id <= u.
        (UsdmRule(), 10, [("REFUSE", 20)]),
        (UsdmRule(), 11, [("START", 20), ("APPLY", 30)]),
        (UsdmRule(), 20, [("START", 20), ("APPLY", 30)]),
        (UsdmRule(), 21, [("START", 30)]),
        (UsdmRule(), 30, [("START", 30)]),
        (UsdmRule(), 31, []),
    ],
)
def test_where_a_snapshot_joins_the_stream(rule: Rule, last_id: int, expected: list[tuple[str, int]]) -> None:
    sync = BookSync(rule)
    assert not sync.wants_snapshot
    sync.on_update(update(11, 20, 8))
    sync.on_update(update(21, 30, 20))
    assert sync.wants_snapshot
    steps = sync.on_snapshot(snapshot(last_id))
    assert short(steps) == expected
    assert sync.in_step == (expected != [] and expected[0][0] == "START")


@pytest.mark.parametrize("rule", [SpotRule(), UsdmRule()])
def test_a_snapshot_ahead_of_the_stream_waits_for_it(rule: Rule) -> None:
    sync = BookSync(rule)
    sync.on_update(update(11, 20, 8))
    assert sync.on_snapshot(snapshot(35)) == []
    assert not sync.wants_snapshot
    assert sync.on_update(update(21, 30, 20)) == []
    assert short(sync.on_update(update(31, 40, 30))) == [("START", 40)]


@pytest.mark.parametrize("rule", [SpotRule(), UsdmRule()])
def test_the_update_that_reveals_a_gap_is_kept(rule: Rule) -> None:
    sync = BookSync(rule)
    sync.on_update(update(11, 20, 8))
    sync.on_snapshot(snapshot(15))
    assert short(sync.on_update(update(31, 40, 30))) == [("GAP", 40)]
    assert sync.wants_snapshot
    assert short(sync.on_snapshot(snapshot(33))) == [("START", 40)]


def test_spot_ignores_what_it_has_seen_but_not_a_count_that_starts_anew() -> None:
    sync = BookSync(SpotRule())
    sync.on_update(update(11, 20))
    sync.on_snapshot(snapshot(15))
    assert sync.on_update(update(11, 20)) == []
    assert short(sync.on_update(update(15, 25))) == [("APPLY", 25)]
    assert short(sync.on_update(update(1, 3))) == [("GAP", 3)]


def test_usdm_follows_the_previous_id_whatever_the_first_id() -> None:
    sync = BookSync(UsdmRule())
    sync.on_update(update(11, 20, 8))
    sync.on_snapshot(snapshot(15))
    assert short(sync.on_update(update(500, 600, 20))) == [("APPLY", 600)]
    assert short(sync.on_update(update(500, 590, 20))) == [("GAP", 590)]


def test_usdm_ignores_the_update_the_book_stands_at_but_not_for_ever() -> None:
    sync = BookSync(UsdmRule())
    sync.on_update(update(11, 20, 8))
    sync.on_snapshot(snapshot(15))
    assert [sync.on_update(update(11, 20, 8)) for _ in range(MAX_OLD)] == [[]] * MAX_OLD
    assert short(sync.on_update(update(21, 30, 20))) == [("APPLY", 30)]
    assert [sync.on_update(update(21, 30, 20)) for _ in range(MAX_OLD)] == [[]] * MAX_OLD
    assert short(sync.on_update(update(21, 30, 20))) == [("GAP", 30)]


def test_usdm_does_not_take_an_older_update_for_a_repetition() -> None:
    sync = BookSync(UsdmRule())
    sync.on_update(update(11, 20, 8))
    sync.on_snapshot(snapshot(15))
    sync.on_update(update(21, 30, 20))
    assert short(sync.on_update(update(11, 20, 8))) == [("GAP", 20)]


def test_a_gap_inside_the_buffer_is_found_after_the_start() -> None:
    sync = BookSync(SpotRule())
    for first in (11, 21, 41, 51):
        sync.on_update(update(first, first + 9))
    assert short(sync.on_snapshot(snapshot(15))) == [("START", 20), ("APPLY", 30), ("GAP", 50)]
    assert short(sync.on_snapshot(snapshot(45))) == [("START", 50), ("APPLY", 60)]


def test_the_buffer_is_bounded_and_what_was_lost_is_noticed() -> None:
    sync = BookSync(SpotRule())
    for i in range(MAX_BUFFERED + 10):
        sync.on_update(update(i + 1, i + 1))
    assert short(sync.on_snapshot(snapshot(5))) == [("REFUSE", 11)]
    assert short(sync.on_snapshot(snapshot(MAX_BUFFERED)))[0] == ("START", MAX_BUFFERED + 1)


def test_a_snapshot_the_stream_never_reaches_is_given_up() -> None:
    sync = BookSync(UsdmRule())
    sync.on_update(update(1, 1, 0))
    sync.on_snapshot(snapshot(10**12))
    steps = [step for i in range(MAX_PENDING) for step in sync.on_update(update(i + 2, i + 2, i + 1))]
    assert [step.action for step in steps] == [Action.REFUSE]
    assert sync.wants_snapshot


def test_a_cut_stream_needs_new_updates_before_a_new_snapshot() -> None:
    sync = BookSync(SpotRule())
    sync.on_update(update(11, 20))
    sync.on_snapshot(snapshot(15))
    sync.reset()
    assert not sync.in_step
    assert not sync.wants_snapshot
    sync.on_update(update(31, 40))
    assert short(sync.on_snapshot(snapshot(20))) == [("REFUSE", 40)]
