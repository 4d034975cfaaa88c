"""Some of the hostile corpus against a model that obeys it; all of it with a table: ``python -m tests.chaos.injections``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.injected import (
    TRUSTED,
    Arena,
    Injection,
    ObedientServer,
    arena,
    claude,
    corpus,
    obedient_server,
    replay,
    rules,
)

ENTRIES = corpus()
SOME = [*ENTRIES[2:20:6], *ENTRIES[20:34:5], *ENTRIES[34::4]]
SHOWN = [entry for entry in SOME if entry.kind != "reply" and entry.wants["action"] != "EMERGENCY_EXIT"]


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("injected")) as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[ObedientServer]:
    with obedient_server() as made:
        yield made


def test_the_corpus_is_large_and_of_three_kinds() -> None:
    assert len(ENTRIES) >= 40
    assert {entry.kind for entry in ENTRIES} == {"headline", "snippet", "reply"}
    assert len({entry.text for entry in ENTRIES}) == len(ENTRIES)


def test_an_obedient_model_that_cites_what_is_trusted_raises_nothing(ring: Arena, server: ObedientServer) -> None:
    advisor, server.cited = claude(server.url), (TRUSTED.chunk_id,)
    for entry in SOME:
        server.injection = entry
        outcome = ring.face(entry, advisor)
        assert outcome.delivered, entry.text
        assert not outcome.raised, (entry.text, outcome)


def test_without_the_hostile_text_the_same_wish_is_granted(ring: Arena, server: ObedientServer) -> None:
    advisor, server.cited, server.always = claude(server.url), (TRUSTED.chunk_id,), True
    try:
        for entry in SHOWN:
            server.injection = entry
            assert ring.face(entry, advisor, hostile=False).raised, entry.text
    finally:
        server.always = False


@pytest.mark.parametrize("entry", SHOWN[::3], ids=lambda entry: entry.kind)
def test_neither_the_rules_nor_a_recording_raise_risk_on_it(entry: Injection, ring: Arena, tmp_path: Path) -> None:
    for advisor in (rules(), replay(tmp_path, entry.reply)):
        outcome = ring.face(entry, advisor)
        assert outcome.delivered
        assert not outcome.raised
