"""What a search gives back, and how the chunks it found become the few different passages a prompt should carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RANK_OFFSET = 5.0
"""Of reciprocal-rank fusion: small, because only a handful of several hundred sections answer a question."""

LEXICAL_WEIGHT = 1.5
"""Of the ranking by words against the ranking by vectors: the knowledge speaks in names that averaged vectors blur."""

RELEVANCE_WEIGHT = 0.8
"""Against being different from what is taken already, in maximal marginal relevance."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A retrieved section: untrusted text with the id to cite it by.

    ``similarity`` is a cosine, 1 is identical; ``score`` the fused rank score, by which passages come; ``reviewed`` says whether
    the file is the one that was reviewed with the program: what is not may never be a reason to raise risk.
    """

    chunk_id: str
    file: str
    heading: str
    text: str
    similarity: float
    score: float = 0.0
    reviewed: bool = True


def fused(by_vector: Sequence[int], by_words: Sequence[int]) -> dict[int, float]:
    """Return reciprocal-rank fusion of two rankings of positions, best first; a position missing in one gains nothing there."""
    scores: dict[int, float] = {}
    for ranking, weight in ((by_vector, 1.0), (by_words, LEXICAL_WEIGHT)):
        for rank, position in enumerate(ranking):
            scores[position] = scores.get(position, 0.0) + weight / (RANK_OFFSET + rank + 1)
    return scores


def diverse(scores: Sequence[float], vectors: NDArray[np.float32], limit: int) -> list[int]:
    """Return at most ``limit`` indices by maximal marginal relevance: the best first, then what adds something to it.

    Parameters
    ----------
    scores
        Positive, one for each row of ``vectors``, shape (n, dim), which are unit vectors.
    """
    if not len(scores):
        return []
    share = np.asarray(scores, np.float64) / max(scores)
    alike = np.zeros(len(share))  # the largest cosine with anything taken
    taken: list[int] = []
    while len(taken) < min(limit, len(share)):
        worth = RELEVANCE_WEIGHT * share - (1 - RELEVANCE_WEIGHT) * alike
        worth[taken] = -np.inf
        best = int(np.argmax(worth))
        taken.append(best)
        alike = np.maximum(alike, vectors @ vectors[best])
    return taken
