"""The venue's data, typed both ways: what the market behind the server says, and what the server reads of recordings.

Numbers stay texts, printed as the venue prints them: trailing zeros stripped, at least one place.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

Side = list["Level"]


class Level(msgspec.Struct):
    """One price of a book: how much, and how many orders."""

    px: str
    sz: str
    n: int = 1


class Book(msgspec.Struct):
    """A whole book, bids and asks, best first."""

    coin: str
    time: int
    levels: tuple[Side, Side]

    def cut(self, levels: int) -> Book:
        """Return the best ``levels`` of each side."""
        return Book(self.coin, self.time, (self.levels[0][:levels], self.levels[1][:levels]))


class Quote(msgspec.Struct):
    """Best bid and ask."""

    coin: str
    time: int
    bbo: tuple[Level | None, Level | None]


class Trade(msgspec.Struct):
    """A trade; ``side`` is the taker's, ``users`` are buyer and seller."""

    coin: str
    side: str
    px: str
    sz: str
    time: int
    tid: int
    hash: str = "0x" + "0" * 64
    users: tuple[str, str] = ("0x" + "0" * 40, "0x" + "0" * 40)


class Candle(msgspec.Struct):
    """A candle so far."""

    t: int
    T: int
    s: str
    i: str
    o: str
    c: str
    h: str
    l: str  # noqa: E741 - the venue's own name
    v: str
    n: int


BOOK = msgspec.json.Decoder(Book)
QUOTE = msgspec.json.Decoder(Quote)
TRADES = msgspec.json.Decoder(list[Trade])


class Told(NamedTuple):
    """One thing the venue says, and when.

    Attributes
    ----------
    ns
        Simulated receive time, ns since the epoch.
    channel, coin
        Where it belongs; a channel of "" says that time passes and nothing else.
    value
        What it says, for the state behind the answers; None: nothing the state keeps.
    data
        The content of the frame, as it is sent.
    """

    ns: int
    channel: str
    coin: str = ""
    value: Book | Quote | list[Trade] | None = None
    data: bytes = b""


def told(ns: int, channel: str, coin: str, value: Book | Quote | list[Trade]) -> Told:
    """Return what the venue says, encoded."""
    return Told(ns, channel, coin, value, encode(value))


def encode(value: Any) -> bytes:
    """Return JSON."""
    return msgspec.json.encode(value)


def message(channel: str, data: bytes) -> bytes:
    """Return a frame of a channel around encoded ``data``."""
    return b'{"channel":"%s","data":%s}' % (channel.encode(), data)


def number(text: str) -> str:
    """Print a decimal text as the venue does: ``0.00410`` as ``0.0041``, ``60000`` as ``60000.0``."""
    whole, _, places = text.partition(".")
    return f"{whole}.{places.rstrip('0') or '0'}"


def digest(*parts: object) -> bytes:
    """Return 32 bytes that depend on ``parts`` alone: made-up hashes and addresses, the same in every run."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=32).digest()


def made_up_users(coin: str, trade_id: int) -> tuple[str, str]:
    """Return two addresses for a trade of which nobody knows who made it."""
    seed = digest(coin, trade_id)
    return f"0x{seed[:4].hex():0>40}", f"0x{seed[4:8].hex():0>40}"
