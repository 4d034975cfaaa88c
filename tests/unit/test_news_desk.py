"""What a headline is about and whom it concerns; what the desk keeps, for how long, and what it never lets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import NS_PER_S, ManualClock
from shared.errors import ConfigError
from tuner.news.classify import base_asset, kind_of, symbols_of
from tuner.news.desk import DELISTING_AGE_S, MAX_AGE_S, Fetched, NewsDesk, feed_source, typed
from tuner.news.items import NewsKind
from tuner.news.parse import RawNews

SYMBOLS = ("BTCUSDT", "ETHUSDT", "LINKUSDT", "1000PEPEUSDT", "SOL@hyperliquid")
NOW_NS = 1_780_000_000_000_000_000


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Binance Will Delist LINK, PEPE on 2026-12-01", NewsKind.DELISTING),
        ("Notice of Removal of Spot Trading Pairs - 2026-11-21", NewsKind.DELISTING),
        ("Notice on the De-listing of margin pairs", NewsKind.DELISTING),
        ("Exchange to list new tokens after it delisted others", NewsKind.DELISTING),
        ("Binance Will List Example (EXA) with Seed Tag Applied", NewsKind.LISTING),
        ("Binance Futures Will Launch USDT-Margined SOL Perpetual Contract", NewsKind.LISTING),
        ("Bridge drained of 40 million in exploit", NewsKind.SECURITY),
        ("Exchange halts withdrawals after hack", NewsKind.SECURITY),
        ("Wallet Maintenance for Ethereum Network (ETH)", NewsKind.HALT),
        ("Deposits suspended on Solana", NewsKind.HALT),
        ("Regulator sues exchange over staking", NewsKind.LEGAL),
        ("A checklist for holders: blacklisted and enlisted words", NewsKind.OTHER),
        ("Bitcoin climbs as analysts turn optimistic", NewsKind.OTHER),
        ("", NewsKind.OTHER),
    ],
)
def test_the_gravest_meaning_of_a_headline_counts_and_delist_before_list(title: str, kind: NewsKind) -> None:
    assert kind_of(title) is kind


@pytest.mark.parametrize(
    ("symbol", "asset"),
    [("BTCUSDT", "BTC"), ("ETHBTC", "ETH"), ("1000PEPEUSDT", "PEPE"), ("SOL@hyperliquid", "SOL"), ("BTC-USD", "BTC"),
     ("ETH_USDC", "ETH"), ("BTC-PERP", "BTC"), ("USDTUSDC", "USDT"), ("btcusdt@binance-usdm", "BTC"), ("1INCHUSDT", "1INCH")],
)  # fmt: skip
def test_the_asset_behind_a_symbol(symbol: str, asset: str) -> None:
    assert base_asset(symbol) == asset


@pytest.mark.parametrize(
    ("title", "about"),
    [
        ("Binance Will Delist LINK and 1000PEPE", ("LINKUSDT", "1000PEPEUSDT")),
        ("PEPE rallies", ("1000PEPEUSDT",)),
        ("follow this link to learn more", ()),
        ("ETH/BTC pair removed", ("ETHUSDT",)),
        ("BTCUSDT perpetual funding interval changes", ("BTCUSDT",)),
        ("Bitcoin and Ether slide", ("BTCUSDT", "ETHUSDT")),
        ("SOLV Protocol hacked", ()),
        ("Exchange halts all withdrawals", SYMBOLS),
        ("Exchange lists all pairs of EXA", ()),
    ],
)
def test_whom_a_headline_concerns(title: str, about: tuple[str, ...]) -> None:
    assert symbols_of(title, SYMBOLS, kind_of(title)) == about


def raw(title: str, age_s: float = 60.0, url: str = "https://example.org/a") -> RawNews:
    return RawNews(title=title, url=url, published_ns=NOW_NS - int(age_s * NS_PER_S))


def desk() -> tuple[NewsDesk, ManualClock]:
    clock = ManualClock(NOW_NS)
    return NewsDesk([], clock, SYMBOLS), clock


def titles(made: NewsDesk) -> list[str]:
    return [item.title for item in made.items()]


def test_the_same_story_is_told_once_whoever_tells_it() -> None:
    made, _ = desk()
    first, again = raw("Bitcoin falls as bridge is drained"), raw("Bitcoin falls, as bridge is DRAINED!", 30.0)
    made.take(Fetched(items=(("one", first), ("two", again))))
    made.take(Fetched(items=(("one", first), ("three", raw("BITCOIN falls as bridge is drained")))))
    assert titles(made) == ["Bitcoin falls as bridge is drained"]
    made.take(Fetched(items=(("one", raw("Ether falls as bridge is drained")),)))
    assert len(titles(made)) == 2


def test_news_ages_out_and_a_delisting_stays_longer() -> None:
    made, clock = desk()
    told = (raw("Bitcoin hacked"), raw("Binance will delist LINK"), raw("BTC old", MAX_AGE_S + 1))
    made.take(Fetched(items=tuple(("a", one) for one in told)))
    assert titles(made) == ["Binance will delist LINK", "Bitcoin hacked"]
    clock.advance(int(MAX_AGE_S * NS_PER_S))
    assert titles(made) == ["Binance will delist LINK"]
    clock.advance(int(DELISTING_AGE_S * NS_PER_S))
    assert titles(made) == []


def test_only_grave_news_of_the_last_minutes_asks_for_a_look() -> None:
    made, clock = desk()
    undated = RawNews(title="Binance will delist ETH")
    told = (raw("Bitcoin exploit found"), raw("SOL launches"), raw("BTC halted", 3_600.0), undated)
    made.take(Fetched(items=tuple(("a", one) for one in told)))
    assert [item.title for item in made.grave()] == ["Bitcoin exploit found"]
    clock.advance(1_000 * NS_PER_S)
    assert made.grave() == ()
    assert len(made.items()) == 4


def test_the_future_is_not_believed() -> None:
    near, far = typed("a", raw("BTC x", -60.0), SYMBOLS, NOW_NS), typed("a", raw("BTC x", -86_400.0), SYMBOLS, NOW_NS)
    assert near is not None
    assert near.published_ns == NOW_NS
    assert far is not None
    assert far.published_ns == 0


@given(st.text(max_size=800), st.integers(-(2**62), 2**62))
def test_whatever_is_published_becomes_one_clean_line_or_nothing(title: str, published_ns: int) -> None:
    item = typed("feed", RawNews(title=f"BTC {title}", published_ns=published_ns), SYMBOLS, NOW_NS)
    assert item is None or (len(item.title) <= 300 and item.title.isprintable() and item.published_ns <= NOW_NS)


def test_ids_are_stable_and_say_what_they_are() -> None:
    one, two = typed("a", raw("BTC x"), SYMBOLS, NOW_NS), typed("a", raw("BTC x", 999.0), SYMBOLS, NOW_NS)
    assert one is not None
    assert two is not None
    assert one.news_id == two.news_id
    assert one.news_id.startswith("news#")
    assert "example" not in repr(one)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "nonsense", "http://", "http://user:key@host/x", "javascript:1"]
)
def test_only_web_addresses_without_a_login_are_feeds(url: str) -> None:
    with pytest.raises(ConfigError, match="news-feed: was"):
        feed_source(url)
