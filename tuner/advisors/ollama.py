"""A local model through Ollama's native chat, with the schema enforced by its grammar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.clock import NS_PER_MS, Clock
from tuner.advisors.base import Reply
from tuner.prompt import Prompt

DEFAULT_HOST = "http://127.0.0.1:11434"
_NUM_CTX = 8_192  # always sent: the server's own default may cut a prompt without a word
_NUM_PREDICT = 700
_NEARLY_FULL = 0.95


class OllamaAdvisor:
    """Asks a model served by Ollama."""

    name = "ollama"
    max_deadline_s = 60.0

    def __init__(self, *, host: str, model: str, clock: Clock) -> None:
        self.model = model
        self._host = host
        self._clock = clock

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the model's reply, or an error: nothing a server does is raised."""
        import httpx
        import ollama

        started_ns = self._clock.monotonic_ns()
        try:
            with ollama.Client(host=self._host, timeout=deadline_s) as client:
                answer = client.chat(**self._request(prompt, schema))
            reply = _reply(answer)
        except httpx.TimeoutException:
            reply = Reply(error=f"ollama: no answer within {deadline_s:g} s")
        except ollama.ResponseError as error:
            reply = Reply(error=f"ollama: HTTP {error.status_code}: {error.error}"[:400])
        except (httpx.HTTPError, ConnectionError, ValueError, TypeError) as error:
            reply = Reply(error=f"ollama: {type(error).__name__}: {error}"[:400])
        latency_ms = (self._clock.monotonic_ns() - started_ns) / NS_PER_MS
        return msgspec.structs.replace(reply, latency_ms=latency_ms, model=self.model)

    def _request(self, prompt: Prompt, schema: Mapping[str, Any]) -> dict[str, Any]:
        # a grammar forces the form but tells the model nothing of its meaning: that takes the schema in the prompt as well
        user = f"{prompt.user}\n\nJSON schema of the answer:\n{json.dumps(schema)}"
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": user}],
            "format": dict(schema),
            "options": {"temperature": 0, "seed": 1, "num_ctx": _NUM_CTX, "num_predict": _NUM_PREDICT},
            "think": False,
            "keep_alive": "30m",
        }


def _reply(answer: Any) -> Reply:
    text = str(answer.message.content or "")
    read, written = int(answer.prompt_eval_count or 0), int(answer.eval_count or 0)
    stop = str(answer.done_reason or "")
    error = ""
    if stop == "length":
        error = f"ollama: the answer was cut at {_NUM_PREDICT} tokens, expected a complete one"
    elif read >= _NEARLY_FULL * _NUM_CTX:
        error = f"ollama: the prompt took {read} of {_NUM_CTX} tokens, so it was probably cut"
    elif not text:
        error = "ollama: the answer held no text"
    return Reply(text=text, stop_reason=stop, input_tokens=read, output_tokens=written, error=error)
