"""Several advisors in a row: who could not answer is told, and the next one is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.clock import NS_PER_S, Clock
from tuner.advisors.base import Advisor, Reply
from tuner.advisors.breaker import CircuitBreaker
from tuner.decision import parse_reply
from tuner.prompt import Prompt

_RESERVED_S = 1.0  # kept back for each advisor further down: enough for the rules


class ChainAdvisor:
    """Asks the first advisor, and the next where it gave an error or no valid decision.

    One that failed three times in a row is passed over for a minute, so that not every decision waits for its deadline; the
    last is always asked. Every step down is in ``Reply.fallbacks``.
    """

    def __init__(self, links: Sequence[Advisor], clock: Clock) -> None:
        self._links = tuple(links)
        self._clock = clock
        self._breakers = [CircuitBreaker() for _ in links]

    @property
    def name(self) -> str:
        """Kind of the first advisor: the one that is meant to decide."""
        return self._links[0].name

    @property
    def model(self) -> str:
        """Model of the first advisor."""
        return self._links[0].model

    @property
    def max_deadline_s(self) -> float:
        """Time for all of them, one after another, s."""
        return sum(link.max_deadline_s for link in self._links)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What each of them is."""
        return {"chain": [{"advisor": link.name, **link.identity} for link in self._links]}

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:
        """Return the first valid decision; if there is none, the last error."""
        until_ns = self._clock.monotonic_ns() + int(deadline_s * NS_PER_S)
        notes: list[str] = []
        spent_usd, reply = 0.0, Reply(error="chain: no time was left to ask")
        for at, link in enumerate(self._links):
            later = len(self._links) - 1 - at
            left_s = (until_ns - self._clock.monotonic_ns()) / NS_PER_S - _RESERVED_S * later
            reply = self._asked(at, prompt, schema, left_s)
            spent_usd += reply.cost_usd
            wrong = reply.error or parse_reply(reply.text, [prompt.symbol]).error
            if not wrong:
                break
            if later:
                notes.append(f"{link.name} gave no decision ({wrong}); {self._links[at + 1].name} is asked instead")
        return msgspec.structs.replace(reply, fallbacks=tuple(notes), cost_usd=spent_usd)

    def _asked(self, at: int, prompt: Prompt, schema: Mapping[str, Any], left_s: float) -> Reply:
        link, breaker, last = self._links[at], self._breakers[at], at == len(self._links) - 1
        if left_s <= 0:
            return Reply(error=f"{link.name}: no time was left to ask", advisor=link.name, model=link.model)
        if not last and not breaker.allows(self._clock.now_ns()):
            return Reply(
                error=f"{link.name}: left alone for a while after repeated failures", advisor=link.name, model=link.model
            )
        reply = link.propose(prompt, schema, min(left_s, link.max_deadline_s))
        ok = not (reply.error or parse_reply(reply.text, [prompt.symbol]).error)
        breaker.record(ok=ok, now_ns=self._clock.now_ns())
        return msgspec.structs.replace(reply, advisor=link.name, model=reply.model or link.model)
