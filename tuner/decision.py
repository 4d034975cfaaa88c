"""What an advisor may answer: the schema it is given, and the parser that turns anything else into HOLD."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import msgspec

from shared.errors import AdvisorError
from shared.events import Action
from shared.params import PARAMS, Param

MAX_REASONING_CHARS = 600
MAX_CITED = 8
_MAX_REPLY_CHARS = 65_536
_FAR_OUT = 2.0  # a value further outside its range than this many ranges is not a slip of the pen: nothing of it is trusted
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n\s*```\Z", re.DOTALL)
_KEYS = ("action", "symbol", "params", "confidence_pct", "reasoning", "cited")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What an advisor proposes. ``params`` follows :data:`shared.params.PARAMS`; None means "leave it".

    ``error`` says why a reply could not be used (the action is HOLD then); ``raw`` is the reply as received.
    """

    action: Action
    symbol: str
    params: tuple[float | None, ...] = (None,) * len(PARAMS)
    confidence_pct: float = 0.0
    reasoning: str = ""
    cited: tuple[str, ...] = ()
    error: str = ""
    raw: str = ""

    @property
    def proposed(self) -> dict[int, float]:
        """The parameters the advisor named, by index."""
        return {index: value for index, value in enumerate(self.params) if value is not None}


def decision_schema(symbols: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of a reply.

    Every field is required and nothing else is allowed, so that no model can leave a field out by accident. Bounds stand in
    the descriptions because structured output refuses ``minimum`` and ``maximum``; the guard enforces them.
    """
    return _object(
        {
            "action": {
                "type": "string",
                "enum": [action.name for action in Action],
                "description": "what to do; HOLD changes nothing and is the expected answer",
            },
            "symbol": {"type": "string", "enum": list(symbols), "description": "the symbol the decision is about"},
            "params": _object({param.name: _param_schema(param) for param in PARAMS}),
            "confidence_pct": {"type": "integer", "description": "confidence in the decision, whole number from 0 to 100"},
            "reasoning": {
                "type": "string",
                "description": f"the facts that led to the decision, at most {MAX_REASONING_CHARS} characters",
            },
            "cited": {
                "type": "array",
                "items": {"type": "string"},
                "description": "ids of the passages the decision rests on, empty if none",
            },
        }
    )


def parse_reply(text: str, symbols: Sequence[str]) -> Decision:
    """Return the decision in a reply. One that does not validate is HOLD, with the reason in ``error``; it never raises."""
    raw = printable(text)
    try:
        return _decision(_load(text), symbols, raw)
    except (AdvisorError, ValueError, ArithmeticError, RecursionError) as error:
        fallback = symbols[0] if len(symbols) == 1 else ""
        return Decision(action=Action.HOLD, symbol=fallback, error=f"{error}", raw=raw)


def printable(text: str) -> str:
    """Return text that is safe to store and to show: no control or direction characters, no lone surrogates."""
    kept = "".join(c if c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"} else " " for c in text)
    return kept.strip()


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _param_schema(param: Param) -> dict[str, Any]:
    kind = "integer" if param.integer else "number"
    bounds = f"{param.minimum:g} to {param.maximum:g}{' ' + param.unit if param.unit else ''}"
    return {"type": [kind, "null"], "description": f"{param.description}; {bounds}; null leaves it as it is"}


def _load(text: str) -> Any:
    """Read strict JSON, allowing only a leading block of thoughts and one code fence around the whole."""
    if len(text) > _MAX_REPLY_CHARS:
        raise AdvisorError(f"reply: was {len(text)} characters, expected at most {_MAX_REPLY_CHARS}")
    body = _THOUGHT.sub("", text, count=1).strip()
    fenced = _FENCE.match(body)
    body = fenced.group(1) if fenced else body
    if not body:
        raise AdvisorError("reply: was empty, expected one JSON object")
    try:
        return json.loads(body, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise AdvisorError(f"reply: was not JSON ({error.msg} at {error.pos}), expected one JSON object") from error


def _no_constant(name: str) -> float:
    raise AdvisorError(f"number: was {name}, expected a finite one")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise AdvisorError(f"key {printable(twice)[:40]!r}: was given twice, expected once")
    return dict(pairs)


def _decision(reply: Any, symbols: Sequence[str], raw: str) -> Decision:
    fields = _exact("reply", reply, _KEYS)
    params = _exact("params", fields["params"], tuple(param.name for param in PARAMS))
    action, symbol = _text("action", fields["action"]), _text("symbol", fields["symbol"])
    if action not in Action.__members__:
        raise AdvisorError(f"action: was {action[:40]!r}, expected one of {', '.join(Action.__members__)}")
    if symbol not in symbols:
        raise AdvisorError(f"symbol: was {symbol[:40]!r}, expected one of {', '.join(symbols)}")
    confidence = _number("confidence_pct", fields["confidence_pct"])
    if not 0 <= confidence <= 100:
        raise AdvisorError(f"confidence_pct: was {confidence:g}, expected 0 to 100")
    if not isinstance(fields["cited"], list):
        raise AdvisorError(f"cited: was {type(fields['cited']).__name__}, expected a list of passage ids")
    return Decision(
        action=Action[action],
        symbol=symbol,
        params=tuple(_param(param, params[param.name]) for param in PARAMS),
        confidence_pct=confidence,
        reasoning=_text("reasoning", fields["reasoning"])[:MAX_REASONING_CHARS],
        cited=tuple(_text("cited", item)[:200] for item in fields["cited"][:MAX_CITED]),
        raw=raw,
    )


def _exact(name: str, value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AdvisorError(f"{name}: was {type(value).__name__}, expected an object")
    missing, unknown = [key for key in keys if key not in value], sorted(set(value) - set(keys))
    if missing:
        raise AdvisorError(f"{name}: was without {', '.join(missing)}, expected every field (null leaves a parameter)")
    if unknown:
        raise AdvisorError(f"{name}: was with {printable(', '.join(unknown))[:80]}, expected only the fields of the schema")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise AdvisorError(f"{name}: was {type(value).__name__}, expected text")
    return " ".join(printable(value).split())


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise AdvisorError(f"{name}: was {type(value).__name__}, expected a number")
    if not math.isfinite(value):
        raise AdvisorError(f"{name}: was {value}, expected a finite number")
    return float(value)


def _param(param: Param, value: Any) -> float | None:
    if value is None:
        return None
    number = _number(param.name, value)
    if is_far_out(param, number):
        raise AdvisorError(
            f"{param.name}: was {number:g}, expected {param.minimum:g} to {param.maximum:g} {param.unit}; "
            "so far outside that the whole reply is refused"
        )
    return number


def is_far_out(param: Param, value: float) -> bool:
    """Say whether a value lies more than twice its range outside of it, or is not a number at all."""
    if not math.isfinite(value):
        return True
    outside = max(param.minimum - value, value - param.maximum)
    return outside > _FAR_OUT * (param.maximum - param.minimum)
