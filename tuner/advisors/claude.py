"""Claude through the Anthropic API: one call, one deadline, no retries, structured output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from shared.clock import Clock
from tuner.advisors.base import PROBE_SCHEMA, PROBE_SYSTEM, PROBE_TEXT, Probe, Reply, follows_probe, timed
from tuner.advisors.grammar import for_grammar
from tuner.advisors.prices import ModelTable, Tokens, load_models
from tuner.call import BackgroundCall
from tuner.prompt import Prompt

Structure = Literal["auto", "format", "tool"]

_STRUCTURES: tuple[Structure, ...] = ("format", "tool")
_OWN_DOMAIN = "anthropic.com"

DEFAULT_BASE_URL = "https://api.anthropic.com"
_MAX_TOKENS = 2_000
_PROBE_TOKENS = 300
_TOOL = "decide"
_CHARS_PER_TOKEN = 4  # on the safe side: a prefix said to be long enough for a cache is
_CACHE_5M_S = 240.0  # a schedule this short hits the cache of five minutes even with some jitter
_CACHE_1H_S = 3_000.0


class ClaudeAdvisor:
    """Asks a Claude model, or a server that speaks its API.

    Parameters
    ----------
    structure
        ``format``: by ``output_config.format``, as the real API offers it. ``tool``: by a forced tool, for compatible servers
        that ignore ``output_config``. ``auto``: whichever :meth:`probe` finds to be honoured; ``format`` until then.
    interval_s
        How often it will be asked; decides whether the prompt's constant part is worth caching. 0: never cached.
    """

    name = "claude"
    max_deadline_s = 30.0

    def __init__(
        self, *, api_key: str, base_url: str, model: str, clock: Clock, structure: Structure = "auto", interval_s: float = 0.0
    ) -> None:
        self.model = model
        self.structure: Structure = structure
        self._host = urlsplit(base_url).hostname or base_url
        self._table: ModelTable = load_models()
        self._api_key = api_key
        self._base_url = base_url
        self._clock = clock
        self._interval_s = interval_s
        self._client = self._connected()

    @property
    def identity(self) -> Mapping[str, Any]:
        """Server, model and every option of the request."""
        structure = "tool" if self.structure == "tool" else "format"
        return {"host": self._host, "model": self.model, "structure": structure, "max_tokens": _MAX_TOKENS, "effort": "low"}

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the model's reply, or an error: nothing a server does is raised."""
        request = self._request(prompt.system, prompt.user, schema, _MAX_TOKENS)
        return timed(self._clock, lambda: self._ask(request, deadline_s), advisor=self.name, model=self.model)

    def probe(self, deadline_s: float) -> Probe:
        """Ask a small question that shows whether the key is good, the model exists and the schema is honoured.

        With ``structure="auto"`` it settles how decisions will be asked for: by format, by tool, or, where neither is
        honoured, by tool and the parser's word.
        """
        tried = _STRUCTURES if self.structure == "auto" else (self.structure,)
        reply = Reply()
        for structure in tried:
            self.structure = structure
            reply = self._probed(deadline_s)
            if not reply.error and follows_probe(reply.text):
                return Probe(note=f"probe: the schema is honoured by {structure}")
            if fatal := _fatal(reply.error, self.model, self._table):
                return Probe(fatal=fatal)
            if reply.error and not _is_about_the_request(reply.error):
                self.structure = tried[0 if self._host.endswith(_OWN_DOMAIN) else -1]  # not settled: as the vendor documents it
                break
        return Probe(note=f"probe: {reply.error or 'the schema was ignored; answers that do not follow it are HOLD'}")

    def _probed(self, deadline_s: float) -> Reply:
        request = self._request(PROBE_SYSTEM, PROBE_TEXT, PROBE_SCHEMA, _PROBE_TOKENS)
        return self._ask(request, deadline_s)

    def _ask(self, request: dict[str, Any], deadline_s: float) -> Reply:
        """Call within the deadline: the client's own is for each read, and a server that drips outlives it."""
        call = BackgroundCall(lambda: self._called(request, deadline_s), "advisor-claude-http")
        if not call.wait(deadline_s):
            self._renew()
            return Reply(error=f"claude: no answer within {deadline_s:g} s")
        return call.result or Reply(error="claude: ended without an answer")

    def _called(self, request: dict[str, Any], deadline_s: float) -> Reply:
        import anthropic

        try:
            return self._reply(self._client.with_options(timeout=deadline_s).messages.create(**request))
        except anthropic.APITimeoutError:
            return Reply(error=f"claude: no answer within {deadline_s:g} s")
        except anthropic.APIStatusError as error:
            return Reply(error=self._redacted(f"claude: HTTP {error.status_code}: {error.message}"))
        except (anthropic.AnthropicError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            # the SDK lets a body that is not the API's through as whatever it was: text, a list, an object without content
            return Reply(error=self._redacted(f"claude: {type(error).__name__}: {error}"))

    def _request(self, system: str, user: str, schema: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": max_tokens,
            "system": self._system(system),
            "messages": [{"role": "user", "content": user}],
        }
        if self.structure == "tool":
            # not a strict tool, so it may say what the format may not: a small model would ramble until its tokens are used up
            request["tools"] = [{"name": _TOOL, "description": "Give the decision.", "input_schema": for_grammar(schema)}]
            request["tool_choice"] = {"type": "tool", "name": _TOOL}
            return request
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": dict(schema)}}
        price = self._table.price(self.model)
        if price is None or price.effort:
            output["effort"] = "low"
        request["output_config"] = output
        return request

    def _system(self, system: str) -> str | list[dict[str, Any]]:
        """Return the constant part, marked for the cache where the next call will find it there and so pay a tenth."""
        price = self._table.price(self.model)
        if price is None or not 0 < self._interval_s <= _CACHE_1H_S or not price.cache_min_tokens:
            return system
        if len(system) / _CHARS_PER_TOKEN < price.cache_min_tokens:
            return system
        ttl = "5m" if self._interval_s <= _CACHE_5M_S else "1h"
        return [{"type": "text", "text": system, "cache_control": {"type": "ephemeral", "ttl": ttl}}]

    def _reply(self, message: Any) -> Reply:
        used, thinking = _usage(message.usage)
        price = self._table.price(str(message.model)) or self._table.price(self.model)
        text = self._text(message)
        return Reply(
            text=text,
            stop_reason=str(message.stop_reason or ""),
            input_tokens=used.fresh + used.cache_read + used.cache_write_5m + used.cache_write_1h,
            output_tokens=used.output,
            cache_read_tokens=used.cache_read,
            cache_write_tokens=used.cache_write_5m + used.cache_write_1h,
            thinking_tokens=thinking,
            cost_usd=price.cost_usd(used) if price else 0.0,
            model=str(message.model),
            error=_stop_error(message, text),
        )

    def _text(self, message: Any) -> str:
        """Return the first text (or tool input) among the blocks: a block of thoughts may come before it."""
        if self.structure == "tool":
            inputs = [block.input for block in message.content if block.type == "tool_use" and block.name == _TOOL]
            if inputs:
                return json.dumps(inputs[0])
        return next((str(block.text) for block in message.content if block.type == "text"), "")

    def _connected(self) -> Any:
        from anthropic import Anthropic

        return Anthropic(api_key=self._api_key, base_url=self._base_url, max_retries=0)

    def _renew(self) -> None:
        """Hang up on a server that is too slow, so that the call left behind ends; the next call has a line of its own."""
        late, self._client = self._client, self._connected()
        late.close()

    def _redacted(self, text: str) -> str:
        return text.replace(self._api_key, "***")[:400]


def _usage(usage: Any) -> tuple[Tokens, int]:
    """Return what a call used, and how much of the output was thinking, tokens. Fields a server leaves out are 0."""
    written = int(getattr(usage, "cache_creation_input_tokens", 0) or 0)
    split = getattr(usage, "cache_creation", None)
    for_1h = int(getattr(split, "ephemeral_1h_input_tokens", 0) or 0)
    thinking = getattr(getattr(usage, "output_tokens_details", None), "thinking_tokens", 0)
    used = Tokens(
        fresh=int(usage.input_tokens or 0),
        output=int(usage.output_tokens or 0),
        cache_read=int(getattr(usage, "cache_read_input_tokens", 0) or 0),
        cache_write_5m=max(0, written - for_1h),
        cache_write_1h=for_1h,
    )
    return used, int(thinking or 0)


def _stop_error(message: Any, text: str) -> str:
    stop = str(message.stop_reason or "")
    if stop == "refusal":
        category = getattr(getattr(message, "stop_details", None), "category", None)
        return f"claude: the model refused to answer{f' ({category})' if category else ''}"
    if stop not in {"end_turn", "tool_use", "stop_sequence"}:
        return f"claude: stop reason was {stop or 'missing'}, expected a complete answer"
    return "" if text else "claude: the answer held no text"


def _is_about_the_request(error: str) -> bool:
    """Say whether the server answered and only disliked the way it was asked, so that another way is worth a try."""
    return any(sign in error for sign in ("HTTP 400", "HTTP 422", "stop reason was", "held no text"))


def _fatal(error: str, model: str, table: ModelTable) -> str:
    """Return what can never come right by waiting, in words that say what to do; empty for everything else."""
    if "HTTP 401" in error or "HTTP 403" in error:
        return f"key: was refused ({error}), expected a valid CLAUDE_API_KEY"
    if "HTTP 404" in error:
        return f"model: was {model!r} and the server does not have it ({error}), expected one such as {table.default_claude}"
    return ""
