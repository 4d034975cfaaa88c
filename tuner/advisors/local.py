"""Any GGUF model in this very process, through llama.cpp: no server to run, no key, no network."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.clock import NS_PER_S, Clock
from shared.errors import ConfigError
from tuner.advisors.base import PROBE_SCHEMA, PROBE_SYSTEM, PROBE_TEXT, Probe, Reply, follows_probe, timed
from tuner.advisors.grammar import for_grammar
from tuner.call import BackgroundCall
from tuner.prompt import Prompt

_CONTEXT_TOKENS = 8_192
_MAX_TOKENS = 700
_PROBE_TOKENS = 60
_MAGIC = b"GGUF"


class LocalAdvisor:
    """Runs a model file.

    Parameters
    ----------
    threads
        Threads of the model. One by default: the trader needs the other cores more.

    Errors
    ------
    ConfigError
        At construction, if the file is no model or the package that runs it is not installed.
    """

    name = "local"
    max_deadline_s = 60.0

    def __init__(self, path: Path, clock: Clock, *, threads: int = 1) -> None:
        self.model = path.name
        self._clock = clock
        self._threads = threads
        self._size_bytes = _checked(path)
        self._server = _loaded(path, threads)
        self._call: BackgroundCall[Reply] | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        """The file and every option of the request."""
        return {"model": self.model, "bytes": self._size_bytes, "n_ctx": _CONTEXT_TOKENS} | _options(_MAX_TOKENS)

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the model's reply, or an error once the deadline has passed."""
        bounded = for_grammar(schema)
        system = f"{prompt.system}\n\nJSON schema of the answer:\n{json.dumps(bounded)}"
        request = _request(system, prompt.user, bounded, _MAX_TOKENS)
        return timed(self._clock, lambda: self._ask(request, deadline_s), advisor=self.name, model=self.model)

    def probe(self, deadline_s: float) -> Probe:
        """Ask a small question, and say how fast the model writes."""
        request = _request(PROBE_SYSTEM, PROBE_TEXT, PROBE_SCHEMA, _PROBE_TOKENS)
        reply = timed(self._clock, lambda: self._ask(request, deadline_s), advisor=self.name, model=self.model)
        if reply.error or not follows_probe(reply.text):
            return Probe(note=f"probe: {reply.error or 'the schema was not held'}")
        return Probe(note=f"probe: the schema is held, a first answer took {reply.latency_ms / 1e3:.1f} s")

    def _ask(self, request: dict[str, Any], deadline_s: float) -> Reply:
        if self._call is not None and not self._call.wait(0):
            return Reply(error="local: the model is still busy with the call before")
        self._call = BackgroundCall(lambda: self._generated(request, deadline_s), "advisor-local")
        if not self._call.wait(deadline_s):
            return Reply(error=f"local: no answer within {deadline_s:g} s")
        return self._call.result or Reply(error="local: ended without an answer")

    def _generated(self, request: dict[str, Any], deadline_s: float) -> Reply:
        """Collect the answer piece by piece: the model stops at the first one that comes too late."""
        pieces: list[dict[str, Any]] = []
        until_ns = self._clock.monotonic_ns() + int(deadline_s * NS_PER_S)

        def take(piece: Any) -> bool:
            pieces.append(piece)
            return self._clock.monotonic_ns() > until_ns

        try:
            self._server.handle_chat_completions(request, take)
            return _joined(pieces)
        except (ValueError, TypeError, RuntimeError, LookupError, AttributeError) as error:
            return Reply(error=f"local: {type(error).__name__}: {error}"[:400])


def _checked(path: Path) -> int:
    """Return the size of a model file, bytes."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
        size_bytes = path.stat().st_size
    except OSError as error:
        raise ConfigError(f"model path: was {str(path)!r} ({error.strerror}), expected a GGUF file") from error
    if magic != _MAGIC:
        raise ConfigError(f"model path: was {str(path)!r}, which begins with {magic!r}, expected a GGUF file")
    return size_bytes


def _loaded(path: Path, threads: int) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ConfigError("advisor local: was without the package xllamacpp, expected it; pip install 'trader[local]'") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.verbosity = _CONTEXT_TOKENS, 1, 0
    params.cache_ram_mib = 0  # keep no old prompts: memory would grow with every call
    for group in (params.cpuparams, params.cpuparams_batch):
        group.n_threads = threads
        group.priority = xllamacpp.ggml_sched_priority.GGML_SCHED_PRIO_LOW
    params.api_keys = [secrets.token_hex(16)]  # the engine also opens a port on loopback: nobody else is to use it
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ConfigError(f"model path: was {str(path)!r}, which does not load ({error}), expected a GGUF model") from error


def _options(max_tokens: int) -> dict[str, Any]:
    return {"max_tokens": max_tokens, "temperature": 0, "seed": 1}


def _request(system: str, user: str, schema: dict[str, Any], max_tokens: int) -> dict[str, Any]:
    return {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "decision", "schema": schema, "strict": True}},
        "stream": True,
        "stream_options": {"include_usage": True},
        **_options(max_tokens),
    }


def _joined(pieces: list[dict[str, Any]]) -> Reply:
    """Return the reply in the pieces of a stream."""
    text, stop, usage = "", "", dict[str, Any]()
    for piece in pieces:
        if "error" in piece:
            return Reply(error=f"local: {piece['error'].get('message', piece['error'])}"[:400])
        usage = piece.get("usage") or usage
        for choice in piece.get("choices", ()):
            text += choice["delta"].get("content") or ""
            stop = choice.get("finish_reason") or stop
    error = "" if stop == "stop" else f"local: the answer was cut ({stop or 'by the deadline'}), expected a complete one"
    return Reply(
        text=text,
        stop_reason=stop,
        input_tokens=int(usage.get("prompt_tokens", 0)),
        output_tokens=int(usage.get("completion_tokens", 0)),
        cache_read_tokens=int((usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)),
        error=error or ("" if text else "local: the answer held no text"),
    )
