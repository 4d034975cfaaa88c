"""What of the proposed values may be applied: each rule cuts a value back or drops it, and says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from shared.errors import OutOfRange
from shared.params import PARAMS, Param, index_of
from tuner.decision import is_far_out
from tuner.limits import Case, GuardLimits, since_s
from tuner.snapshot import SymbolFacts

_BASE = index_of(PARAMS, "base_position_pct")
_MAX = index_of(PARAMS, "max_position_pct")
_TARGET = index_of(PARAMS, "target_pct")
_DIGITS = 6  # no market rule needs more; it keeps the audit readable


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter's change, by its index in :data:`shared.params.PARAMS`."""

    field: int
    old: float
    new: float

    @property
    def param(self) -> Param:
        """The parameter's entry in the registry."""
        return PARAMS[self.field]

    @property
    def risk(self) -> int:
        """+1 if the change raises risk, -1 if it reduces it, 0 if neither by itself."""
        return self.param.risk if self.new > self.old else -self.param.risk

    @property
    def text(self) -> str:
        """Words for people: name, old and new value."""
        return f"{self.param.name} {self.param.shown(self.old)} → {self.param.shown(self.new)}"


def amended_changes(case: Case, proposed: Mapping[int, float]) -> tuple[tuple[Change, ...], list[str]]:
    """Return the changes that may be applied, and a note for each value that was cut or dropped.

    Errors
    ------
    OutOfRange
        If a value is so far outside its range that nothing of the decision can be trusted.
    """
    facts, limits = case.facts, case.limits
    notes: list[str] = []
    values: dict[int, float] = {}
    for field, value in sorted(proposed.items()):
        param = PARAMS[field]
        if is_far_out(param, value):
            raise OutOfRange(param.name, value, f"{param.minimum:g} to {param.maximum:g} {param.unit}".rstrip())
        values[field] = _bounded(param, facts.params[field], value, limits, notes)
    _drop(values, facts, notes, lambda change: _blocked(change, case))
    values = {field: _within_drift(field, value, facts, limits, notes) for field, value in values.items()}
    _keep_most_careful(values, facts, limits, notes)
    _target_above_costs(values, case, notes)
    _base_within_max(values, facts, notes)
    changes = _changes(values, facts)
    return changes, notes


def _changes(values: Mapping[int, float], facts: SymbolFacts) -> tuple[Change, ...]:
    changes = (Change(field=field, old=facts.params[field], new=value) for field, value in sorted(values.items()))
    return tuple(change for change in changes if change.new != change.old)


def _bounded(param: Param, old: float, value: float, limits: GuardLimits, notes: list[str]) -> float:
    """Cut a value to its range and to the largest step, which is shorter where it raises risk."""
    raises = (value - old) * param.risk > 0
    step = param.max_step * (limits.raising_share if raises and not param.integer else 1.0)
    low, high = max(param.minimum, old - step), min(param.maximum, old + step)
    if low > high:  # what is in force lies outside its range: the nearest bound is the only way back
        low = high = min(max(old, param.minimum), param.maximum)
    new = min(max(value, low), high)
    if param.integer or param.unit == "ms":
        new = float(round(new))
    new = min(max(round(new, _DIGITS), low), high)
    if abs(new - value) > 10**-_DIGITS:
        why = "its largest step" if param.minimum <= value <= param.maximum else "its range"
        notes.append(f"{param.name} {param.shown(value)} cut to {param.shown(new)} by {why}")
    return new


def _drop(values: dict[int, float], facts: SymbolFacts, notes: list[str], blocked: Callable[[Change], str]) -> None:
    """Drop what changes nothing, and what ``blocked`` gives a reason against."""
    for field in sorted(values):
        change = Change(field=field, old=facts.params[field], new=values[field])
        if change.new == change.old:
            del values[field]
        elif why := blocked(change):
            notes.append(f"{change.param.name} left alone: {why}")
            del values[field]


def _blocked(change: Change, case: Case) -> str:
    """Return why this change must wait, or an empty text. What reduces risk never waits."""
    if change.risk < 0:
        return ""
    if case.untrusted:
        return "untrusted text may be behind it, and that may only lower risk"
    if change.risk > 0 and case.trading_halted:
        return "trading is halted and this would raise risk"
    waited_s = since_s([entry for entry in case.past if change.field in entry.fields], case.now_ns)
    if waited_s < case.limits.dwell_s:
        return f"changed {waited_s:.0f} s ago, it stays at least {case.limits.dwell_s:.0f} s"
    return _lacking_evidence(case) if change.risk > 0 else ""


def _lacking_evidence(case: Case) -> str:
    """Return why too little is known yet to raise risk, or an empty text."""
    if case.facts.bars < case.limits.min_bars:
        return f"{case.facts.bars} s of market, raising risk takes {case.limits.min_bars}"
    if not case.past or case.waited_s >= case.limits.evidence_s:
        return ""
    new_trades = case.facts.trades - max(case.past, key=lambda entry: entry.time_ns).trades
    if new_trades < case.limits.min_trades_to_raise:
        return f"{new_trades} trades since the last change, raising risk takes {case.limits.min_trades_to_raise}"
    return ""


def _within_drift(field: int, value: float, facts: SymbolFacts, limits: GuardLimits, notes: list[str]) -> float:
    """Keep a parameter near what its operator last stood behind, unless the change reduces risk."""
    param, old = PARAMS[field], facts.params[field]
    baseline = limits.baseline.get(facts.symbol)
    if baseline is None or Change(field=field, old=old, new=value).risk < 0:
        return value
    reach = limits.drift_share * (param.maximum - param.minimum)
    low, high = min(old, baseline[field] - reach), max(old, baseline[field] + reach)
    if low <= value <= high:
        return value
    new = min(max(value, low), high)
    if param.integer:
        new = old
    notes.append(f"{param.name} {param.shown(value)} cut to {param.shown(new)}: too far from {param.shown(baseline[field])}")
    return new


def _keep_most_careful(values: dict[int, float], facts: SymbolFacts, limits: GuardLimits, notes: list[str]) -> None:
    """Keep at most as many changes as one decision may make: those that reduce risk first, then in registry order."""
    changes = sorted(_changes(values, facts), key=lambda change: (change.risk, change.field))
    for change in changes[limits.max_changes :]:
        notes.append(f"{change.param.name} left alone: at most {limits.max_changes} parameters a decision")
        del values[change.field]


def _target_above_costs(values: dict[int, float], case: Case, notes: list[str]) -> None:
    floor_pct = 2 * case.snapshot.controls.one_side_cost_pct
    if _TARGET in values and values[_TARGET] <= floor_pct:
        notes.append(f"target_pct left alone: {values[_TARGET]:.2f} would not pay the costs of {floor_pct:.2f} %")
        del values[_TARGET]


def _base_within_max(values: dict[int, float], facts: SymbolFacts, notes: list[str]) -> None:
    """Bring base and cap of the position in order by moving less, never further: the steps stay within their limits."""
    old_base, old_max = facts.params[_BASE], facts.params[_MAX]
    base, cap = values.get(_BASE, old_base), values.get(_MAX, old_max)
    if base <= cap:
        return
    if base > old_base:
        base = max(old_base, cap)
    if base > cap:
        cap = min(old_max, base)
    if base > cap:  # they were out of order before: leave both to a human
        base, cap = old_base, old_max
    values |= {_BASE: base, _MAX: cap}
    notes.append(f"base_position_pct {base:.2f} and max_position_pct {cap:.2f}: the base may not exceed the cap")
