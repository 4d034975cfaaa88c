"""Which advisor is asked, and why: shown in the status, never hidden."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from shared.clock import Clock
from shared.errors import ConfigError, UsageError
from tuner.advisors.base import Advisor
from tuner.advisors.prices import load_models

ADVISORS = ("auto", "claude", "ollama", "rules", "replay")
_PROBE_S = 1.0
_OLLAMA_PORT = 11434


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The advisor to ask, and the reason for it in words."""

    advisor: Advisor
    why: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for; an empty ``model`` means ``TRADER_TUNER_MODEL``, else the table's default.

    ``rest_s`` is how long the rules leave a change to show its effect, s.
    """

    advisor: str = "auto"
    model: str = ""
    rest_s: float = 0.0
    replay_file: Path | None = None


def choose(wanted: Wanted, env: Mapping[str, str], clock: Clock) -> Choice:
    """Return the advisor: the one named, or for ``auto`` Claude with a key, else Ollama if it answers, else rules.

    Errors
    ------
    ConfigError
        If the one named cannot work: no key, no recording.
    UsageError
        If there is no such advisor.
    """
    match wanted.advisor:
        case "auto":
            return _auto(wanted, env, clock)
        case "claude":
            return _claude(wanted, env, clock, "asked for")
        case "ollama":
            return _ollama(wanted, env, clock, "asked for")
        case "rules":
            return _rules(wanted, "asked for")
        case "replay":
            return _replay(wanted)
        case other:
            raise UsageError(f"advisor: was {other!r}, expected one of {', '.join(ADVISORS)}")


def _auto(wanted: Wanted, env: Mapping[str, str], clock: Clock) -> Choice:
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


def _claude(wanted: Wanted, env: Mapping[str, str], clock: Clock, why: str) -> Choice:
    from tuner.advisors.claude import DEFAULT_BASE_URL, ClaudeAdvisor

    key = _api_key(env)
    if not key:
        raise ConfigError("CLAUDE_API_KEY: was not set, expected a key for --advisor claude; set it or use --advisor rules")
    model = wanted.model or env.get("TRADER_TUNER_MODEL") or load_models().default_claude
    base_url = env.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
    host = urlsplit(base_url).hostname or ""
    structured: Literal["format", "tool"] = "format" if host.endswith("anthropic.com") else "tool"
    advisor = ClaudeAdvisor(api_key=key, base_url=base_url, model=model, clock=clock, structured=structured)
    priced = "" if load_models().price(model) else "; its price is unknown, so costs show as 0"
    return Choice(advisor=advisor, why=f"{why}; {model} at {host}{priced}")


def _ollama(wanted: Wanted, env: Mapping[str, str], clock: Clock, why: str) -> Choice:
    from tuner.advisors.ollama import OllamaAdvisor

    host, model = _ollama_host(env), _ollama_model(wanted, env)
    return Choice(advisor=OllamaAdvisor(host=host, model=model, clock=clock), why=f"{why}; {model} at {host}")


def _rules(wanted: Wanted, why: str) -> Choice:
    from tuner.advisors.rules import RulesAdvisor

    return Choice(advisor=RulesAdvisor(wanted.rest_s), why=f"{why}; the embedded rules decide")


def _replay(wanted: Wanted) -> Choice:
    from tuner.advisors.replay import ReplayAdvisor

    if wanted.replay_file is None:
        raise ConfigError("replay file: was not given, expected --replay-file FILE with --advisor replay")
    return Choice(advisor=ReplayAdvisor(wanted.replay_file), why=f"asked for; recorded in {wanted.replay_file.name}")


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


def _ollama_model(wanted: Wanted, env: Mapping[str, str]) -> str:
    named = wanted.model or env.get("TRADER_TUNER_MODEL", "")
    return named if named and not named.startswith("claude") else load_models().default_ollama
