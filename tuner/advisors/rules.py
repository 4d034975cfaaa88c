"""The embedded default: a table of regimes and results that decides without any model, and says why in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.events import Action, Reason, Regime, words
from shared.params import PARAMS, index_of
from tuner.advisors.base import Reply
from tuner.advisors.playbook import COSTLY, LOSING, PLAYBOOKS, Playbook, step, steps
from tuner.amend import Change
from tuner.decision import MAX_REASONING_CHARS
from tuner.prompt import Prompt
from tuner.snapshot import TURBULENT, Snapshot, SymbolFacts

_PAUSE_LOSSES = 5
_CUT_LOSSES = 3
_BARS_TO_JUDGE = 60
_TRADES_TO_JUDGE_COSTS = 5


class _View(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules conclude."""

    action: Action
    confidence_pct: float
    reasoning: str
    changes: tuple[Change, ...] = ()


class RulesAdvisor:
    """Decides by rules.

    Parameters
    ----------
    rest_s
        How long a change is left to show its effect before the next one that does not reduce risk, s.
    """

    name = "rules"
    model = "table 1"
    max_deadline_s = 5.0

    def __init__(self, rest_s: float = 0.0) -> None:
        self._rest_s = rest_s

    @property
    def identity(self) -> Mapping[str, Any]:
        """The version of the table, and the time it leaves a change to show its effect."""
        return {"table": self.model, "rest_s": self._rest_s}

    def propose(self, prompt: Prompt, schema: Mapping[str, Any], deadline_s: float) -> Reply:  # noqa: ARG002
        """Return the decision of the first rule that applies, as the JSON any advisor answers with."""
        view = self._view(prompt.snapshot, prompt.snapshot.facts(prompt.symbol))
        values = {change.field: change.new for change in view.changes}
        params = {
            param.name: (round(values[field]) if param.integer else values[field]) if field in values else None
            for field, param in enumerate(PARAMS)
        }
        text = json.dumps(
            {
                "action": view.action.name,
                "symbol": prompt.symbol,
                "params": params,
                "confidence_pct": round(view.confidence_pct),
                "reasoning": view.reasoning[:MAX_REASONING_CHARS],
                "cited": [passage.chunk_id for passage in prompt.passages[:1]] if view.changes else [],
            }
        )
        return Reply(text=text, stop_reason="end_turn", model=self.model, advisor=self.name)

    def _view(self, snapshot: Snapshot, facts: SymbolFacts) -> _View:
        rested = facts.set_age_s >= self._rest_s
        return (
            _danger(snapshot, facts)
            or _paused(facts, rested=rested)
            or _unusable(snapshot, facts)
            or _halted(snapshot)
            or _losing(facts)
            or _turbulent(facts)
            or _resting(facts, rested=rested)
            or _costly(facts)
            or _idle(facts)
            or _by_regime(facts)
        )


def _danger(snapshot: Snapshot, facts: SymbolFacts) -> _View | None:
    """Leave a losing position when the account is half-way to its halt."""
    limit_pct = snapshot.controls.max_drawdown_pct / 2
    if not facts.position_qty or facts.unrealised_usd >= 0 or snapshot.account.drawdown_pct < limit_pct:
        return None
    text = (
        f"Drawdown {snapshot.account.drawdown_pct:.2f} % is past half the halt limit of "
        f"{snapshot.controls.max_drawdown_pct:.2f} % and the position loses {-facts.unrealised_usd:.2f} USD: leave it."
    )
    return _View(action=Action.EMERGENCY_EXIT, confidence_pct=90, reasoning=text)


def _paused(facts: SymbolFacts, *, rested: bool) -> _View | None:
    if facts.enabled:
        return None
    if not facts.paused_by_tuner:
        return _hold("Paused by somebody else: only they may resume it.", 90)
    if facts.regime in (Regime.UNKNOWN, *TURBULENT) or not rested:
        return _hold(
            f"Stays paused: the regime is {words(facts.regime)} and the pause is {facts.set_age_s:.0f} s old. "
            "It resumes in a calm, known regime.", 80,
        )  # fmt: skip
    text = f"The pause is {facts.set_age_s:.0f} s old and the regime is {words(facts.regime)} now: trade again."
    return _View(action=Action.RESUME, confidence_pct=75, reasoning=text)


def _unusable(snapshot: Snapshot, facts: SymbolFacts) -> _View | None:
    if facts.stale or snapshot.stale or not snapshot.connected:
        return _hold("The feed is stale: no conclusion can be drawn from old prices.", 95)
    if facts.price_usd <= 0:
        return _hold("There is no price yet.", 95)
    return None


def _halted(snapshot: Snapshot) -> _View | None:
    if not snapshot.halted and snapshot.controls.trading_enabled:
        return None
    return _hold("New risk is halted: nothing can be learned from a change until a human resumes trading.", 90)


def _losing(facts: SymbolFacts) -> _View | None:
    """Answer a losing streak once: only losses newer than the last change count."""
    fresh = bool(facts.recent) and facts.recent[-1].closed_age_s < facts.set_age_s
    if facts.loss_streak < _CUT_LOSSES or not fresh:
        return None
    lead = f"{facts.loss_streak} losses in a row, realised {facts.realised_usd:+.2f} USD"
    if facts.loss_streak >= _PAUSE_LOSSES and facts.realised_usd < 0:
        confidence_pct = min(92.0, 55.0 + 5.0 * facts.loss_streak)
        text = f"{lead}: stop entering until the regime changes or time has passed."
        return _View(action=Action.PAUSE, confidence_pct=confidence_pct, reasoning=text)
    return _toward(LOSING, facts, lead, min(90.0, 60.0 + 4.0 * facts.loss_streak))


def _turbulent(facts: SymbolFacts) -> _View | None:
    if facts.regime not in TURBULENT:
        return None
    lead = f"{words(facts.regime).capitalize()} ({facts.volatility_pct:.4f} %, range of 60 s {_range_pct(facts):.2f} %)"
    return _toward(PLAYBOOKS[facts.regime], facts, lead, 80)


def _resting(facts: SymbolFacts, *, rested: bool) -> _View | None:
    if rested:
        return None
    return _hold(f"The last change is {facts.set_age_s:.0f} s old: it needs time to show its effect.", 85)


def _costly(facts: SymbolFacts) -> _View | None:
    """Trade less when the fees are larger than what trading made."""
    gross_usd = facts.realised_usd + facts.fees_usd
    if facts.trades < _TRADES_TO_JUDGE_COSTS or not facts.realised_usd < 0 < gross_usd:
        return None
    lead = f"{facts.trades} trades made {gross_usd:+.2f} USD before and {facts.realised_usd:+.2f} USD after fees"
    return _toward(COSTLY, facts, lead, min(85.0, 60.0 + facts.trades))


def _idle(facts: SymbolFacts) -> _View | None:
    """Loosen the one check that blocks every entry, when nothing has traded for a while."""
    blocked = {
        Reason.WEAK_SIGNAL: ("signal_strength", 1.0),
        Reason.EMA_DEVIATION: (_deviation_name(facts.regime), 10.0),
        Reason.COOLDOWN: ("cooldown_ms", 1000.0),
    }
    if facts.trades or facts.position_qty or facts.bars < _BARS_TO_JUDGE or facts.why not in blocked:
        return None
    name, wanted = blocked[facts.why]
    param = PARAMS[index_of(PARAMS, name)]
    change = step(facts, name, min(max(wanted, param.minimum), param.maximum))
    if change is None:
        return None
    confidence_pct = min(75.0, 60.0 + facts.bars / 60)
    text = f"No trade in {facts.bars} s of market, entries blocked by {words(facts.why)}: loosen that one check ({change.text})."
    return _View(action=Action.UPDATE_CONFIG, confidence_pct=confidence_pct, reasoning=text, changes=(change,))


def _by_regime(facts: SymbolFacts) -> _View:
    lead = f"Regime {words(facts.regime)} (efficiency {facts.efficiency:.2f}, volatility {facts.volatility_pct:.4f} %)"
    certainty = {
        Regime.TRENDING_UP: min(1.0, facts.efficiency / 0.5),
        Regime.TRENDING_DOWN: min(1.0, facts.efficiency / 0.5),
        Regime.RANGING: max(0.0, 1.0 - facts.efficiency / 0.3),
    }.get(facts.regime, 0.3)
    return _toward(PLAYBOOKS[facts.regime], facts, lead, 60.0 + 25.0 * certainty)


def _toward(playbook: Playbook, facts: SymbolFacts, lead: str, confidence_pct: float) -> _View:
    changes = steps(playbook, facts)
    if not changes:
        return _hold(f"{lead}: the parameters stand where this calls for ({playbook.idea}).", confidence_pct)
    text = f"{lead}: {playbook.idea}; {', '.join(change.text for change in changes)}."
    return _View(action=Action.UPDATE_CONFIG, confidence_pct=confidence_pct, reasoning=text, changes=changes)


def _hold(reasoning: str, confidence_pct: float) -> _View:
    return _View(action=Action.HOLD, confidence_pct=confidence_pct, reasoning=reasoning)


def _deviation_name(regime: Regime) -> str:
    """Return the deviation limit that is in force in a regime."""
    if regime in (Regime.TRENDING_UP, Regime.TRENDING_DOWN):
        return "ema_dev_trending_pct"
    return "ema_dev_highvol_pct" if regime in TURBULENT else "ema_dev_ranging_pct"


def _range_pct(facts: SymbolFacts) -> float:
    return (facts.high_60s_usd / facts.low_60s_usd - 1) * 100 if facts.low_60s_usd > 0 else 0.0
