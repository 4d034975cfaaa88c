"""The knowledge index: keeps the stored vectors equal to the knowledge folder and answers questions from them.

The folder is the truth. The store only says which chunk is near; the words come from the folder as read by the last refresh,
so nothing written into the store by other means can reach a prompt.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from shared.errors import ConfigError, OutOfRange
from tuner.retrieval.chunks import HEADING_JOINT, Chunk, split_file
from tuner.retrieval.corpus import manifest_hash, read_corpus
from tuner.retrieval.embedders import unit_rows
from tuner.retrieval.facets import Facets
from tuner.retrieval.glossary import Glossary
from tuner.retrieval.lexical import LexicalIndex
from tuner.retrieval.passages import Passage, diverse, fused
from tuner.retrieval.review import LIST, reviewed_digests, unreviewed
from tuner.retrieval.store import VectorStore
from tuner.retrieval.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tuner.retrieval.embedders import Embedder

MAX_QUERY_CHARS = 2000
HEADING_WEIGHT = 0.35  # measured on 50 questions: the heading would drown in the average of a long section
COVERAGE_WEIGHT = 0.5  # of the share of the question's words in the relevance, beside the cosine
_RANKED = 64  # how far down each of the two rankings is read
_CANDIDATES = 16  # of the fused ranking that are looked at for relevance and diversity
_PREFACED = 2  # a file of more sections than this begins with words about itself, which answer nothing
_FACET_GAIN = 0.15  # a passage that shares a regime, strategy or parameter with what is asked about gains this much


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh did.

    ``status`` is ``created`` (first use), ``ready`` (an existing store was brought up to date) or ``rebuilt`` (a damaged store
    was deleted and made again); ``message`` says it in words for the log. ``manifest`` names the corpus, ``unreviewed`` the
    files that are not as they were reviewed.
    """

    status: Literal["created", "ready", "rebuilt"]
    message: str
    manifest: str
    chunks: int
    embedded: int
    deleted: int
    unreviewed: frozenset[str] = frozenset()


class _Found(NamedTuple):
    passage: Passage
    vector: NDArray[np.float32]
    relevance: float


class KnowledgeIndex:
    """Search over a folder of Markdown files. Not thread-safe; one process at a time may use a store.

    Parameters
    ----------
    folder
        The knowledge files.
    store
        Folder for the vectors; a subfolder ``chroma`` of it is made, and deleted when damaged.
    embedder
        Model that makes the vectors; another model means another collection.
    reviewed
        List of the reviewed files; what is not on it is marked in every passage.
    """

    def __init__(self, folder: Path, store: Path, embedder: Embedder, reviewed: Path = LIST) -> None:
        self._folder = folder
        self._reviewed = reviewed
        self._unreviewed: frozenset[str] = frozenset()
        self._embedder = embedder
        self._store = VectorStore(store / "chroma", embedder.name, embedder.dim)
        self._glossary = Glossary()
        self._take({})
        self._last: Refresh | None = None

    @property
    def last_refresh(self) -> Refresh | None:
        """The latest refresh, also one that a search had to make; None before the first."""
        return self._last

    @property
    def chunk_ids(self) -> frozenset[str]:
        """Ids that may be cited."""
        return frozenset(self._position)

    def refresh(self) -> Refresh:
        """Bring the store in line with the folder: embed what is new, delete what vanished, leave the rest.

        Errors
        ------
        ConfigError
            If a knowledge file or the store's folder is unusable; the chunks of the last good refresh stay in use.
        """
        return self._refresh(damage="")

    def search(
        self, query: str, limit: int = 4, min_relevance: float | None = None, facets: Facets | None = None
    ) -> list[Passage]:
        """Return the passages that bear on ``query``, best first and none like another; none when nothing is related.

        Parameters
        ----------
        query
            Free text; invisible characters are dropped and what exceeds :data:`MAX_QUERY_CHARS` is ignored.
        limit
            Most passages to return.
        min_relevance
            Least cosine plus :data:`COVERAGE_WEIGHT` times the share of the question's words; by default the embedder's own.
        facets
            What the passages should be about: those about other regimes or strategies only are left out.
        """
        from chromadb.errors import ChromaError

        if limit < 1:
            raise OutOfRange("limit", limit, "at least 1")
        if self._last is None:
            self.refresh()
        words = clean_text(query)[:MAX_QUERY_CHARS].strip()
        expanded = self._glossary.expanded(words)
        asked = self._embedder.embed([words, expanded])
        if not words or not asked.any():
            return []
        try:
            candidates = self._candidates(words, expanded, asked, facets or Facets())
        except ChromaError as error:
            self._refresh(damage=str(error))
            candidates = self._candidates(words, expanded, asked, facets or Facets())
        cut_off = self._embedder.min_relevance if min_relevance is None else min_relevance
        near = [found for found in candidates if found.relevance >= cut_off]
        vectors = np.asarray([found.vector for found in near], np.float32)
        return [near[i].passage for i in diverse([found.passage.score for found in near], vectors, limit)]

    def close(self) -> None:
        """Release the store."""
        self._store.close()
        self._last = None

    def _candidates(self, words: str, expanded: str, asked: NDArray[np.float32], facets: Facets) -> list[_Found]:
        """Return the best of the fused ranking, in its order."""
        near = self._store.nearest(asked[1], min(_RANKED, max(1, len(self._order))))
        by_vector = [self._position[i] for i, _ in near if i in self._position]
        # what the trader said counts as much as what the glossary made of it
        by_word = self._lexical.scores(words) + self._lexical.scores(expanded)
        ranking = [int(i) for i in np.argsort(-by_word, kind="stable")[:_RANKED] if by_word[i] > 0]
        scores = {i: score * self._fit(i, facets) for i, score in fused(by_vector, ranking).items()}
        best = sorted((i for i in scores if scores[i] > 0), key=lambda i: (-scores[i], i))[:_CANDIDATES]
        stored = self._store.vectors([self._order[i].chunk_id for i in best]) if best else {}
        return [
            self._found(i, scores[i], stored[self._order[i].chunk_id], words, asked)
            for i in best
            if self._order[i].chunk_id in stored  # what is not in the store any more was not meant to be found
        ]

    def _found(self, i: int, score: float, vector: NDArray[np.float32], words: str, asked: NDArray[np.float32]) -> _Found:
        chunk, similarity = self._order[i], float((asked @ vector).mean())
        passage = Passage(
            chunk_id=chunk.chunk_id, file=chunk.file, heading=chunk.heading, text=chunk.text, similarity=similarity, score=score,
            reviewed=chunk.file not in self._unreviewed,
        )  # fmt: skip
        return _Found(passage, vector, similarity + COVERAGE_WEIGHT * self._lexical.coverage(words, i))

    def _fit(self, i: int, facets: Facets) -> float:
        """Return by how much a chunk gains for being about what is asked; 0 where it is about something else or a preface."""
        mine = self._facets[i]
        return 0.0 if i in self._prefaces or mine.speaks_of_others(facets) else 1.0 + _FACET_GAIN * mine.shared_with(facets)

    def _refresh(self, damage: str) -> Refresh:
        """Refresh; a non-empty ``damage`` says why the store must be made again first."""
        from chromadb.errors import ChromaError

        files = read_corpus(self._folder)
        chunks = {chunk.chunk_id: chunk for file in files for chunk in split_file(file)}
        if not chunks:
            raise ConfigError(f"knowledge folder: was {str(self._folder)!r} without any text, expected sections to read")
        manifest = manifest_hash(files)
        damage = damage or ("files without their database" if self._store.looks_damaged else "")
        done: Refresh | None = None
        if not damage:
            try:
                done = self._synchronise(chunks, manifest, self._store.open)
            except ChromaError as error:
                damage = str(error)
        if done is None:
            done = self._synchronise(chunks, manifest, self._store.reset)
            message = f"knowledge store was damaged ({damage}); deleted and rebuilt: {done.chunks} chunks embedded"
            done = msgspec.structs.replace(done, status="rebuilt", message=message)
        self._take(chunks)
        self._unreviewed = unreviewed(files, reviewed_digests(self._reviewed))
        self._last = msgspec.structs.replace(done, unreviewed=self._unreviewed)
        return self._last

    def _take(self, chunks: dict[str, Chunk]) -> None:
        """Put chunks in use: what is searched by words lives in memory only."""
        self._order = list(chunks.values())
        self._position = {chunk.chunk_id: i for i, chunk in enumerate(self._order)}
        self._facets = [chunk.facets for chunk in self._order]
        sections = Counter(chunk.file for chunk in self._order)
        self._prefaces = frozenset(
            i for i, chunk in enumerate(self._order) if HEADING_JOINT not in chunk.heading and sections[chunk.file] > _PREFACED
        )
        self._lexical = LexicalIndex(self._order)

    def _synchronise(self, chunks: dict[str, Chunk], manifest: str, opened: Callable[[], None]) -> Refresh:
        opened()
        stored = self._store.positions()
        new = [chunk for i, chunk in chunks.items() if i not in stored]
        moved = [chunk for i, chunk in chunks.items() if i in stored and stored[i] != chunk.position]
        gone = [i for i in stored if i not in chunks]
        if new:
            self._store.put(new, self._vectors(new))
        self._store.move(moved)
        self._store.remove(gone)
        self._store.note_manifest(manifest)
        status: Literal["created", "ready"] = "ready" if stored else "created"
        message = f"knowledge store {status}: {len(chunks)} chunks, {len(new)} embedded, {len(gone)} deleted"
        return Refresh(
            status=status, message=message, manifest=manifest, chunks=len(chunks), embedded=len(new), deleted=len(gone)
        )

    def _vectors(self, chunks: Sequence[Chunk]) -> NDArray[np.float32]:
        """Return one unit vector a chunk, mixed from its text and its own heading."""
        texts = self._embedder.embed([chunk.text for chunk in chunks])
        headings = self._embedder.embed([chunk.own_heading for chunk in chunks])
        return unit_rows((1 - HEADING_WEIGHT) * texts + HEADING_WEIGHT * headings)
