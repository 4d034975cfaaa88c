"""State on disk: checkpoints and the input log since, so that a reboot loses no more than a crash does.

A session is a folder with ``checkpoint-SEQ.bin`` (header line of JSON, then the state) and ``inputs-SEQ.bin`` (raw 64-byte
records from SEQ on). The unnamed session keeps what recovery and the tuner's *what if* need: the inputs of at least the last
hour of market time, within a size, and a checkpoint about every five minutes of it. A named one keeps every input, for replays.
Readers take no lock: a file is whole once it has its name, a log only grows, and what is too old disappears.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_S
from shared.errors import ConfigError, JournalError
from shared.layout import INPUT, layout_hash
from trader.engine.journal import check_chain
from trader.engine.state import STATE, State, copy_state

Inputs = npt.NDArray[np.void]

KEPT_NS = 3600 * NS_PER_S  # of market time: an hour back can always be replayed
APART_NS = 300 * NS_PER_S  # of market time: between two checkpoints that stay
_MOST_GATHERED = 1 << 16  # bytes
KEPT_BYTES = 512 << 20  # of inputs in an unnamed session; a busy market's hour is shorter then


class Identity(msgspec.Struct, frozen=True):
    """What a stored state belongs to. A state is taken up only by a trader of the same identity."""

    venue: str
    symbols: list[str]
    layout: str = layout_hash(STATE)


class Session:
    """The writing end.

    Parameters
    ----------
    folder
        The session's folder; made with mode 0700.
    keep_all
        Whether every input stays; otherwise the last hour, at most ``kept_bytes`` of it.
    """

    def __init__(self, folder: Path, identity: Identity, *, keep_all: bool, kept_bytes: int = KEPT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._identity = identity
        self._keep_all = keep_all
        self._kept_bytes = kept_bytes
        self._times_ns: dict[int, int] = {}  # of the checkpoints on disk, by the last input they hold
        self._queue: queue.SimpleQueue[tuple[bytes, int, int] | None] = queue.SimpleQueue()
        self._gathered = bytearray()  # not handed over yet
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="session", daemon=True)
        self._thread.start()

    def append(self, inputs: Inputs) -> None:
        """Take inputs for the log on disk; they wait for :meth:`hand_over`.

        Errors
        ------
        JournalError
            If the disk could not be written.
        """
        if self._failure is not None:
            raise JournalError(f"session: could not be written ({self._failure}); free disk space, then restart")
        self._gathered += inputs.tobytes()
        if len(self._gathered) >= _MOST_GATHERED:
            self.hand_over()

    def hand_over(self) -> None:
        """Let the disk have what was taken: every few milliseconds, as waking its thread costs more than most messages do."""
        if self._gathered:
            self._queue.put((bytes(self._gathered), -1, 0))
            self._gathered.clear()

    def checkpoint(self, state: State) -> None:
        """Queue a checkpoint; the log goes on in a new file."""
        self.hand_over()
        self._queue.put((state.tobytes(), int(state["input_seq"][0]), int(state["time_ns"][0])))

    def close(self) -> None:
        """Write what is queued and stop."""
        self.hand_over()
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        log: Any = None
        try:
            self._times_ns = {seq: time_ns for seq, time_ns, _ in checkpoints(self._folder)}
            while (item := self._queue.get()) is not None:
                data, seq, time_ns = item
                if seq < 0:
                    if log is not None:
                        log.write(data)
                        if self._queue.empty():
                            log.flush()
                    continue
                if log is not None:
                    log.close()
                self._write_checkpoint(data, seq)
                log = _open_private(self._folder / f"inputs-{seq + 1:020d}.bin")
                self._times_ns[seq] = time_ns
                self._prune()
        except OSError as error:
            self._failure = error
        finally:
            if log is not None:
                log.close()

    def _write_checkpoint(self, data: bytes, seq: int) -> None:
        """Write beside, then rename: a kill leaves the old checkpoint or the new one, never half of one."""
        beside = self._folder / "checkpoint.tmp"
        with _open_private(beside) as file:
            file.write(msgspec.json.encode(self._identity) + b"\n" + data)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self._folder / f"checkpoint-{seq:020d}.bin")

    def _prune(self) -> None:
        """Remove checkpoints that stand too close, and what is older than the oldest that is needed."""
        for seq in crowded(self._times_ns):
            self._remove_checkpoint(seq)
        if self._keep_all:
            return
        first = oldest_needed(self._times_ns, self._log_sizes(), self._kept_bytes)
        for seq in [seq for seq in self._times_ns if seq < first]:
            self._remove_checkpoint(seq)
        for path in self._folder.glob("inputs-*.bin"):
            if _seq_of(path) <= first:
                path.unlink()

    def _remove_checkpoint(self, seq: int) -> None:
        del self._times_ns[seq]
        (self._folder / f"checkpoint-{seq:020d}.bin").unlink(missing_ok=True)

    def _log_sizes(self) -> dict[int, int]:
        return {_seq_of(path): path.stat().st_size for path in self._folder.glob("inputs-*.bin")}


def crowded(times_ns: Mapping[int, int]) -> list[int]:
    """Return the checkpoints (by input number) that stand closer than :data:`APART_NS` after one that stays; never the newest."""
    known = sorted(times_ns)
    last_ns, out = None, []
    for seq in known[:-1]:
        if last_ns is not None and times_ns[seq] - last_ns < APART_NS:
            out.append(seq)
        else:
            last_ns = times_ns[seq]
    return out


def oldest_needed(times_ns: Mapping[int, int], log_sizes: Mapping[int, int], kept_bytes: int) -> int:
    """Return the checkpoint (by input number) from which an hour back can be replayed, or as much of it as fits in a size.

    ``log_sizes`` are the bytes of each log by its first input.
    """
    known = sorted(times_ns)
    back_ns = times_ns[known[-1]] - KEPT_NS
    first = max((seq for seq in known if times_ns[seq] <= back_ns), default=known[0])
    for seq in [seq for seq in known if seq >= first]:
        if seq == known[-1] or sum(size for at, size in log_sizes.items() if at > seq) <= kept_bytes:
            return seq
    return known[-1]


def load(folder: Path, identity: Identity, in_memory: tuple[State, Inputs] | None = None) -> tuple[State, Inputs] | None:
    """Return the newest checkpoint and the inputs logged after it, or None if nothing is stored.

    What a killed trader left ``in_memory`` is newer than the disk and is returned instead, if it is of the same life.

    Errors
    ------
    ConfigError
        If the stored state is of another venue, other symbols or another version.
    JournalError
        If the checkpoint is damaged or the log has a hole.
    """
    checkpoints = sorted(folder.glob("checkpoint-*.bin"))
    if not checkpoints:
        return None
    stored, state = _read_checkpoint(checkpoints[-1])
    if stored != identity:
        raise ConfigError(
            f"stored state: was of {stored.venue} {','.join(stored.symbols)} (layout {stored.layout}), expected {identity.venue} "
            f"{','.join(identity.symbols)} (layout {identity.layout}); use --fresh to discard it, or another --instance"
        )
    if state is None:
        raise JournalError(f"{checkpoints[-1].name}: was cut short, expected a whole state; start with --fresh to begin anew")
    if in_memory is not None and in_memory[0]["birth_ns"] == state["birth_ns"]:
        return in_memory
    seq = int(state["input_seq"][0])
    inputs = _read_log(folder / f"inputs-{seq + 1:020d}.bin")
    check_chain(inputs, seq)
    return state, inputs


def catch_up(folder: Path, inputs: Inputs) -> None:
    """Add to the log on disk what only the log in memory has, so that a kill while taking over loses nothing either."""
    checkpoints = sorted(folder.glob("checkpoint-*.bin"))
    if not checkpoints:
        return
    seq = int(checkpoints[-1].stem.partition("-")[2])
    path = folder / f"inputs-{seq + 1:020d}.bin"
    known = _read_log(path)
    last = int(known["seq"][-1]) if len(known) else seq
    missing = inputs[inputs["seq"] > last]
    if not len(missing) or int(missing["seq"][0]) != last + 1:
        return
    with os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "r+b") as file:
        file.truncate(len(known) * INPUT.itemsize)
        file.seek(0, os.SEEK_END)
        file.write(missing.tobytes())
        file.flush()
        os.fsync(file.fileno())


def first_checkpoint(folder: Path) -> tuple[Identity, State]:
    """Return the oldest checkpoint of a session that keeps everything: where a replay of it begins.

    Errors
    ------
    JournalError
        If there is none, or it is of another version of the program.
    """
    checkpoints = sorted(folder.glob("checkpoint-*.bin"))
    if not checkpoints:
        raise JournalError(f"session {folder.name}: was without a checkpoint, expected one; let the trader run longer")
    identity, state = _read_checkpoint(checkpoints[0])
    if state is None or identity.layout != layout_hash(STATE):
        raise JournalError(
            f"session {folder.name}: was made by another version, expected layout {layout_hash(STATE)}; record it anew"
        )
    return identity, state


def checkpoints(folder: Path) -> list[tuple[int, int, Path]]:
    """Return number of the last input, market time (ns; 0: before any) and path of every whole checkpoint, oldest first."""
    found = []
    for path in sorted(folder.glob("checkpoint-*.bin")):
        time_ns = _checkpoint_time_ns(path)
        if time_ns is not None:
            found.append((_seq_of(path), time_ns, path))
    return found


def read_state(path: Path) -> tuple[Identity, State]:
    """Return whose a checkpoint is, and a private copy of its state.

    Errors
    ------
    JournalError
        If it is gone, cut short, or of another version of the program.
    """
    try:
        identity, state = _read_checkpoint(path)
    except FileNotFoundError as error:
        raise JournalError(f"{path.name}: was gone, expected a checkpoint; ask again") from error
    if state is None or identity.layout != layout_hash(STATE):
        raise JournalError(f"{path.name}: was of another version, expected layout {layout_hash(STATE)}")
    return identity, state


def read_after(folder: Path, seq: int) -> Iterator[Inputs]:
    """Yield the inputs that follow number ``seq``, log by log, without holding more than one in memory.

    Errors
    ------
    JournalError
        If some are missing in between, or gone because they were too old.
    """
    last = seq
    for path in sorted(folder.glob("inputs-*.bin")):
        if _seq_of(path) <= seq:
            continue
        inputs = _read_log(path).copy()
        check_chain(inputs, last)
        last += len(inputs)
        yield inputs


def read_inputs(folder: Path) -> Inputs:
    """Return every input of a session that keeps everything, in order."""
    parts = [_read_log(path) for path in sorted(folder.glob("inputs-*.bin"))]
    return np.concatenate(parts) if parts else np.zeros(0, INPUT)


def _read_checkpoint(path: Path) -> tuple[Identity, State | None]:
    """Return whose state it is, and the state, or None where the file's size is not that of a state."""
    head, _, data = path.read_bytes().partition(b"\n")
    try:
        identity = msgspec.json.decode(head, type=Identity)
    except msgspec.DecodeError as error:
        raise JournalError(f"{path.name}: damaged header ({error}); start with --fresh to begin anew") from error
    return identity, copy_state(np.frombuffer(data, STATE)) if len(data) == STATE.itemsize else None


def archive(folder: Path, now_ns: int) -> None:
    """Put a stored session aside under another name: beginning anew deletes nothing."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}-until-{now_ns // 1_000_000}"))


def discard(folder: Path) -> None:
    """Remove what a replay stored: its session has it all."""
    shutil.rmtree(folder, ignore_errors=True)


def forget_checkpoints(folder: Path) -> None:
    """Make that nothing is taken up here any more."""
    for path in folder.glob("checkpoint-*.bin"):
        path.unlink()


def _read_log(path: Path) -> Inputs:
    if not path.exists():
        return np.zeros(0, INPUT)
    data = path.read_bytes()
    whole = len(data) - len(data) % INPUT.itemsize  # a kill may leave part of the last record; it was never confirmed
    return np.frombuffer(data[:whole], INPUT)


def _seq_of(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _checkpoint_time_ns(path: Path) -> int | None:
    """Return the market time of a checkpoint, ns; None if it is gone or cut short."""
    offset = STATE.fields["time_ns"][1] if STATE.fields else 0
    try:
        with path.open("rb") as file:
            start = len(file.readline())
            file.seek(start + offset)
            data = file.read(8)
    except FileNotFoundError:
        return None
    return int.from_bytes(data, "little", signed=True) if len(data) == 8 else None


def _open_private(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb")
