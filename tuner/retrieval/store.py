"""The vectors on disk: a thin, typed room around one Chroma collection, which only the tuner opens."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tuner.retrieval.chunks import Chunk

_BATCH = 1000
_LAYOUT = "v2"  # raise it when the vector of a chunk is composed in another way


class VectorStore:
    """One collection of explicit unit vectors in cosine space.

    Every method but :meth:`reset` and :meth:`close` lets ``chromadb.errors.ChromaError`` through; the owner answers it with
    :meth:`reset`, because everything stored here can be made again from the knowledge folder.

    Parameters
    ----------
    folder
        Private to this class: it is deleted when damaged.
    embedder_name, dim
        Identity of the vectors; each gets its own collection.
    """

    def __init__(self, folder: Path, embedder_name: str, dim: int) -> None:
        self._folder = folder
        self._embedder_name = embedder_name
        self._dim = dim
        self._client: Any = None
        self._collection: Any = None

    @property
    def looks_damaged(self) -> bool:
        """Whether files are there without their database: Chroma would silently start an empty one beside them."""
        database = self._folder / "chroma.sqlite3"
        holds_files = self._folder.is_dir() and any(self._folder.iterdir())
        return holds_files and (not database.is_file() or database.stat().st_size == 0)

    def open(self) -> None:
        """Open or make the collection; does nothing when it is open.

        Errors
        ------
        ConfigError
            If the folder cannot be made.
        """
        if self._collection is not None:
            return
        import chromadb
        from chromadb.config import Settings

        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(
                f"knowledge store: was {str(self._folder)!r} that cannot be made ({error.strerror}), expected a writable folder"
            ) from error
        settings = Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(path=str(self._folder), settings=settings)
        # Without embedding_function=None Chroma would attach its own model and try to download it.
        self._collection = self._client.get_or_create_collection(
            name=collection_name(self._embedder_name),
            embedding_function=None,
            configuration={"hnsw": {"space": "cosine"}},
            metadata={"embedder": self._embedder_name, "dim": self._dim, "layout": _LAYOUT},
        )

    def positions(self) -> dict[str, int]:
        """Return chunk id -> position in its file, for all stored chunks."""
        found = self._collection.get(include=["metadatas"])
        return {i: int((meta or {}).get("position", -1)) for i, meta in zip(found["ids"], found["metadatas"], strict=True)}

    def put(self, chunks: Sequence[Chunk], vectors: NDArray[np.float32]) -> None:
        """Store chunks with their vectors, shape (len(chunks), dim)."""
        for start in range(0, len(chunks), _BATCH):
            part = chunks[start : start + _BATCH]
            self._collection.upsert(
                ids=[chunk.chunk_id for chunk in part],
                embeddings=vectors[start : start + _BATCH],
                documents=[chunk.text for chunk in part],
                metadatas=[_metadata(chunk) for chunk in part],
            )

    def move(self, chunks: Sequence[Chunk]) -> None:
        """Write new positions of chunks whose text did not change."""
        if chunks:
            self._collection.update(ids=[c.chunk_id for c in chunks], metadatas=[_metadata(c) for c in chunks])

    def remove(self, ids: Sequence[str]) -> None:
        """Delete chunks by id."""
        if ids:
            self._collection.delete(ids=list(ids))

    def note_manifest(self, manifest: str) -> None:
        """Write down which corpus the vectors stand for."""
        meta = {"embedder": self._embedder_name, "dim": self._dim, "layout": _LAYOUT, "manifest": manifest}
        self._collection.modify(metadata=meta)

    def count(self) -> int:
        """Return the number of stored chunks."""
        return int(self._collection.count())

    def nearest(self, vector: NDArray[np.float32], limit: int) -> list[tuple[str, float]]:
        """Return up to ``limit`` pairs (chunk id, cosine similarity) for one vector of shape (dim,)."""
        found = self._collection.query(query_embeddings=[vector], n_results=limit, include=["distances"])
        return [(i, 1.0 - float(d)) for i, d in zip(found["ids"][0], found["distances"][0], strict=True)]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the stored vectors of these chunks, each of shape (dim,); what is not stored is missing."""
        import numpy as np

        found = self._collection.get(ids=list(ids), include=["embeddings"])
        return {i: np.asarray(vector, np.float32) for i, vector in zip(found["ids"], found["embeddings"], strict=True)}

    def reset(self) -> None:
        """Delete the folder and open an empty store in its place.

        Errors
        ------
        ConfigError
            If the folder cannot be deleted or a new store cannot be made there.
        """
        from chromadb.api.shared_system_client import SharedSystemClient
        from chromadb.errors import ChromaError

        self.close()
        # A client that failed to start stays in this cache and would be handed out again, broken.
        SharedSystemClient.clear_system_cache()
        try:
            if self._folder.exists():
                shutil.rmtree(self._folder)
            self.open()
        except (OSError, ChromaError) as error:
            raise ConfigError(
                f"knowledge store: was {str(self._folder)!r} that cannot be rebuilt ({error}), expected a writable folder"
            ) from error

    def close(self) -> None:
        """Release the files; the store can be opened again."""
        if self._client is not None:
            self._client.close()
        self._client = None
        self._collection = None


def collection_name(embedder_name: str) -> str:
    """Return the collection of an embedder within Chroma's alphabet (3 to 512 of a-z, 0-9, '.', '_', '-')."""
    return f"knowledge-{_LAYOUT}-" + re.sub(r"[^a-zA-Z0-9._-]+", "-", embedder_name).strip("-._")


def _metadata(chunk: Chunk) -> dict[str, str | int]:
    return {"file": chunk.file, "heading": chunk.heading, "position": chunk.position, **chunk.facets.flat()}
