from __future__ import annotations

import pytest

from shared.errors import UsageError
from trader.settings import Settings, default_symbols, parse_symbols, parse_venues

BOTH = ("binance-usdm", "hyperliquid")


@pytest.mark.parametrize(
    ("text", "market", "full"),
    [
        ("binance", "spot", ("binance-spot",)),
        ("Binance, hyperliquid", "usdm", BOTH),
        ("binance-spot,binance-usdm", "usdm", ("binance-spot", "binance-usdm")),
        ("sim", "usdm", ("sim",)),
    ],
)
def test_venues_have_full_names(text: str, market: str, full: tuple[str, ...]) -> None:
    assert parse_venues(text, market) == full


@pytest.mark.parametrize("text", ["", "kraken", "binance,", "binance,binance", "binance,binance-usdm", "sim,binance"])
def test_impossible_venues_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="venue: was"):
        parse_venues(text, "usdm")


def test_of_several_venues_each_symbol_names_its_own() -> None:
    assert parse_symbols("btcusdt@binance,BTC@Hyperliquid", BOTH) == ("BTCUSDT@binance-usdm", "BTC@hyperliquid")
    assert parse_symbols("BTCUSDT@binance-usdm", BOTH[:1]) == ("BTCUSDT",)
    assert parse_symbols("S", ("hyperliquid",)) == ("S",)
    assert parse_symbols("kPEPE@hyperliquid,KAS@hyperliquid", BOTH) == ("kPEPE@hyperliquid", "KAS@hyperliquid")
    assert default_symbols(BOTH)[2:4] == ("SOLUSDT@binance-usdm", "BTC@hyperliquid")


@pytest.mark.parametrize(
    "text", ["BTCUSDT", "BTCUSDT@kraken", "BTC@hyperliquid,btc@hyperliquid", "@hyperliquid", "BTC@", f"{'X' * 21}@binance-usdm"]
)
def test_a_symbol_of_no_venue_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="symbols: was"):
        parse_symbols(text, BOTH)


def test_one_of_two_binance_markets_must_be_told_apart() -> None:
    with pytest.raises(UsageError, match="expected one of the venues"):
        parse_symbols("BTCUSDT@binance", ("binance-spot", "binance-usdm"))


def test_a_stored_state_belongs_to_its_venues() -> None:
    names = [Settings(instance="", venue=text).venue_name for text in ("binance", "sim", "hyperliquid", "binance,hyperliquid")]
    assert names == ["binance-usdm", "sim-usdm", "hyperliquid", "binance-usdm+hyperliquid"]
