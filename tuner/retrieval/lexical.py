"""The search by words: BM25 over stems, which finds the names and numbers that averaged vectors blur."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tuner.retrieval.chunks import Chunk

HEADING_TIMES = 3
"""A word of the section's own heading counts as often as three of its text: the author chose it as the summary."""

_WORD = re.compile(r"[a-z0-9_]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_KILO = re.compile(r"(?<=\d)k\b")


class LexicalIndex:
    """BM25 over the chunks, made in memory at every refresh: a few milliseconds for hundreds of sections.

    Parameters
    ----------
    chunks
        In the order in which :meth:`scores` answers.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        import bm25s
        import Stemmer
        from bm25s.stopwords import STOPWORDS_EN_PLUS

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG and would talk on the terminal
        self._stemmer: Any = Stemmer.Stemmer("english")
        self._stop = frozenset(STOPWORDS_EN_PLUS)
        texts = [self.stems(f"{chunk.text} {chunk.heading} {(HEADING_TIMES - 1) * f'{chunk.own_heading} '}") for chunk in chunks]
        self._holds = [frozenset(text) for text in texts]
        counts: dict[str, int] = {}
        for held in self._holds:
            for stem in held:
                counts[stem] = counts.get(stem, 0) + 1
        self._rarity = {stem: float(np.log(1 + len(chunks) / count)) for stem, count in counts.items()}
        self._unknown = float(np.log(1 + 2 * len(chunks)))
        self._bm25: Any = bm25s.BM25(method="lucene")
        if counts:
            self._bm25.index(texts, show_progress=False)

    def stems(self, text: str) -> list[str]:
        """Return the stems of a text without stop words; ``stop_pct`` gives its parts beside itself."""
        found: list[str] = []
        plain = _KILO.sub("000", _THOUSANDS.sub("", text.lower()))  # 100k, 100,000 and 100000 are one number
        for word in _WORD.findall(plain):
            parts = [part for part in word.split("_") if part]
            found += [word, *parts] if len(parts) > 1 else parts
        return [str(stem) for stem in self._stemmer.stemWords([word for word in found if word not in self._stop])]

    def scores(self, query: str) -> NDArray[np.float32]:
        """Return the BM25 score of every chunk, shape (chunks,); zeros where no word is known."""
        stems = [stem for stem in self.stems(query) if stem in self._rarity]
        if not stems:
            return np.zeros(len(self._holds), np.float32)
        scores: NDArray[np.float32] = np.asarray(self._bm25.get_scores(stems), np.float32)
        return scores

    def coverage(self, query: str, position: int) -> float:
        """Return how much of the question's weight in rare words one chunk holds, 0 to 1.

        Words nobody in the corpus uses weigh most: a question made of them is about something else.
        """
        stems = set(self.stems(query))
        total = sum(self._rarity.get(stem, self._unknown) for stem in stems)
        return sum(self._rarity[stem] for stem in stems & self._holds[position]) / total if total else 0.0
