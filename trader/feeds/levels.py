"""The levels of a depth update from text to rows without a Python object between: they are nine tenths of what a venue sends.

Only the forms that venues send are read here, ``[["61800.30","2.507"],...]`` or ``[{"px":"61800.0","sz":"2.5","n":3},...]``,
plain decimals without blanks. Anything else is left to the ordinary reader, which is slower, reads every valid JSON and says
what is wrong with the rest.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from shared.compiled import compiled
from shared.layout import INPUT
from trader.engine.inputs import ASK, FIRST, LAST, InputKind

_DEPTH, _SNAPSHOT = int(InputKind.DEPTH), int(InputKind.SNAPSHOT)
_EXACT = 2**53  # up to here an integer is a float, and so is 10 ** 22: their quotient is then the nearest float, as it must be
_TENS = 10.0 ** np.arange(23)
_SHORTEST_LEVEL = len('["1","1"]')
_SHORTEST_NAMED_LEVEL = len('{"px":"1","sz":"1"}')
_BEGIN, _END, _COLON, _P, _X, _S, _Z, _N = (ord(sign) for sign in "{}:pxszn")
_QUOTE, _COMMA, _POINT, _ZERO, _NINE, _OPEN, _CLOSE = (ord(sign) for sign in '",.09[]')


@compiled
def _number(text: Any, at: int) -> tuple[float, int]:
    """Read a decimal and the quote behind it; return it and the place after, -1 for what is not read here."""
    whole = 0
    scale = -1
    start = at
    while at < len(text) and text[at] != _QUOTE:
        sign = text[at]
        if sign == _POINT:
            if scale >= 0 or at == start:
                return 0.0, -1
            scale = 0
        elif _ZERO <= sign <= _NINE:
            whole = whole * 10 + (sign - _ZERO)
            if whole > _EXACT or (at == start + 1 and text[start] == _ZERO and scale < 0):
                return 0.0, -1
            scale += 1 if scale >= 0 else 0
        else:
            return 0.0, -1
        at += 1
    if at >= len(text) or at == start or scale == 0 or scale >= len(_TENS):
        return 0.0, -1
    return (whole / _TENS[scale] if scale > 0 else float(whole)), at + 1


@compiled
def _side(text: Any, rows: Any, count: int, flags: int) -> int:
    """Read one side behind ``count`` rows; return how many there are then, -1 for what is not read here."""
    size = len(text)
    if size < 2 or text[0] != _OPEN:
        return -1
    if text[1] == _CLOSE:
        return count if size == 2 else -1
    at = 1
    while at + _SHORTEST_LEVEL < size:
        if text[at] != _OPEN or text[at + 1] != _QUOTE:
            return -1
        price, at = _number(text, at + 2)
        if at < 0 or price <= 0.0 or at + 2 >= size or text[at] != _COMMA or text[at + 1] != _QUOTE:
            return -1
        qty, at = _number(text, at + 2)
        if at < 0 or at + 1 >= size or text[at] != _CLOSE:
            return -1
        rows[count].a = price
        rows[count].b = qty
        rows[count].flags = flags
        count += 1
        at += 1
        if text[at] == _CLOSE:
            return count if at == size - 1 else -1
        if text[at] != _COMMA:
            return -1
        at += 1
    return -1


@compiled
def _read(bids: Any, asks: Any, rows: Any, time_ns: int, symbol: int, venue_ms: float, ref: int) -> int:
    """Fill DEPTH rows; return how many, -1 for what is not read here."""
    count = _side(bids, rows, 0, 0)
    if count < 0:
        return -1
    count = _side(asks, rows, count, ASK)
    for i in range(count):
        row = rows[i]
        row.seq = 0
        row.time_ns = time_ns
        row.kind = _DEPTH
        row.symbol = symbol
        row.aux = 0
        row.c = venue_ms
        row.d = 0.0
        row.ref = ref
    if count > 0:
        rows[count - 1].flags |= LAST
    return count


class LevelReader:
    """Reads depth updates; keeps the space it reads into."""

    def __init__(self) -> None:
        self._rows = np.zeros(256, INPUT)

    def rows(self, bids: msgspec.Raw, asks: msgspec.Raw, time_ns: int, symbol: int, *, venue_ms: float, ref: int) -> bytes | None:
        """Return the DEPTH rows of an update, packed, bids then asks; None if this reader cannot say."""
        most = (len(bids) + len(asks)) // _SHORTEST_LEVEL + 2
        if most > len(self._rows):
            self._rows = np.zeros(2 * most, INPUT)
        sides = np.frombuffer(bids, np.uint8), np.frombuffer(asks, np.uint8)
        count = _read(*sides, self._rows, time_ns, symbol, float(venue_ms), ref)
        return self._rows[:count].tobytes() if count >= 0 else None


@compiled
def _named_level(text: Any, at: int) -> tuple[float, float, int]:
    """Read ``{"px":"1.5","sz":"2.0","n":3}``, keys in any order; return price, size, the place after or -1 if not read."""
    price = qty = 0.0
    at += 1
    while at + 6 < len(text) and text[at] == _QUOTE:
        if text[at + 1] == _N and text[at + 2] == _QUOTE and text[at + 3] == _COLON:
            at += 4
            while at < len(text) and _ZERO <= text[at] <= _NINE:
                at += 1
        elif text[at + 3] == _QUOTE and text[at + 4] == _COLON and text[at + 5] == _QUOTE:
            first, second = text[at + 1], text[at + 2]
            value, at = _number(text, at + 6)
            if at < 0 or value <= 0.0:
                return 0.0, 0.0, -1
            if first == _P and second == _X and price == 0.0:
                price = value
            elif first == _S and second == _Z and qty == 0.0:
                qty = value
            else:
                return 0.0, 0.0, -1
        else:
            return 0.0, 0.0, -1
        if at >= len(text) or (price * qty > 0.0 and text[at] == _END):
            break
        if text[at] != _COMMA:
            return 0.0, 0.0, -1
        at += 1
    if at >= len(text) or text[at] != _END or price == 0.0 or qty == 0.0:
        return 0.0, 0.0, -1
    return price, qty, at + 1


@compiled
def _book(text: Any, rows: Any, time_ns: int, symbol: int, venue_ms: float, ref: int) -> int:
    """Fill SNAPSHOT rows; return how many, -1 for what is not read here: a book that is not a good one, too."""
    size = len(text)
    at = 1
    count = 0
    best = 0.0
    for side in range(2):
        if at + _SHORTEST_NAMED_LEVEL + 2 > size or text[0] != _OPEN or text[at] != _OPEN or text[at + 1] != _BEGIN:
            return -1
        before = 0.0
        while True:
            price, qty, at = _named_level(text, at + 1)
            if at < 0 or at + 1 >= size:
                return -1
            if (before > 0.0 and (price - before) * (2 * side - 1) <= 0.0) or (side == 1 and price <= best):
                return -1
            best = price if side == 0 and before == 0.0 else best
            before = price
            row = rows[count]
            row.seq, row.time_ns, row.kind, row.symbol, row.flags, row.aux = 0, time_ns, _SNAPSHOT, symbol, side * ASK, 0
            row.a, row.b, row.c, row.d, row.ref = price, qty, venue_ms, 0.0, ref
            count += 1
            if text[at] == _CLOSE:
                break
            if text[at] != _COMMA or text[at + 1] != _BEGIN:
                return -1
        at += 2
        if text[at - 1] != (_COMMA if side == 0 else _CLOSE):
            return -1
    rows[0].flags |= FIRST
    rows[count - 1].flags |= LAST
    return count if at == size else -1


class BookReader:
    """Reads whole books of named levels, ``[[bids],[asks]]``; keeps the space it reads into."""

    def __init__(self) -> None:
        self._rows = np.zeros(256, INPUT)
        self.rows(msgspec.Raw(b"[[],[]]"), 0, 0, venue_ms=0)  # compiled now, not while the first frame waits

    def rows(self, levels: msgspec.Raw, time_ns: int, symbol: int, *, venue_ms: int) -> bytes | None:
        """Return the SNAPSHOT rows of a good book, packed, bids then asks; None if this reader cannot say.

        A good book has both sides, each leading away from its best, and no bid at or above an ask.
        """
        most = len(levels) // _SHORTEST_NAMED_LEVEL + 2
        if most > len(self._rows):
            self._rows = np.zeros(2 * most, INPUT)
        count = _book(np.frombuffer(levels, np.uint8), self._rows, time_ns, symbol, float(venue_ms), venue_ms)
        return self._rows[:count].tobytes() if count > 0 else None
