"""The question to the knowledge base: the situation of a symbol in words, without numbers that mislead a search."""

from __future__ import annotations

from shared.events import Mode, Reason, Regime, Strategy, words
from tuner.retrieval.facets import Facets
from tuner.snapshot import Snapshot, SymbolFacts

_FUNDING_HOUR_S = 3_600.0
_HIGH_FUNDING = 0.0003


def retrieval_query(snapshot: Snapshot, symbol: str) -> str:
    """Return the question about a symbol's situation."""
    facts = snapshot.facts(symbol)
    pressing = [*_results(snapshot, facts), *_state(snapshot, facts)]
    if not pressing and facts.strategy is not Strategy.NONE:  # nothing is the matter: then what acts is what can be tuned
        pressing = [f"tuning while {words(facts.strategy)} acts"]
    return ", ".join([f"{words(facts.regime)} market regime", *pressing])


def retrieval_facets(snapshot: Snapshot, symbol: str) -> Facets:
    """Return what the passages should be about: passages on another regime or strategy are of no use."""
    facts = snapshot.facts(symbol)
    return Facets(
        regimes=frozenset({facts.regime}) if facts.regime is not Regime.UNKNOWN else frozenset(),
        strategies=frozenset({facts.strategy}) if facts.strategy is not Strategy.NONE else frozenset(),
    )


def _results(snapshot: Snapshot, facts: SymbolFacts) -> list[str]:
    parts = []
    if facts.loss_streak >= 2:
        parts.append(f"losing streak of {facts.loss_streak} losses")
    if facts.win_streak >= 4:
        parts.append("winning streak")
    if snapshot.account.drawdown_pct >= snapshot.controls.max_drawdown_pct / 4:
        parts.append("drawdown growing, reduce position size")
    if facts.trades and facts.realised_usd < 0 < facts.realised_usd + facts.fees_usd:
        parts.append("costs eat the profit, too many trades")
    return parts


def _state(snapshot: Snapshot, facts: SymbolFacts) -> list[str]:
    parts = []
    if not facts.enabled:
        parts.append("paused symbol, when to resume")
    if facts.trades == 0:
        parts.append(f"no trades at all because of {words(facts.why)}" if facts.why is not Reason.NONE else "no trades yet")
    if snapshot.mode in (Mode.CAUTIOUS, Mode.DEFENSIVE, Mode.EXIT_ONLY):
        parts.append(f"account mode {words(snapshot.mode)}")
    if facts.position_qty and facts.next_funding_s < _FUNDING_HOUR_S and abs(facts.funding_rate) >= _HIGH_FUNDING:
        parts.append("high funding rate of the perpetual")
    return parts
