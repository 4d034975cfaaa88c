"""The prompt fits its budget by leaving out the least useful first, in a fixed order, and never a hard fact."""

from __future__ import annotations

from pathlib import Path

import pytest
import wordllama
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from shared.events import Action, Reason
from shared.params import PARAMS
from tests.support_tuner import NOW_NS, make_facts, make_snapshot
from tuner.news.items import NewsItem, NewsKind
from tuner.prompt import BUDGET_TOKENS, Prompt, build_prompt
from tuner.prompting.budget import Drop, Part, estimated_tokens, fitted
from tuner.retrieval.passages import Passage
from tuner.snapshot import CheckFacts, MeasuredEffect, MeasuredEffects, Snapshot, TradeFacts

ORDER = (
    ["d.md#4#d"] + ["news"] * 2 + ["trade 5 back", "trade 4 back", "trade 3 back"]
    + ["effect of decision 2", "effect of decision 1"] + ["c.md#3#c", "b.md#2#b", "histogram"]
    + ["trade 2 back", "trade 1 back", "effect of decision 3", "indicators", "a.md#1#a", "news"]
)  # fmt: skip
"""What goes first comes first."""
HARD = (
    "mode normal, risk state active", "equity 100000.00 USD", "10.00 points left", "of a round trip 0.300 %",
    "regime ranging with confidence 0.00", "last price 60000 USD", "position none",
    "win rate 50.0 % (standard error 11.2 points)",
    "break-even win rate with the target, stop and costs in force 52.0 %", "entries blocked now by: weak signal",
    "weak signal: 1 detectors, limit 2 detectors (answers to signal_strength)", "Decide about BTCUSDT",
)  # fmt: skip


def _effect(decision_id: int) -> MeasuredEffect:
    return MeasuredEffect(
        decision_id=decision_id, age_s=3_600.0, action=Action.UPDATE_CONFIG, changes="stop_pct 1.00 → 0.80", horizon_s=900.0,
        pnl_old_usd=-1.0, pnl_new_usd=-1.5, trades_old=2, trades_new=3, cost_usd=0.001, effect_usd=-0.501,
    )  # fmt: skip


def _full_snapshot() -> Snapshot:
    trades = tuple(
        TradeFacts(side=1, held_s=60 + i, closed_age_s=500 - 100 * i, gain_pct=0.1, pnl_usd=-1.0, reason=Reason.STOP)
        for i in range(5)
    )
    checks = (CheckFacts(reason=Reason.WEAK_SIGNAL, passed=False, value=1.0, limit=2.0),)
    effects = MeasuredEffects(
        symbol="BTCUSDT", samples=3, mean_usd=-0.5, low_usd=-1.2, high_usd=0.2, recent=tuple(_effect(i) for i in (3, 2, 1))
    )
    facts = make_facts(recent=trades, why=Reason.WEAK_SIGNAL, checks=checks)
    return make_snapshot(facts, blocked=((Reason.WEAK_SIGNAL, 50), (Reason.MIN_EDGE, 20)), effects=(effects,))


def _passage(name: str, number: int) -> Passage:
    text = f"Passage {number} says that costs are paid on every trade and that most of the time nothing should change. " * 4
    return Passage(chunk_id=f"{name}.md#{number}#{name}", file=f"{name}.md", heading=name, text=text, similarity=0.5)


def _news(number: int) -> NewsItem:
    title = f"Exchange {number} halts withdrawals of the coin"
    return NewsItem(source="wire", title=title, kind=NewsKind.HALT, symbols=("BTCUSDT",), published_ns=NOW_NS - number * 10**11)


PASSAGES = [_passage(name, number) for number, name in enumerate("abcd", start=1)]
NEWS = [_news(number) for number in (1, 2, 3)]


def full_prompt(budget_tokens: int) -> Prompt:
    return build_prompt(_full_snapshot(), "BTCUSDT", PASSAGES, news=NEWS, budget_tokens=budget_tokens)


def test_with_room_everything_is_told() -> None:
    prompt = full_prompt(100_000)
    assert prompt.dropped == ()
    assert [p.chunk_id for p in prompt.passages] == [p.chunk_id for p in PASSAGES]
    assert prompt.user.count("- decision ") == 3
    assert "mean of 3 decisions -0.50 USD, 95 % interval -1.20 to +0.20 USD: includes zero" in prompt.user


def test_parts_go_in_the_fixed_order_and_hard_facts_never() -> None:
    gone: tuple[str, ...] = ()
    for budget in range(5_000, 0, -15):
        prompt = full_prompt(budget)
        assert prompt.dropped[: len(gone)] == gone  # less room never brings anything back, nor another order
        gone = prompt.dropped
        assert all(fact in prompt.user for fact in HARD)
        assert all(f"{param.name} | " in prompt.user for param in PARAMS)
    assert [("news" if name.startswith("news#") else name) for name in gone] == ORDER


@pytest.mark.parametrize("budget", [2_400, 2_700, 3_000, 3_600])
def test_the_count_stays_under_the_budget(budget: int) -> None:
    assert full_prompt(budget).tokens <= budget


def test_what_is_left_out_cannot_be_cited() -> None:
    prompt = full_prompt(2_200)
    shown = {name for name in prompt.citable if name in prompt.user}
    assert prompt.citable == shown
    assert prompt.citable.isdisjoint(prompt.dropped)


def test_our_count_is_never_less_than_a_real_tokenizers() -> None:
    folder = Path(wordllama.__file__).parent / "tokenizers"
    tokenizer = Tokenizer.from_file(str(next(folder.glob("*.json"))))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    prompt = full_prompt(100_000)
    for text in (prompt.system, prompt.user):
        assert len(tokenizer.encode(text).ids) <= estimated_tokens(text) <= 1.5 * len(tokenizer.encode(text).ids)


def test_an_ordinary_prompt_leaves_nothing_out() -> None:
    prompt = full_prompt(BUDGET_TOKENS)
    assert prompt.dropped == ()
    assert prompt.tokens <= BUDGET_TOKENS


@given(st.lists(st.tuples(st.sampled_from(Drop), st.text(max_size=60)), max_size=30), st.integers(-10, 400))
def test_whatever_the_parts_only_droppable_ones_go_and_only_as_many_as_needed(kinds: list[tuple[Drop, str]], budget: int) -> None:
    parts = [Part(section="s", name=f"{i}", text=text, drop=drop) for i, (drop, text) in enumerate(kinds)]
    kept, gone = fitted(parts, budget)
    by_name = {part.name: part for part in parts}
    ranks = [by_name[name].drop for name in gone]
    assert ranks == sorted(ranks)
    assert all(ranks)
    assert {part.name for part in kept} | set(gone) == set(by_name)
    cost = sum(estimated_tokens(part.text) + 1 for part in kept)
    assert cost <= budget or not any(part.drop for part in kept)
    if gone:
        last = by_name[gone[-1]]
        assert cost + estimated_tokens(last.text) + 1 > budget
