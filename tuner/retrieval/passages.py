"""What a search gives back, and how the nearest chunks become the few passages a prompt should carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PER_FILE = 2
"""One long file on the topic must not crowd out the second opinion of another."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A retrieved section: untrusted text with the id to cite it by; ``similarity`` is a cosine, 1 is identical."""

    chunk_id: str
    file: str
    heading: str
    text: str
    similarity: float


def select(candidates: Iterable[Passage], *, limit: int, min_similarity: float) -> list[Passage]:
    """Return at most ``limit`` passages, best first, none below ``min_similarity``, at most two of one file."""
    taken: list[Passage] = []
    per_file: dict[str, int] = {}
    for passage in sorted(candidates, key=lambda p: (-p.similarity, p.chunk_id)):
        if passage.similarity < min_similarity or len(taken) == limit:
            break
        if per_file.get(passage.file, 0) < MAX_PER_FILE:
            per_file[passage.file] = per_file.get(passage.file, 0) + 1
            taken.append(passage)
    return taken
