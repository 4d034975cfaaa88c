from __future__ import annotations

from shared.clock import NS_PER_S, ManualClock, SystemClock, clock_time, iso_utc

T_NS = 1_768_856_670_421_000_000


def test_times_are_shown_in_utc_with_milliseconds() -> None:
    assert iso_utc(T_NS) == "2026-01-19 21:04:30.421"
    assert clock_time(T_NS) == "21:04:30"
    assert iso_utc(0) == "1970-01-01 00:00:00.000"
    assert iso_utc(T_NS + 578_999_999) == "2026-01-19 21:04:30.999"  # never rounded up into the next second


def test_a_manual_clock_moves_only_when_told_and_never_back() -> None:
    clock = ManualClock(100)
    assert (clock.now_ns(), clock.monotonic_ns()) == (100, 100)
    clock.advance(5)
    clock.set(50)
    assert clock.now_ns() == 105
    clock.set(200)
    assert (clock.now_ns(), clock.monotonic_ns()) == (200, 200)


def test_the_system_clock_goes_on() -> None:
    clock = SystemClock()
    first, second = clock.monotonic_ns(), clock.monotonic_ns()
    assert first <= second
    assert clock.now_ns() > 1_600_000_000 * NS_PER_S
