"""Cuts Markdown into passages: one heading section each, with an id that survives edits elsewhere.

An id reads ``file#heading-slug#hash8``. The hash covers the heading path and the text, so an unchanged section keeps its id
when sections around it come and go, and a cited id always means the words that were cited.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from tuner.retrieval.facets import Facets, facets_of
from tuner.retrieval.text import clean_text, without_comments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuner.retrieval.corpus import KnowledgeFile

TARGET_CHARS = 900
"""A section longer than this is split at paragraphs; about 220 tokens, inside the window of small embedding models."""

HEADING_JOINT = " > "

_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+")
_NOT_SLUG = re.compile(r"[^a-z0-9_]+")
_TABLE_HEAD_LINES = 2


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One retrievable passage.

    ``heading`` is the path of headings from the file's title down, joined by :data:`HEADING_JOINT`; ``position`` counts
    the chunks of the file from 0; ``text`` is the section without its heading.
    """

    chunk_id: str
    file: str
    heading: str
    position: int
    text: str

    @property
    def facets(self) -> Facets:
        """Regimes, strategies and parameters it is about."""
        return facets_of(self.heading, self.text)

    @property
    def own_heading(self) -> str:
        """The innermost heading, in effect the author's summary of the text."""
        return self.heading.rsplit(HEADING_JOINT, 1)[-1]


class _Section(msgspec.Struct, frozen=True):
    headings: tuple[str, ...]
    body: str


def split_file(file: KnowledgeFile) -> list[Chunk]:
    """Return the chunks of one file in reading order.

    Errors
    ------
    ConfigError
        If the file hides text in an HTML comment that is never closed.
    """
    text = without_comments(clean_text(file.text), file=file.path)
    chunks: dict[str, Chunk] = {}
    for section in _sections(text):
        path = HEADING_JOINT.join(section.headings) or file.path
        slug = _slug(section.headings[-1] if section.headings else file.path)
        for piece in split_long(section.body):
            digest = hashlib.sha256(f"{path}\n{piece}".encode()).hexdigest()[:8]
            chunk_id = f"{file.path}#{slug}#{digest}"
            # Word-for-word repetition under one heading is kept once: a second copy would only crowd the results.
            chunks.setdefault(chunk_id, Chunk(chunk_id=chunk_id, file=file.path, heading=path, position=len(chunks), text=piece))
    return list(chunks.values())


def split_long(body: str, target_chars: int = TARGET_CHARS) -> list[str]:
    """Return ``body`` in pieces of at most ``target_chars``, cut at paragraphs, each repeating the paragraph before it.

    The repeated paragraph is left out where it would not fit. A single paragraph that is too long is cut at sentences, a table
    between rows with its head repeated.
    """
    if len(body) <= target_chars:
        return [body] if body else []
    pieces: list[list[str]] = [[]]
    for paragraph in _paragraphs(body, target_chars):
        current = pieces[-1]
        if current and _length(current) + 2 + len(paragraph) > target_chars:
            overlap = current[-1:] if len(current) > 1 and len(current[-1]) + 2 + len(paragraph) <= target_chars else []
            pieces.append([*overlap, paragraph])
        else:
            current.append(paragraph)
    return ["\n\n".join(piece) for piece in pieces if piece]


def _sections(text: str) -> Iterator[_Section]:
    """Yield every heading section that has a body."""
    headings: tuple[tuple[int, str], ...] = ()
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        match = None if fenced else _HEADING.match(line)
        if match is None:
            lines.append(line.rstrip())
            continue
        yield from _section(headings, lines)
        level, title = len(match[1]), match[2]
        headings = (*(h for h in headings if h[0] < level), (level, title))
        lines = []
    yield from _section(headings, lines)


def _section(headings: tuple[tuple[int, str], ...], lines: list[str]) -> Iterator[_Section]:
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    if body:
        yield _Section(tuple(title for _, title in headings if title), body)


def _paragraphs(body: str, target_chars: int) -> Iterator[str]:
    for paragraph in body.split("\n\n"):
        if len(paragraph) <= target_chars:
            yield paragraph
        elif paragraph.startswith("|"):
            yield from _table_pieces(paragraph.split("\n"), target_chars)
        else:
            sentences = (part for s in _SENTENCE_END.split(paragraph) for part in _cut(s, target_chars))
            yield from _packed(sentences, " ", target_chars)


def _table_pieces(rows: list[str], target_chars: int) -> Iterator[str]:
    head = "\n".join(rows[:_TABLE_HEAD_LINES])
    room = target_chars - len(head) - 1
    if room < target_chars // 4:  # a head that wide cannot be repeated; the rows still have to fit
        yield from _packed((part for row in rows for part in _cut(row, target_chars)), "\n", target_chars)
        return
    body = (part for row in rows[_TABLE_HEAD_LINES:] for part in _cut(row, room))
    yield from (f"{head}\n{block}" for block in _packed(body, "\n", room))


def _packed(parts: Iterable[str], joint: str, target_chars: int) -> Iterator[str]:
    """Join neighbours as long as they fit."""
    block = ""
    for part in parts:
        if block and len(block) + len(joint) + len(part) > target_chars:
            yield block
            block = part
        else:
            block = f"{block}{joint}{part}" if block else part
    if block:
        yield block


def _cut(text: str, target_chars: int) -> Iterator[str]:
    """Cut without regard to meaning: the last resort that keeps every piece bounded."""
    yield from (text[start : start + target_chars] for start in range(0, len(text), target_chars))


def _length(paragraphs: list[str]) -> int:
    return sum(map(len, paragraphs)) + 2 * (len(paragraphs) - 1)


def _slug(heading: str) -> str:
    return _NOT_SLUG.sub("-", heading.lower()).strip("-")[:60].rstrip("-") or "section"
