"""Every call to a model kept under the hash of everything that can change its answer, and given back from there.

Modes: ``live`` asks and keeps nothing; ``record`` asks and keeps; ``replay`` never asks, and holds where nothing is kept;
``replay-strict`` never asks, and fails there. The rules are not kept: they are computed again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from shared.clock import Clock
from shared.errors import ConfigError
from tuner.advisors.base import Advisor, Reply
from tuner.advisors.replay import nothing_recorded
from tuner.prompt import Prompt


class Calls(StrEnum):
    """What becomes of the calls to a model."""

    LIVE = "live"
    RECORD = "record"
    REPLAY = "replay"
    REPLAY_STRICT = "replay-strict"


_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL, sample INTEGER NOT NULL, made_ns INTEGER NOT NULL,
    request TEXT NOT NULL, reply TEXT NOT NULL, UNIQUE (key, sample)
)
"""


class CallStore:
    """The calls kept in one SQLite file; rows are only ever added.

    ``sample`` numbers the calls under one key: a model asked the same thing twice may answer twice.

    Errors
    ------
    ConfigError
        At construction, if the file is no such store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # a chain may ask from one thread while another is still late
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            with self._database:
                self._database.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"calls file: was {str(path)!r} ({error}), expected a store of calls or a new file") from error

    def put(self, key: str, request: Mapping[str, Any], reply: Reply, now_ns: int) -> None:
        """Keep one call."""
        kept = msgspec.json.encode(reply).decode()
        with self._lock, self._database:
            (sample,) = self._database.execute("SELECT count(*) FROM calls WHERE key = ?", (key,)).fetchone()
            values = (key, sample, now_ns, _canonical(request), kept)
            self._database.execute("INSERT INTO calls (key, sample, made_ns, request, reply) VALUES (?, ?, ?, ?, ?)", values)

    def get(self, key: str, sample: int) -> Reply | None:
        """Return the reply to the ``sample``-th call under a key, the last one kept if there were fewer; None without any."""
        query = "SELECT reply FROM calls WHERE key = ? AND sample <= ? ORDER BY sample DESC LIMIT 1"
        with self._lock:
            row = self._database.execute(query, (key, sample)).fetchone()
        return msgspec.json.decode(row[0], type=Reply) if row else None

    @property
    def count(self) -> int:
        """Calls kept."""
        with self._lock:
            return int(self._database.execute("SELECT count(*) FROM calls").fetchone()[0])

    def close(self) -> None:
        """Release the file."""
        self._database.close()


class RecordingAdvisor:
    """An advisor whose calls are kept or given back."""

    def __init__(self, advisor: Advisor, store: CallStore, mode: Calls, clock: Clock) -> None:
        self._advisor = advisor
        self._store = store
        self._mode = mode
        self._clock = clock
        self._given: Counter[str] = Counter()
        self.misses = 0

    @property
    def name(self) -> str:
        """Kind of the advisor behind it."""
        return self._advisor.name

    @property
    def model(self) -> str:
        """Model of the advisor behind it."""
        return self._advisor.model

    @property
    def max_deadline_s(self) -> float:
        """As of the advisor behind it."""
        return self._advisor.max_deadline_s

    @property
    def identity(self) -> Mapping[str, Any]:
        """As of the advisor behind it."""
        return self._advisor.identity

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the reply, from the advisor or from the store."""
        request = call_request(self._advisor, prompt, schema)
        key = call_key(request)
        if self._mode in (Calls.REPLAY, Calls.REPLAY_STRICT):
            return self._kept(key, prompt.symbol)
        reply = self._advisor.propose(prompt, schema, deadline_s)
        if self._mode is Calls.RECORD:
            self._store.put(key, request, reply, self._clock.now_ns())
        return reply

    def _kept(self, key: str, symbol: str) -> Reply:
        reply = self._store.get(key, self._given[key])
        self._given[key] += 1
        if reply is not None:
            return reply
        self.misses += 1
        if self._mode is Calls.REPLAY_STRICT:
            return Reply(error=f"replay-strict: no call was recorded under {key[:16]}", model=self.model, advisor=self.name)
        text = nothing_recorded(symbol)
        return Reply(text=text, stop_reason="end_turn", model=self.model, advisor=self.name)


def call_request(advisor: Advisor, prompt: Prompt, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that can change the answer of a model."""
    return {
        "advisor": advisor.name,
        "identity": dict(advisor.identity),
        "schema": dict(schema),
        "template": prompt.template_version,
        "system": prompt.system,
        "user": prompt.user,
    }


def call_key(request: Mapping[str, Any]) -> str:
    """Return the key of a call: SHA-256 over its canonical JSON, hex."""
    return hashlib.sha256(_canonical(request).encode()).hexdigest()


def _canonical(request: Mapping[str, Any]) -> str:
    return json.dumps(request, sort_keys=True, separators=(",", ":"))
