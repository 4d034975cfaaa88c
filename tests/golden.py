"""The golden questions, and the searches they are put to: ours, and those it has to beat, over the same chunks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shared.paths import project_root
from tuner.retrieval.chunks import Chunk, split_file
from tuner.retrieval.corpus import read_corpus
from tuner.retrieval.embedders import Embedder

FILE = Path(__file__).parent / "data" / "golden_questions.toml"
TOP = 4
Search = Callable[[str], Sequence[str]]
"""Takes a question, gives chunk ids, best first."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question and the sections (``file#slug``) of which any one answers it."""

    question: str
    expected: tuple[str, ...]


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """Both parts, and the questions that nothing answers."""

    tuning: tuple[Question, ...]
    held_out: tuple[Question, ...]
    unrelated: dict[str, tuple[str, ...]]


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How a search did on one part: recall@4 as the share of questions answered, MRR, time a question, ms, and what it missed."""

    recall: float
    mrr: float
    query_ms: float
    missed: tuple[str, ...]


def golden() -> Golden:
    return msgspec.toml.decode(FILE.read_bytes(), type=Golden)


def golden_keys() -> set[str]:
    """Return every section of the knowledge, as the golden questions name them."""
    return {section(chunk.chunk_id) for chunk in knowledge_chunks()}


def knowledge_chunks() -> list[Chunk]:
    return [chunk for file in read_corpus(project_root() / "knowledge") for chunk in split_file(file)]


def section(chunk_id: str) -> str:
    """Return an id without its hash."""
    return chunk_id.rsplit("#", 1)[0]


def scored(search: Search, questions: Sequence[Question]) -> Score:
    """Put every question to a search."""
    ranks, missed, spent_ns = [], [], 0
    for asked in questions:
        started_ns = time.perf_counter_ns()
        found = [section(i) for i in search(asked.question)][:TOP]
        spent_ns += time.perf_counter_ns() - started_ns
        rank = next((n for n, key in enumerate(found, start=1) if key in asked.expected), 0)
        ranks.append(rank)
        if not rank:
            missed.append(asked.question)
    reciprocal = float(np.mean([1 / rank if rank else 0.0 for rank in ranks]))
    share = 1 - len(missed) / len(questions)
    return Score(recall=share, mrr=reciprocal, query_ms=spent_ns / 1e6 / len(questions), missed=tuple(missed))


class PlainChroma:
    """Chroma as its tutorial shows it: default space, the text alone, an embedder, the n nearest."""

    def __init__(self, folder: Path, chunks: Sequence[Chunk], embed: Callable[[list[str]], Any] | None) -> None:
        import chromadb
        from chromadb.config import Settings

        self._embed = embed
        self._client: Any = chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
        texts, ids = [chunk.text for chunk in chunks], [chunk.chunk_id for chunk in chunks]
        if embed is None:  # its own model, which it downloads
            self._collection: Any = self._client.create_collection("plain")
            self._collection.add(ids=ids, documents=texts)
        else:
            self._collection = self._client.create_collection("plain", embedding_function=None)
            self._collection.add(ids=ids, documents=texts, embeddings=embed(texts))

    def search(self, question: str) -> list[str]:
        asked = {"query_texts": [question]} if self._embed is None else {"query_embeddings": self._embed([question])}
        return list(self._collection.query(n_results=TOP, **asked)["ids"][0])

    def close(self) -> None:
        self._client.close()


class PlainBm25:
    """``bm25s`` as its tutorial shows it: English stop words and stems, the text alone."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        import bm25s
        import Stemmer

        logging.getLogger("bm25s").setLevel(logging.WARNING)
        self._bm25s, self._stemmer = bm25s, Stemmer.Stemmer("english")
        self._ids = [chunk.chunk_id for chunk in chunks]
        self._index = bm25s.BM25()
        texts = [chunk.text for chunk in chunks]
        tokens = bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)
        self._index.index(tokens, show_progress=False)

    def search(self, question: str) -> list[str]:
        tokens = self._bm25s.tokenize(question, stopwords="en", stemmer=self._stemmer, show_progress=False)
        if not tokens.vocab:
            return []
        found, _scores = self._index.retrieve(tokens, k=TOP, show_progress=False)
        return [self._ids[int(i)] for i in found[0]]


def cosine_search(embedder: Embedder, chunks: Sequence[Chunk]) -> Search:
    """Return the search of the version before: one vector a chunk of text and heading, nothing else."""
    from tuner.retrieval.embedders import unit_rows
    from tuner.retrieval.index import HEADING_WEIGHT

    texts = embedder.embed([chunk.text for chunk in chunks])
    headings = embedder.embed([chunk.own_heading for chunk in chunks])
    vectors = unit_rows((1 - HEADING_WEIGHT) * texts + HEADING_WEIGHT * headings)

    def search(question: str) -> list[str]:
        near = np.argsort(-(vectors @ embedder.embed([question])[0]), kind="stable")[:TOP]
        return [chunks[int(i)].chunk_id for i in near]

    return search
