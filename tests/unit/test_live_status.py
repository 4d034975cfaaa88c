"""``trader_control status`` says whose money it is."""

from __future__ import annotations

from typing import Any

import pytest

from trader.tools.status import _badge


@pytest.mark.parametrize(
    ("live", "testnet", "simulated", "words"),
    [
        (False, False, False, "PAPER"),
        (False, False, True, "PAPER · SIMULATED"),
        (True, True, False, "LIVE · TESTNET"),
        (True, True, True, "LIVE · TESTNET · SIMULATED"),
        (True, False, False, "LIVE · REAL MONEY"),
    ],
)
def test_the_badge_says_whose_money_it_is(*, live: bool, testnet: bool, simulated: bool, words: str) -> None:
    data: dict[str, Any] = {"live": live, "testnet": testnet, "simulated": simulated}
    assert _badge(data) == words
