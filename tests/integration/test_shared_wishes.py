"""Wishes and commands through real segments, with a trader that answers, is slow, or is dead."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shared import layout
from shared.clock import NS_PER_S, SystemClock
from shared.errors import NotRunning, OutOfRange, Timeout, UsageError
from shared.events import CommandKind, EventKind, Reason, Source
from shared.params import CONTROLS, SYMBOL_FIELDS, index_of
from shared.segment import Segment
from shared.wishes import Outcome, Wish
from shared.workspace import Workspace, find_tuner
from tests.engine_support import ServedTrader, fresh_instance
from tests.support import eventually

STOP = index_of(SYMBOL_FIELDS, "stop_pct")
TARGET = index_of(SYMBOL_FIELDS, "target_pct")
SLIPPAGE = index_of(CONTROLS, "slippage_bps")
CLOCK = SystemClock()
NO_PID = 2**22 + 7


@pytest.fixture
def trader() -> Iterator[ServedTrader]:
    with fresh_instance("wish") as instance:
        made = ServedTrader(instance, CLOCK)
        yield made
        made.close()


@pytest.fixture
def tool(trader: ServedTrader) -> Iterator[Workspace]:
    made = Workspace(instance_of(trader), CLOCK)
    yield made
    made.close()


def instance_of(trader: ServedTrader) -> str:
    return trader.control.segments[0].name.removeprefix("/trader_").removesuffix("_config")


def stop(value: float, **fields: Any) -> Wish:
    named: dict[str, Any] = {"changes": {STOP: value}, "source": Source.OPERATOR} | fields
    return Wish(**named)


def kill(trader: ServedTrader) -> None:
    """Make the segments look as those of a trader that was killed."""
    for segment in (*trader.control.segments, trader._ring, trader._portfolio):
        segment.header["owner_pid"] = NO_PID


def test_a_wish_is_applied_and_answered(trader: ServedTrader, tool: Workspace) -> None:
    with trader.serving():
        outcome = tool.symbol_rows[1].post(stop(0.8), CLOCK)
    assert (outcome.generation, outcome.revision, outcome.refusal) == (1, 2, Reason.NONE)
    assert 0.0 < outcome.waited_ms < 2000.0
    assert tool.symbol_rows[1].value(STOP) == 0.8
    assert tool.symbol_rows[0].value(STOP) == 1.0


def test_a_refusal_is_an_answer_too(trader: ServedTrader, tool: Workspace) -> None:
    with trader.serving():
        outcome = tool.symbol_rows[0].post(stop(0.8, base_revision=7), CLOCK)
        assert (outcome.refusal, outcome.revision) == (Reason.STALE_BASE, 1)
        assert tool.symbol_rows[0].post(stop(0.8), CLOCK).refusal is Reason.NONE


def test_a_value_out_of_range_is_refused_before_anything_is_written(tool: Workspace) -> None:
    row = tool.symbol_rows[0]
    before = row.pending_version
    for value in (0.1, 9.0, float("nan")):
        with pytest.raises(OutOfRange, match="stop_pct"):
            row.post(Wish(changes={TARGET: 2.0, STOP: value}, source=Source.OPERATOR), CLOCK)
    with pytest.raises(OutOfRange, match="slippage_bps"):
        tool.controls.post(Wish(changes={SLIPPAGE: 1000.0}, source=Source.OPERATOR), CLOCK)
    assert row.pending_version == before
    assert not row.desired()["generation"]


@contextlib.contextmanager
def posting(trader: ServedTrader, wish: Wish) -> Iterator[tuple[threading.Thread, list[Outcome]]]:
    """Post a wish from a tool of its own (a lock belongs to an open file) in a thread; its answer comes in the list."""
    tool = Workspace(instance_of(trader), CLOCK)
    answers: list[Outcome] = []

    def post() -> None:
        with contextlib.suppress(Timeout):
            answers.append(tool.symbol_rows[0].post(wish, CLOCK, wait_s=3.0))

    thread = threading.Thread(target=post)
    thread.start()
    try:
        yield thread, answers
    finally:
        thread.join()
        tool.close()


def lock_is_held(trader: ServedTrader) -> bool:
    other = Segment.attach("symbol_cfgs", layout.SYMBOL_CFGS, instance_of(trader), writable=True)
    try:
        fcntl.flock(other._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        other.close()
    return False


def test_a_second_writer_waits_until_the_first_wish_was_looked_at(trader: ServedTrader, tool: Workspace) -> None:
    target = Wish(changes={TARGET: 3.0}, source=Source.DASHBOARD)
    row = tool.symbol_rows[0]
    with posting(trader, stop(2.0)) as (first, _):
        eventually(lambda: row.pending_version == 1)
        with posting(trader, target) as (second, answers):
            eventually(lambda: lock_is_held(trader))
            assert row.pending_version == 1  # it holds the lock, and has not written over what nobody has seen
            with trader.serving():
                first.join()
                second.join()
    assert [row.value(i) for i in (STOP, TARGET)] == [2.0, 3.0]
    assert answers[0].generation == 2


def test_a_writer_waits_no_longer_than_it_said_for_another_that_waits(trader: ServedTrader, tool: Workspace) -> None:
    with posting(trader, stop(2.0)):
        eventually(lambda: tool.symbol_rows[0].pending_version == 1)
        with posting(trader, stop(3.0)):
            eventually(lambda: lock_is_held(trader))
            start_ns = CLOCK.monotonic_ns()
            with pytest.raises(Timeout):
                tool.symbol_rows[0].post(stop(4.0), CLOCK, wait_s=0.1)
            assert CLOCK.monotonic_ns() - start_ns < NS_PER_S


def test_a_trader_that_does_not_look_is_a_timeout(tool: Workspace) -> None:
    with pytest.raises(Timeout, match="did not look at the wish in time"):
        tool.symbol_rows[0].post(stop(2.0), CLOCK, wait_s=0.05)


def test_a_wish_that_was_not_looked_at_in_time_expires(trader: ServedTrader, tool: Workspace) -> None:
    with pytest.raises(Timeout):
        tool.symbol_rows[0].post(stop(2.0, valid_for_s=0.01), CLOCK, wait_s=0.05)
    (event,) = trader.turn()
    assert (event["kind"], event["reason"]) == (EventKind.CONFIG_REFUSED, Reason.EXPIRED)
    assert tool.symbol_rows[0].value(STOP) == 1.0


def test_a_dead_trader_is_not_running(trader: ServedTrader, tool: Workspace) -> None:
    kill(trader)
    with pytest.raises(NotRunning, match="start it and try again"):
        tool.symbol_rows[0].post(stop(2.0), CLOCK)
    with pytest.raises(NotRunning):
        tool.commands.send_and_wait(CommandKind.EMERGENCY_EXIT, -1, Source.OPERATOR)
    assert not tool.trader_alive
    with pytest.raises(NotRunning, match="is dead"):
        Workspace(instance_of(trader), CLOCK)
    Workspace(instance_of(trader), CLOCK, require_alive=False).close()  # its last state can still be read


def test_a_command_is_answered_with_its_own_event(trader: ServedTrader, tool: Workspace) -> None:
    with trader.serving():
        ids = []
        for symbol in (0, 1, -1):
            event = tool.commands.send_and_wait(CommandKind.EMERGENCY_EXIT, symbol, Source.OPERATOR)
            assert (int(event["kind"]), int(event["symbol"])) == (EventKind.COMMAND_ACK, symbol)
            ids.append(int(event["command_id"]))
    assert ids == [1, 2, 3]


def test_a_refused_command_is_answered_with_the_refusal(trader: ServedTrader, tool: Workspace) -> None:
    with trader.serving():
        event = tool.commands.send_and_wait(CommandKind.EMERGENCY_EXIT, 17, Source.OPERATOR)
    assert (int(event["kind"]), int(event["reason"])) == (EventKind.CONFIG_REFUSED, Reason.UNKNOWN_SYMBOL)


def test_a_command_nobody_takes_is_a_timeout_and_expires(trader: ServedTrader, tool: Workspace) -> None:
    with pytest.raises(Timeout, match="command 1: was not acknowledged"):
        tool.commands.send_and_wait(CommandKind.EMERGENCY_EXIT, 0, Source.OPERATOR, wait_s=0.05)
    (event,) = trader.turn()
    assert event["reason"] == Reason.EXPIRED


def wish_many(instance: str, first: float, out: Any) -> None:
    tool = Workspace(instance, CLOCK)
    outcomes = [tool.symbol_rows[0].post(stop(first + i * 0.01), CLOCK, wait_s=30.0) for i in range(20)]
    out.put([(o.generation, o.refusal == Reason.NONE) for o in outcomes])


def test_wishes_of_several_processes_are_all_looked_at(trader: ServedTrader) -> None:
    spawn = multiprocessing.get_context("spawn")
    out = spawn.SimpleQueue()
    processes = [spawn.Process(target=wish_many, args=(instance_of(trader), 1.5 + k, out), daemon=True) for k in range(3)]
    with trader.serving():
        for process in processes:
            process.start()
        answers = [answer for _ in processes for answer in out.get()]
        for process in processes:
            process.join(10.0)
            process.close()
    assert sorted(generation for generation, _ in answers) == list(range(1, 61))
    assert all(taken for _, taken in answers)
    assert len(trader.story.of(EventKind.CONFIG_APPLIED)) == 60


def test_a_workspace_knows_its_trader(trader: ServedTrader, tool: Workspace) -> None:
    assert tool.symbols == ["BTCUSDT", "ETHUSDT"]
    assert tool.symbol_index("ethusdt") == 1
    with pytest.raises(UsageError, match="'XRPUSDT', expected one of BTCUSDT, ETHUSDT"):
        tool.symbol_index("XRPUSDT")
    assert tool.trader_alive
    assert tool.epoch == trader._portfolio.epoch
    trader._portfolio.beat(CLOCK.now_ns())
    assert 0.0 <= tool.heartbeat_age_ms < 5000.0
    assert tool.portfolio()["n_symbols"] == 0  # nothing published yet, and still readable
    assert find_tuner(instance_of(trader)) is None


def test_where_no_trader_is_a_workspace_says_so() -> None:
    with fresh_instance("none") as instance, pytest.raises(NotRunning, match="start the trader first"):
        Workspace(instance, CLOCK)
