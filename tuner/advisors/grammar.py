"""The decision's schema for models that are held to it token by token."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tuner.decision import MAX_CITED, MAX_REASONING_CHARS

_MAX_ID_CHARS = 120


def for_grammar(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with the limits a grammar can hold and the vendor's structured output refuses.

    Without them a small model may ramble inside a string until its tokens are used up.
    """
    bounded = copy.deepcopy(dict(schema))
    fields: dict[str, Any] = bounded.get("properties", {})
    if "reasoning" in fields:
        fields["reasoning"]["maxLength"] = MAX_REASONING_CHARS
    if "cited" in fields:
        fields["cited"] |= {"maxItems": MAX_CITED}
        fields["cited"]["items"] |= {"maxLength": _MAX_ID_CHARS}
    if "confidence_pct" in fields:
        fields["confidence_pct"] |= {"minimum": 0, "maximum": 100}
    return bounded
