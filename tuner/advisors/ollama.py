"""A local model through Ollama's native chat, with the schema enforced by its grammar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.clock import Clock
from tuner.advisors.base import PROBE_SCHEMA, PROBE_SYSTEM, PROBE_TEXT, Probe, Reply, follows_probe, timed
from tuner.advisors.grammar import for_grammar
from tuner.call import BackgroundCall
from tuner.prompt import Prompt

DEFAULT_HOST = "http://127.0.0.1:11434"
_NUM_CTX = 8_192  # always sent: the server's own default may cut a prompt without a word
_NUM_PREDICT = 700
_PROBE_PREDICT = 60
_NEARLY_FULL = 0.95
_CHARS_PER_TOKEN = 2.5  # on the safe side: tables of numbers take more tokens than prose
_OPTIONS = {"temperature": 0, "seed": 1, "num_ctx": _NUM_CTX, "num_predict": _NUM_PREDICT}


class OllamaAdvisor:
    """Asks a model served by Ollama."""

    name = "ollama"
    max_deadline_s = 60.0

    def __init__(self, *, host: str, model: str, clock: Clock) -> None:
        self.model = model
        self._host = host
        self._clock = clock

    @property
    def identity(self) -> Mapping[str, Any]:
        """Server, model and every option of the request."""
        return {"host": self._host, "model": self.model, "think": False} | _OPTIONS

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the model's reply, or an error: nothing a server does is raised."""
        # A grammar forces the form but tells the model nothing of its meaning: that takes the schema in the prompt as well.
        # It stands with what never changes, so that the server reads it once.
        bounded = for_grammar(schema)
        system = f"{prompt.system}\n\nJSON schema of the answer:\n{json.dumps(bounded)}"
        needed = int((len(system) + len(prompt.user)) / _CHARS_PER_TOKEN)
        if needed > _NUM_CTX - _NUM_PREDICT:
            return Reply(error=f"ollama: the prompt takes up to {needed} tokens, expected at most {_NUM_CTX - _NUM_PREDICT}")
        request = self._request(system, prompt.user, bounded, _NUM_PREDICT)
        return timed(self._clock, lambda: self._ask(request, deadline_s), advisor=self.name, model=self.model)

    def probe(self, deadline_s: float) -> Probe:
        """Ask a small question: does the server have the model, and does it hold it to a schema? This also loads the model."""
        reply = self._ask(self._request(PROBE_SYSTEM, PROBE_TEXT, PROBE_SCHEMA, _PROBE_PREDICT), deadline_s)
        if "HTTP 404" in reply.error:
            return Probe(fatal=f"model: was {self.model!r}, expected one the server has; ollama pull {self.model}")
        if reply.error:
            return Probe(note=f"probe: {reply.error}")
        if not follows_probe(reply.text):
            return Probe(note="probe: the schema was ignored; answers that do not follow it are HOLD")
        return Probe(note="probe: the schema is honoured")

    def _ask(self, request: dict[str, Any], deadline_s: float) -> Reply:
        """Call within the deadline: the client's own is for each read, and a server that drips outlives it."""
        import ollama

        client = ollama.Client(host=self._host, timeout=deadline_s)
        call = BackgroundCall(lambda: _called(client, request, deadline_s), "advisor-ollama-http")
        ended = call.wait(deadline_s)
        client.close()  # type: ignore[no-untyped-call]  # also hangs up on a server that is too slow
        if not ended:
            return Reply(error=f"ollama: no answer within {deadline_s:g} s")
        return call.result or Reply(error="ollama: ended without an answer")

    def _request(self, system: str, user: str, schema: dict[str, Any], num_predict: int) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "format": schema,
            "options": _OPTIONS | {"num_predict": num_predict},
            "think": False,
            "keep_alive": "30m",
        }


def _called(client: Any, request: dict[str, Any], deadline_s: float) -> Reply:
    import httpx
    import ollama

    try:
        return _reply(client.chat(**request))
    except httpx.TimeoutException:
        return Reply(error=f"ollama: no answer within {deadline_s:g} s")
    except ollama.ResponseError as error:
        return Reply(error=f"ollama: HTTP {error.status_code}: {error.error}"[:400])
    except (httpx.HTTPError, OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError, RuntimeError) as error:
        return Reply(error=f"ollama: {type(error).__name__}: {error}"[:400])


def _reply(answer: Any) -> Reply:
    text = str(answer.message.content or "")
    read, written = int(answer.prompt_eval_count or 0), int(answer.eval_count or 0)
    stop = str(answer.done_reason or "")
    error = ""
    if stop == "length":
        error = f"ollama: the answer was cut at {written} tokens, expected a complete one"
    elif read >= _NEARLY_FULL * _NUM_CTX:
        error = f"ollama: the prompt took {read} of {_NUM_CTX} tokens, so it was probably cut"
    elif not text:
        error = "ollama: the answer held no text"
    return Reply(text=text, stop_reason=stop, input_tokens=read, output_tokens=written, error=error)
