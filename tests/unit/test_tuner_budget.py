"""The budget: reserved before a call, paid afterwards, kept over restarts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import NS_PER_S, ManualClock
from shared.errors import JournalError
from tests.support_tuner import NOW_NS
from tuner.advisors.chain import ChainAdvisor
from tuner.advisors.rules import RulesAdvisor
from tuner.budget import DAY_NS, HOUR_NS, Budget, BudgetLimits, Stop, most_usd, paid_links

LIMITS = BudgetLimits(calls_hour=3, calls_day=5, cost_hour_usd=0.10, cost_day_usd=0.15)


class Asked(RulesAdvisor):
    """An advisor of another name."""

    def __init__(self, name: str, model: str) -> None:
        super().__init__()
        self.name, self.model = name, model

    @property
    def identity(self) -> Mapping[str, Any]:
        """What it is."""
        return {"model": self.model}


def _budget(folder: Path, **limits: float) -> Budget:
    return Budget(folder / "budget.sqlite", BudgetLimits(**({"calls_hour": 3, "calls_day": 5} | limits)))  # type: ignore[arg-type]


def _later(seconds: float) -> int:
    return NOW_NS + int(seconds * NS_PER_S)


def test_calls_are_counted_by_the_hour_and_by_the_day(tmp_path: Path) -> None:
    budget = _budget(tmp_path)
    for second in (0, 10, 20):
        assert isinstance(budget.reserve("claude", 0.01, _later(second)), int)
    stop = budget.reserve("claude", 0.01, _later(30))
    assert isinstance(stop, Stop)
    assert "3 of 3 calls of the hour" in stop.why
    assert stop.until_ns == NOW_NS + HOUR_NS  # when the first call leaves the hour
    for second in (3601, 3611):
        assert isinstance(budget.reserve("claude", 0.01, _later(second)), int)
    stop = budget.reserve("claude", 0.01, _later(7300))
    assert isinstance(stop, Stop)
    assert "of the day" in stop.why
    assert stop.until_ns == NOW_NS + DAY_NS
    budget.close()


def test_what_is_reserved_counts_until_it_is_paid_and_survives_a_restart(tmp_path: Path) -> None:
    budget = _budget(tmp_path, cost_hour_usd=0.10)
    call = budget.reserve("claude", 0.08, NOW_NS)
    budget.close()  # as after a kill: nobody paid
    budget = _budget(tmp_path, cost_hour_usd=0.10)
    assert budget.usage(_later(1)).cost_hour_usd == 0.08
    assert isinstance(budget.reserve("claude", 0.03, _later(1)), Stop)
    assert isinstance(call, int)
    budget.settle(call, 0.002)
    assert isinstance(budget.reserve("claude", 0.03, _later(2)), int)
    assert budget.usage(_later(2)).calls_hour == 2
    budget.close()


def test_a_call_that_is_too_dear_by_itself_never_has_room(tmp_path: Path) -> None:
    budget = _budget(tmp_path, cost_hour_usd=0.01)
    stop = budget.reserve("claude", 0.02, NOW_NS)
    assert isinstance(stop, Stop)
    assert stop.until_ns == NOW_NS + HOUR_NS
    assert budget.usage(NOW_NS).calls_day == 0
    budget.close()


def test_the_dearest_a_call_can_get_counts_prompt_and_thoughts() -> None:
    cheap, dear = most_usd("claude-haiku-5-5", 0), most_usd("claude-haiku-5-5", 10_000)
    assert 0.0 < cheap < dear
    assert most_usd("qwen2.5:1.5b", 10_000) == 0.0


def test_a_question_to_a_chain_may_ask_everyone_in_it() -> None:
    rules, paid = RulesAdvisor(), Asked("claude", "claude-haiku-5-5")
    assert paid_links(rules) == []
    assert paid_links(paid) == [("claude", "claude-haiku-5-5")]
    chain = ChainAdvisor([Asked("ollama", "qwen"), paid, rules], ManualClock())
    assert paid_links(chain) == [("ollama", "qwen"), ("claude", "claude-haiku-5-5")]


def test_a_ledger_that_can_not_be_written_stops_the_tuner(tmp_path: Path) -> None:
    (tmp_path / "budget.sqlite").write_bytes(b"this is no database at all, whatever its name says")
    with pytest.raises(JournalError, match="budget: was unusable"):
        _budget(tmp_path)


@settings(deadline=None, max_examples=12)
@given(calls=st.lists(st.tuples(st.floats(0, 4_000), st.floats(0, 0.06), st.booleans()), max_size=25))
def test_no_window_ever_holds_more_than_its_limit(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[float, float, bool]]
) -> None:
    budget = Budget(tmp_path_factory.mktemp("b") / "budget.sqlite", LIMITS)
    now_ns = NOW_NS
    for wait_s, price_usd, paid in calls:
        now_ns += int(wait_s * NS_PER_S)
        call = budget.reserve("claude", price_usd, now_ns)
        if paid and isinstance(call, int):
            budget.settle(call, price_usd / 2)
        used = budget.usage(now_ns)
        assert used.calls_hour <= LIMITS.calls_hour
        assert used.calls_day <= LIMITS.calls_day
        assert used.cost_hour_usd <= LIMITS.cost_hour_usd + 1e-12
        assert used.cost_day_usd <= LIMITS.cost_day_usd + 1e-12
    budget.close()
