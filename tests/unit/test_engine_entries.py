"""Why no trade: every reason that blocks an entry, made to happen alone, and taken away again."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from shared.clock import NS_PER_S
from shared.events import NO_ENTRY, EventKind, Reason
from shared.params import CONTROLS, defaults
from tests.engine_support import (
    START_NS,
    Rows,
    Story,
    book,
    control,
    disconnected,
    instrument,
    kill_file,
    market,
    param,
    quote,
    ramp,
    spot,
    timer,
    trade,
    zigzag,
)

RISE = ramp(100.0, 2.0, 80)  # alone it enters at second 61


class Block(NamedTuple):
    reason: Reason
    before: Rows  # told before the market
    market: Rows
    remedy: Rows  # told after it; then the rise goes on and an entry must follow


def passed_s(story: Story) -> int:
    """Return the engine's time, whole seconds since the beginning."""
    return int((story.account["time_ns"] - START_NS) // NS_PER_S)


def rising(first_s: int, last_s: int) -> Rows:
    return market(RISE[first_s:last_s], first_s)


CROSSED = book(60.5, [(200.0, 1.0)], [(100.0, 1.0)])
SILENCE = [disconnected(55), *(timer(i) for i in range(56, 64))]

BLOCKS = [
    Block(Reason.TRADING_DISABLED, [control("trading_enabled", 0.0)], rising(0, 64), [control("trading_enabled", 1.0, 64)]),
    Block(Reason.PAUSED, [param("enabled", 0.0)], rising(0, 64), [param("enabled", 1.0, 64)]),
    Block(Reason.NO_INSTRUMENT, [instrument(step=0.0)], rising(0, 64), [instrument()]),
    Block(Reason.NO_PRICE, [], [timer(i) for i in range(5)], market(RISE[:62], 5)),
    Block(Reason.STALE_FEED, [], [*rising(0, 55), *SILENCE], []),
    Block(Reason.CROSSED_BOOK, [], [*rising(0, 61), *CROSSED, trade(62, 101.2), trade(63, 101.3)], []),
    Block(Reason.WARMING_UP, [], rising(0, 60), []),
    Block(
        Reason.COOLDOWN, [param("cooldown_ms", 10_000.0), param("target_pct", 1.0)], market(ramp(100.0, 2.0, 118)),
        market(ramp(102.4, 2.0, 12), 118),
    ),
    Block(Reason.WEAK_SIGNAL, [], market(zigzag(100.0, 2.0, 80)), market(ramp(100.0, 4.0, 12), 80)),
    Block(Reason.EMA_DEVIATION, [param("ema_dev_trending_pct", 0.1)], rising(0, 64), [param("ema_dev_trending_pct", 1.0, 64)]),
    Block(Reason.TOO_SMALL, [instrument(min_notional_usd=1e6)], rising(0, 64), [instrument()]),
    Block(
        Reason.KILL_FILE, [kill_file(0, present=True)], rising(0, 64),
        [kill_file(64, present=False), control("trading_enabled", 1.0, 64)],
    ),
    Block(
        Reason.LOSS_COOLDOWN, [control("loss_cooldown_s", 200.0)],
        market([*RISE[:62], *ramp(RISE[61] * 0.985, 2.0, 80)]), [control("loss_cooldown_s", 0.0, 142)],
    ),
    Block(
        Reason.TRADE_LOSS, [instrument(min_notional_usd=3900.0), control("max_trade_loss_pct", 0.05)], rising(0, 64),
        [control("max_trade_loss_pct", 0.5, 64)],
    ),
    Block(
        Reason.SYMBOL_EXPOSURE, [instrument(min_notional_usd=3900.0), control("max_symbol_pct", 1.0)], rising(0, 64),
        [control("max_symbol_pct", 20.0, 64)],
    ),
    Block(
        Reason.CORRELATED_EXPOSURE, [control("max_correlated_pct", 1.0)], rising(0, 64),
        [control("max_correlated_pct", 40.0, 64)],
    ),
    Block(Reason.GROSS_LIMIT, [control("max_gross_pct", 1.0)], rising(0, 64), [control("max_gross_pct", 60.0, 64)]),
]  # fmt: skip


def opened(story: Story) -> int:
    return len(story.of(EventKind.POSITION_OPEN))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.reason.name)
def test_a_reason_blocks_is_told_and_gives_way(block: Block) -> None:
    story = Story().tell(block.before).tell(block.market)
    before = opened(story)
    assert story.why() is block.reason
    assert before == (1 if block.reason in (Reason.COOLDOWN, Reason.LOSS_COOLDOWN) else 0)
    story.tell(block.remedy)
    rise = ramp(float(story.symbol()["last_price_usd"]), 2.0, 6)
    story.tell(market(rise, max(65, passed_s(story) + 1)))
    assert opened(story) == before + 1, story.why()


def test_every_reason_has_its_test() -> None:
    here = {Reason.IN_POSITION, Reason.LONG_ONLY, Reason.DRAWDOWN_HALT}
    risk = {Reason.DAILY_LOSS, Reason.EXIT_ONLY, Reason.CRASH_GUARD, Reason.ORDER_RATE, Reason.MIN_EDGE, Reason.BUYING_POWER}
    strategies_and_orders = {Reason.LEADER_DISAGREES, Reason.NO_STRATEGY, Reason.FLIP_COOLDOWN, Reason.ORDER_PENDING}
    venues = {Reason.NOT_RECONCILED, Reason.UNCONFIRMED_ORDER, Reason.VENUE_DRIFT}  # test_engine_live, test_engine_by_hand
    assert {block.reason for block in BLOCKS} | venues | here | risk | strategies_and_orders == set(NO_ENTRY)


def test_a_position_is_never_added_to() -> None:
    story = Story(target_pct=10.0, pullback_pct=2.0, stop_pct=5.0).tell(market(ramp(100.0, 2.0, 120)))
    assert opened(story) == 1
    assert story.why() is Reason.IN_POSITION


def test_spot_does_not_sell_what_it_has_not() -> None:
    story = spot().tell(market(ramp(100.0, -2.0, 70)))
    assert story.why() is Reason.LONG_ONLY
    assert Story().tell(market(ramp(100.0, -2.0, 70))).symbol()["position_qty"] < 0.0


def test_the_first_reason_in_order_is_the_one_told() -> None:
    story = Story(enabled=0.0).tell([control("trading_enabled", 0.0), *rising(0, 64)])
    assert story.why() is Reason.TRADING_DISABLED
    story.tell([control("trading_enabled", 1.0, 64), *rising(64, 66)])
    assert story.why() is Reason.PAUSED


def test_the_gross_limit_counts_all_symbols_together() -> None:
    story = Story(2).tell([control("max_gross_pct", 6.0), *market(RISE, symbols=(0, 1))])  # each would be 4 %
    assert story.symbol(0)["position_qty"] > 0.0
    assert story.symbol(1)["position_qty"] == 0.0
    assert story.why(1) is Reason.GROSS_LIMIT


def test_size_is_rounded_down_to_whole_steps() -> None:
    story = Story().tell([instrument(step=7.0), *rising(0, 64)])
    assert float(story.symbol()["position_qty"]) == 35.0  # 39.5 fit in 4 % of equity
    story = Story().tell([instrument(step=50.0), *rising(0, 64)])
    assert story.why() is Reason.TOO_SMALL


def test_silence_makes_a_feed_stale_and_data_restores_it() -> None:
    story = Story().tell(rising(0, 30)).tell([timer(29 + i) for i in range(1, 6)])
    assert not len(story.of(EventKind.FEED_STALE))
    story.tell([timer(35)])
    (stale,) = story.of(EventKind.FEED_STALE)
    assert (int(stale["symbol"]), float(stale["new"])) == (0, 6000.0)  # ms of silence
    story.tell([quote(36, 101.0)])
    assert len(story.of(EventKind.FEED_RESTORED)) == 1


def test_a_stale_symbol_does_not_block_another() -> None:
    rows = market(RISE[:20], symbols=(0, 1)) + market(RISE[20:70], 20, symbols=(1,))
    story = Story(2).tell(rows)
    assert story.why(0) is Reason.STALE_FEED
    assert story.symbol(1)["position_qty"] > 0.0


def halted() -> Story:
    """Return a story whose first position lost more than the drawdown limit in one jump."""
    story = Story(base_position_pct=5.0, max_position_pct=10.0).tell([control("max_drawdown_pct", 1.0), *rising(0, 62)])
    assert opened(story) == 1
    return story.tell(market(ramp(85.0, 0.5, 100), 62))


def test_a_drawdown_halts_entries_and_says_so_once() -> None:
    story = halted()
    (halt,) = story.of(EventKind.RISK_HALT)
    assert halt["reason"] == Reason.DRAWDOWN_HALT
    assert halt["new"] > 1.0  # drawdown, %
    assert story.why() is Reason.DRAWDOWN_HALT
    assert opened(story) == 1


@pytest.mark.parametrize("field", [c.name for c in CONTROLS if c.name != "trading_enabled"])
def test_no_other_control_ends_a_drawdown_halt(field: str) -> None:
    story = halted()
    story.tell([control(field, dict(zip((c.name for c in CONTROLS), defaults(CONTROLS), strict=False))[field], 162)])
    story.tell(market(ramp(86.0, 0.5, 10), 163))
    assert story.why() is Reason.DRAWDOWN_HALT


def test_enabling_trading_is_the_humans_way_out_of_a_halt() -> None:
    story = halted()
    story.tell([control("trading_enabled", 0.0, 162), *market(ramp(86.0, 0.5, 3), 163)])
    assert story.why() is Reason.TRADING_DISABLED
    story.tell([control("trading_enabled", 1.0, 166)])
    assert not story.account["halted"]
    assert float(story.account["peak_equity_usd"]) < 99_000.0  # the drawdown counts from here
    story.tell(market(ramp(86.1, 0.5, 10), 167))
    assert opened(story) == 2
    assert len(story.of(EventKind.RISK_HALT)) == 1
