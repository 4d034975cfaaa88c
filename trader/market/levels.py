"""One side of a book: sorted levels in pages of a few, so that a change moves at most one page and nothing is guessed.

Keys ascend within a page and from page to page; the best level stands last. Beside the pages stands the last key of each: a
level is found by counting the pages, then the levels, that lie below it, which a processor does at once and without a branch on
the data.
A page that overflows is split; when there are no more pages, all levels are laid out anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.compiled import compiled, counter_below, move_elements
from trader.engine.state import BOOK_DEPTH, BOOK_PAGES, PAGE_LEVELS

_FILLED = PAGE_LEVELS * 3 // 4  # of a page that is laid out anew: room for what comes next

_pages_below = counter_below(BOOK_PAGES)
_levels_below = counter_below(PAGE_LEVELS)


@compiled
def clear(side: Any) -> None:
    """Forget every level."""
    side.pages = 0
    side.count = 0
    side.levels[0] = 0


@compiled
def place_of(side: Any, key: float) -> tuple[int, int]:
    """Return the page and the position in it where a key stands, or would have to stand."""
    page = max(min(_pages_below(side.last, side.pages, key), side.pages - 1), 0)
    return page, _levels_below(side.key[page], side.levels[page], key)


@compiled
def holds(side: Any, page: int, at: int, key: float) -> bool:
    """Say whether the level at a place is the one of ``key``."""
    return bool(at < side.levels[page] and side.key[page, at] == key)


@compiled
def best_place(side: Any) -> tuple[int, int]:
    """Return the page and position of the best level; page -1 if the side is empty."""
    page = side.pages - 1
    return page, side.levels[max(page, 0)] - 1


@compiled
def worse_place(side: Any, page: int, at: int) -> tuple[int, int]:
    """Return the place of the next worse level; page -1 if there is none."""
    if at > 0:
        return page, at - 1
    return page - 1, side.levels[max(page - 1, 0)] - 1


@compiled
def set_key(side: Any, key: float, qty: float) -> None:
    """Set one level; quantity 0 removes it. A full side drops its worst level for a better one."""
    page, at = place_of(side, key)
    known = holds(side, page, at, key)
    if qty <= 0.0:
        if known:
            _remove(side, page, at)
    elif known:
        side.qty[page, at] = qty
    elif side.count < BOOK_DEPTH:
        _insert(side, page, at, key, qty)
    elif page + at > 0:
        _remove(side, 0, 0)
        page, at = place_of(side, key)
        _insert(side, page, at, key, qty)


@compiled
def _insert(side: Any, page: int, at: int, key: float, qty: float) -> None:
    if side.levels[page] == PAGE_LEVELS:
        _make_room(side, page, at, key)
        page, at = place_of(side, key)
    behind = side.levels[page] - at
    move_elements(side.key[page], at + 1, at, behind)
    move_elements(side.qty[page], at + 1, at, behind)
    side.key[page, at] = key
    side.qty[page, at] = qty
    side.levels[page] += 1
    side.count += 1
    side.pages = max(side.pages, 1)
    if behind == 0:
        side.last[page] = key


@compiled
def _remove(side: Any, page: int, at: int) -> None:
    left = side.levels[page] - 1
    move_elements(side.key[page], at, at + 1, left - at)
    move_elements(side.qty[page], at, at + 1, left - at)
    side.levels[page] = left
    side.count -= 1
    if left == 0:
        _close_page(side, page)
    elif at == left:
        side.last[page] = side.key[page, left - 1]


@compiled
def _make_room(side: Any, page: int, at: int, key: float) -> None:
    """Let the full page where ``key`` belongs have room for it."""
    if side.pages == BOOK_PAGES:
        _lay_out_anew(side)
    elif at == PAGE_LEVELS:  # better than all: pages that fill from the front stay full
        _open_page(side, page + 1)
        side.last[page + 1] = key
    else:
        _split(side, page)


@compiled
def _copy_page(side: Any, to: int, page: int) -> None:
    side.key[to] = side.key[page]
    side.qty[to] = side.qty[page]
    side.last[to] = side.last[page]
    side.levels[to] = side.levels[page]


@compiled
def _open_page(side: Any, page: int) -> None:
    for to in range(side.pages, page, -1):
        _copy_page(side, to, to - 1)
    side.levels[page] = 0
    side.pages += 1


@compiled
def _close_page(side: Any, page: int) -> None:
    side.pages -= 1
    for to in range(page, side.pages):
        _copy_page(side, to, to + 1)


@compiled
def _split(side: Any, page: int) -> None:
    _open_page(side, page + 1)
    half = PAGE_LEVELS // 2
    for i in range(half):
        side.key[page + 1, i] = side.key[page, half + i]
        side.qty[page + 1, i] = side.qty[page, half + i]
    side.last[page + 1] = side.last[page]
    side.last[page] = side.key[page, half - 1]
    side.levels[page] = half
    side.levels[page + 1] = half


@compiled
def _lay_out_anew(side: Any) -> None:
    """Fill pages evenly; there are then fewer of them, and room in each."""
    keys = np.empty(BOOK_DEPTH)
    qtys = np.empty(BOOK_DEPTH)
    count = 0
    for page in range(side.pages):
        for at in range(side.levels[page]):
            keys[count] = side.key[page, at]
            qtys[count] = side.qty[page, at]
            count += 1
    side.pages = (count + _FILLED - 1) // _FILLED
    for page in range(side.pages):
        start = page * _FILLED
        some = min(count - start, _FILLED)
        side.levels[page] = some
        side.last[page] = keys[start + some - 1]
        for at in range(some):
            side.key[page, at] = keys[start + at]
            side.qty[page, at] = qtys[start + at]
