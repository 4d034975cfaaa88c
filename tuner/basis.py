"""What a decision was made from, kept whole: so that it can be made again, by the same advisor or another, and judged again."""

from __future__ import annotations

import msgspec

from shared.errors import JournalError
from tuner.limits import Grounds, GuardLimits, Past
from tuner.news.items import NewsItem
from tuner.prompt import Prompt
from tuner.retrieval.passages import Passage
from tuner.snapshot import Snapshot
from tuner.triggers import Fired


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything besides the advisor that a decision and the guard's verdict follow from."""

    snapshot: Snapshot
    symbol: str
    passages: tuple[Passage, ...]
    template_version: str
    fired: Fired
    history: tuple[Past, ...]
    limits: GuardLimits
    grounds: Grounds
    judged_ns: int
    news: tuple[NewsItem, ...] = ()


def packed(basis: Basis) -> bytes:
    """Return a basis as bytes; unlike JSON they keep infinite ages."""
    return msgspec.msgpack.encode(basis)


def unpacked(data: bytes) -> Basis:
    """Return a kept basis.

    Errors
    ------
    JournalError
        If it was written by another version of the program.
    """
    try:
        return msgspec.msgpack.decode(data, type=Basis)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise JournalError(f"basis of the decision: was of another version ({error}), expected this program's own") from error


def prompt_of(basis: Basis, system: str, user: str) -> Prompt:
    """Return the prompt as it was given: its texts are kept, not built anew, so a newer template does not change the past."""
    return Prompt(
        system=system,
        user=user,
        symbol=basis.symbol,
        snapshot=basis.snapshot,
        passages=basis.passages,
        template_version=basis.template_version,
        news=basis.news,
    )
