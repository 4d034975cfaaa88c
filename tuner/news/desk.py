"""The news desk: asks the sources now and then, beside the loop and never in it, and keeps what is new, grave and still young."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

import msgspec

from shared.clock import NS_PER_S, Clock
from shared.errors import ConfigError, FeedError
from tuner.call import BackgroundCall
from tuner.news.classify import kind_of, symbols_of
from tuner.news.fetch import fetch
from tuner.news.items import GRAVE, NewsItem, NewsKind
from tuner.news.parse import RawNews, parse_binance, parse_feed, parse_hyperliquid
from tuner.retrieval.text import clean_text

BINANCE_URL = (
    "https://www.binance.com/bapi/composite/v1/public/cms/article/list/query?type=1&catalogId={catalog}&pageNo=1&pageSize=20"
)
BINANCE_CATALOGS = (161, 157, 49)  # delistings, maintenance, latest news
HYPERLIQUID_URL = "https://api.hyperliquid.xyz/info"
POLL_S = 120.0
MAX_AGE_S = 6 * 3_600.0
DELISTING_AGE_S = 7 * 86_400.0  # it stays true until the last day
SIGNAL_AGE_S = 900.0
MAX_TITLE_CHARS = 300
_MAX_ITEMS = 500
_ALIKE = 0.8  # share of words two headlines have in common to be the same story
_SKEW_S = 300.0

Parser = Callable[[bytes, str], list[RawNews]]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where headlines come from. ``body`` is posted as JSON where there is one."""

    name: str
    url: str
    parse: Parser
    body: dict[str, str] | None = None


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What one round brought: headlines with the name of their source, and one error a source that failed."""

    items: tuple[tuple[str, RawNews], ...] = ()
    errors: tuple[str, ...] = ()


def default_sources() -> list[Source]:
    """Return the announcements of both venues."""
    binance = [
        Source(name=f"binance {catalog}", url=BINANCE_URL.format(catalog=catalog), parse=parse_binance)
        for catalog in BINANCE_CATALOGS
    ]
    return [*binance, Source(name="hyperliquid", url=HYPERLIQUID_URL, parse=parse_hyperliquid, body={"type": "meta"})]


def feed_source(url: str) -> Source:
    """Return an RSS or Atom feed as a source, named by its host.

    Errors
    ------
    ConfigError
        If the address is not http or https with a host.
    """
    match = re.fullmatch(r"https?://([^/\s:@]+)(?::\d+)?(?:/\S*)?", url)
    if match is None:
        raise ConfigError(f"news-feed: was {url[:80]!r}, expected an address that begins with http:// or https://")
    return Source(name=match[1].removeprefix("www.")[:40], url=url, parse=parse_feed)


class NewsDesk:
    """Keeps the headlines about the configured symbols. Never waits: :meth:`tick` starts a round and picks up a finished one.

    Parameters
    ----------
    symbols
        Configured symbols; headlines about none of them are dropped.
    poll_s
        Between the starts of two rounds.
    """

    def __init__(self, sources: Sequence[Source], clock: Clock, symbols: Sequence[str] = (), poll_s: float = POLL_S) -> None:
        self._sources = tuple(sources)
        self._symbols = tuple(symbols)
        self._clock = clock
        self._poll_s = poll_s
        self._items: dict[str, NewsItem] = {}
        self._call: BackgroundCall[Fetched] | None = None
        self._next_ns = 0

    def watch(self, symbols: Sequence[str]) -> None:
        """Match headlines to these symbols from now on; with others than before the next round begins at once."""
        if tuple(symbols) != self._symbols:
            self._symbols, self._next_ns = tuple(symbols), 0

    def tick(self) -> Fetched | None:
        """Return what a finished round brought, taken over already; None if there is nothing to tell."""
        now_ns = self._clock.monotonic_ns()
        if self._call is not None and self._call.wait(0):
            fetched, self._call = self._call.result or Fetched(errors=("news: the round ended without a result",)), None
            self.take(fetched)
            return fetched
        if self._call is None and now_ns >= self._next_ns:
            self._next_ns = now_ns + int(self._poll_s * NS_PER_S)
            self._call = BackgroundCall(self.fetch, "news")
        return None

    def fetch(self) -> Fetched:
        """Ask every source, one after the other; a source that fails costs its own headlines only."""
        items: list[tuple[str, RawNews]] = []
        errors: list[str] = []
        for source in self._sources:
            try:
                items += [
                    (source.name, raw) for raw in source.parse(fetch(source.url, self._clock, body=source.body), source.name)
                ]
            except FeedError as error:
                errors.append(f"{error}")
        return Fetched(items=tuple(items), errors=tuple(errors))

    def take(self, fetched: Fetched) -> None:
        """Keep what concerns a symbol, is young enough and is not told already."""
        now_ns = self._clock.now_ns()
        for source, raw in fetched.items:
            item = typed(source, raw, self._symbols, now_ns)
            if item is not None and _alive(item, now_ns) and not any(_same(item, other) for other in self._items.values()):
                self._items[item.news_id] = item
        alive = [item for item in self._items.values() if _alive(item, now_ns)]
        newest = sorted(alive, key=lambda item: (item.kind not in GRAVE, -item.published_ns, item.news_id))[:_MAX_ITEMS]
        self._items = {item.news_id: item for item in newest}

    def items(self) -> tuple[NewsItem, ...]:
        """Return what is still young, the gravest kind first, then the newest."""
        now_ns = self._clock.now_ns()
        alive = (item for item in self._items.values() if _alive(item, now_ns))
        return tuple(sorted(alive, key=lambda item: (item.kind, -item.published_ns, item.news_id)))

    def grave(self) -> tuple[NewsItem, ...]:
        """Return what deserves a look at once: of a grave kind, and out for minutes only."""
        now_ns = self._clock.now_ns()
        return tuple(item for item in self.items() if item.kind in GRAVE and item.age_s(now_ns) <= SIGNAL_AGE_S)


def typed(source: str, raw: RawNews, symbols: Sequence[str], now_ns: int) -> NewsItem | None:
    """Return a headline cleaned, typed and tied to symbols; None if it concerns none.

    One that claims to come from the future is as old as our first sight of it, or undated if it is far off.
    """
    title = " ".join(clean_text(raw.title[: 4 * MAX_TITLE_CHARS]).split())[:MAX_TITLE_CHARS]
    if not title:
        return None
    kind = kind_of(title)
    about = symbols_of(title, symbols, kind)
    if not about:
        return None
    published_ns = raw.published_ns
    if published_ns > now_ns:
        published_ns = now_ns if published_ns - now_ns <= _SKEW_S * NS_PER_S else 0
    digest = hashlib.sha256(raw.url.encode()).hexdigest() if raw.url else ""
    return NewsItem(source=source, title=title, kind=kind, symbols=about, published_ns=published_ns, url_sha256=digest)


def _alive(item: NewsItem, now_ns: int) -> bool:
    longest_s = DELISTING_AGE_S if item.kind is NewsKind.DELISTING else MAX_AGE_S
    return not item.published_ns or item.age_s(now_ns) <= longest_s


def _same(one: NewsItem, other: NewsItem) -> bool:
    """Say whether two items tell one story: the same words about the same symbols, from whichever source."""
    if one.news_id == other.news_id:
        return True
    mine, yours = _words(one.title), _words(other.title)
    together = len(mine | yours)
    return set(one.symbols) == set(other.symbols) and together > 0 and len(mine & yours) / together >= _ALIKE


def _words(title: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", title.lower()))
