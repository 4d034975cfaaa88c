"""Claude through the Anthropic API: one call, one deadline, no retries, structured output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from shared.clock import NS_PER_MS, Clock
from tuner.advisors.base import Reply
from tuner.advisors.prices import ModelTable, load_models
from tuner.prompt import Prompt

DEFAULT_BASE_URL = "https://api.anthropic.com"
_MAX_TOKENS = 2_000
_TOOL = "decide"


class ClaudeAdvisor:
    """Asks a Claude model.

    Parameters
    ----------
    structured
        ``format``: by ``output_config.format``, as the real API offers it. ``tool``: by a forced tool, for compatible servers
        that ignore ``output_config``.
    """

    name = "claude"
    max_deadline_s = 30.0

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        model: str,
        clock: Clock,
        structured: Literal["format", "tool"] = "format",
    ) -> None:
        from anthropic import Anthropic

        self.model = model
        self._table: ModelTable = load_models()
        self._api_key = api_key
        self._structured = structured
        self._clock = clock
        self._client = Anthropic(api_key=api_key, base_url=base_url, max_retries=0)

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the model's reply, or an error: nothing a server does is raised."""
        import anthropic

        started_ns = self._clock.monotonic_ns()
        try:
            message = self._client.with_options(timeout=deadline_s).messages.create(**self._request(prompt, schema))
            reply = self._reply(message)
        except anthropic.APITimeoutError:
            reply = Reply(error=f"claude: no answer within {deadline_s:g} s")
        except anthropic.APIStatusError as error:
            reply = Reply(error=self._redacted(f"claude: HTTP {error.status_code}: {error.message}"))
        except (anthropic.AnthropicError, ValueError, TypeError, AttributeError) as error:
            # the SDK lets a body that is not the API's through as whatever it was: text, a list, an object without content
            reply = Reply(error=self._redacted(f"claude: {type(error).__name__}: {error}"))
        latency_ms = (self._clock.monotonic_ns() - started_ns) / NS_PER_MS
        return _with(reply, latency_ms=latency_ms, model=reply.model or self.model)

    def _request(self, prompt: Prompt, schema: Mapping[str, Any]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": _MAX_TOKENS,
            "system": prompt.system,
            "messages": [{"role": "user", "content": prompt.user}],
        }
        if self._structured == "tool":
            request["tools"] = [{"name": _TOOL, "description": "Give the decision.", "input_schema": dict(schema)}]
            request["tool_choice"] = {"type": "tool", "name": _TOOL}
            return request
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": dict(schema)}}
        price = self._table.price(self.model)
        if price is None or price.effort:
            output["effort"] = "low"
        request["output_config"] = output
        return request

    def _reply(self, message: Any) -> Reply:
        usage = message.usage
        cache_read = int(getattr(usage, "cache_read_input_tokens", 0) or 0)
        cache_write = int(getattr(usage, "cache_creation_input_tokens", 0) or 0)
        fresh, output = int(usage.input_tokens or 0), int(usage.output_tokens or 0)
        price = self._table.price(str(message.model)) or self._table.price(self.model)
        text = self._text(message)
        return Reply(
            text=text,
            stop_reason=str(message.stop_reason or ""),
            input_tokens=fresh + cache_read + cache_write,
            output_tokens=output,
            cache_read_tokens=cache_read,
            cost_usd=price.cost_usd(fresh, output, cache_read, cache_write) if price else 0.0,
            model=str(message.model),
            error=_stop_error(message, text),
        )

    def _text(self, message: Any) -> str:
        """Return the first text (or tool input) among the blocks: a block of thoughts may come before it."""
        if self._structured == "tool":
            inputs = [block.input for block in message.content if block.type == "tool_use" and block.name == _TOOL]
            return json.dumps(inputs[0]) if inputs else ""
        return next((str(block.text) for block in message.content if block.type == "text"), "")

    def _redacted(self, text: str) -> str:
        return text.replace(self._api_key, "***")[:400]


def _stop_error(message: Any, text: str) -> str:
    stop = str(message.stop_reason or "")
    if stop == "refusal":
        category = getattr(getattr(message, "stop_details", None), "category", None)
        return f"claude: the model refused to answer{f' ({category})' if category else ''}"
    if stop not in {"end_turn", "tool_use", "stop_sequence"}:
        return f"claude: stop reason was {stop or 'missing'}, expected a complete answer"
    return "" if text else "claude: the answer held no text"


def _with(reply: Reply, **changes: Any) -> Reply:
    import msgspec

    return msgspec.structs.replace(reply, **changes)
