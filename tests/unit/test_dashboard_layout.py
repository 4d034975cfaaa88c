"""The grid of panels and the pace of frames: plain arithmetic, no window."""

from __future__ import annotations

import itertools

import pytest

from dashboard.desktop.grid import Rect, grid
from dashboard.desktop.labels import Column
from dashboard.desktop.pacer import Pacer
from shared.clock import NS_PER_S


@pytest.mark.parametrize("size", [(1440, 860), (1280, 800), (1920, 1080), (2560, 1440)])
@pytest.mark.parametrize("symbols", [0, 1, 4, 32])
def test_panels_fill_the_window_and_never_overlap(size: tuple[int, int], symbols: int) -> None:
    panels = grid(*size, 1.0, symbols)
    for rect in panels.values():
        assert rect.x >= 0
        assert rect.y >= 0
        assert rect.x + rect.w <= size[0]
        assert rect.y + rect.h <= size[1]
        assert min(rect.w, rect.h) >= 60
    for (a, first), (b, second) in itertools.combinations(panels.items(), 2):
        assert not overlap(first, second), f"{a} {first} and {b} {second}"


def test_a_bigger_scale_makes_the_fixed_panels_bigger() -> None:
    small, large = grid(2880, 1720, 1.0, 4), grid(2880, 1720, 2.0, 4)
    assert large["config"].w == 2 * small["config"].w
    assert large["header"].h == 2 * small["header"].h


def overlap(a: Rect, b: Rect) -> bool:
    return a.x < b.x + b.w and b.x < a.x + a.w and a.y < b.y + b.h and b.y < a.y + a.h


@pytest.mark.parametrize(("touched", "changed", "fps"), [(True, False, 30), (False, True, 10), (False, False, 4)])
def test_the_pace_follows_hand_and_data(touched: bool, changed: bool, fps: int) -> None:
    pacer, now_ns, frames = Pacer(), 100 * NS_PER_S, 0
    end_ns = now_ns + 2 * NS_PER_S
    while now_ns < end_ns:
        now_ns += int(pacer.next_pause_s(now_ns, touched=touched, changed=changed) * NS_PER_S) + 1
        frames += 1
    assert frames == pytest.approx(2 * fps, abs=2)


def test_a_touch_keeps_the_pace_up_for_a_second() -> None:
    pacer = Pacer()
    pacer.next_pause_s(NS_PER_S, touched=True, changed=False)
    assert pacer.next_pause_s(NS_PER_S + NS_PER_S // 2, touched=False, changed=False) <= 1 / 30
    pacer.next_pause_s(5 * NS_PER_S, touched=False, changed=False)
    assert pacer.next_pause_s(5 * NS_PER_S, touched=False, changed=False) == pytest.approx(1 / 4)


def test_a_late_frame_is_not_followed_by_a_burst() -> None:
    pacer = Pacer()
    pacer.next_pause_s(NS_PER_S, touched=False, changed=True)
    pauses = [pacer.next_pause_s(9 * NS_PER_S, touched=False, changed=True) for _ in range(2)]
    assert pauses == [0.0, pytest.approx(0.1)]


@pytest.mark.parametrize(
    ("column", "text", "fitted"),
    [
        (Column("P&L", 6, right=True), "+1.20", " +1.20"),
        (Column("Symbol", 6), "ETH", "ETH"),
        (Column("Symbol", 6), "BTCUSDT", "BTCUS…"),
    ],
)
def test_cells_are_aligned_and_cut_visibly(column: Column, text: str, fitted: str) -> None:
    assert column.fit(text) == fitted
