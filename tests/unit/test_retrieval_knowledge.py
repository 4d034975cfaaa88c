"""Numbers that the knowledge files state in words must be the numbers the code uses."""

from __future__ import annotations

import math
import re

import pytest

from shared.events import NO_ENTRY, Mode, Reason
from shared.events import words as said
from shared.params import CONTROLS, PARAMS, STRATEGY_NAMES, Param, index_of
from shared.paths import project_root
from trader.engine.state import FAIR_WINDOW_BARS
from trader.market import indicators, regime
from trader.risk import exits, limits, modes
from trader.risk.exits import MINIMUM_HOLD_NS
from trader.signals import fair_value, momentum, order_flow, technical
from trader.strategies import blend, leader, market_maker, smart
from trader.strategies.opinion import EDGE_HORIZON_S
from tuner.prompting import figures

ROUND_TRIP_PCT = 0.30
LIMITS = {
    "max_correlated_pct": "those on one side {:.0f} %",
    "max_symbol_pct": "one symbol {:.0f} %",
    "max_trade_loss_pct": "may lose {:g} % of equity at its stop",
    "max_daily_loss_pct": "A loss of {:.0f} % since midnight UTC",
}
NAMES = {
    Reason.EMA_DEVIATION: ("ema deviation",),
    Reason.STALE_FEED: ("feed stale",),
    Reason.NO_INSTRUMENT: ("no price",),
    Reason.NOT_RECONCILED: ("halted",),
    Reason.UNCONFIRMED_ORDER: ("order pending",),
    Reason.TOO_SMALL: ("too small",),
}
"""How the knowledge calls a reason where it does not use the reason's own words."""


def words(file: str) -> str:
    """Return a knowledge file on one line, so that a sentence is found wherever it wraps."""
    return " ".join((project_root() / "knowledge" / file).read_text(encoding="utf-8").split())


def default(name: str) -> float:
    return CONTROLS[index_of(CONTROLS, name)].default


@pytest.mark.parametrize("param", PARAMS, ids=lambda p: p.name)
def test_range_and_default_of_every_parameter(param: Param) -> None:
    section = words("trading_config_parameters.md").split(f"## {param.name} ")[1].split("## ")[0]
    if param.name == "signal_strength":
        assert "1, 2 or 3, default 2" in section
        return
    found = re.search(r"Range ([\d.]+) to ([\d.]+), default ([\d.]+)[.,]? ", section)
    assert found is not None, section
    assert [float(number.rstrip(".")) for number in found.groups()] == [param.minimum, param.maximum, param.default]


def test_break_even_table_follows_its_formula() -> None:
    rows = re.findall(r"\| ([\d.]+) \| ([\d.]+) \| (\d+) % \| (\d+) % \|", words("trading_config_parameters.md"))
    assert len(rows) >= 8
    for target, stop, with_costs, without in ([float(cell) for cell in row] for row in rows):
        assert with_costs == pytest.approx(100 * (stop + ROUND_TRIP_PCT) / (target + stop), abs=0.5)
        assert without == pytest.approx(100 * stop / (target + stop), abs=0.5)


def test_costs_and_limits_of_the_account() -> None:
    assert 2 * (default("slippage_bps") + default("commission_bps")) / 100 == pytest.approx(ROUND_TRIP_PCT)
    risk = words("risk_management.md")
    assert f"may not exceed {default('max_gross_pct'):.0f} % of equity (max_gross_pct)" in risk
    assert f"fallen {default('max_drawdown_pct'):.0f} % from its peak (max_drawdown_pct)" in risk
    for name, sentence in LIMITS.items():
        assert f"{sentence.format(default(name))} ({name})" in risk
    assert f"after {default('stale_ms') / 1000:.0f} seconds of silence" in words("market_microstructure.md")


def test_modes_guards_and_exits() -> None:
    risk = words("risk_management.md")
    sizes = dict(zip(Mode, modes.SIZE_FACTOR, strict=True))
    assert f"AGGRESSIVE sizes by {sizes[Mode.AGGRESSIVE]} (never above max_position_pct)" in risk
    assert f"CAUTIOUS by {sizes[Mode.CAUTIOUS]}, DEFENSIVE by {sizes[Mode.DEFENSIVE]} and asks one detector more" in risk
    assert (sizes[Mode.NORMAL], sizes[Mode.EXIT_ONLY]) == (1.0, 0.0)
    assert modes.STRENGTH_EXTRA[Mode.DEFENSIVE] == 1
    assert "streaks of {}, {} and {} trades".format(*modes.LOSS_STREAKS) in risk
    assert "or {:.0f} %, {:.0f} % and {:.0f} % of the tolerated".format(*(100 * share for share in modes.DRAWDOWN_SHARES)) in risk
    assert f"by time: {modes.PROBATION_S / 60:.0f} minutes without a loss" in risk
    assert f"EXIT_ONLY becomes DEFENSIVE after {modes.EXIT_ONLY_S / 60:.0f} minutes" in risk
    assert f"and for {limits.CRASH_GUARD_S} seconds after" in risk
    assert f"reached {100 * exits.BREAK_EVEN_ARM:.0f} % of target_pct the position" in risk
    assert f"reached {100 * exits.PROFIT_LOCK_ARM:.0f} % of target_pct, at least half of the best gain is kept" in risk
    assert exits.PROFIT_LOCK_KEPT == 0.5
    assert f"A position older than {exits.TIME_EXIT_S // 60} minutes" in risk


def test_regime_thresholds() -> None:
    text = words("market_regimes.md")
    assert f"over the last {regime.WINDOW_BARS} closed bars" in text
    assert f"{100 * regime.TREND_QUANTILE:.0f}th percentile of the symbol's own efficiency" in text
    assert f"never below {regime.TREND_EFFICIENCY} and never above {regime.SURE_EFFICIENCY:.2f}" in text
    assert f"mean absolute return of about the last {regime.SHORT_BARS} bars" in text
    assert f"forgets with a time constant of {regime.HISTORY_BARS} bars" in text
    assert f"{100 * regime.HIGH_QUANTILE:.0f}th percentile and at least {regime.HIGH_VOLATILITY_RATIO} times its median" in text
    assert f"{100 * regime.LOW_QUANTILE:.0f}th percentile and at most {regime.LOW_VOLATILITY_RATIO} times its median" in text
    assert f"dwell of {regime.DWELL_BARS} closed bars" in text
    assert f"left at {100 * regime.LEAVE_SHARE:.0f} % of the value" in text
    assert f"fewer than {regime.FIRST_BARS} closed bars" in text


def test_what_a_spike_is() -> None:
    text = words("market_regimes.md")
    assert f"one bar, or of {regime.BURST_BARS} bars" in text
    assert f"at least {regime.SPIKE_RATIO:.0f} times the usual move of about the last {regime.LONG_BARS} bars" in text
    assert f"{100 * regime.SPIKE_QUANTILE:.1f}th percentile" in text
    fades = [regime.SPIKE_HALF_LIFE_BARS * math.log2(most / regime.SPIKE_LEAVE) for most in (1.0, regime.SPIKE_MOST)]
    assert f"fades within {fades[0]:.0f} to {fades[1]:.0f} bars" in text


def test_detectors_and_holding_time() -> None:
    text = words("strategies/technical_indicators.md")
    assert f"a fast EMA ({indicators.EMA_FAST} bars) and a slow EMA ({indicators.EMA_SLOW} bars)" in text
    assert f"a gap of {technical.FULL_TREND_ATR:.0f} ATR scores 1" in text
    assert f"over {indicators.RSI_PERIOD} bars" in text
    assert f"(RSI − 50) / {technical.FULL_MOMENTUM_RSI:.0f}" in text
    assert f"mean of {indicators.BAND_PERIOD} bars, {technical.FULL_LOCATION_DEVIATIONS:.0f} standard deviations" in text
    assert f"is at least {technical.AGREES}: 0, 1, 2 or 3" in text
    assert f"at least {MINIMUM_HOLD_NS // 1_000_000_000} seconds have passed since the entry" in text
    assert f"During the first {indicators.WARM_UP_BARS} bars" in text


def test_the_strategies_and_their_map() -> None:
    overview = words("strategy_overview.md")
    named = {0: "nothing", **{code: name.replace("_", " ") for code, name in enumerate(STRATEGY_NAMES, start=1)}}
    told = "trending up and " + ", ".join(
        f"{regime.replace('_', ' ')} → {named[int(default(f'strategy_{regime}'))]}"
        for regime in ("trending_down", "ranging", "high_volatility", "low_volatility", "spike", "unknown")
    )
    assert told in overview
    assert default("strategy_trending_up") == default("strategy_trending_down")
    assert f"acts for at least {smart.MINIMUM_HOLD_S} seconds" in overview
    assert f"within {smart.UNSETTLED_S} seconds of a change" in overview
    assert f"last position within {smart.FLIP_COOLDOWN_S} seconds" in overview
    assert f"over {leader.STRENGTH_WINDOW_S} seconds its move" in overview
    assert f"by more than {leader.LARGEST_LAG_PCT:.2f} %" in overview
    assert f"√{EDGE_HORIZON_S:.0f}" in overview
    for weights in (blend.TREND_WEIGHTS, blend.RANGE_WEIGHTS, blend.OTHER_WEIGHTS):
        assert "{:g}, {:g}, {:g} and {:g}".format(*weights) in overview
        assert sum(weights) == pytest.approx(1.0)


def test_what_the_strategies_measure() -> None:
    text = words("strategies/momentum.md")
    assert "windows of {}, {} and {} seconds".format(*momentum.WINDOWS_S) in text
    assert f"{momentum.FULL_MOVE:g} usual moves score 1" in text
    assert f"at least {momentum.FRESH_SHARE} of the move" in text
    text = words("strategies/fair_value.md")
    assert f"median of the last {FAIR_WINDOW_BARS} one-second closes" in text
    assert f"quartile range / {fair_value.NORMAL_QUARTILES}; {fair_value.FULL_DEVIATIONS:g} of them score 1" in text
    assert f"of the last {fair_value.EXTREME_S} seconds has been given back; {fair_value.FULL_RETRACE} of it" in text
    text = words("strategies/market_maker.md")
    assert f"maker fee + {market_maker.MINIMUM_GAIN_BPS} bp and the usual move of {market_maker.QUOTE_LIFE_S:.0f} seconds" in text
    text = words("strategies/technical_indicators.md")
    assert f"({indicators.MACD_FAST}, {indicators.MACD_SLOW} and {indicators.MACD_SIGNAL} bars)" in text


def test_the_tables_of_costs_follow_their_formula() -> None:
    text = words("costs_by_venue.md")
    rows = re.findall(r"\| ([\d.]+) % \([^|]*\) \| (\d+) % \| (\d+) % \| (\d+) % \| (\d+) % \|", text)
    assert len(rows) == 5
    for cost, *shares in ([float(cell) for cell in row] for row in rows):
        for (target, stop), share in zip(((1.5, 1.0), (2.0, 1.0), (3.0, 1.0), (1.0, 0.5)), shares, strict=True):
            assert share == pytest.approx(100 * (stop + cost) / (target + stop), abs=0.501)


def test_every_reason_that_blocks_is_explained_with_the_parameter_that_answers() -> None:
    text = words("no_trade_reasons.md").lower()
    missing = [reason.name for reason in NO_ENTRY if not any(name in text for name in NAMES.get(reason, (said(reason),)))]
    assert missing == []
    for reason, answer in figures.TUNABLE.items():
        name = answer.split()[0] if "_" in answer.split()[0] else "ema_dev"
        section = next(part for part in text.split("## ") if NAMES.get(reason, (said(reason),))[0] in part)
        assert name in section


def test_order_flow_and_the_blend() -> None:
    text = words("strategies/order_flow.md")
    assert f"a trade {order_flow.HALF_LIFE_S:.0f} seconds old weighs half" in text
    assert f"at least {order_flow.LARGE_TIMES_MEAN:.0f} times the running mean size" in text
    assert f"quantities on the {order_flow.BOOK_LEVELS} best levels" in text
    assert f"silence from {order_flow.FULL_SPREAD_BPS / 2:g} bps on" in text
    assert f"Before {order_flow.FIRST_TRADES:.0f} trades" in text
    assert sum(weight > 0 for weight in blend.RANGE_WEIGHTS) == 2
    assert "3 cannot happen there" in words("strategies/blend.md")
