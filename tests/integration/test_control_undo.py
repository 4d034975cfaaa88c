"""``trader_control undo``: what was changed last goes back, whoever changed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shared.clock import SystemClock
from shared.events import Reason, Source
from shared.params import SYMBOL_FIELDS, index_of
from shared.wishes import Wish
from shared.workspace import Workspace
from tests.support_segments import Publisher as Trader
from tests.support_segments import publishing
from trader.tools.control_cli import main

STOP, TARGET = index_of(SYMBOL_FIELDS, "stop_pct"), index_of(SYMBOL_FIELDS, "target_pct")


@pytest.fixture
def trader() -> Iterator[Trader]:
    with publishing("undo", ["BTCUSDT", "ETHUSDT"]) as made:
        made.serve()
        yield made


def _change(trader: Trader, symbol: int, changes: dict[int, float], source: Source = Source.TUNER) -> None:
    workspace = Workspace(trader.instance, SystemClock())
    workspace.symbol_rows[symbol].post(Wish(changes=changes, source=source), SystemClock())
    workspace.close()


def _undo(trader: Trader, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--instance", trader.instance, "--json", "undo", *arguments])


def _values(trader: Trader, symbol: int) -> tuple[float, float]:
    values = trader.applied(symbol)["values"]
    return float(values[STOP]), float(values[TARGET])


def test_the_whole_last_change_of_a_symbol_goes_back_and_is_the_operators_now(trader: Trader) -> None:
    _change(trader, 0, {STOP: 0.8, TARGET: 2.5})
    _change(trader, 1, {STOP: 0.7})
    done = _undo(trader, "btcusdt")
    assert done.exit_code == 0
    changes: list[dict[str, Any]] = json.loads(done.output)
    assert {(c["where"], c["name"], c["old"], c["new"]) for c in changes} == {
        ("BTCUSDT", "stop_pct", 0.8, 1.0), ("BTCUSDT", "target_pct", 2.5, 1.5),
    }  # fmt: skip
    assert _values(trader, 0) == (1.0, 1.5)
    assert _values(trader, 1)[0] == 0.7
    assert trader.desired(0)["source"] == Source.OPERATOR


def test_without_a_name_it_is_the_symbol_changed_last_and_all_means_all(trader: Trader) -> None:
    _change(trader, 1, {STOP: 0.7})
    _change(trader, 0, {STOP: 0.8})
    _change(trader, 1, {TARGET: 3.0})
    assert _undo(trader).exit_code == 0
    assert (_values(trader, 0), _values(trader, 1)) == ((0.8, 1.5), (0.7, 1.5))
    assert _undo(trader).exit_code == 0  # an undo can be undone
    assert _values(trader, 1) == (0.7, 3.0)
    assert _undo(trader, "all").exit_code == 0
    assert (_values(trader, 0), _values(trader, 1)) == ((1.0, 1.5), (0.7, 1.5))


def test_where_nothing_was_changed_there_is_nothing_to_undo(trader: Trader) -> None:
    done = _undo(trader)
    assert done.exit_code == 2
    assert "never changed" in done.output
    assert _undo(trader, "DOGEUSDT").exit_code == 2
    assert trader.desired(0)["generation"] == 0


def test_a_refused_undo_says_so_and_ends_with_one() -> None:
    with publishing("undo-refused", ["BTCUSDT"]) as trader:
        trader.apply_symbol(0, stop_pct=0.8)
        trader.serve(refuse=Reason.OVERRIDE_ON)
        done = _undo(trader, "BTCUSDT")
        assert done.exit_code == 1
        assert "override" in done.output
        assert _values(trader, 0)[0] == 0.8
