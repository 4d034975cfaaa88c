"""Keeps the prompt under its token budget by leaving out whole parts, the least useful first and the hard facts never."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from enum import IntEnum

import msgspec

_PIECE = re.compile(r"[A-Za-z]+|\d|\s+|[^\w\s]|\w")
_CHARS_PER_WORD_PIECE = 4


class Drop(IntEnum):
    """The order in which parts go when room is short, 1 first. NEVER is for the hard facts."""

    NEVER = 0
    FOURTH_PASSAGE = 1
    MORE_NEWS = 2
    OLD_TRADES = 3
    OLD_EFFECTS = 4
    THIRD_PASSAGE = 5
    SECOND_PASSAGE = 6
    HISTOGRAM = 7
    LAST_TRADES = 8
    LAST_EFFECT = 9
    INDICATORS = 10
    BEST_PASSAGE = 11
    GRAVEST_NEWS = 12


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the prompt. Parts of the same ``section`` are joined by one line break, sections by an empty line."""

    section: str
    name: str
    text: str
    drop: Drop = Drop.NEVER


def estimated_tokens(text: str) -> int:
    """Return a cautious count of tokens: a digit or a sign is one, a word one for every four letters begun.

    No tokenizer is at hand for every model; the tests hold this against a real one, which counts less on our prompts.
    """
    count = 0
    for piece in _PIECE.findall(text):
        if piece.isspace():
            count += piece.count("\n")
        else:
            count += math.ceil(len(piece) / _CHARS_PER_WORD_PIECE)
    return count


def fitted(parts: Sequence[Part], budget_tokens: int) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Return the parts that stay, in their order, and the names of those left out, in the order they went."""
    cost = {id(part): estimated_tokens(part.text) + 1 for part in parts}
    total, gone = sum(cost.values()), list[Part]()
    for part in sorted((part for part in parts if part.drop), key=lambda part: part.drop):
        if total <= budget_tokens:
            break
        total -= cost[id(part)]
        gone.append(part)
    left = {id(part) for part in gone}
    return tuple(part for part in parts if id(part) not in left), tuple(part.name for part in gone)


def joined(parts: Sequence[Part]) -> str:
    """Return the text of the parts."""
    sections: dict[str, list[str]] = {}
    for part in parts:
        sections.setdefault(part.section, []).append(part.text)
    return "\n\n".join("\n".join(texts) for texts in sections.values())
