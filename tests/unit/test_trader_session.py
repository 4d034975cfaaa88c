"""State on disk: what a kill may leave is taken up again, what cannot be trusted is refused with words."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.clock import NS_PER_S
from shared.errors import ConfigError, JournalError
from shared.layout import INPUT
from tests.engine_support import CAPITAL_USD, eventful_market, instrument
from trader.engine.engine import Engine
from trader.engine.inputs import InputKind, batch, row
from trader.engine.state import State, copy_state, new_state
from trader.session import APART_NS, Identity, Session, archive, checkpoints, load, read_after, read_state

IDENTITY = Identity(venue="sim-usdm", symbols=["BTCUSDT", "ETHUSDT"])


def market() -> Any:
    return batch([instrument(0), instrument(1), *eventful_market(3, 100)])


def record_session(folder: Path, *, checkpoint_at: int = 10, batches: int = 20, keep_all: bool = False) -> tuple[bytes, int]:
    """Run an engine with a session; return the state's bytes after the last batch and the number of its last input."""
    session = Session(folder, IDENTITY, keep_all=keep_all)
    engine = Engine(new_state(2, CAPITAL_USD), session.append)
    session.checkpoint(engine.state)
    inputs = market()
    for i in range(batches):
        engine.process(inputs[i * 50 : (i + 1) * 50].copy())
        if i == checkpoint_at:
            session.checkpoint(engine.state)
    session.close()
    return engine.state.tobytes(), int(engine.state["input_seq"][0])


def last_log(folder: Path) -> Path:
    return max(folder.glob("inputs-*.bin"))


def last_checkpoint(folder: Path) -> Path:
    return max(folder.glob("checkpoint-*.bin"))


def taken_up(folder: Path) -> Engine:
    found = load(folder, IDENTITY)
    assert found is not None
    engine = Engine(found[0])
    engine.replay(found[1].copy())
    return engine


def test_a_stored_session_goes_on_to_the_bit(tmp_path: Path) -> None:
    standing, _ = record_session(tmp_path)
    assert taken_up(tmp_path).state.tobytes() == standing


def test_there_is_nothing_to_load_where_nothing_was_stored(tmp_path: Path) -> None:
    assert load(tmp_path, IDENTITY) is None
    assert load(tmp_path / "missing", IDENTITY) is None


def test_files_and_folder_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    record_session(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("left", range(INPUT.itemsize + 1))
def test_a_kill_in_the_middle_of_the_last_record_loses_only_that(tmp_path: Path, left: int) -> None:
    _, last = record_session(tmp_path)
    log = last_log(tmp_path)
    data = log.read_bytes()
    log.write_bytes(data[: len(data) - INPUT.itemsize + left])
    assert int(taken_up(tmp_path).state["input_seq"][0]) == (last if left == INPUT.itemsize else last - 1)


def test_a_missing_or_empty_log_is_no_input_since(tmp_path: Path) -> None:
    record_session(tmp_path)
    log = last_log(tmp_path)
    log.write_bytes(b"")
    at = int(taken_up(tmp_path).state["input_seq"][0])
    log.unlink()
    assert int(taken_up(tmp_path).state["input_seq"][0]) == at == 11 * 50


@pytest.mark.parametrize("missing", [0, 7, 100])
def test_a_hole_in_the_log_is_refused_naming_the_place(tmp_path: Path, missing: int) -> None:
    record_session(tmp_path)
    log = last_log(tmp_path)
    inputs = np.frombuffer(log.read_bytes(), INPUT)
    log.write_bytes(np.delete(inputs, missing).tobytes())
    with pytest.raises(JournalError, match=rf"at position {missing}, expected {551 + missing}.*--fresh"):
        load(tmp_path, IDENTITY)


def test_records_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    record_session(tmp_path)
    log = last_log(tmp_path)
    log.write_bytes(np.frombuffer(log.read_bytes(), INPUT)[::-1].tobytes())
    with pytest.raises(JournalError, match="input log: was"):
        load(tmp_path, IDENTITY)


@pytest.mark.parametrize("head", [b"", b"{", b"[]", b'{"venue": 3}', b"\xff\xfe", b'{"venue": "sim-usdm"}'], ids=repr)
def test_a_damaged_header_is_refused(tmp_path: Path, head: bytes) -> None:
    record_session(tmp_path)
    path = last_checkpoint(tmp_path)
    path.write_bytes(head + b"\n" + path.read_bytes().partition(b"\n")[2])
    with pytest.raises(JournalError, match=f"{path.name}: damaged header.*--fresh"):
        load(tmp_path, IDENTITY)


def test_a_cut_checkpoint_is_refused(tmp_path: Path) -> None:
    record_session(tmp_path)
    path = last_checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(JournalError, match=f"{path.name}: was cut short.*--fresh"):
        load(tmp_path, IDENTITY)


OTHERS = [
    Identity(venue="sim-spot", symbols=["BTCUSDT", "ETHUSDT"]),
    Identity(venue="sim-usdm", symbols=["BTCUSDT"]),
    Identity(venue="sim-usdm", symbols=["ETHUSDT", "BTCUSDT"]),
    Identity(venue="sim-usdm", symbols=["BTCUSDT", "ETHUSDT"], layout="0" * 16),
]


@pytest.mark.parametrize("other", OTHERS, ids=["market", "fewer symbols", "their order", "layout"])
def test_the_state_of_another_trader_is_not_taken_up(tmp_path: Path, other: Identity) -> None:
    record_session(tmp_path)
    with pytest.raises(ConfigError, match=r"stored state: was of sim-usdm BTCUSDT,ETHUSDT .*--fresh"):
        load(tmp_path, other)


def test_a_half_written_checkpoint_is_not_looked_at(tmp_path: Path) -> None:
    standing, _ = record_session(tmp_path)
    (tmp_path / "checkpoint.tmp").write_bytes(b"half")
    assert taken_up(tmp_path).state.tobytes() == standing


def record_hours(folder: Path, hours: float, *, every_s: int = 150, keep_all: bool = False, **options: int) -> list[State]:
    """Store a checkpoint and one input every so often, and return the states as they were."""
    session = Session(folder, IDENTITY, keep_all=keep_all, **options)
    engine = Engine(new_state(2, CAPITAL_USD), session.append)
    session.checkpoint(engine.state)
    states = []
    for second in range(0, int(hours * 3600), every_s):
        engine.process(batch([row(InputKind.TIMER, (10**6 + second) * NS_PER_S)]))
        session.checkpoint(engine.state)
        states.append(copy_state(engine.state))
    session.close()
    return states


def test_an_hour_back_can_be_replayed_from_checkpoints_a_few_minutes_apart(tmp_path: Path) -> None:
    states = record_hours(tmp_path, 1.6)
    newest_ns = int(states[-1]["time_ns"][0])
    kept = checkpoints(tmp_path)
    assert [seq for seq, _, _ in kept][-1] == len(states)
    assert 3600 * NS_PER_S <= newest_ns - kept[0][1] < 3600 * NS_PER_S + APART_NS
    assert len(kept) == 3600 * NS_PER_S // APART_NS + 1
    for seq, _, path in kept:
        engine = Engine(read_state(path)[1])
        for inputs in read_after(tmp_path, seq):
            engine.replay(inputs)
        assert engine.state.tobytes() == states[-1].tobytes()
    assert len(list(tmp_path.glob("inputs-*.bin"))) <= 28


def test_a_named_session_keeps_every_input_and_few_checkpoints(tmp_path: Path) -> None:
    states = record_hours(tmp_path, 1, keep_all=True)
    assert sum(len(inputs) for inputs in read_after(tmp_path, 0)) == len(states)
    assert len(checkpoints(tmp_path)) <= 3600 * NS_PER_S // APART_NS + 2


def test_a_busy_hour_is_kept_as_far_as_it_fits(tmp_path: Path) -> None:
    record_hours(tmp_path, 1, kept_bytes=INPUT.itemsize * 12)
    assert sum(path.stat().st_size for path in tmp_path.glob("inputs-*.bin")) <= INPUT.itemsize * 12
    assert checkpoints(tmp_path)[0][0] <= checkpoints(tmp_path)[-1][0] - 8


def test_what_disappears_while_it_is_read_is_told_apart_from_a_whole_log(tmp_path: Path) -> None:
    record_hours(tmp_path, 1)
    seq, _, path = checkpoints(tmp_path)[0]
    reading = read_after(tmp_path, seq)
    next(reading)
    sorted(tmp_path.glob("inputs-*.bin"))[5].unlink()
    with pytest.raises(JournalError, match="input log: was"):
        list(reading)
    path.unlink()
    with pytest.raises(JournalError, match="was gone"):
        read_state(path)


def test_a_kept_session_can_be_replayed_from_its_beginning(tmp_path: Path) -> None:
    standing, last = record_session(tmp_path, keep_all=True)
    logs = sorted(tmp_path.glob("inputs-*.bin"))
    inputs = np.concatenate([np.frombuffer(path.read_bytes(), INPUT) for path in logs])
    assert inputs["seq"].tolist() == list(range(1, last + 1))
    engine = Engine(new_state(2, CAPITAL_USD))
    engine.replay(inputs)
    assert engine.state.tobytes() == standing


def test_a_disk_that_cannot_be_written_stops_trading_with_words(tmp_path: Path) -> None:
    session = Session(tmp_path / "session", IDENTITY, keep_all=False)
    (tmp_path / "session").rmdir()
    session.checkpoint(new_state(2, CAPITAL_USD))
    session._thread.join(10.0)
    with pytest.raises(JournalError, match="free disk space, then restart"):
        session.append(batch([row(InputKind.TIMER, 1)]))
    session.close()


def test_beginning_anew_puts_the_old_session_aside(tmp_path: Path) -> None:
    folder = tmp_path / "current"
    record_session(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    archive(folder, 1_700_000_000_123_000_000)
    assert not folder.exists()
    aside = tmp_path / "current-until-1700000000123"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == before
    archive(folder, 1)  # nothing there: nothing happens


def test_a_copy_of_the_state_is_a_copy_to_the_last_byte() -> None:
    state = new_state(2, CAPITAL_USD)
    state.view(np.uint8)[:] = 7  # the padding too
    copy = copy_state(state)
    assert copy.tobytes() == state.tobytes()
    copy["cash_usd"] = 0.0
    assert state["cash_usd"][0] != 0.0
