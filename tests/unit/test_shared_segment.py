"""A segment says what it is, whose it is and whether it is complete; whoever comes gets it or one clear error."""

from __future__ import annotations

import errno
import os
import stat
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import posix_ipc
import pytest

from shared.clock import ManualClock
from shared.errors import LayoutMismatch, NotRunning, SharedMemoryError
from shared.layout import HEADER_BYTES, layout_hash, record
from shared.segment import Segment, is_alive, process_start, reclaim, segment_name
from tests.engine_support import fresh_instance

LAYOUT = record(("count", "u8"), ("price_usd", "f8", (4,)))
OTHER = record(("count", "u8"), ("price_usd", "f8", (5,)))
CLOCK = ManualClock(123)
NO_PID = 2**22 + 7  # above the largest pid of Linux


@pytest.fixture
def instance() -> Iterator[str]:
    with fresh_instance("seg") as name:
        yield name


@pytest.fixture
def made(instance: str) -> Iterator[Segment]:
    segment = Segment.create("config", LAYOUT, instance, CLOCK)
    yield segment
    segment.close()
    segment.unlink()


def name_of(segment: Segment) -> str:
    return segment.name.rsplit("_", 1)[0].removeprefix("/trader_")


def test_names_carry_the_instance() -> None:
    assert segment_name("portfolio", "") == "/trader_portfolio"
    assert segment_name("portfolio", "demo") == "/trader_demo_portfolio"


def test_a_new_segment_is_zero_private_and_ours(made: Segment) -> None:
    path = Path("/dev/shm") / made.name[1:]  # noqa: S108
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == HEADER_BYTES + LAYOUT.itemsize
    header = made.header[0]
    assert (header["magic"], header["owner_pid"], header["epoch"]) == (b"TRADERSM", os.getpid(), 123)
    assert header["layout_hash"].decode() == layout_hash(LAYOUT)
    assert made.owner_alive
    assert not made.body.tobytes().strip(b"\0")


def test_a_segment_cannot_be_attached_before_it_is_complete(made: Segment) -> None:
    with pytest.raises(NotRunning, match="still being made"):
        Segment.attach("config", LAYOUT, name_of(made))
    made.activate()
    Segment.attach("config", LAYOUT, name_of(made)).close()


def test_a_segment_that_has_no_header_yet_is_still_being_made(instance: str) -> None:
    name = segment_name("config", instance)
    memory = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600, size=0)
    memory.close_fd()
    with pytest.raises(NotRunning, match="still being made"):
        Segment.attach("config", LAYOUT, instance)
    posix_ipc.unlink_shared_memory(name)


def test_a_missing_segment_says_what_to_do(instance: str) -> None:
    with pytest.raises(NotRunning, match=r"was not there.*start the trader"):
        Segment.attach("config", LAYOUT, instance)


def test_a_writer_is_seen_by_readers(made: Segment) -> None:
    made.activate()
    reader = Segment.attach("config", LAYOUT, name_of(made))
    made.body["count"] = 42
    made.beat(999)
    assert int(reader.body["count"][0]) == 42
    assert int(reader.header["heartbeat_ns"][0]) == 999
    assert (reader.epoch, reader.owner_alive) == (123, True)
    reader.close()


def test_a_reader_cannot_write(made: Segment) -> None:
    made.activate()
    reader = Segment.attach("config", LAYOUT, name_of(made))
    with pytest.raises(ValueError, match="read-only"):
        reader.body["count"] = 1
    with pytest.raises(ValueError, match="read-only"):
        reader.header["active"] = 0
    with pytest.raises(ValueError, match="read-only"):
        reader.body["price_usd"][0][2] = 1.0
    reader.close()
    writer = Segment.attach("config", LAYOUT, name_of(made), writable=True)
    writer.body["count"] = 7
    assert int(made.body["count"][0]) == 7
    writer.close()


def test_another_layout_is_refused_naming_both(made: Segment) -> None:
    made.activate()
    with pytest.raises(LayoutMismatch) as refused:
        Segment.attach("config", OTHER, name_of(made))
    assert layout_hash(LAYOUT) in str(refused.value)
    assert layout_hash(OTHER) in str(refused.value)


def test_another_layout_version_is_refused(made: Segment) -> None:
    made.activate()
    made.header["layout_version"] = 99
    with pytest.raises(LayoutMismatch):
        Segment.attach("config", LAYOUT, name_of(made))


def test_a_living_owner_keeps_its_segment(made: Segment) -> None:
    made.activate()
    with pytest.raises(SharedMemoryError, match=f"owned by running process {os.getpid()}"):
        Segment.create("config", LAYOUT, name_of(made), CLOCK)
    with pytest.raises(SharedMemoryError, match="owned by running process"):
        reclaim("config", name_of(made))


@pytest.mark.parametrize(("pid", "start"), [(NO_PID, 5), (os.getpid(), 1)], ids=["no such process", "its pid was reused"])
def test_the_segment_of_a_dead_owner_is_replaced(made: Segment, pid: int, start: int) -> None:
    made.activate()
    made.body["count"] = 42
    made.header["owner_pid"], made.header["owner_start"] = pid, start
    assert not made.owner_alive
    again = Segment.create("config", LAYOUT, name_of(made), ManualClock(456))
    assert (int(again.body["count"][0]), again.epoch) == (0, 456)
    assert int(made.body["count"][0]) == 42  # who still maps the old one keeps it
    again.close()


def test_reclaiming_says_whether_there_was_one(made: Segment) -> None:
    made.header["owner_pid"] = NO_PID
    assert reclaim("config", name_of(made))
    assert not reclaim("config", name_of(made))


def test_a_foreign_file_under_our_name_is_replaced(instance: str) -> None:
    path = Path("/dev/shm") / segment_name("config", instance)[1:]  # noqa: S108
    path.write_bytes(b"not one of ours")
    segment = Segment.create("config", LAYOUT, instance, CLOCK)
    assert segment.header["magic"][0] == b"TRADERSM"
    segment.close()
    segment.unlink()


def test_a_full_dev_shm_is_told_before_anything_is_made(instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stats = namedtuple("stats", "f_bavail f_frsize")  # noqa: PYI024 - what os.statvfs answers
    monkeypatch.setattr(os, "statvfs", lambda _: stats(1, 64))
    with pytest.raises(SharedMemoryError, match=r"had 0 MiB free, expected 1 MiB.*--shm-size"):
        Segment.create("config", LAYOUT, instance, CLOCK)


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, SharedMemoryError), (errno.EIO, OSError)])
def test_pages_that_cannot_be_had_are_an_error_now_and_not_a_crash_later(
    instance: str, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(error):
        Segment.create("config", LAYOUT, instance, CLOCK)


def test_closing_twice_and_unlinking_twice_is_harmless(instance: str) -> None:
    segment = Segment.create("config", LAYOUT, instance, CLOCK)
    view = segment.body["price_usd"]
    view[0, 1] = 3.5
    segment.close()
    segment.close()
    segment.unlink()
    segment.unlink()
    assert view[0, 1] == 3.5  # a view taken before keeps the memory
    assert segment.owner_alive  # the header was copied


def test_liveness_is_of_the_very_process() -> None:
    start = process_start(os.getpid())
    assert start > 0
    assert is_alive(os.getpid(), start)
    assert not is_alive(os.getpid(), start + 1)
    assert not is_alive(NO_PID, start)
    assert not is_alive(NO_PID, 0)
    assert not is_alive(0, 0)


def test_body_is_aligned_to_a_cache_line(made: Segment) -> None:
    address = made.body.__array_interface__["data"][0]
    assert address % 64 == 0
    assert isinstance(made.body, np.ndarray)
