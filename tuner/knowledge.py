"""The knowledge a tuner consults, opened once at its start; without it the tuner goes on and says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from shared.errors import TradingError
from shared.paths import home_dir, project_root
from tuner.retrieval.facets import Facets
from tuner.retrieval.passages import Passage

PASSAGES = 4


class Knowledge(Protocol):
    """What a decision needs of the knowledge base."""

    @property
    def corpus(self) -> str:
        """Hash of the files behind it, empty if there is none."""
        ...

    @property
    def chunks(self) -> int:
        """Passages that could be found."""
        ...

    @property
    def note(self) -> str:
        """What opening it did, or why it is not there."""
        ...

    def search(self, query: str, facets: Facets | None = None) -> list[Passage]:
        """Return the passages that bear on a question, best first; none about other regimes or strategies than ``facets``."""
        ...


class IndexedKnowledge:
    """The knowledge folder behind its vector index. Only one tuner of an instance may open it.

    Parameters
    ----------
    env
        ``TRADER_EMBEDDER`` names the embedder (``wordllama`` by default), ``TRADER_EMBEDDER_MODEL`` a model's folder.

    Errors
    ------
    ConfigError
        If the embedder, the folder or the store is unusable.
    """

    def __init__(self, instance: str, env: Mapping[str, str]) -> None:
        from tuner.retrieval.embedders import make_embedder
        from tuner.retrieval.index import KnowledgeIndex

        model = env.get("TRADER_EMBEDDER_MODEL")
        embedder = make_embedder(env.get("TRADER_EMBEDDER") or "wordllama", Path(model) if model else None)
        self._index = KnowledgeIndex(project_root() / "knowledge", home_dir(instance), embedder)
        refresh = self._index.refresh()
        self.corpus = refresh.manifest[:16]
        self.chunks = refresh.chunks
        self.note = f"{refresh.message} ({embedder.name})"
        if refresh.unreviewed:
            named = ", ".join(sorted(refresh.unreviewed)[:3])
            self.note += f"; NOT REVIEWED: {named}; decisions that are shown them may only lower risk"

    def search(self, query: str, facets: Facets | None = None) -> list[Passage]:
        """Return the passages that bear on a question, best first."""
        return self._index.search(query, PASSAGES, facets=facets)

    def close(self) -> None:
        """Release the store."""
        self._index.close()


class NoKnowledge:
    """Stands in when the index cannot be opened: nothing is ever found."""

    corpus = ""
    chunks = 0

    def __init__(self, why: str) -> None:
        self.note = why

    def search(self, query: str, facets: Facets | None = None) -> list[Passage]:  # noqa: ARG002
        """Return nothing."""
        return []

    def close(self) -> None:
        """Nothing to release."""


def open_knowledge(instance: str, env: Mapping[str, str]) -> IndexedKnowledge | NoKnowledge:
    """Open the knowledge base; a broken one is said so in ``note`` and replaced by none."""
    try:
        return IndexedKnowledge(instance, env)
    except TradingError as error:
        return NoKnowledge(f"without knowledge: {error}")
