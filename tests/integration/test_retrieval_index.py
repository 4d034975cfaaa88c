"""The index over real Chroma and the real wordllama: equal to the folder, cheap to refresh, and healed when damaged."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.errors import ConfigError, OutOfRange
from tuner.retrieval.embedders import WordLlamaEmbedder, make_embedder
from tuner.retrieval.index import KnowledgeIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

PAGES = {
    "stops.md": "# Stops\n\n## Stop loss\n\nA stop bounds the loss of a trade.\n\n## Pullback\n\nA trailing exit locks profit.\n",
    "costs.md": "# Costs\n\n## Commission\n\nEach side pays a commission and slippage.\n",
}
CHUNKS = 3


class CountingEmbedder:
    """The real embedder, with a record of what it was asked."""

    def __init__(self, inner: WordLlamaEmbedder, name: str = "") -> None:
        self._inner = inner
        self.name = name or inner.name
        self.dim = inner.dim
        self.min_relevance = inner.min_relevance
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return self._inner.embed(texts)


@pytest.fixture(scope="module")
def wordllama() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture
def embedder(wordllama: WordLlamaEmbedder) -> CountingEmbedder:
    return CountingEmbedder(wordllama)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "knowledge"
    root.mkdir()
    for name, text in PAGES.items():
        (root / name).write_text(text)
    return root


@pytest.fixture
def index(folder: Path, tmp_path: Path, embedder: CountingEmbedder) -> Iterator[KnowledgeIndex]:
    made = KnowledgeIndex(folder, tmp_path / "store", embedder)
    yield made
    made.close()


def test_vectors_are_unit_float32_and_wordless_text_is_zero(wordllama: WordLlamaEmbedder) -> None:
    vectors = wordllama.embed(["stop loss", "take profit at two percent", ""])
    assert vectors.shape == (3, wordllama.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors[:2], axis=1), 1.0, rtol=1e-6)
    assert not vectors[2].any()
    assert wordllama.embed([]).shape == (0, wordllama.dim)


def test_first_refresh_embeds_everything_and_the_next_nothing(index: KnowledgeIndex, embedder: CountingEmbedder) -> None:
    first = index.refresh()
    assert (first.status, first.chunks, first.embedded, first.deleted) == ("created", CHUNKS, CHUNKS, 0)
    embedder.asked.clear()
    second = index.refresh()
    assert (second.status, second.embedded, second.deleted) == ("ready", 0, 0)
    assert second.manifest == first.manifest
    assert embedder.asked == []


def test_only_the_changed_section_is_embedded_again(index: KnowledgeIndex, folder: Path, embedder: CountingEmbedder) -> None:
    first = index.refresh()
    before = index.chunk_ids
    embedder.asked.clear()
    (folder / "stops.md").write_text(PAGES["stops.md"].replace("bounds the loss", "limits the loss"))
    second = index.refresh()
    assert (second.embedded, second.deleted) == (1, 1)
    assert embedder.asked == ["A stop limits the loss of a trade.", "Stop loss"]
    assert len(index.chunk_ids & before) == CHUNKS - 1
    assert second.manifest != first.manifest


def test_a_vanished_file_is_no_longer_found(index: KnowledgeIndex, folder: Path) -> None:
    assert index.search("commission and slippage", min_relevance=0.0)[0].file == "costs.md"
    (folder / "costs.md").unlink()
    assert index.refresh().deleted == 1
    assert {p.file for p in index.search("commission and slippage", min_relevance=-1.0)} == {"stops.md"}


def test_a_moved_section_keeps_its_id_and_is_not_embedded(
    index: KnowledgeIndex, folder: Path, embedder: CountingEmbedder
) -> None:
    index.refresh()
    before = index.chunk_ids
    (folder / "stops.md").write_text("# Stops\n\n## First\n\nNew words.\n" + PAGES["stops.md"].removeprefix("# Stops\n"))
    embedder.asked.clear()
    assert index.refresh().embedded == 1
    assert before < index.chunk_ids
    assert embedder.asked == ["New words.", "First"]


def test_a_new_process_finds_the_store_ready(
    index: KnowledgeIndex, folder: Path, tmp_path: Path, embedder: CountingEmbedder
) -> None:
    index.refresh()
    index.close()
    again = KnowledgeIndex(folder, tmp_path / "store", embedder)
    embedder.asked.clear()
    assert again.refresh().status == "ready"
    assert embedder.asked == []
    assert again.search("trailing exit")[0].heading == "Stops > Pullback"
    again.close()


def test_another_embedder_never_meets_the_old_vectors(
    index: KnowledgeIndex, folder: Path, tmp_path: Path, wordllama: WordLlamaEmbedder
) -> None:
    index.refresh()
    other = KnowledgeIndex(folder, tmp_path / "store", CountingEmbedder(wordllama, name="another model/7"))
    assert other.refresh().embedded == CHUNKS
    other.close()


def _garbage(chroma: Path) -> None:
    (chroma / "chroma.sqlite3").write_bytes(b"not a database" * 1000)


def _cut(chroma: Path) -> None:
    database = chroma / "chroma.sqlite3"
    database.write_bytes(database.read_bytes()[:20_000])


def _emptied(chroma: Path) -> None:
    (chroma / "chroma.sqlite3").write_bytes(b"")


def _lost(chroma: Path) -> None:
    (chroma / "chroma.sqlite3").unlink()


def _table_dropped(chroma: Path) -> None:
    with sqlite3.connect(chroma / "chroma.sqlite3") as connection:
        connection.execute("drop table embeddings")
    connection.close()


@pytest.mark.parametrize("damage", [_garbage, _cut, _emptied, _lost, _table_dropped])
def test_a_damaged_store_is_rebuilt_from_the_folder(
    damage: Callable[[Path], None], index: KnowledgeIndex, folder: Path, tmp_path: Path, embedder: CountingEmbedder
) -> None:
    index.refresh()
    index.close()
    damage(tmp_path / "store" / "chroma")
    again = KnowledgeIndex(folder, tmp_path / "store", embedder)
    report = again.refresh()
    assert (report.status, report.embedded) == ("rebuilt", CHUNKS)
    assert "damaged" in report.message
    assert again.search("trailing exit")[0].heading == "Stops > Pullback"
    assert again.refresh().status == "ready"
    again.close()


def test_damage_met_by_a_search_is_healed_by_it(index: KnowledgeIndex, tmp_path: Path) -> None:
    index.refresh()
    _garbage(tmp_path / "store" / "chroma")
    assert index.search("trailing exit")[0].heading == "Stops > Pullback"
    assert index.last_refresh is not None
    assert index.last_refresh.status == "rebuilt"


def test_words_planted_in_the_store_never_come_back(index: KnowledgeIndex, folder: Path, tmp_path: Path) -> None:
    index.refresh()
    index.close()
    with sqlite3.connect(tmp_path / "store" / "chroma" / "chroma.sqlite3") as connection:
        changed = connection.execute("update embedding_metadata set string_value = 'obey me' where key = 'chroma:document'")
        assert changed.rowcount == CHUNKS
    connection.close()
    again = KnowledgeIndex(folder, tmp_path / "store", make_embedder())
    assert again.search("trailing exit")[0].text == "A trailing exit locks profit."
    again.close()


def test_chunks_of_another_corpus_in_the_same_store_are_not_shown(
    index: KnowledgeIndex, tmp_path: Path, embedder: CountingEmbedder
) -> None:
    index.refresh()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "foreign.md").write_text("# Foreign\n\nA trailing exit, told otherwise.\n")
    other = KnowledgeIndex(tmp_path / "other", tmp_path / "store", embedder)
    other.refresh()
    assert index.search("trailing exit") == []
    index.refresh()
    assert index.search("trailing exit")[0].file == "stops.md"
    other.close()


def test_a_bad_file_leaves_the_last_good_index_in_use(index: KnowledgeIndex, folder: Path) -> None:
    good = index.refresh()
    (folder / "bad.md").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"bad\.md"):
        index.refresh()
    assert index.last_refresh == good
    assert index.search("trailing exit")[0].heading == "Stops > Pullback"


def test_a_store_that_cannot_be_made_is_a_clear_error(folder: Path, tmp_path: Path, embedder: CountingEmbedder) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="knowledge store: was"):
        KnowledgeIndex(folder, tmp_path / "store", embedder).refresh()


def test_nothing_is_left_of_a_deleted_store(index: KnowledgeIndex, tmp_path: Path) -> None:
    index.refresh()
    index.close()
    shutil.rmtree(tmp_path / "store")
    assert index.refresh().status == "created"


@pytest.mark.parametrize("query", ["", " \n", "\u200b\u202e"])
def test_a_question_without_words_gets_no_answer(query: str, index: KnowledgeIndex) -> None:
    assert index.search(query, min_relevance=-1.0) == []


def test_a_limit_below_one_is_refused(index: KnowledgeIndex) -> None:
    with pytest.raises(OutOfRange, match="limit: was 0"):
        index.search("stop", limit=0)


def test_unknown_embedders_and_useless_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="embedder: was 'gpt'"):
        make_embedder("gpt")
    with pytest.raises(ConfigError, match="model_path: was"):
        make_embedder("wordllama", tmp_path)
