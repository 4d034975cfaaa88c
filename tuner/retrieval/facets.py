"""What a passage is about in the terms of the registries: regimes, strategies, parameters. Read from its words, never by hand."""

from __future__ import annotations

import re

import msgspec

from shared.events import Regime, Strategy, words
from shared.params import PARAMS

_PARAMETERS = tuple(param.name for param in PARAMS)
_REGIMES = tuple(regime for regime in Regime if regime is not Regime.UNKNOWN)
_STRATEGIES = tuple(strategy for strategy in Strategy if strategy is not Strategy.NONE)
_REGIME_WORDS = {regime: re.compile(rf"\b{words(regime)}\b") for regime in _REGIMES}
_TRENDING = re.compile(r"\btrend(?:s|ing)?\b")
_RANGING = re.compile(r"\brang(?:es|ing)\b")
_STRATEGY_WORDS = {
    Strategy.TECHNICAL: re.compile(r"\btechnical\b"),
    Strategy.MOMENTUM: re.compile(r"\bmomentum\b"),
    Strategy.FAIR_VALUE: re.compile(r"\bfair[ _-]value\b|\bmean[ -]reversion\b"),
    Strategy.MARKET_MAKER: re.compile(r"\bmarket[ _-]mak(?:er|ing)\b|\bmaker\b"),
    Strategy.ORDER_FLOW: re.compile(r"\border[ _-]flow\b"),
    Strategy.BLEND: re.compile(r"\bblend\b"),
}


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """Regimes, strategies and parameters; none means it is not about any in particular."""

    regimes: frozenset[Regime] = frozenset()
    strategies: frozenset[Strategy] = frozenset()
    parameters: frozenset[str] = frozenset()

    def shared_with(self, other: Facets) -> int:
        """Return how many of three kinds the two have something in common in."""
        return sum(bool(mine & yours) for mine, yours in zip(self._kinds(), other._kinds(), strict=True))

    def speaks_of_others(self, wanted: Facets) -> bool:
        """Say whether it is about regimes or strategies, and about none of those that are wanted."""
        mine, yours = self._kinds()[:2], wanted._kinds()[:2]
        return any(a and b and not a & b for a, b in zip(mine, yours, strict=True))

    def flat(self) -> dict[str, str]:
        """Return it as the plain text a store keeps: names in order, joined by a comma."""
        return {
            "regimes": ",".join(sorted(regime.name.lower() for regime in self.regimes)),
            "strategies": ",".join(sorted(strategy.name.lower() for strategy in self.strategies)),
            "parameters": ",".join(sorted(self.parameters)),
        }

    def _kinds(self) -> tuple[frozenset[object], frozenset[object], frozenset[object]]:
        return frozenset(self.regimes), frozenset(self.strategies), frozenset(self.parameters)


def facets_of(heading: str, text: str) -> Facets:
    """Return what a section is about: regime and strategy from its heading path, parameters from heading and text.

    A text mentions many regimes and strategies in passing; its heading names the one it is about.
    """
    title = heading.lower()
    return Facets(regimes=_regimes(title), strategies=_strategies(title), parameters=_parameters(f"{title} {text.lower()}"))


def _regimes(title: str) -> frozenset[Regime]:
    found = {regime for regime, pattern in _REGIME_WORDS.items() if pattern.search(title)}
    if not found & {Regime.TRENDING_UP, Regime.TRENDING_DOWN} and _TRENDING.search(title):
        found |= {Regime.TRENDING_UP, Regime.TRENDING_DOWN}
    if _RANGING.search(title):
        found.add(Regime.RANGING)
    return frozenset(found)


def _strategies(title: str) -> frozenset[Strategy]:
    return frozenset(strategy for strategy in _STRATEGIES if _STRATEGY_WORDS[strategy].search(title))


def _parameters(text: str) -> frozenset[str]:
    return frozenset(name for name in _PARAMETERS if name in text)
