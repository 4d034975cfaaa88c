"""Text from outside enters the prompt here and nowhere else: cleaned, cut, and in an envelope that it cannot close."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import msgspec

from shared.clock import NS_PER_S
from shared.events import words
from tuner.news.items import NewsItem
from tuner.retrieval.passages import Passage
from tuner.retrieval.text import clean_text

MAX_PASSAGE_CHARS = 1_500
MAX_PASSAGES_CHARS = 6_000
MAX_HEADLINE_CHARS = 200
MAX_NEWS = 6


def escaped(text: str) -> str:
    """Return text that can neither close its block nor hide: NFKC, nothing invisible, no angle brackets."""
    seen = "".join(c if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"} or c == "\n" else " " for c in text)
    return clean_text(seen).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def one_line(text: str, limit: int) -> str:
    """Return escaped text on one line, cut at ``limit`` characters: a line break could pose as a new fact."""
    return " ".join(escaped(text[: 4 * limit]).split())[:limit]


def capped(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Return the passages that fit, each cut to its own limit and cleaned of what could pose as a delimiter."""
    used: list[Passage] = []
    room = MAX_PASSAGES_CHARS
    for passage in passages:
        text = escaped(passage.text)[:MAX_PASSAGE_CHARS]
        if len(text) > room:
            break
        room -= len(text)
        used.append(msgspec.structs.replace(passage, text=text))
    return tuple(used)


def told_news(news: Sequence[NewsItem], symbol: str, taken_ns: int) -> tuple[NewsItem, ...]:
    """Return the items about ``symbol`` that were out when the snapshot was taken, the gravest and newest first."""
    known = {item.news_id: item for item in news if symbol in item.symbols and item.published_ns <= taken_ns}
    return tuple(sorted(known.values(), key=lambda item: (item.kind, -item.published_ns, item.news_id))[:MAX_NEWS])


def passages_block(passages: Sequence[Passage]) -> str:
    """Return the retrieved passages, fenced as data."""
    body = "\n\n".join(passage_text(passage) for passage in passages) or "(nothing relevant found)"
    return f'<untrusted_data source="knowledge base">\n{body}\n</untrusted_data>'


def passage_text(passage: Passage) -> str:
    """Return one passage under its id."""
    return f"[id: {one_line(passage.chunk_id, 200)}]\n{passage.text}"


def news_block(news: Sequence[NewsItem], taken_ns: int) -> str:
    """Return the headlines, fenced as data: one typed line each."""
    lines = [news_line(item, taken_ns) for item in news]
    return "\n".join(['<untrusted_data source="news" may="lower risk only">', *lines, "</untrusted_data>"])


def news_line(item: NewsItem, taken_ns: int) -> str:
    """Return one headline on one line, after what we know of it ourselves."""
    age_min = (taken_ns - item.published_ns) / NS_PER_S / 60
    age = f"{age_min:.0f} min old" if item.published_ns else "age unknown"
    title = one_line(item.title, MAX_HEADLINE_CHARS)
    return f"[id: {item.news_id}] kind {words(item.kind)}, source {one_line(item.source, 40)}, {age}: {title}"
