"""The broadcast ring against a plain list: nobody waits, nobody steals, and what is lost is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.layout import record, ring
from shared.ring import RingReader, RingWriter

ITEM = record(("seq", "u8"), ("twice", "u8"), ("small", "u1"))
CAPACITY = 8


def rows(first: int, count: int) -> Any:
    made: Any = np.zeros(count, ITEM)
    made["seq"] = np.arange(first, first + count)
    made["twice"] = 2 * made["seq"]
    made["small"] = made["seq"] % 251
    return made


class RingAgainstList(RuleBasedStateMachine):
    @initialize()
    def make(self) -> None:
        self.ring = np.zeros(1, ring(ITEM, CAPACITY))
        self.writer = RingWriter(self.ring)
        self.written = 0
        self.readers: list[RingReader] = []
        self.began: list[int] = []
        self.got: list[list[int]] = []

    @rule(count=st.integers(0, CAPACITY))
    def push(self, count: int) -> None:
        self.writer.push(rows(self.written, count))
        self.written += count

    @rule(from_start=st.booleans(), last=st.integers(0, 20))
    def join(self, from_start: bool, last: int) -> None:
        reader = RingReader(self.ring, from_start=from_start, last=last)
        there = min(self.written, CAPACITY)
        assert reader.cursor == self.written - (there if from_start else min(last, there))
        self.readers.append(reader)
        self.began.append(reader.cursor)
        self.got.append([])

    @rule(which=st.integers(0, 5), limit=st.integers(1, 2 * CAPACITY))
    def read(self, which: int, limit: int) -> None:
        if which >= len(self.readers):
            return
        reader, got = self.readers[which], self.got[which]
        before = reader.cursor
        new = reader.read(limit)
        first = max(before, self.written - CAPACITY)
        expected = list(range(first, min(self.written, first + min(limit, self.written - before))))
        assert new["seq"].tolist() == expected
        assert new.tobytes() == rows(first, len(new)).tobytes()
        got += new["seq"].tolist()

    @invariant()
    def nothing_is_lost_uncounted(self) -> None:
        for reader, began, got in zip(self.readers, self.began, self.got, strict=True):
            assert reader.cursor - began == len(got) + reader.lost
            assert got == sorted(set(got))
            assert reader.head == self.writer.head == self.written


RingAgainstList.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestRingAgainstList = RingAgainstList.TestCase


def test_a_copy_read_before_is_not_touched_by_what_is_written_later() -> None:
    memory = np.zeros(1, ring(ITEM, CAPACITY))
    writer, reader = RingWriter(memory), RingReader(memory)
    writer.push(rows(0, 3))
    kept = reader.read()
    for _ in range(5):
        writer.push(rows(100, CAPACITY))
    assert kept["seq"].tolist() == [0, 1, 2]


def test_slots_that_a_writer_has_claimed_are_not_given_out() -> None:
    """What a reader sees whose writer stands, or was killed, between claiming slots and moving ``head``."""
    memory = np.zeros(1, ring(ITEM, CAPACITY))
    writer, reader = RingWriter(memory), RingReader(memory, from_start=True)
    writer.push(rows(0, CAPACITY))
    memory["claimed"] += 3
    memory["slots"][0][:3] = rows(999, 3)  # half written
    assert reader.read()["seq"].tolist() == [3, 4, 5, 6, 7]
    assert reader.lost == 3


@pytest.mark.parametrize("count", [0, 1, CAPACITY])
def test_as_many_as_fit_go_in_at_once(count: int) -> None:
    memory = np.zeros(1, ring(ITEM, CAPACITY))
    reader = RingReader(memory)
    RingWriter(memory).push(rows(0, count))
    assert len(reader.read()) == count
