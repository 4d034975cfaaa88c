"""One item of news as the rest of the tuner sees it: typed, bounded, with an id to cite it by."""

from __future__ import annotations

import hashlib
from enum import IntEnum

import msgspec

from shared.clock import NS_PER_S

NEWS_PREFIX = "news#"


class NewsKind(IntEnum):
    """What a headline is about, the graver first. The kind comes from our own words, never from the feed's."""

    DELISTING = 1
    SECURITY = 2
    HALT = 3
    LEGAL = 4
    LISTING = 5
    OTHER = 6


GRAVE = (NewsKind.DELISTING, NewsKind.SECURITY, NewsKind.HALT)
"""Kinds that start a cycle of their own."""


class NewsItem(msgspec.Struct, frozen=True, kw_only=True):
    """One headline.

    ``symbols`` are the configured symbols it names; ``published_ns`` is 0 where the source does not say. ``url_sha256`` stands
    for the address, so that no address reaches a prompt. ``title`` and ``source`` are cleaned and cut.
    """

    source: str
    title: str
    kind: NewsKind
    symbols: tuple[str, ...]
    published_ns: int
    url_sha256: str = ""

    @property
    def news_id(self) -> str:
        """Id to cite it by: the same headline of the same source keeps its id."""
        return NEWS_PREFIX + hashlib.sha256(f"{self.source}\0{self.title}".encode()).hexdigest()[:10]

    def age_s(self, now_ns: int) -> float:
        """Return the age at ``now_ns``, s."""
        return (now_ns - self.published_ns) / NS_PER_S
