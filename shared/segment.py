"""A POSIX shared-memory segment with a header that says what it is, who owns it and whether it is complete."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import numpy.typing as npt
import posix_ipc

from shared.clock import NS_PER_S, Clock
from shared.errors import LayoutMismatch, NotRunning, SharedMemoryError, Timeout
from shared.layout import HEADER, HEADER_BYTES, LAYOUT_VERSION, MAGIC, layout_hash

_SHM_FOLDER = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is seen on Linux
_MODE = 0o600
_LOCK_POLL_S = 0.0002


def segment_name(name: str, instance: str) -> str:
    """Return the POSIX name of a segment, e.g. ``/trader_portfolio`` or ``/trader_demo_portfolio``."""
    return f"/trader_{instance}_{name}" if instance else f"/trader_{name}"


def process_start(pid: int) -> int:
    """Return the start time of a process in clock ticks since boot, or 0 if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    after_name = stat.rpartition(")")[2].split()
    return 0 if after_name[0] == "Z" else int(after_name[19])  # field 22; a zombie owns nothing


def is_alive(pid: int, start: int) -> bool:
    """Say whether the very process that wrote the header still runs (a reused pid does not count)."""
    return pid > 0 and process_start(pid) == start != 0


class Segment:
    """One mapped segment. Make it with :meth:`create` or :meth:`attach`.

    Attributes
    ----------
    header
        View of the header, dtype :data:`shared.layout.HEADER`, shape ().
    body
        View of the body, shape (1,), read-only unless created or attached as writable.
    """

    def __init__(self, name: str, memory: Any, mapped: mmap.mmap, layout: np.dtype[Any]) -> None:
        self.name = name
        self._fd: int = memory.fd
        self._mapped = mapped
        self.header: npt.NDArray[np.void] = np.frombuffer(mapped, HEADER, 1)
        self.body: npt.NDArray[np.void] = np.frombuffer(mapped, layout, 1, HEADER_BYTES)

    @classmethod
    def create(cls, name: str, layout: np.dtype[Any], instance: str, clock: Clock) -> Segment:
        """Make a segment of zeros, owned by this process; one left by a dead owner is replaced.

        Errors
        ------
        SharedMemoryError
            If a living process owns it, or /dev/shm has no room for it.
        """
        posix_name = segment_name(name, instance)
        size = HEADER_BYTES + layout.itemsize
        _require_space(posix_name, size)
        reclaim(name, instance)
        try:
            memory = posix_ipc.SharedMemory(posix_name, posix_ipc.O_CREX, mode=_MODE, size=size)
        except posix_ipc.ExistentialError as error:
            raise SharedMemoryError(f"{posix_name}: made by another process just now, expected to be ours; try again") from error
        _reserve(memory.fd, size, posix_name)
        segment = cls(posix_name, memory, mmap.mmap(memory.fd, size), layout)
        header = segment.header[0]
        header["layout_version"] = LAYOUT_VERSION
        header["layout_hash"] = layout_hash(layout).encode()
        header["name"] = posix_name.encode()
        header["owner_pid"] = os.getpid()
        header["owner_start"] = process_start(os.getpid())
        header["epoch"] = clock.now_ns()
        header["heartbeat_ns"] = clock.now_ns()
        header["body_bytes"] = layout.itemsize
        header["magic"] = MAGIC
        return segment

    def activate(self) -> None:
        """Say that the body is complete; nobody can attach before."""
        self.header["active"] = 1

    @classmethod
    def attach(cls, name: str, layout: np.dtype[Any], instance: str, *, writable: bool = False) -> Segment:
        """Map an existing segment.

        Errors
        ------
        NotRunning
            If it does not exist or is not complete yet.
        LayoutMismatch
            If it was made with another layout; both hashes are named.
        """
        posix_name = segment_name(name, instance)
        try:
            memory = posix_ipc.SharedMemory(posix_name, read_only=not writable)
        except posix_ipc.ExistentialError as error:
            raise NotRunning(f"{posix_name}: was not there, expected a running owner; start the trader first") from error
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(memory.close_fd)
            if os.fstat(memory.fd).st_size < HEADER_BYTES:
                raise NotRunning(f"{posix_name}: is still being made; try again in a moment")
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            mapped = mmap.mmap(memory.fd, 0, prot=protection)
            _check_header(np.frombuffer(mapped, HEADER, 1)[0], posix_name, layout)
            on_failure.pop_all()
        return cls(posix_name, memory, mapped, layout)

    @property
    def owner_alive(self) -> bool:
        """Say whether the process that made the segment still runs."""
        return is_alive(int(self.header["owner_pid"][0]), int(self.header["owner_start"][0]))

    @property
    def epoch(self) -> int:
        """Time of creation in ns; another value under the same name means the owner was restarted."""
        return int(self.header["epoch"][0])

    def beat(self, now_ns: int) -> None:
        """Stamp the time of the last write. To be called by the loop that does the work, never by a helper thread."""
        self.header["heartbeat_ns"] = now_ns

    @contextlib.contextmanager
    def locked(self, clock: Clock, wait_s: float = 2.0) -> Iterator[None]:
        """Hold the exclusive lock of the segment; the kernel frees it when the holder dies.

        The lock belongs to this mapping: threads that share one do not exclude each other, so give each its own.

        Errors
        ------
        Timeout
            If another holds it for longer than ``wait_s``.
        """
        deadline_ns = clock.monotonic_ns() + int(wait_s * NS_PER_S)
        while not _try_lock(self._fd):
            if clock.monotonic_ns() > deadline_ns:
                raise Timeout(f"{self.name}: locked by another for {wait_s:g} s, expected milliseconds; try again")
            sleep(_LOCK_POLL_S)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Unmap. Views taken before keep the memory mapped until they are gone."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        self.header = self.header.copy()
        self.body = np.zeros(0, self.body.dtype)
        with contextlib.suppress(BufferError):  # a view is still held: the mapping goes with it
            self._mapped.close()

    def unlink(self) -> None:
        """Remove the name; only the owner does. Processes that still map it keep their mapping."""
        with contextlib.suppress(posix_ipc.ExistentialError):
            posix_ipc.unlink_shared_memory(self.name)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def reclaim(name: str, instance: str) -> bool:
    """Remove a segment whose owner is dead; True if there was one.

    Errors
    ------
    SharedMemoryError
        If its owner is alive; the message names the pid.
    """
    posix_name = segment_name(name, instance)
    try:
        memory = posix_ipc.SharedMemory(posix_name, read_only=True)
    except posix_ipc.ExistentialError:
        return False
    try:
        header = np.frombuffer(os.pread(memory.fd, HEADER.itemsize, 0).ljust(HEADER.itemsize, b"\0"), HEADER)[0]
    finally:
        memory.close_fd()
    pid, start = int(header["owner_pid"]), int(header["owner_start"])
    if header["magic"] == MAGIC and is_alive(pid, start):
        raise SharedMemoryError(
            f"{posix_name}: owned by running process {pid}, expected no owner; stop it or choose another --instance"
        )
    posix_ipc.unlink_shared_memory(posix_name)
    return True


def _check_header(header: Any, posix_name: str, layout: np.dtype[Any]) -> None:
    if header["magic"] != MAGIC or not header["active"]:
        raise NotRunning(f"{posix_name}: is still being made; try again in a moment")
    ours, theirs = layout_hash(layout), header["layout_hash"].decode()
    if ours != theirs or int(header["layout_version"]) != LAYOUT_VERSION:
        raise LayoutMismatch(
            f"{posix_name}: layout was {theirs}, expected {ours}; trader and tools differ in version, restart both"
        )


def _require_space(posix_name: str, size: int) -> None:
    if not _SHM_FOLDER.is_dir():
        return
    stats = os.statvfs(_SHM_FOLDER)
    free = stats.f_bavail * stats.f_frsize
    if free < size:
        raise SharedMemoryError(
            f"{posix_name}: /dev/shm had {free >> 20} MiB free, expected {(size >> 20) + 1} MiB; "
            "free some, or give a container more with --shm-size"
        )


def _reserve(fd: int, size: int, posix_name: str) -> None:
    """Take the pages now: without this a full /dev/shm is a SIGBUS in the middle of trading."""
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        posix_ipc.unlink_shared_memory(posix_name)
        if error.errno == errno.ENOSPC:
            raise SharedMemoryError(f"{posix_name}: /dev/shm is full, expected {(size >> 20) + 1} MiB free") from error
        raise
