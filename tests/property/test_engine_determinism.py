"""The same inputs give the same state and events to the last bit, however they are cut, forked or recovered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.layout import INPUT, TRADE_EVENT
from tests.engine_support import CAPITAL_USD, eventful_market, instrument
from trader.engine.engine import Engine
from trader.engine.inputs import batch
from trader.engine.state import copy_state, new_state

if TYPE_CHECKING:
    import numpy.typing as npt

SEEDS = st.integers(0, 30)
SECONDS = 150
Rows = Any


def inputs_of(seed: int) -> npt.NDArray[np.void]:
    return batch([instrument(0), instrument(1), *eventful_market(seed, SECONDS)])


def fresh() -> Engine:
    return Engine(new_state(2, CAPITAL_USD))


def result(engine: Engine, parts: list[npt.NDArray[np.void]]) -> tuple[bytes, bytes]:
    """Return the bytes of the final state and of all events."""
    events = [engine.process(part.copy()) for part in parts]
    return engine.state.tobytes(), np.concatenate([np.zeros(0, TRADE_EVENT), *events]).tobytes()


def cut(inputs: npt.NDArray[np.void], at: list[int]) -> list[npt.NDArray[np.void]]:
    return np.split(inputs, sorted(min(place, len(inputs)) for place in at))


@given(SEEDS, st.lists(st.integers(0, 4000), max_size=30))
@settings(max_examples=40, deadline=None)
def test_batches_of_any_size_come_to_the_same(seed: int, places: list[int]) -> None:
    inputs = inputs_of(seed)
    assert result(fresh(), [inputs]) == result(fresh(), cut(inputs, places))


def test_one_by_one_comes_to_the_same() -> None:
    inputs = inputs_of(3)
    whole = result(fresh(), [inputs])
    assert whole == result(fresh(), [inputs[i : i + 1] for i in range(len(inputs))])
    assert len(whole[1]) > 10 * TRADE_EVENT.itemsize


@given(SEEDS, st.integers(0, 4000))
@settings(max_examples=25, deadline=None)
def test_a_fork_goes_on_as_the_original_does_and_leaves_it_alone(seed: int, at: int) -> None:
    before, after = cut(inputs_of(seed), [at])
    engine = fresh()
    engine.process(before)
    standing = engine.state.tobytes()
    fork = engine.fork()
    forked = result(fork, [after])
    assert engine.state.tobytes() == standing
    assert result(engine, [after]) == forked


@given(SEEDS, st.integers(0, 4000), st.integers(0, 4000))
@settings(max_examples=25, deadline=None)
def test_a_checkpoint_and_the_log_since_are_the_original(seed: int, one: int, other: int) -> None:
    parts = cut(inputs_of(seed), [one, other])
    logged: list[npt.NDArray[np.void]] = []
    engine = Engine(new_state(2, CAPITAL_USD), log=lambda inputs: logged.append(inputs.copy()))
    engine.process(parts[0])
    checkpoint = copy_state(engine.state)
    events = [engine.process(part) for part in parts[1:]]
    recovered = Engine(checkpoint)
    since = np.concatenate([np.zeros(0, INPUT), *logged])
    since = since[since["seq"] > checkpoint["input_seq"][0]]
    replayed = recovered.replay(since)
    assert recovered.state.tobytes() == engine.state.tobytes()
    assert replayed.tobytes() == np.concatenate(events).tobytes()


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_inputs_are_logged_with_unbroken_numbers_before_they_are_taken(seed: int) -> None:
    inputs = inputs_of(seed)
    engine = fresh()
    seen: list[tuple[int, int, int]] = []

    def log(rows: npt.NDArray[np.void]) -> None:
        seen.append((int(rows["seq"][0]), int(rows["seq"][-1]), int(engine.state["input_seq"][0])))

    engine._log = log
    for part in cut(inputs, [100, 200, 201]):
        engine.process(part)
    assert [first for first, _, _ in seen] == [taken + 1 for _, _, taken in seen]
    assert seen[-1][1] == len(inputs)


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_events_are_numbered_without_a_hole_and_point_at_their_input(seed: int) -> None:
    inputs = inputs_of(seed)
    events = fresh().process(inputs)
    assert events["seq"].tolist() == list(range(1, len(events) + 1))
    assert (np.diff(events["input_seq"].astype(np.int64)) >= 0).all()
    assert (np.diff(events["time_ns"]) >= 0).all()
    assert (inputs["time_ns"][events["input_seq"].astype(np.int64) - 1] <= events["time_ns"]).all()
