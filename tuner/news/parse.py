"""Reads what news sources send: RSS and Atom, Binance's announcements, Hyperliquid's list of perpetuals."""

from __future__ import annotations

import calendar
import html
import io
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from shared.clock import NS_PER_MS, NS_PER_S
from shared.errors import FeedError

MAX_ENTRIES = 200
_TAG = re.compile(r"<[^<>]*>")
_DELISTED = "Hyperliquid marks {name} as delisted"


class RawNews(msgspec.Struct, frozen=True, kw_only=True):
    """A headline as a source sent it: nothing in it is clean yet. ``published_ns`` is 0 where it does not say."""

    title: str
    url: str = ""
    published_ns: int = 0


def parse_feed(data: bytes, source: str) -> list[RawNews]:
    """Return the entries of an RSS or Atom document.

    Errors
    ------
    FeedError
        If it is not well-formed, declares entities of its own, or is no feed at all.
    """
    import feedparser

    head = data[:4]
    if b"\0" in head or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FeedError(f"news from {source}: was not UTF-8 or ASCII, expected text without zero bytes")
    if b"<!ENTITY" in data.upper():  # nothing a feed needs; entities that hold entities are a bomb
        raise FeedError(f"news from {source}: was XML that declares entities, expected none")
    # as a stream: text would be taken for an address or a file name
    parsed: Any = feedparser.parse(io.BytesIO(data), sanitize_html=True, resolve_relative_uris=False)
    if not parsed.get("version"):
        raise FeedError(f"news from {source}: was neither RSS nor Atom, expected a feed")
    if parsed.bozo and not isinstance(parsed.bozo_exception, feedparser.CharacterEncodingOverride):
        reason = " ".join(str(parsed.bozo_exception).split())[:80]
        raise FeedError(f"news from {source}: was broken XML ({reason}), expected a well-formed feed")
    return [_entry(entry) for entry in parsed.entries[:MAX_ENTRIES] if str(entry.get("title", "")).strip()]


def parse_binance(data: bytes, source: str) -> list[RawNews]:
    """Return Binance's announcements: ``data.catalogs[].articles[]``, or ``data.articles[]`` in its older shape.

    Errors
    ------
    FeedError
        If it is not such a document or says that it failed.
    """
    document = _json(data, source)
    if document.get("code") != "000000" or not isinstance(document.get("data"), dict):
        raise FeedError(f"news from {source}: was an answer with code {str(document.get('code'))[:20]!r}, expected '000000'")
    catalogs = document["data"].get("catalogs") or [document["data"]]
    articles = [a for catalog in _list(catalogs) if isinstance(catalog, dict) for a in _list(catalog.get("articles"))]
    return [_article(article) for article in articles[:MAX_ENTRIES] if isinstance(article, dict) and _text(article.get("title"))]


def parse_hyperliquid(data: bytes, source: str) -> list[RawNews]:
    """Return one headline for every perpetual that Hyperliquid's ``meta`` marks as delisted: its announcements have no feed.

    Errors
    ------
    FeedError
        If it is not such a document.
    """
    universe = _json(data, source).get("universe")
    if not isinstance(universe, list):
        raise FeedError(f"news from {source}: was without a universe, expected Hyperliquid's meta")
    gone = [row for row in universe if isinstance(row, dict) and row.get("isDelisted") is True and _text(row.get("name"))]
    return [RawNews(title=_DELISTED.format(name=row["name"])) for row in gone]


def _entry(entry: Any) -> RawNews:
    # plainly: its own get() substitutes one of the two for the other, with a warning
    when = dict.get(entry, "published_parsed") or dict.get(entry, "updated_parsed")
    seconds = calendar.timegm(when) if when else 0
    plain = html.unescape(_TAG.sub(" ", str(entry["title"])))  # titles are HTML in RSS, whatever stands around them
    return RawNews(title=plain, url=str(entry.get("link", "")), published_ns=max(0, seconds) * NS_PER_S)


def _article(article: dict[str, Any]) -> RawNews:
    when = article.get("releaseDate") or article.get("publishDate") or 0
    valid = isinstance(when, int) and not isinstance(when, bool) and 0 < when < 10**14
    return RawNews(title=_text(article["title"]), url=_text(article.get("code")), published_ns=when * NS_PER_MS if valid else 0)


def _json(data: bytes, source: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FeedError(f"news from {source}: was not JSON, expected a document") from error
    if not isinstance(document, dict):
        raise FeedError(f"news from {source}: was JSON of another shape, expected an object")
    return document


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
