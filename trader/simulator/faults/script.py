"""Fault scripts: TOML or JSON lines in, checked faults out; and random ones for those who want many."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from shared.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_RANDOM = "random:"
_RANDOM_SPAN_S = 60.0


class Kind(StrEnum):
    """What can go wrong."""

    SILENCE = "silence"
    CLOSE = "close"
    GAP = "gap"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    CUT = "cut"
    FRAGMENT = "fragment"
    DELAY = "delay"
    BURST = "burst"
    HTTP = "http"
    SLOW = "slow"
    SKEW = "skew"
    STALE_SNAPSHOT = "stale_snapshot"
    LOST_ANSWER = "lost_answer"
    UNKNOWN_ORDER = "unknown_order"
    ANSWER_FIRST = "answer_first"
    SERVER_SHUTDOWN = "server_shutdown"
    LISTEN_KEY_EXPIRED = "listen_key_expired"


#: Kinds that happen once, at their time; the others last.
AT_ONCE = (Kind.CLOSE, Kind.LISTEN_KEY_EXPIRED)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"for_s": "for", "at_s": "at"}):
    """One entry of a script.

    Attributes
    ----------
    at_s, for_s
        When it begins, in venue seconds after the flow began, and how long it lasts (in the file: ``at`` and ``for``).
    kind
        What happens.
    stream
        Frames concerned: a stream name, a kind such as ``depth``, ``user`` for user data, or empty for all.
    share
        Share of the frames or requests concerned, 0 to 1.
    count
        How many frames or requests at most; 0 for no limit.
    code
        Close code (1006: no close frame) or 0 for a TCP reset; HTTP status for ``http`` and ``lost_answer`` (0: no answer).
    path
        Requests concerned: a part of ``METHOD /path``; empty for all.
    retry_after_s
        Of a 429 or 418.
    delay_s
        How late an answer or frame is.
    skew_ms
        How far the venue's clock is ahead.
    factor
        How many times a burst repeats each quote.
    """

    at_s: float
    kind: Kind
    for_s: float = 0.0
    stream: str = ""
    share: float = 1.0
    count: int = 0
    code: int = 0
    path: str = ""
    retry_after_s: int = 5
    delay_s: float = 1.0
    skew_ms: int = 0
    factor: int = 10


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Faults in time order and the seed of their chance."""

    fault: list[Fault] = []
    seed: int = 0


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    seed: int


def read_script(text: str, folder: Path) -> Script:
    """Return the script that ``--faults`` names: a ``.toml`` or ``.jsonl`` file under ``folder``, or ``random:SEED``.

    Errors
    ------
    ConfigError
        If it cannot be read, naming file and entry.
    """
    if text.startswith(_RANDOM):
        seed = text.removeprefix(_RANDOM)
        if not seed.isdigit():
            raise ConfigError(f"faults: was {text!r}, expected random: and a whole number")
        return random_script(int(seed), _RANDOM_SPAN_S)
    path = folder / text
    try:
        script = _parse(path)
    except (OSError, tomllib.TOMLDecodeError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"faults: {path.name} is not a fault script ({error}); see docs/local_exchange.md") from None
    return msgspec.structs.replace(script, fault=sorted(script.fault, key=_at))


def _parse(path: Path) -> Script:
    if path.suffix == ".toml":
        return msgspec.convert(tomllib.loads(path.read_text()), Script)
    seed, faults = 0, []
    for line in path.read_bytes().splitlines():
        if line.strip() and b'"kind"' in line:
            faults.append(msgspec.json.decode(line, type=Fault))
        elif line.strip():
            seed = msgspec.json.decode(line, type=_Head).seed
    return Script(faults, seed)


def random_script(seed: int, span_s: float, most: int = 6) -> Script:
    """Return one to ``most`` random faults within ``span_s`` seconds, the last quarter left quiet to recover in."""
    rng = np.random.default_rng(seed)
    kinds = list(Kind)
    faults = [_random_fault(rng, kinds[int(rng.integers(len(kinds)))], span_s) for _ in range(int(rng.integers(1, most + 1)))]
    return Script(sorted(faults, key=_at), seed)


def _random_fault(rng: np.random.Generator, kind: Kind, span_s: float) -> Fault:
    def one_of(*values: int | str) -> int | str:
        return values[int(rng.integers(len(values)))]

    at_s = round(float(rng.uniform(0.05, 0.6)) * span_s, 2)
    code = one_of(1000, 1001, 1006, 1008, 1011, 0) if kind is Kind.CLOSE else one_of(500, 502, 503, 504, 429, 418)
    return Fault(
        at_s=at_s,
        kind=kind,
        for_s=round(float(rng.uniform(0.01, 0.15)) * span_s, 2),
        stream=str(one_of("", "depth", "bookTicker", "trade", "user")),
        share=round(float(rng.uniform(0.05, 1.0)), 2),
        count=int(rng.integers(1, 4)) if kind in {Kind.GAP, Kind.LOST_ANSWER} else 0,
        code=int(one_of(0, 504)) if kind is Kind.LOST_ANSWER else int(code),
        path=str(one_of("", "order", "depth")) if kind in {Kind.HTTP, Kind.SLOW} else "",
        retry_after_s=int(rng.integers(1, 4)),
        delay_s=round(float(rng.uniform(0.1, 3.0)), 2),
        skew_ms=int(one_of(-6000, -2000, 1500, 4000)) if kind is Kind.SKEW else 0,
        factor=int(rng.integers(3, 11)),
    )


def _at(fault: Fault) -> float:
    return fault.at_s
