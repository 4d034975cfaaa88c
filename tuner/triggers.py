"""When a cycle starts, and why: a pure function over what was seen before, the snapshot, the news and the time.

Each trigger compares the snapshot with what a cycle has answered already, so that one that is held back by its cooldown is not
lost: it fires when the cooldown ends. Those that fire together start one cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

import msgspec

from shared.clock import NS_PER_S
from shared.events import Regime, words
from tuner.snapshot import Snapshot, SymbolFacts


class Trigger(IntEnum):
    """What may start a cycle."""

    NONE = 0
    STARTUP = 1
    SCHEDULED = 2
    MANUAL = 3
    LOSS_STREAK = 4
    DRAWDOWN = 5
    VOLATILITY = 6
    REGIME = 7
    WIN_STREAK = 8
    NEWS = 9


class TriggerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often each trigger may fire, and from what on.

    ``new_losses`` and ``new_wins`` count since the trigger last fired in that symbol; ``drawdown_share`` is the growth of the
    drawdown since, of the halt limit; ``volatility_ratio`` compares with the last cycle about the symbol.
    """

    interval_s: float = 300.0
    startup_cooldown_s: float = 10.0
    manual_cooldown_s: float = 2.0
    streak_cooldown_s: float = 60.0
    market_cooldown_s: float = 60.0  # volatility, regime
    drawdown_cooldown_s: float = 60.0
    news_cooldown_s: float = 60.0
    new_losses: int = 3
    new_wins: int = 5
    drawdown_share: float = 0.2
    volatility_ratio: float = 2.5


class NewsSignal(msgspec.Struct, frozen=True, kw_only=True):
    """A headline that is grave enough to look at its symbols at once (indices)."""

    news_id: str
    symbols: tuple[int, ...]
    words: str


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What was so in one symbol when a cycle last answered it; streaks shrink again when they end."""

    losses: int = 0
    wins: int = 0
    regime: Regime = Regime.UNKNOWN
    volatility_pct: float = 0.0


class TriggerState(msgspec.Struct, frozen=True, kw_only=True):
    """What has been answered, and when each trigger last fired (ns; 0: never)."""

    epoch: int = 0
    tune_now: int = 0
    symbols: tuple[Answered, ...] = ()
    drawdown_pct: float = 0.0
    news: frozenset[str] = frozenset()
    fired_ns: tuple[tuple[Trigger, int], ...] = ()
    last_cycle_ns: int = 0

    def fired_at(self, trigger: Trigger) -> int:
        """Return when a trigger last fired, ns; 0 if never."""
        return dict(self.fired_ns).get(trigger, 0)


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """What fired: the gravest trigger, and those that fired with it.

    ``symbols`` are indices that come first; with ``rest`` all others have their turn too, and with no symbols named it is theirs
    alone.
    """

    trigger: Trigger
    reason: str
    symbols: tuple[int, ...] = ()
    rest: bool = False
    also: tuple[Trigger, ...] = ()

    @property
    def covers_all(self) -> bool:
        """Whether the cycle is about every symbol."""
        return self.rest or not self.symbols

    @property
    def by_news(self) -> bool:
        """Whether news had a part in it."""
        return Trigger.NEWS in (self.trigger, *self.also)


def due(
    state: TriggerState, snapshot: Snapshot, now_ns: int, limits: TriggerLimits, news: Sequence[NewsSignal] = ()
) -> tuple[TriggerState, Fired | None]:
    """Return the next state and what fires now, if anything: all that is due at once is one cycle."""
    state = _seen(state, snapshot)
    found = [
        fired
        for fired in (
            _startup(state, snapshot),
            _manual(state, snapshot),
            _news(state, news),
            _drawdown(state, snapshot, limits),
            _loss_streak(state, snapshot, limits),
            _volatility(state, snapshot, limits),
            _regime(state, snapshot),
            _win_streak(state, snapshot, limits),
            _scheduled(state, now_ns, limits),
        )
        if fired is not None and _cooled(state, fired.trigger, now_ns, limits)
    ]
    if not found:
        return state, None
    return _after(state, found, snapshot, now_ns, news), _merged(found)


def absorb(state: TriggerState, snapshot: Snapshot) -> TriggerState:
    """Take note of what happens while the tuner may not act, so that nothing old fires once it may again."""
    return msgspec.structs.replace(
        _seen(state, snapshot),
        tune_now=snapshot.controls.tune_now,
        symbols=tuple(_answer(facts) for facts in snapshot.symbols),
        drawdown_pct=snapshot.account.drawdown_pct,
    )


def next_cycle_ns(state: TriggerState, limits: TriggerLimits) -> int:
    """Return when the schedule fires next, ns; 0 before the first cycle."""
    return state.last_cycle_ns + int(limits.interval_s * NS_PER_S) if state.last_cycle_ns else 0


def _merged(found: Sequence[Fired]) -> Fired:
    """Return one cycle for all that is due, the gravest first."""
    named = tuple(dict.fromkeys(index for fired in found for index in fired.symbols))
    return Fired(
        trigger=found[0].trigger,
        reason="; ".join(fired.reason for fired in found),
        symbols=named,
        rest=bool(named) and any(fired.covers_all for fired in found),
        also=tuple(fired.trigger for fired in found[1:]),
    )


def _seen(state: TriggerState, snapshot: Snapshot) -> TriggerState:
    """Shorten what was answered where it ended, so that the next streak or fall counts from its start."""
    if not _known(state, snapshot):
        return state
    symbols = tuple(
        msgspec.structs.replace(old, losses=min(old.losses, facts.loss_streak), wins=min(old.wins, facts.win_streak))
        for old, facts in zip(state.symbols, snapshot.symbols, strict=True)
    )
    drawdown_pct = min(state.drawdown_pct, snapshot.account.drawdown_pct)
    return msgspec.structs.replace(state, symbols=symbols, drawdown_pct=drawdown_pct)


def _known(state: TriggerState, snapshot: Snapshot) -> bool:
    return state.epoch == snapshot.epoch and len(state.symbols) == len(snapshot.symbols)


def _startup(state: TriggerState, snapshot: Snapshot) -> Fired | None:
    if state.epoch == snapshot.epoch:
        return None
    reason = "the trader was restarted" if state.epoch else "first look at a running trader"
    return Fired(trigger=Trigger.STARTUP, reason=reason)


def _manual(state: TriggerState, snapshot: Snapshot) -> Fired | None:
    if snapshot.controls.tune_now <= state.tune_now:
        return None
    return Fired(trigger=Trigger.MANUAL, reason=f"asked for by a human (request {snapshot.controls.tune_now})")


def _news(state: TriggerState, news: Sequence[NewsSignal]) -> Fired | None:
    fresh = [signal for signal in news if signal.news_id not in state.news]
    if not fresh:
        return None
    named = tuple(dict.fromkeys(index for signal in fresh for index in signal.symbols))
    return Fired(trigger=Trigger.NEWS, reason="; ".join(signal.words for signal in fresh), symbols=named)


def _drawdown(state: TriggerState, snapshot: Snapshot, limits: TriggerLimits) -> Fired | None:
    now_pct, step_pct = snapshot.account.drawdown_pct, limits.drawdown_share * snapshot.controls.max_drawdown_pct
    if not _known(state, snapshot) or now_pct - state.drawdown_pct < step_pct:
        return None
    held = tuple(facts.index for facts in snapshot.symbols if facts.position_qty)
    return Fired(trigger=Trigger.DRAWDOWN, reason=f"drawdown grew to {now_pct:.2f} %", symbols=held)


def _loss_streak(state: TriggerState, snapshot: Snapshot, limits: TriggerLimits) -> Fired | None:
    def lost(facts: SymbolFacts, old: Answered) -> str:
        new = facts.loss_streak - old.losses
        return f"{facts.symbol} lost {facts.loss_streak} in a row" if new >= limits.new_losses else ""

    return _of_symbols(Trigger.LOSS_STREAK, state, snapshot, lost)


def _win_streak(state: TriggerState, snapshot: Snapshot, limits: TriggerLimits) -> Fired | None:
    def won(facts: SymbolFacts, old: Answered) -> str:
        new = facts.win_streak - old.wins
        return f"{facts.symbol} won {facts.win_streak} in a row: time to think of reducing" if new >= limits.new_wins else ""

    return _of_symbols(Trigger.WIN_STREAK, state, snapshot, won)


def _volatility(state: TriggerState, snapshot: Snapshot, limits: TriggerLimits) -> Fired | None:
    def rose(facts: SymbolFacts, old: Answered) -> str:
        if not 0 < old.volatility_pct * limits.volatility_ratio <= facts.volatility_pct:
            return ""
        return f"volatility of {facts.symbol} rose from {old.volatility_pct:.4f} to {facts.volatility_pct:.4f} %"

    return _of_symbols(Trigger.VOLATILITY, state, snapshot, rose)


def _regime(state: TriggerState, snapshot: Snapshot) -> Fired | None:
    def changed(facts: SymbolFacts, old: Answered) -> str:
        if facts.regime is old.regime or Regime.UNKNOWN in (facts.regime, old.regime):
            return ""
        return f"{facts.symbol} went from {words(old.regime)} to {words(facts.regime)}"

    return _of_symbols(Trigger.REGIME, state, snapshot, changed)


def _of_symbols(
    trigger: Trigger, state: TriggerState, snapshot: Snapshot, why: Callable[[SymbolFacts, Answered], str]
) -> Fired | None:
    """Return a trigger for the symbols that give a reason, if any does."""
    if not _known(state, snapshot):
        return None
    reasons = {facts.index: why(facts, old) for facts, old in zip(snapshot.symbols, state.symbols, strict=True)}
    hit = {index: reason for index, reason in reasons.items() if reason}
    return Fired(trigger=trigger, reason=", ".join(hit.values()), symbols=tuple(hit)) if hit else None


def _scheduled(state: TriggerState, now_ns: int, limits: TriggerLimits) -> Fired | None:
    if not state.last_cycle_ns or now_ns < next_cycle_ns(state, limits):
        return None
    return Fired(trigger=Trigger.SCHEDULED, reason=f"every {limits.interval_s:g} s")


def _cooled(state: TriggerState, trigger: Trigger, now_ns: int, limits: TriggerLimits) -> bool:
    cooldown_s = {
        Trigger.STARTUP: limits.startup_cooldown_s,
        Trigger.MANUAL: limits.manual_cooldown_s,
        Trigger.NEWS: limits.news_cooldown_s,
        Trigger.DRAWDOWN: limits.drawdown_cooldown_s,
        Trigger.LOSS_STREAK: limits.streak_cooldown_s,
        Trigger.WIN_STREAK: limits.streak_cooldown_s,
        Trigger.VOLATILITY: limits.market_cooldown_s,
        Trigger.REGIME: limits.market_cooldown_s,
    }.get(trigger, 0.0)  # the schedule is its own cooldown
    fired_ns = state.fired_at(trigger)
    return not fired_ns or now_ns - fired_ns >= int(cooldown_s * NS_PER_S)


def _answer(facts: SymbolFacts) -> Answered:
    return Answered(losses=facts.loss_streak, wins=facts.win_streak, regime=facts.regime, volatility_pct=facts.volatility_pct)


def _after(
    state: TriggerState, found: Sequence[Fired], snapshot: Snapshot, now_ns: int, news: Sequence[NewsSignal]
) -> TriggerState:
    """Return the state once the cycle has begun: what it covers is answered."""
    merged = _merged(found)
    names = {fired.trigger for fired in found}
    fresh = Answered()
    before = state.symbols if len(state.symbols) == len(snapshot.symbols) else (fresh,) * len(snapshot.symbols)
    symbols = tuple(
        _answer(facts) if merged.covers_all or facts.index in merged.symbols else old
        for facts, old in zip(snapshot.symbols, before, strict=True)
    )
    answered_drawdown = merged.covers_all or Trigger.DRAWDOWN in names
    return TriggerState(
        epoch=snapshot.epoch,
        # any cycle over all symbols answers a waiting request too; a losing streak's does not
        tune_now=snapshot.controls.tune_now if merged.covers_all else state.tune_now,
        symbols=symbols,
        drawdown_pct=snapshot.account.drawdown_pct if answered_drawdown else state.drawdown_pct,
        news=frozenset(signal.news_id for signal in news) if Trigger.NEWS in names else state.news,
        fired_ns=tuple((dict(state.fired_ns) | dict.fromkeys(names, now_ns)).items()),
        last_cycle_ns=now_ns if merged.covers_all else state.last_cycle_ns,
    )
