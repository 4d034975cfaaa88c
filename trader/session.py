"""State on disk: checkpoints and the input log since, so that a reboot loses no more than a crash does.

A session is a folder with ``checkpoint-SEQ.bin`` (header line of JSON, then the state) and ``inputs-SEQ.bin`` (raw 64-byte
records from SEQ on). The unnamed session keeps only what recovery needs; a named one keeps everything, for replays.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from shared.errors import ConfigError, JournalError
from shared.layout import INPUT, layout_hash
from trader.engine.journal import check_chain
from trader.engine.state import STATE, State, copy_state

Inputs = npt.NDArray[np.void]


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
        Whether old logs and checkpoints stay.
    """

    def __init__(self, folder: Path, identity: Identity, *, keep_all: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._identity = identity
        self._keep_all = keep_all
        self._queue: queue.SimpleQueue[tuple[bytes, int] | None] = queue.SimpleQueue()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="session", daemon=True)
        self._thread.start()

    def append(self, inputs: Inputs) -> None:
        """Queue inputs for the log on disk.

        Errors
        ------
        JournalError
            If the disk could not be written.
        """
        if self._failure is not None:
            raise JournalError(f"session: could not be written ({self._failure}); free disk space, then restart")
        self._queue.put((inputs.tobytes(), -1))

    def checkpoint(self, state: State) -> None:
        """Queue a checkpoint; the log goes on in a new file."""
        self._queue.put((state.tobytes(), int(state["input_seq"][0])))

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        log: Any = None
        try:
            while (item := self._queue.get()) is not None:
                data, seq = item
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
                if not self._keep_all:
                    self._prune(seq)
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

    def _prune(self, newest: int) -> None:
        for path in self._folder.glob("*-*.bin"):
            if int(path.stem.partition("-")[2]) < newest:
                path.unlink()


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


def _open_private(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb")
