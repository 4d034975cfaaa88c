"""Shared memory under real processes: fast writers, slow readers, and a SIGKILL in the middle of anything."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import pytest

from shared.clock import SystemClock
from shared.errors import SharedMemoryError, TornRead
from shared.layout import record, ring
from shared.ring import RingReader, RingWriter
from shared.segment import Segment
from shared.seqlock import begin_write, commit_write, read_copy
from tests.engine_support import CAPITAL_USD, eventful_market, fresh_instance, instrument
from tests.support import eventually
from trader.engine.engine import Engine
from trader.engine.inputs import batch
from trader.engine.journal import Journal, recover
from trader.engine.state import new_state

SPAWN = multiprocessing.get_context("spawn")  # a fresh interpreter, as the real processes are
WORDS = 512
WHOLE = record(("words", "u8", (WORDS,)))
LATCH = record(("version", "u8"), ("copies", WHOLE, (2,)))
BIG = record(("words", "u8", (1 << 17,)))  # 1 MiB: a kill nearly always comes in the middle of a write
BIG_LATCH = record(("version", "u8"), ("copies", BIG, (2,)))
ROW_WORDS = 126
ROW = record(("seq", "u8"), ("writer", "u8"), ("words", "u8", (ROW_WORDS,)), ("check", "u8"))
RING = ring(ROW, 1024)
TIGHT = ring(ROW, 128)  # a reader that falls behind reads just where the writer writes


@pytest.fixture
def instance() -> Iterator[str]:
    with fresh_instance("proc") as name:
        yield name


@contextlib.contextmanager
def running(target: Any, *args: Any) -> Iterator[BaseProcess]:
    """Hold a real process that runs ``target(*args)``; it is killed at the end if it still runs."""
    process = SPAWN.Process(target=target, args=args, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


@contextlib.contextmanager
def segment(layout: np.dtype[Any], instance: str) -> Iterator[Segment]:
    made = Segment.create("config", layout, instance, SystemClock())
    made.activate()
    try:
        yield made
    finally:
        made.close()
        made.unlink()


def publish(body: Any, seq: int) -> None:
    """Write a record whose every word follows from its first."""
    copy = begin_write(body["version"])
    words = body["copies"][0][copy]["words"]
    for at in range(0, len(words), WORDS):
        words[at : at + WORDS] = np.arange(at + 1, at + WORDS + 1, dtype=np.uint64) * np.uint64(seq)
    commit_write(body["version"])


def is_whole(words: Any) -> bool:
    return bool((words == np.arange(1, len(words) + 1, dtype=np.uint64) * words[0]).all())


def written_beyond(version: Any, count: int) -> bool:
    return int(version[0]) > count


def write_latched(instance: str, layout: np.dtype[Any]) -> None:
    body = Segment.attach("config", layout, instance, writable=True).body
    seq = int(read_copy(body["version"], body["copies"][0])[0]["words"][0])
    while True:
        seq += 1
        publish(body, seq)


def read_latched_copies(instance: str, seconds: float, out: Any) -> None:
    body = Segment.attach("config", LATCH, instance).body
    reads = bad = backwards = last = 0
    read_copy(body["version"].copy(), body["copies"][0])  # whatever must be compiled or loaded is, now
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(TornRead):
            words = read_copy(body["version"], body["copies"][0])[0]["words"]
            reads, bad, backwards = reads + 1, bad + (not is_whole(words)), backwards + (int(words[0]) < last)
            last = int(words[0])
    out.put((reads, bad, backwards, last))


def test_no_reader_ever_gets_half_a_record(instance: str) -> None:
    out = SPAWN.SimpleQueue()
    with segment(LATCH, instance) as made, running(write_latched, instance, LATCH), contextlib.ExitStack() as readers:
        eventually(lambda: int(made.body["version"][0]) > 100, 20.0)
        for _ in range(3):
            readers.enter_context(running(read_latched_copies, instance, 2.0, out))
        results = [out.get() for _ in range(3)]
    for reads, bad, backwards, last in results:
        assert reads > 200
        assert last > 100
        assert (bad, backwards) == (0, 0)


def test_a_writer_killed_half_way_leaves_a_whole_copy(instance: str) -> None:
    with segment(BIG_LATCH, instance) as made:
        version, copies = made.body["version"], made.body["copies"][0]
        half_written = 0
        for _ in range(6):
            before = int(version[0])
            with running(write_latched, instance, BIG_LATCH) as writer:
                eventually(functools.partial(written_beyond, version, before + 20), 20.0)
                writer.kill()
                writer.join()
            words = read_copy(version, copies)[0]["words"]
            assert is_whole(words)
            assert int(words[0]) == int(version[0])
            half_written += not is_whole(copies[(int(version[0]) + 1) & 1]["words"])
        publish(made.body, int(version[0]) + 1)  # the next writer goes on
        assert is_whole(read_copy(version, copies)[0]["words"])
    assert half_written > 0  # else nothing was shown


def rows_of(first: int, count: int, writer: int) -> Any:
    """Return rows in which every word is the row's number: cheap to make, and a torn one shows."""
    made = np.zeros(count, ROW)
    made["seq"], made["writer"] = np.arange(first, first + count), writer
    made["words"] = made["seq"][:, None]
    made["check"] = made["seq"]
    return made


def broken(rows: Any) -> int:
    return int(((rows["words"] != rows["seq"][:, None]).any(axis=1) | (rows["check"] != rows["seq"])).sum())


def push_many(instance: str, count: int) -> None:
    writer = RingWriter(Segment.attach("config", TIGHT, instance, writable=True).body)
    random = np.random.default_rng(1)
    while writer.head < count:
        writer.push(rows_of(writer.head + 1, min(int(random.integers(1, 65)), count - writer.head), 1))


def read_many(instance: str, until: int, pause_s: float, out: Any) -> None:
    reader = RingReader(Segment.attach("config", TIGHT, instance).body, from_start=True)
    out.put("ready")
    got = bad = disorder = last = 0
    while reader.cursor < until:
        rows = reader.read(limit=128)
        seqs = rows["seq"].astype(np.int64)
        got, bad = got + len(rows), bad + broken(rows)
        disorder += int((np.diff(np.concatenate([[last], seqs])) <= 0).sum())
        last = int(seqs[-1]) if len(rows) else last
        time.sleep(pause_s)
    out.put((got, reader.lost, bad, disorder, last))


def test_readers_of_a_ring_at_any_speed_get_whole_rows_and_count_what_they_lost(instance: str) -> None:
    count, pauses = 1_500_000, (0.0, 0.0, 0.0005, 0.02)
    out = SPAWN.SimpleQueue()
    with segment(TIGHT, instance), contextlib.ExitStack() as all_of_them:
        for pause_s in pauses:
            all_of_them.enter_context(running(read_many, instance, count, pause_s, out))
        assert [out.get() for _ in pauses] == ["ready"] * 4
        all_of_them.enter_context(running(push_many, instance, count))
        results = [out.get() for _ in pauses]
    for got, lost, bad, disorder, last in results:
        assert got + lost == count
        assert (bad, disorder, last) == (0, 0, count)
    assert max(lost for _, lost, *_ in results) > 0  # the slow ones lost, and nobody waited for them
    assert min(lost for _, lost, *_ in results) < count


def push_locked(instance: str, writer_id: int, count: int) -> None:
    made = Segment.attach("config", RING, instance, writable=True)
    writer = RingWriter(made.body)
    for _ in range(count):
        with made.locked(SystemClock()):
            writer.push(rows_of(writer.head + 1, 1, writer_id))


def test_two_writers_under_the_lock_lose_nothing(instance: str) -> None:
    count = 400
    with segment(RING, instance) as made:
        reader = RingReader(made.body)
        with running(push_locked, instance, 1, count) as one, running(push_locked, instance, 2, count) as two:
            one.join(30.0)
            two.join(30.0)
            assert (one.exitcode, two.exitcode) == (0, 0)
        rows = reader.read()
    assert rows["seq"].tolist() == list(range(1, 2 * count + 1))
    assert np.bincount(rows["writer"].astype(np.int64)).tolist() == [0, count, count]
    assert broken(rows) == 0


def hold_lock(instance: str) -> None:
    made = Segment.attach("config", LATCH, instance, writable=True)
    with made.locked(SystemClock()):
        made.body["version"] = 77
        signal.pause()


def test_the_lock_of_a_killed_process_is_free(instance: str) -> None:
    with segment(LATCH, instance) as made:
        other = Segment.attach("config", LATCH, instance, writable=True)
        with running(hold_lock, instance) as holder:
            eventually(lambda: int(made.body["version"][0]) == 77, 20.0)
            holder.kill()
            holder.join()
            with other.locked(SystemClock()):
                other.body["version"] = 78
        other.close()
        assert int(made.body["version"][0]) == 78


def own_segment(instance: str) -> None:
    made = Segment.create("config", LATCH, instance, SystemClock())
    publish(made.body, 5)
    made.activate()
    signal.pause()


def test_a_killed_owner_leaves_its_data_readable_and_its_name_free(instance: str) -> None:
    with running(own_segment, instance) as owner:
        found: list[Segment] = []

        def attached() -> bool:
            with contextlib.suppress(Exception):
                found.append(Segment.attach("config", LATCH, instance))
            return bool(found)

        eventually(attached, 20.0)
        left = found[0]
        assert left.owner_alive
        with pytest.raises(SharedMemoryError, match=f"owned by running process {owner.pid}"):
            Segment.create("config", LATCH, instance, SystemClock())
        os.kill(int(owner.pid or 0), signal.SIGKILL)
        owner.join()
        assert not left.owner_alive
        assert int(read_copy(left.body["version"], left.body["copies"][0])[0]["words"][0]) == 5
        with segment(LATCH, instance) as ours:
            assert ours.epoch > left.epoch
            assert not ours.body["version"][0]
        left.close()


def market_inputs() -> Any:
    return batch([instrument(0), instrument(1), *eventful_market(3, 250)])


CHECKPOINT_AT, KILLED_AT, BATCH = 20, 45, 96  # batches, batches, rows


def trade_and_die(instance: str, checkpoints: list[int], ready: Any) -> None:
    """Run the engine with a journal, keep checkpoints after some batches, and get killed after the last batch."""
    journal = Journal(instance, SystemClock())
    engine = Engine(new_state(2, CAPITAL_USD), journal.append)
    journal.checkpoint(engine.state)
    inputs = market_inputs()
    for i in range(KILLED_AT):
        engine.process(inputs[i * BATCH : (i + 1) * BATCH].copy())
        if i in checkpoints:
            journal.checkpoint(engine.state)
    ready.put(engine.state.tobytes())
    signal.pause()


@pytest.mark.parametrize("checkpoints", [[], [CHECKPOINT_AT], [3, 20, 44]], ids=["log only", "one in between", "the last batch"])
def test_a_killed_engine_is_recovered_from_checkpoint_and_log_to_the_bit(instance: str, checkpoints: list[int]) -> None:
    ready = SPAWN.SimpleQueue()
    with running(trade_and_die, instance, checkpoints, ready) as trader:
        standing = ready.get()
        with pytest.raises(SharedMemoryError, match=f"already running as process {trader.pid}"):
            recover(instance)
        trader.kill()
        trader.join()
    found = recover(instance)
    assert found is not None
    state, since = found
    assert int(state["input_seq"][0]) == (checkpoints[-1] + 1) * BATCH if checkpoints else not state["input_seq"][0]
    engine = Engine(state)
    engine.replay(since)
    assert engine.state.tobytes() == standing
    uninterrupted = Engine(new_state(2, CAPITAL_USD))
    uninterrupted.process(market_inputs()[: KILLED_AT * BATCH])
    assert engine.state.tobytes() == uninterrupted.state.tobytes()
    assert int(engine.state["order_id"][0]) > 0
    Journal(instance, SystemClock()).unlink()


def test_there_is_nothing_to_recover_where_nothing_was(instance: str) -> None:
    assert recover(instance) is None


def test_a_log_that_was_never_checkpointed_is_not_taken_up(instance: str) -> None:
    journal = Journal(instance, SystemClock())
    assert recover(instance) is None
    journal.unlink()
