"""The venue's clock, the lag of its data, and the allowance of an address."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import NS_PER_MS, NS_PER_S, ManualClock
from shared.errors import FeedError
from trader.feeds.budget import Budget
from trader.feeds.venue_clock import DataClock, LagMeter, VenueClock, clock_alarm

_T0 = 1_700_000_000_000


@given(
    offset_ms=st.integers(-5_000, 5_000),
    trips=st.lists(st.tuples(st.floats(0.0, 400.0), st.floats(0.0, 1.0)), min_size=1, max_size=20),
)
def test_the_offset_is_wrong_by_at_most_half_the_quickest_round_trip(offset_ms: int, trips: list[tuple[float, float]]) -> None:
    known = VenueClock()
    for number, (trip_ms, share) in enumerate(trips):
        sent_ms = _T0 + 1_000.0 * number
        known.add(int(sent_ms * 1e6), int((sent_ms + trip_ms) * 1e6), sent_ms + share * trip_ms + offset_ms)
    assert abs(known.offset_ms - offset_ms) <= known.round_trip_ms / 2 + 1e-3


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    known = VenueClock()
    for second in range(6):
        known.add((_T0 + second) * NS_PER_MS, (_T0 + second + 20) * NS_PER_MS, _T0 + second + 10)
    assert known.alarm("x") == ""
    known.add(_T0 * NS_PER_MS, (_T0 + 100) * NS_PER_MS, _T0 + 2_050)
    assert known.offset_ms == pytest.approx(2_000.0)
    assert "2,000 ms behind x" in known.alarm("x")


def test_a_sample_that_cannot_be_true_changes_nothing() -> None:
    known = VenueClock()
    known.add(5 * NS_PER_S, 4 * NS_PER_S, 4_000.0)
    known.add(5 * NS_PER_S, 6 * NS_PER_S, float("nan"))
    assert not known.measured


def test_the_lag_is_corrected_for_the_offset_and_forgets_after_a_second() -> None:
    meter = LagMeter()
    for number in range(11):
        received_ms = _T0 + 10 * number
        meter.add(received_ms * NS_PER_MS, received_ms - 40.0 + 1_270.0)  # the venue's clock is 1.27 s ahead
    assert meter.median_ms((_T0 + 100) * NS_PER_MS, 1_270.0) == pytest.approx(40.0)
    assert meter.median_ms((_T0 + 5_000) * NS_PER_MS, 1_270.0) == 0.0


def budget(clock: ManualClock) -> Budget:
    return Budget(100, clock, np.random.default_rng(1))


def test_what_the_venue_counts_is_believed_and_the_minute_is_waited_for() -> None:
    clock = ManualClock()
    allowance = budget(clock)

    async def scenario() -> None:
        await allowance.spend(10, "GET /a")
        allowance.obey(200, {"X-MBX-USED-WEIGHT-1M": "75"}, b"")  # others at this address ask, too
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await allowance.spend(10, "GET /a")
        clock.advance(60 * NS_PER_S)
        async with asyncio.timeout(0.05):
            await allowance.spend(10, "GET /a")
        assert allowance.used == 10

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"Retry-After": "180"}, b""), ({}, b'{"code":-1003,"msg":"Way too much; IP banned until 1700000180000. x"}')],
)
def test_a_ban_is_told_instead_of_slept_through(headers: dict[str, str], body: bytes) -> None:
    clock = ManualClock()
    allowance = budget(clock)
    allowance.obey(418, headers, body)
    with pytest.raises(FeedError, match=r"GET /a: was not sent, expected after the 180 s"):
        asyncio.run(allowance.spend(1, "GET /a"))
    clock.advance(181 * NS_PER_S)
    asyncio.run(allowance.spend(1, "GET /a"))


def test_a_venue_that_cannot_be_asked_is_judged_by_its_quickest_data() -> None:
    known = DataClock(300.0)
    for second in range(29):
        known.add(300.0 - 2_000.0 + 10.0 * (second % 5))
        assert known.offset_ms == 0.0  # half a minute must have been seen: a stall must not look like a clock
    known.add(None)
    known.add(18_000.0)  # a stall
    assert known.offset_ms == pytest.approx(2_000.0)
    assert "2,000 ms behind hyperliquid" in clock_alarm(known.offset_ms, "hyperliquid")
    assert clock_alarm(900.0, "hyperliquid") == ""
