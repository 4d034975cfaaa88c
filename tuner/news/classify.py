"""What a headline is about and whom it concerns, by our own words: "delist" before "list", and never by what the feed claims."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tuner.news.items import NewsKind

_STEMS: dict[NewsKind, tuple[str, ...]] = {
    NewsKind.DELISTING: (
        r"de-?list", r"cease (?:the )?trading", r"removal of .*\b(?:pairs?|tokens?|contracts?|trading)", r"remov\w+ .*\bpairs?\b",
        r"discontinu\w+ (?:support|trading)", r"end(?:s|ing)? support for", r"termination of .*(?:trading|contracts?)",
    ),
    NewsKind.SECURITY: (
        r"hack", r"exploit", r"breach", r"drain(?:ed|s)", r"stolen", r"steal", r"theft", r"phishing", r"compromis", r"rug ?pull",
        r"vulnerabilit", r"attack(?:ed|er|ers|s)?\b",
    ),
    NewsKind.HALT: (
        r"\bhalt", r"suspen[ds]", r"paus(?:e|es|ed|ing)\b", r"outage", r"maintenance", r"downtime", r"unavailable",
        r"freez(?:e|es|ing)", r"\bfrozen", r"insolven", r"bankrupt", r"network upgrade",
    ),
    NewsKind.LEGAL: (
        r"lawsuit", r"\bsue[sd]?\b", r"sanction", r"indict", r"charges? against", r"\bban(?:s|ned)?\b", r"subpoena",
        r"settlement with",
    ),
    NewsKind.LISTING: (
        r"\blist(?:s|ed|ing|ings)?\b", r"\blaunch(?:es|ed)?\b", r"\badds?\b", r"\bintroduc(?:es|ing)\b",
        r"new .*trading pairs?",
    ),
}  # fmt: skip
_KINDS = tuple((kind, re.compile("|".join(stems), re.IGNORECASE)) for kind, stems in _STEMS.items())
"""The first that matches counts: of two meanings the graver one."""

_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "EUR", "BTC", "ETH")
_NAMES = {
    "BTC": ("Bitcoin", "XBT"), "ETH": ("Ethereum", "Ether"), "SOL": ("Solana",), "BNB": ("BNB Chain",), "XRP": ("Ripple",),
    "DOGE": ("Dogecoin",), "ADA": ("Cardano",), "AVAX": ("Avalanche",), "DOT": ("Polkadot",), "LINK": ("Chainlink",),
    "LTC": ("Litecoin",), "TRX": ("Tron",), "MATIC": ("Polygon",), "POL": ("Polygon",), "ATOM": ("Cosmos",),
    "UNI": ("Uniswap",), "SHIB": ("Shiba Inu",), "ARB": ("Arbitrum",), "OP": ("Optimism",), "HYPE": ("Hyperliquid",),
    "APT": ("Aptos",), "SUI": ("Sui",),
}  # fmt: skip
_VENUE_WIDE = re.compile(
    r"\ball (?:\w+ )?(?:trading|withdrawals|deposits|markets|pairs|services|spot|futures)|system upgrade|exchange-wide"
)


def kind_of(title: str) -> NewsKind:
    """Return what a headline is about; of several meanings the gravest."""
    return next((kind for kind, pattern in _KINDS if pattern.search(title)), NewsKind.OTHER)


def base_asset(symbol: str) -> str:
    """Return the asset behind a configured symbol: ``BTC`` of ``BTCUSDT``, ``BTC@hyperliquid`` or ``1000BTC-USD``."""
    bare = symbol.split("@", 1)[0].upper().removesuffix("-PERP")
    if re.search(r"[-/_]", bare):
        bare = re.split(r"[-/_]", bare)[0]
    else:
        quote = next((quote for quote in _QUOTES if bare.endswith(quote) and len(bare) > len(quote)), "")
        bare = bare.removesuffix(quote)
    return re.sub(r"^1(?:0{3,6}|M)(?=[A-Z])", "", bare)


def symbols_of(title: str, symbols: Sequence[str], kind: NewsKind) -> tuple[str, ...]:
    """Return the configured symbols a headline concerns: named by ticker, pair or name, or all where it says so of the venue.

    A ticker must stand in capitals: "link" and "one" are words.
    """
    named = tuple(symbol for symbol in symbols if _names(title, symbol))
    if named:
        return named
    wide = kind in (NewsKind.HALT, NewsKind.SECURITY) and _VENUE_WIDE.search(title.lower())
    return tuple(symbols) if wide else ()


def _names(title: str, symbol: str) -> bool:
    asset = base_asset(symbol)
    quotes = "|".join((*_QUOTES, "PERP"))
    # the second of a pair such as ETH/BTC is only what it is priced in
    ticker = rf"(?<![A-Za-z0-9/_])(?:1(?:0{{3,6}}|M))?{re.escape(asset)}(?:[-/_ ]?(?:{quotes}))?(?![A-Za-z0-9])"
    if re.search(ticker, title):
        return True
    return any(re.search(rf"\b{re.escape(name)}\b", title, re.IGNORECASE) for name in _NAMES.get(asset, ()))
