"""News over loopback: the shapes real sources send, and everything a server may do instead of sending them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import SystemClock
from shared.errors import FeedError
from tests import support_llm
from tests.support_llm import Server
from tuner.news.desk import Fetched, NewsDesk, Source, feed_source
from tuner.news.fetch import fetch
from tuner.news.items import NewsKind
from tuner.news.parse import parse_binance, parse_feed, parse_hyperliquid

SYMBOLS = ("BTCUSDT", "ETHUSDT", "LINKUSDT")
RSS = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/"
     xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title><![CDATA[A paper]]></title><link>https://paper.example</link>
<atom:link href="https://paper.example/rss" rel="self" type="application/rss+xml"/>
<item><title><![CDATA[Bitcoin &amp; Ether bridge drained in exploit]]></title><link>https://paper.example/1?utm=x</link>
<guid isPermaLink="false">1</guid><pubDate>Sat, 21 Nov 2026 15:30:00 +0100</pubDate><dc:creator>A. N.</dc:creator>
<description><![CDATA[<p>Long <img src="x" onerror="alert(1)"> text</p>]]></description>
<media:content url="https://paper.example/1.jpg" medium="image"/><category>Markets</category></item>
<item><title>Recipe of the week</title><link>https://paper.example/2</link></item>
<item><title></title><link>https://paper.example/3</link></item>
</channel></rss>"""
ATOM = b"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Status</title><id>urn:x</id><updated>2026-11-21T14:00:00Z</updated>
<entry><id>urn:1</id>
<title type="html">Withdrawals of &lt;b&gt;LINK&lt;/b&gt; suspended</title><updated>2026-11-21T13:59:00Z</updated>
<link rel="alternate" href="https://status.example/1"/><summary>Soon back.</summary></entry></feed>"""
_DELIST = "Binance Will Delist LINK, XYZ on 2026-12-01"
_ARTICLES = [
    {"id": 1, "code": "abc123", "title": _DELIST, "type": 1, "releaseDate": 1_795_269_600_000},
    {"id": 2, "code": "abc124", "title": "Notice of Removal of Spot Trading Pairs", "releaseDate": 1_795_269_600_000},
]
_CATALOG = {"catalogId": 161, "parentCatalogId": None, "catalogName": "Delisting", "articles": _ARTICLES, "catalogs": []}
BINANCE = {"code": "000000", "message": None, "messageDetail": None, "success": True, "data": {"catalogs": [_CATALOG]}}
BINANCE_OLD = {"code": "000000", "data": {"articles": [{"id": 3, "title": "Binance Adds BTC/RUB", "publishDate": None}]}}
META = {
    "universe": [
        {"szDecimals": 5, "name": "BTC", "maxLeverage": 40, "isDelisted": None},
        {"szDecimals": 1, "name": "LINK", "maxLeverage": 3, "isDelisted": True},
    ]
}
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, (b"&%c;" % (97 + i)) * 10) for i in range(9))
    + b"]><rss version='2.0'><channel><item><title>BTC &j;</title></item></channel></rss>"
)
NAMES = st.sampled_from(["code", "data", "catalogs", "articles", "title", "universe", "name", "isDelisted", "releaseDate"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=12,
)
Answer = Callable[[BaseHTTPRequestHandler], None]


def serving(answer: Answer) -> AbstractContextManager[Server]:
    """Run a server on loopback."""
    return support_llm.serving(lambda handler, _server: answer(handler))


def sending(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"content_length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def trickling(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then: every read succeeds, the document never ends."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)
    except OSError:
        return


def heading_slowly(handler: BaseHTTPRequestHandler) -> None:
    """The same with a header that never ends."""
    try:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nx-slow: ")
        for _ in range(200):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.02)
    except OSError:
        return


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(10_000):
            handler.wfile.write(b" " * 65_536)
    except OSError:
        return


def test_rss_and_atom_with_dates_markup_and_entities() -> None:
    first, second = parse_feed(RSS, "paper")
    assert (first.title, first.url) == ("Bitcoin & Ether bridge drained in exploit", "https://paper.example/1?utm=x")
    assert first.published_ns == 1795271400 * 10**9  # 14:30 UTC
    assert (second.title, second.published_ns) == ("Recipe of the week", 0)
    (entry,) = parse_feed(ATOM, "status")
    assert "LINK" in entry.title
    assert "suspended" in entry.title
    assert entry.published_ns == 1795269540 * 10**9


def test_binance_in_both_shapes_and_hyperliquid() -> None:
    articles = parse_binance(json.dumps(BINANCE).encode(), "binance")
    assert [article.title[:20] for article in articles] == ["Binance Will Delist ", "Notice of Removal of"]
    assert articles[0].published_ns == 1_795_269_600_000 * 10**6
    (old,) = parse_binance(json.dumps(BINANCE_OLD).encode(), "binance")
    assert (old.title, old.published_ns) == ("Binance Adds BTC/RUB", 0)
    (gone,) = parse_hyperliquid(json.dumps(META).encode(), "hyperliquid")
    assert gone.title == "Hyperliquid marks LINK as delisted"


def test_the_desk_asks_all_sources_beside_the_loop_and_tells_each_failure() -> None:
    with serving(sending(RSS)) as paper, serving(sending(json.dumps(META).encode())) as venue:
        sources = [
            feed_source(f"{paper.url}/rss"),
            Source(name="hyperliquid", url=f"{venue.url}/info", parse=parse_hyperliquid, body={"type": "meta"}),
            Source(name="broken", url=f"{paper.url}/x", parse=parse_binance),
        ]
        desk = NewsDesk(sources, SystemClock(), SYMBOLS)
        fetched = None
        for _ in range(500):
            fetched = desk.tick()
            if fetched is not None:
                break
            threading.Event().wait(0.02)
    assert fetched is not None
    assert fetched.errors == ("news from broken: was not JSON, expected a document",)
    assert venue.asked == [{"type": "meta"}]
    assert {(item.kind, item.symbols) for item in desk.items()} >= {(NewsKind.DELISTING, ("LINKUSDT",))}
    assert desk.tick() is None  # the next round is not due
    assert all(item.news_id.startswith("news#") for item in desk.items())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (sending(b"", 404), "was HTTP 404"),
        (sending(b"", 302, location="http://169.254.169.254/"), r"was a redirect \(302\)"),
        (sending(b"x", content_encoding="gzip"), "was compressed"),
        (endless, "was over 2000000 bytes"),
        (trickling, "was slower than 0.5 s"),
        (heading_slowly, "was slower than 0.5 s"),
        (sending(b"short", content_length="999"), "was unreachable"),
    ],
    ids=["404", "redirect", "gzip", "endless", "trickle", "slow header", "cut off"],
)
def test_a_server_that_misbehaves_is_one_clear_error_in_time(answer: Answer, told: str) -> None:
    started = time.monotonic()
    with serving(answer) as server, pytest.raises(FeedError, match=told):
        fetch(server.url, SystemClock(), deadline_s=0.5)
    assert time.monotonic() - started < 8


def test_nobody_there_and_no_web_address_are_clear_errors() -> None:
    with pytest.raises(FeedError, match="was unreachable"):
        fetch("http://127.0.0.1:9/feed", SystemClock(), deadline_s=2.0)
    with pytest.raises(FeedError, match="news address: was 'file:"):
        fetch("file:///etc/hostname", SystemClock())


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (BOMB, "declares entities"),
        (b'<?xml version="1.0"?><!DOCTYPE r [<!entity x SYSTEM "file:///etc/passwd">]><rss/>', "declares entities"),
        (RSS.decode().replace("UTF-8", "UTF-16").encode("utf-16"), "was not UTF-8"),
        (RSS[:700], "was broken XML"),
        (b"<html><body>Please log in</body></html>", "was neither RSS nor Atom"),
        (b"", "was neither RSS nor Atom"),
        (b"/etc/passwd", "was neither RSS nor Atom"),
        (b"http://127.0.0.1/", "was neither RSS nor Atom"),
        (RSS.replace(b"</item>", b"</itme>", 1), "was broken XML"),
    ],
    ids=["bomb", "external entity", "utf-16", "cut", "a page", "nothing", "a path", "an address", "mismatched"],
)
def test_a_document_that_is_no_good_feed_is_one_clear_error(data: bytes, told: str) -> None:
    with pytest.raises(FeedError, match=told):
        parse_feed(data, "paper")


def test_a_bad_round_changes_nothing_that_is_known() -> None:
    desk = NewsDesk([], SystemClock(), SYMBOLS)
    good = [("paper", raw) for raw in parse_feed(RSS.replace(b"pubDate", b"x"), "paper")]
    desk.take(Fetched(items=tuple(good)))
    before = desk.items()
    with serving(sending(BOMB)) as server:
        bad = NewsDesk([feed_source(server.url)], SystemClock(), SYMBOLS).fetch()
    desk.take(bad)
    assert len(bad.errors) == 1
    assert desk.items() == before != ()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300) | DOCUMENTS)
def test_no_bytes_of_any_kind_break_a_parser(content: object) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    for parse in (parse_feed, parse_binance, parse_hyperliquid):
        with suppress(FeedError):
            assert all(isinstance(raw.title, str) for raw in parse(data, "x"))
