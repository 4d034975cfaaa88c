from __future__ import annotations

import math

import pytest

from shared.errors import OutOfRange, UsageError
from shared.params import MAX_SYMBOLS
from trader.settings import check_capital, parse_symbols


def test_symbols_are_upper_case_and_keep_their_order() -> None:
    assert parse_symbols(" ethusdt,BTCUSDT , sol_1") == ("ETHUSDT", "BTCUSDT", "SOL_1")
    assert parse_symbols(None) == ()


BAD = ["", ",", "BTC\nUSDT", "BTCUSDT,", "BTC-USDT", "BTC/USDT", "B", "X" * 25, "BTC USDT", "../etc", "BTCUSDT,btcusdt", "ＢＴＣ"]


@pytest.mark.parametrize("text", BAD, ids=repr)
def test_impossible_symbols_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="symbols: was"):
        parse_symbols(text)


def test_as_many_symbols_as_fit_in_shared_memory_and_no_more() -> None:
    names = [f"S{i}" if i > 9 else f"S{i}X" for i in range(MAX_SYMBOLS + 1)]
    assert len(parse_symbols(",".join(names[:-1]))) == MAX_SYMBOLS
    with pytest.raises(UsageError, match=f"was {MAX_SYMBOLS + 1} of them, expected at most {MAX_SYMBOLS}"):
        parse_symbols(",".join(names))


@pytest.mark.parametrize("capital", [100.0, 100_000.0, 1e9])
def test_a_capital_within_bounds_is_taken(capital: float) -> None:
    assert check_capital(capital) == capital


@pytest.mark.parametrize("capital", [99.99, -1.0, 0.0, 1.1e9, math.nan, math.inf])
def test_a_capital_out_of_bounds_is_refused(capital: float) -> None:
    with pytest.raises(OutOfRange) as refused:
        check_capital(capital)
    assert refused.value.field == "capital"
