"""The knowledge index: keeps the stored vectors equal to the knowledge folder and answers questions from them.

The folder is the truth. The store only says which chunk is near; the words come from the folder as read by the last refresh,
so nothing written into the store by other means can reach a prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from shared.errors import ConfigError, OutOfRange
from tuner.retrieval.chunks import Chunk, split_file
from tuner.retrieval.corpus import manifest_hash, read_corpus
from tuner.retrieval.embedders import unit_rows
from tuner.retrieval.passages import Passage, select
from tuner.retrieval.store import VectorStore
from tuner.retrieval.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tuner.retrieval.embedders import Embedder

MAX_QUERY_CHARS = 2000
HEADING_WEIGHT = 0.35  # measured on 50 questions: the heading would drown in the average of a long section
_POOL = 6  # candidates fetched per wanted passage: room for the limit per file


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh did.

    ``status`` is ``created`` (first use), ``ready`` (an existing store was brought up to date) or ``rebuilt`` (a damaged store
    was deleted and made again); ``message`` says it in words for the log. ``manifest`` names the corpus.
    """

    status: Literal["created", "ready", "rebuilt"]
    message: str
    manifest: str
    chunks: int
    embedded: int
    deleted: int


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
    """

    def __init__(self, folder: Path, store: Path, embedder: Embedder) -> None:
        self._folder = folder
        self._embedder = embedder
        self._store = VectorStore(store / "chroma", embedder.name, embedder.dim)
        self._chunks: dict[str, Chunk] = {}
        self._last: Refresh | None = None

    @property
    def last_refresh(self) -> Refresh | None:
        """The latest refresh, also one that a search had to make; None before the first."""
        return self._last

    @property
    def chunk_ids(self) -> frozenset[str]:
        """Ids that may be cited."""
        return frozenset(self._chunks)

    def refresh(self) -> Refresh:
        """Bring the store in line with the folder: embed what is new, delete what vanished, leave the rest.

        Errors
        ------
        ConfigError
            If a knowledge file or the store's folder is unusable; the chunks of the last good refresh stay in use.
        """
        return self._refresh(damage="")

    def search(self, query: str, limit: int = 4, min_similarity: float | None = None) -> list[Passage]:
        """Return the passages that bear on ``query``, best first; none when nothing is related.

        Parameters
        ----------
        query
            Free text; invisible characters are dropped and what exceeds :data:`MAX_QUERY_CHARS` is ignored.
        limit
            Most passages to return; at most two come from one file.
        min_similarity
            Least cosine; by default the embedder's own measured cut-off.
        """
        from chromadb.errors import ChromaError

        if limit < 1:
            raise OutOfRange("limit", limit, "at least 1")
        if self._last is None:
            self.refresh()
        words = clean_text(query)[:MAX_QUERY_CHARS].strip()
        vector = self._embedder.embed([words])[0]
        if not words or not vector.any():
            return []
        pool = min(limit * _POOL, max(1, len(self._chunks)))
        try:
            near = self._store.nearest(vector, pool)
        except ChromaError as error:
            self._refresh(damage=str(error))
            near = self._store.nearest(vector, pool)
        cut_off = self._embedder.min_similarity if min_similarity is None else min_similarity
        found = [_passage(self._chunks[i], similarity) for i, similarity in near if i in self._chunks]
        return select(found, limit=limit, min_similarity=cut_off)

    def close(self) -> None:
        """Release the store."""
        self._store.close()
        self._last = None

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
        self._chunks, self._last = chunks, done
        return done

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


def _passage(chunk: Chunk, similarity: float) -> Passage:
    return Passage(chunk_id=chunk.chunk_id, file=chunk.file, heading=chunk.heading, text=chunk.text, similarity=similarity)
