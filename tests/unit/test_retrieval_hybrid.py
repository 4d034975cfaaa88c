"""The parts of the search: two rankings become one, the different before the same, words and their stems, facets, glossary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigError
from shared.events import Regime, Strategy
from tuner.retrieval.chunks import Chunk
from tuner.retrieval.facets import Facets, facets_of
from tuner.retrieval.glossary import Glossary
from tuner.retrieval.lexical import LexicalIndex
from tuner.retrieval.passages import diverse, fused

rankings = st.lists(st.integers(0, 30), unique=True, max_size=20)


def chunk(position: int, heading: str, text: str) -> Chunk:
    return Chunk(chunk_id=f"a.md#{position}#x", file="a.md", heading=f"Title > {heading}", position=position, text=text)


TEXTS = [
    chunk(0, "Stops", "A stop_pct that is too tight lies inside the noise."),
    chunk(1, "Targets", "Raise target_pct so that a win pays for 100,000 of costs."),
    chunk(2, "Cooldown", "Waiting after a fill is what cooldown_ms is for."),
]


@given(rankings, rankings)
def test_what_both_rankings_hold_gains_from_both(by_vector: list[int], by_words: list[int]) -> None:
    scores = fused(by_vector, by_words)
    assert set(scores) == set(by_vector) | set(by_words)
    alone = fused(by_vector, []), fused([], by_words)
    for position, score in scores.items():
        assert score == pytest.approx(alone[0].get(position, 0.0) + alone[1].get(position, 0.0))
    for ranking, single in zip((by_vector, by_words), alone, strict=True):
        assert sorted(single, key=lambda p: -single[p]) == ranking


def test_the_second_best_gives_way_to_something_else() -> None:
    vectors = np.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    assert diverse([1.0, 0.95, 0.8], vectors, 2) == [0, 2]
    assert diverse([1.0, 0.95, 0.8], vectors, 9) == [0, 2, 1]
    assert diverse([], vectors[:0], 4) == []


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_best_comes_first_and_nothing_twice(scores: list[float], limit: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(len(scores), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    taken = diverse(scores, vectors, limit)
    assert scores[taken[0]] == max(scores)
    assert len(taken) == len(set(taken)) == min(limit, len(scores))


@pytest.mark.parametrize(
    ("question", "best"),
    [("stop_pct", 0), ("is my stop too tight?", 0), ("targets for winning 100k", 1), ("what are cooldowns for", 2)],
)
def test_words_are_found_by_stem_by_part_and_as_numbers(question: str, best: int) -> None:
    scores = LexicalIndex(TEXTS).scores(question)
    assert int(np.argmax(scores)) == best
    assert scores[best] > 0


def test_unknown_words_find_nothing_and_lower_the_coverage() -> None:
    index = LexicalIndex(TEXTS)
    assert not index.scores("chocolate cake").any()
    assert index.coverage("stop_pct", 0) == 1.0
    assert 0.0 < index.coverage("stop_pct chocolate", 0) < 0.7
    assert index.coverage("the of", 0) == 0.0
    assert not LexicalIndex([]).scores("stop").any()


@pytest.mark.parametrize(
    ("heading", "text", "facets"),
    [
        ("Market regimes > High volatility", "", Facets(regimes=frozenset({Regime.HIGH_VOLATILITY}))),
        ("Deciding > Steps", "stop_pct, base_position_pct", Facets(parameters=frozenset({"stop_pct", "base_position_pct"}))),
        ("X > Settings for a trending market", "", Facets(regimes=frozenset({Regime.TRENDING_UP, Regime.TRENDING_DOWN}))),
        ("X > Trending down", "", Facets(regimes=frozenset({Regime.TRENDING_DOWN}))),
        ("X > Tuning while the market maker acts", "", Facets(strategies=frozenset({Strategy.MARKET_MAKER}))),
        ("Fair value strategy > Z-score", "in a ranging market", Facets(strategies=frozenset({Strategy.FAIR_VALUE}))),
        ("Deciding > Order of questions", "momentum and ranging in passing", Facets()),
    ],
)  # fmt: skip
def test_a_section_is_about_what_its_heading_names(heading: str, text: str, facets: Facets) -> None:
    assert facets_of(heading, text) == facets


def test_facets_leave_out_only_what_speaks_of_something_else() -> None:
    ranging = Facets(regimes=frozenset({Regime.RANGING}), strategies=frozenset({Strategy.FAIR_VALUE}))
    assert facets_of("High volatility", "").speaks_of_others(ranging)
    assert facets_of("Momentum strategy > Exits", "").speaks_of_others(ranging)
    assert not facets_of("Ranging", "").speaks_of_others(ranging)
    assert not facets_of("Drawdown", "").speaks_of_others(ranging)
    assert not facets_of("High volatility", "").speaks_of_others(Facets())
    assert facets_of("Fair value strategy > Ranging", "").shared_with(ranging) == 2
    assert ranging.flat() == {"regimes": "ranging", "strategies": "fair_value", "parameters": ""}


def test_the_glossary_adds_the_words_of_the_knowledge_and_keeps_the_question() -> None:
    glossary = Glossary()
    assert glossary.expanded("is the take profit too far") == "is the take profit too far target target_pct"
    assert glossary.expanded("nothing of the kind") == "nothing of the kind"
    assert glossary.expanded("a scalpel") == "a scalpel"  # whole words only


@pytest.mark.parametrize("content", ["not toml =", '"a" = 3', "\udcff"])
def test_an_unusable_glossary_is_a_clear_error(content: str, tmp_path: Path) -> None:
    path = tmp_path / "glossary.toml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match="glossary: was"):
        Glossary(path)
