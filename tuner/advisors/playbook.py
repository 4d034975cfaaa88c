"""Where each regime wants the parameters, and the steps that lead there: the table behind the rules advisor."""

from __future__ import annotations

import msgspec

from shared.events import Regime
from shared.params import PARAMS, Param, index_of
from tuner.amend import Change
from tuner.snapshot import SymbolFacts

MOST_CHANGES = 3
_TOLERANCE = 0.02  # of a parameter's range: nearer than this it stands where it should
_SIZES = ("base_position_pct", "max_position_pct")
_TRADES_TO_GROW = 10  # closed trades before a larger size can be said to have earned it
_RAISING_SHARE = 0.5  # as the guard's: a raise of risk moves half a step


class Playbook(msgspec.Struct, frozen=True, kw_only=True):
    """The values one regime wants, most important first, and the idea behind them."""

    idea: str
    wants: tuple[tuple[str, float], ...]


_TREND = Playbook(
    idea="give entries room and let winners run",
    wants=(("ema_dev_trending_pct", 1.5), ("target_pct", 2.5), ("pullback_pct", 0.8), ("base_position_pct", 2.5)),
)

_TURBULENCE = Playbook(
    idea="cut the size, tighten the stop and do not chase spikes",
    wants=(
        ("base_position_pct", 1.0), ("stop_pct", 0.8), ("ema_dev_highvol_pct", 0.12),
        ("max_position_pct", 3.0), ("signal_strength", 3.0),
    ),
)  # fmt: skip

PLAYBOOKS: dict[Regime, Playbook] = {
    Regime.TRENDING_UP: _TREND,
    Regime.TRENDING_DOWN: _TREND,
    Regime.RANGING: Playbook(
        idea="enter near the mean and take modest gains",
        wants=(("ema_dev_ranging_pct", 0.35), ("target_pct", 1.2), ("pullback_pct", 0.4), ("base_position_pct", 2.0)),
    ),
    Regime.HIGH_VOLATILITY: _TURBULENCE,
    Regime.SPIKE: _TURBULENCE,
    Regime.LOW_VOLATILITY: Playbook(
        idea="ask for better signals, because small moves seldom pay the costs",
        wants=(("signal_strength", 3.0), ("ema_dev_ranging_pct", 0.3), ("target_pct", 1.2)),
    ),
    Regime.UNKNOWN: Playbook(idea="stay small until the regime is known", wants=(("base_position_pct", 1.5),)),
}  # fmt: skip

LOSING = Playbook(
    idea="trade smaller, rarer and only on better signals until the losses are understood",
    wants=(("base_position_pct", 1.0), ("signal_strength", 3.0), ("cooldown_ms", 8000.0)),
)
COSTLY = Playbook(
    idea="trade less often for larger gains, because the costs are larger than the gains",
    wants=(("cooldown_ms", 8000.0), ("target_pct", 2.5), ("signal_strength", 3.0)),
)


def steps(playbook: Playbook, facts: SymbolFacts) -> tuple[Change, ...]:
    """Return the next steps of a symbol toward a playbook: at most three, none longer than a decision may make."""
    changes = [step(facts, name, wanted) for name, wanted in playbook.wants]
    unproven = facts.trades < _TRADES_TO_GROW
    return tuple(c for c in changes if c is not None and not (unproven and c.risk > 0 and c.param.name in _SIZES))[:MOST_CHANGES]


def step(facts: SymbolFacts, name: str, wanted: float) -> Change | None:
    """Return the next step of one parameter toward a value, or None if it is there."""
    field = index_of(PARAMS, name)
    param, old = PARAMS[field], facts.params[field]
    if abs(wanted - old) <= _TOLERANCE * (param.maximum - param.minimum):
        return None
    new = _stepped(param, old, wanted)
    return Change(field=field, old=old, new=new) if new != old else None


def _stepped(param: Param, old: float, wanted: float) -> float:
    raises = (wanted - old) * param.risk > 0
    longest = param.max_step * (_RAISING_SHARE if raises and not param.integer else 1.0)
    new = old + min(max(wanted - old, -longest), longest)
    return param.check(round(new) if param.integer or param.unit == "ms" else round(new, 4))
