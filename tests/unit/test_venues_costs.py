from __future__ import annotations

import pytest

from shared.errors import UsageError
from shared.params import CONTROLS, defaults
from trader.costs import DEFAULT, cost_preset, presets

NAMES = {param.name: index for index, param in enumerate(CONTROLS)}


def test_there_is_a_preset_for_every_venue() -> None:
    assert list(presets()) == [DEFAULT, "binance-spot", "binance-usdm", "hyperliquid"]


@pytest.mark.parametrize("name", list(presets()))
def test_a_preset_sets_the_three_costs_and_nothing_else(name: str) -> None:
    preset = cost_preset(name)
    values = dict(preset.controls)
    assert set(values) == {NAMES["commission_bps"], NAMES["maker_bps"], NAMES["slippage_bps"]}
    assert values[NAMES["commission_bps"]] == preset.fees.taker_bps >= preset.fees.maker_bps
    assert preset.as_of in str(preset)
    assert f"taker {preset.fees.taker_bps:g} bps" in str(preset)


def test_the_default_is_the_registrys_and_the_dearest() -> None:
    registry = defaults(CONTROLS)
    for index, value in cost_preset(DEFAULT).controls:
        assert registry[index] == value
    taker = [preset.fees.taker_bps for preset in presets().values()]
    assert max(taker) == taker[0]


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="costs: was 'kraken', expected one of default, binance-spot, binance-usdm, hyperliquid"):
        cost_preset("kraken")
