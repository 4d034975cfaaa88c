"""Which advisors are asked, and why: shown in the status, never hidden."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from shared.clock import Clock
from shared.errors import ConfigError, UsageError
from tuner.advisors.base import Advisor, Probe
from tuner.advisors.claude import DEFAULT_BASE_URL, ClaudeAdvisor, Structure
from tuner.advisors.prices import load_models
from tuner.advisors.recording import Calls, CallStore, RecordingAdvisor

KINDS = ("claude", "ollama", "local", "rules", "replay")
ADVISORS = ("auto", *KINDS)
OFFLINE = ("rules", "replay")
"""Advisors that cost nothing to ask."""

_MODELS = ("claude", "ollama", "local")
_PROBE_S = 1.0
_ASKED_PROBE_S = {"claude": 10.0, "ollama": 30.0, "local": 60.0}
_OLLAMA_PORT = 11434
_NO_KEY = "CLAUDE_API_KEY: was not set, expected a key for --advisor claude; set it or use --advisor rules"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The advisor to ask, the reason for it in words, and the chain it stands for, comma separated."""

    advisor: Advisor
    why: str
    chain: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for; an empty ``model`` means ``TRADER_TUNER_MODEL``, else the table's default.

    ``advisor`` is ``auto``, one kind, or several separated by commas: a chain. ``rest_s`` is how long the rules leave a change
    to show its effect, s; ``interval_s`` how often somebody is asked. ``calls`` says what becomes of calls to a model, in
    ``calls_file``.
    """

    advisor: str = "auto"
    model: str = ""
    model_path: Path | None = None
    structure: Structure = "auto"
    rest_s: float = 0.0
    interval_s: float = 0.0
    replay_file: Path | None = None
    calls: Calls = Calls.LIVE
    calls_file: Path | None = None

    @property
    def offline(self) -> bool:
        """Whether nobody is asked who costs time or money."""
        return all(kind in OFFLINE for kind in self.advisor.split(","))

    @property
    def replays(self) -> bool:
        """Whether models are answered for from the store, so that neither key nor server is needed."""
        return self.calls in (Calls.REPLAY, Calls.REPLAY_STRICT)


class _Askable(Advisor, Protocol):
    """An advisor that can be asked whether it works."""

    def probe(self, deadline_s: float) -> Probe:
        """Ask a small question."""
        ...


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    advisor: Advisor
    why: str
    fatal: str = ""


def kinds(text: str) -> tuple[str, ...]:
    """Return the kinds in the text of ``--advisor``.

    Errors
    ------
    UsageError
        If one is unknown or named twice, or ``auto`` is not alone.
    """
    named = tuple(part.strip() for part in text.split(","))
    allowed = ADVISORS if len(named) == 1 else KINDS
    for kind in named:
        if kind not in allowed:
            raise UsageError(f"advisor: was {kind!r}, expected one of {', '.join(ADVISORS)}, or a chain such as claude,rules")
    if len(set(named)) < len(named):
        raise UsageError(f"advisor: was {text!r}, expected each advisor once")
    return named


def choose(wanted: Wanted, env: Mapping[str, str], clock: Clock) -> Choice:
    """Return the advisor: the one named, a chain of those named, or for ``auto`` the best there is.

    ``auto`` is Claude with a key, else Ollama if it answers, else rules. Models are asked a small question first: in a chain
    one that can never answer is left out and said so, alone it is an error.

    Errors
    ------
    ConfigError
        If none of those named can work: no key, no such model, no recording.
    UsageError
        If there is no such advisor.
    """
    named = kinds(wanted.advisor)
    store = _store(wanted)
    if named == ("auto",):
        return _joined([_usable(_auto(wanted, env, clock), wanted)], store, wanted, clock)
    return _joined([_made(kind, wanted, env, clock) for kind in named], store, wanted, clock)


def _usable(link: _Link, wanted: Wanted) -> _Link:
    """Return what ``auto`` found, or the rules if that can never answer."""
    return _rules(wanted, f"{link.why}; {link.advisor.name} cannot be used: {link.fatal}") if link.fatal else link


def _joined(links: list[_Link], store: CallStore | None, wanted: Wanted, clock: Clock) -> Choice:
    working = [link for link in links if not link.fatal]
    if not working:
        raise ConfigError("; ".join(link.fatal for link in links))
    left_out = [f"{link.advisor.name} left out: {link.fatal}" for link in links if link.fatal]
    advisors = [_kept(link.advisor, store, wanted.calls, clock) for link in working]
    why = "; then ".join(link.why for link in working)
    chain = ",".join(advisor.name for advisor in advisors)
    if len(advisors) == 1:
        return Choice(advisor=advisors[0], why="; ".join([*left_out, why]), chain=chain)
    from tuner.advisors.chain import ChainAdvisor

    return Choice(advisor=ChainAdvisor(advisors, clock), why="; ".join([*left_out, why]), chain=chain)


def _kept(advisor: Advisor, store: CallStore | None, calls: Calls, clock: Clock) -> Advisor:
    return RecordingAdvisor(advisor, store, calls, clock) if store is not None and advisor.name in _MODELS else advisor


def _store(wanted: Wanted) -> CallStore | None:
    if wanted.calls is Calls.LIVE:
        return None
    if wanted.calls_file is None:
        raise ConfigError(f"calls file: was not given, expected --calls-file FILE with --calls {wanted.calls}")
    if wanted.replays and not wanted.calls_file.exists():
        raise ConfigError(f"calls file: was {str(wanted.calls_file)!r}, which is not there, expected one made by --calls record")
    return CallStore(wanted.calls_file)


def _made(kind: str, wanted: Wanted, env: Mapping[str, str], clock: Clock) -> _Link:
    match kind:
        case "claude":
            return _claude(wanted, env, clock, "asked for")
        case "ollama":
            return _ollama(wanted, env, clock, "asked for")
        case "local":
            return _local(wanted, clock)
        case "rules":
            return _rules(wanted, "asked for")
        case _:
            return _replay(wanted)


def _auto(wanted: Wanted, env: Mapping[str, str], clock: Clock) -> _Link:
    if _api_key(env):
        return _claude(wanted, env, clock, "an API key is set")
    host = _ollama_host(env)
    model = _ollama_model(wanted, env)
    models = served_models(host)
    if models is None:
        return _rules(wanted, f"no API key is set and no Ollama answers at {host}")
    if not any(name in (model, f"{model}:latest") for name in models):
        return _rules(wanted, f"no API key is set and Ollama at {host} does not have {model} (ollama pull {model})")
    return _ollama(wanted, env, clock, f"no API key is set and Ollama answers at {host}")


def _claude(wanted: Wanted, env: Mapping[str, str], clock: Clock, why: str) -> _Link:
    table, key = load_models(), _api_key(env)
    model = _claude_model(wanted, env, table.default_claude)
    base_url = env.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
    advisor = ClaudeAdvisor(
        api_key=key or "none",
        base_url=base_url,
        model=model,
        clock=clock,
        structure=wanted.structure,
        interval_s=wanted.interval_s,
    )
    priced = f"prices of {table.as_of}" if table.price(model) else "its price is unknown, so costs show as 0"
    why = f"{why}; {model} at {urlsplit(base_url).hostname or base_url}; {priced}"
    if wanted.replays:
        return _Link(advisor=advisor, why=f"{why}; from recorded calls")
    if not key:
        return _Link(advisor=advisor, why=why, fatal=_NO_KEY)
    if month := table.gone(model):
        return _Link(advisor=advisor, why=why, fatal=f"model: was {model!r}, retired in {month}, expected {table.default_claude}")
    return _probed(advisor, why)


def _ollama(wanted: Wanted, env: Mapping[str, str], clock: Clock, why: str) -> _Link:
    from tuner.advisors.ollama import OllamaAdvisor

    host, model = _ollama_host(env), _ollama_model(wanted, env)
    advisor, why = OllamaAdvisor(host=host, model=model, clock=clock), f"{why}; {model} at {host}"
    return _Link(advisor=advisor, why=f"{why}; from recorded calls") if wanted.replays else _probed(advisor, why)


def _local(wanted: Wanted, clock: Clock) -> _Link:
    from tuner.advisors.local import LocalAdvisor

    if wanted.model_path is None:
        raise ConfigError("model path: was not given, expected --model-path FILE.gguf with --advisor local")
    advisor = LocalAdvisor(wanted.model_path, clock)
    why = f"asked for; {advisor.model} in this process"
    return _Link(advisor=advisor, why=f"{why}; from recorded calls") if wanted.replays else _probed(advisor, why)


def _probed(advisor: _Askable, why: str) -> _Link:
    found = advisor.probe(_ASKED_PROBE_S[advisor.name])
    return _Link(advisor=advisor, why="; ".join(part for part in (why, found.note) if part), fatal=found.fatal)


def _rules(wanted: Wanted, why: str) -> _Link:
    from tuner.advisors.rules import RulesAdvisor

    return _Link(advisor=RulesAdvisor(wanted.rest_s), why=f"{why}; the embedded rules decide")


def _replay(wanted: Wanted) -> _Link:
    from tuner.advisors.replay import ReplayAdvisor

    if wanted.replay_file is None:
        raise ConfigError("replay file: was not given, expected --replay-file FILE with --advisor replay")
    return _Link(advisor=ReplayAdvisor(wanted.replay_file), why=f"asked for; recorded in {wanted.replay_file.name}")


def served_models(host: str) -> list[str] | None:
    """Return the models an Ollama server has, or None if none answers within a second."""
    try:
        parts = urlsplit(host)
        connection_type = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = connection_type(parts.hostname or "127.0.0.1", parts.port or _OLLAMA_PORT, timeout=_PROBE_S)
        try:
            connection.request("GET", "/api/tags")
            answer = connection.getresponse()
            body = json.loads(answer.read(1 << 20)) if answer.status == http.client.OK else {}
        finally:
            connection.close()
        return [str(entry["name"]) for entry in body["models"]]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None


def _api_key(env: Mapping[str, str]) -> str:
    return (env.get("CLAUDE_API_KEY") or env.get("ANTHROPIC_API_KEY") or "").strip()


def _ollama_host(env: Mapping[str, str]) -> str:
    host = (env.get("OLLAMA_HOST") or f"http://127.0.0.1:{_OLLAMA_PORT}").strip().rstrip("/")
    return host if "://" in host else f"http://{host}"


def _claude_model(wanted: Wanted, env: Mapping[str, str], default: str) -> str:
    """Return the model asked for; in a chain with Ollama only one that is named like a Claude model."""
    named = wanted.model or env.get("TRADER_TUNER_MODEL") or default
    return named if named.startswith("claude") or "ollama" not in wanted.advisor else default


def _ollama_model(wanted: Wanted, env: Mapping[str, str]) -> str:
    named = wanted.model or env.get("TRADER_TUNER_MODEL", "")
    return named if named and not named.startswith("claude") else load_models().default_ollama
