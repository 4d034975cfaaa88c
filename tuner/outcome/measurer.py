"""Tries each decision on the recent past before it is applied, and measures what it did once its horizon has passed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import msgspec

from shared.clock import NS_PER_S, Clock
from shared.events import TunerEventKind
from tuner.apply import Status
from tuner.audit import Audit
from tuner.log import TunerLog
from tuner.outcome.client import Replayer
from tuner.outcome.effects import Effect, Effects, Followed, from_records
from tuner.outcome.interval import Interval
from tuner.outcome.kept import kept_session
from tuner.outcome.tasks import Answer, Arm, Both, Measure, WhatIf
from tuner.publish import Publisher, TunerEvent
from tuner.snapshot import MeasuredEffects, Snapshot

METHOD = "mean of the symbol's effects, 95 % percentile interval, circular block bootstrap (Politis & Romano 1992)"
_GIVE_UP_S = 86_400.0  # a market that stood still that long is not the one the decision was made in
_AGAIN_S = 2.0
_MOST_TRIES = 20


class MeasureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How far back *what if* looks, how long after a decision its effect is measured (market time), and how long to wait."""

    window_s: float = 1800.0
    horizon_s: float = 900.0
    wait_s: float = 6.0


class Measurer:
    """Everything the tuner knows of its own effect.

    Parameters
    ----------
    replayer
        None: nothing is replayed, and every answer says so.
    """

    def __init__(
        self,
        instance: str,
        replayer: Replayer | None,
        desk: tuple[Audit, Publisher, TunerLog, Clock],
        options: MeasureOptions,
    ) -> None:
        self._instance = instance
        self._replayer = replayer
        self._audit, self._publisher, self._log, self._clock = desk
        self._options = options
        self._effects = Effects(options.horizon_s)
        for effect in from_records(reversed(self._audit.records([Status.OUTCOME], 2_000))):
            self._effects.add(effect)
        self._pending = _unmeasured(self._audit)
        self._running: tuple[Followed, Future[Answer]] | None = None
        self._not_before_ns = 0
        self._tries = 0  # of the effect that is due and could not be measured yet

    def warm(self) -> None:
        """Have the replaying process ready before the first decision."""
        if self._replayer is not None:
            self._replayer.warm()

    @property
    def pending(self) -> tuple[Followed, ...]:
        """The decisions whose horizon has not passed yet."""
        return tuple(self._pending)

    def told(self) -> tuple[MeasuredEffects, ...]:
        """Return the measured effects, for the next prompt."""
        return self._effects.told(self._clock.now_ns())

    def what_if(self, snapshot: Snapshot, symbol: int, changes: Mapping[int, float], within_s: float) -> Answer:
        """Replay the recent past with the values in force and with the proposed ones, before anything is applied."""
        folder = kept_session(self._instance)
        if self._replayer is None or folder is None or snapshot.live:
            return Answer(error="live orders cannot be replayed" if snapshot.live else "nothing is kept to replay")
        facts = snapshot.symbols[symbol]
        in_force = dict(enumerate(facts.params)) | {len(facts.params): float(facts.enabled)}
        task = WhatIf(
            folder=str(folder), symbol=symbol, window_s=self._options.window_s, in_force=in_force, changes=dict(changes)
        )
        return self._replayer.ask(task, min(within_s, self._options.wait_s), self._publisher.beat)

    def follow(self, followed: Followed) -> None:
        """Measure this decision once its horizon has passed."""
        self._pending.append(followed)

    def turn(self, snapshot: Snapshot) -> None:
        """Take the answer that has come, and ask for the next effect that is due. Never waits."""
        if self._running is not None and self._running[1].done():
            followed, future = self._running
            self._running = None
            self._conclude(followed, future.result())
        if self._running is not None or self._replayer is None or self._clock.monotonic_ns() < self._not_before_ns:
            return
        for followed in self._pending:
            if snapshot.live:
                self._give_up(followed, "live orders cannot be replayed")
                return
            if self._clock.now_ns() - followed.time_ns > _GIVE_UP_S * NS_PER_S:
                self._give_up(followed, "its market did not go on")
                return
            if snapshot.engine_ns < followed.from_ns + int(self._options.horizon_s * NS_PER_S):
                continue
            folder = kept_session(self._instance)
            if folder is not None:
                self._running = followed, self._replayer.submit(_task(followed, str(folder), self._options.horizon_s))
            return

    def _conclude(self, followed: Followed, answer: Answer) -> None:
        if answer.both is not None or answer.final:
            self._tries = 0
        if answer.both is not None:
            self._record(followed, answer.both)
        elif answer.final or self._tries >= _MOST_TRIES:
            self._give_up(followed, answer.error)
        else:
            self._tries += 1
            self._not_before_ns = self._clock.monotonic_ns() + int(_AGAIN_S * NS_PER_S)

    def _record(self, followed: Followed, both: Both) -> None:
        """Write, publish and log one measured effect."""
        effect = Effect(
            followed=followed,
            horizon_s=both.horizon_s,
            pnl_old_usd=both.old.net_usd,
            pnl_new_usd=both.new.net_usd,
            trades_old=both.old.trades,
            trades_new=both.new.trades,
        )
        self._effects.add(effect)
        interval = self._effects.interval(followed.symbol)
        self._audit.append(
            _key(followed, Status.OUTCOME, self._clock.now_ns())
            | {
                "effect": msgspec.to_builtins(effect),
                "effect_usd": effect.effect_usd,
                "old": arm_data(both.old),
                "new": arm_data(both.new),
                "inputs": both.inputs,
                "took_ms": round(both.took_ms, 3),
                "interval": _interval_data(interval),
                "method": METHOD,
                "dry_run": bool(followed.shadow),
            }
        )
        self._pending.remove(followed)
        text = outcome_words(effect, interval)
        self._log.line("OUTCOME", f"{followed.symbol} decision {followed.decision_id}: {text}")
        self._publisher.push(
            TunerEvent(
                kind=TunerEventKind.OUTCOME, symbol=followed.index, action=followed.action, decision_id=followed.decision_id,
                confidence_pct=followed.confidence_pct, cost_usd=followed.cost_usd, text=text,
                **both_fields(both, effect.effect_usd, interval),
            )
        )  # fmt: skip

    def _give_up(self, followed: Followed, why: str) -> None:
        """Record that an effect can not be measured any more."""
        self._audit.append(_key(followed, Status.UNMEASURED, self._clock.now_ns()) | {"error": why})
        self._pending.remove(followed)
        self._tries = 0
        self._log.line("OUTCOME", f"{followed.symbol} decision {followed.decision_id}: not measured: {why}")


def both_fields(both: Both, effect_usd: float, interval: Interval | None = None) -> dict[str, Any]:
    """Return the fields of an event that carry both ways and the effect."""
    known = interval or Interval(samples=0)
    return {
        "horizon_s": both.horizon_s,
        "pnl_old_usd": both.old.net_usd,
        "pnl_new_usd": both.new.net_usd,
        "trades_old": both.old.trades,
        "trades_new": both.new.trades,
        "effect_usd": effect_usd,
        "effect_low_usd": known.low_usd,
        "effect_high_usd": known.high_usd,
        "samples": known.samples,
    }


def arm_data(arm: Arm) -> dict[str, Any]:
    """Return one way as the audit keeps it."""
    return {name: getattr(arm, name) for name in Arm.__struct_fields__}


def what_if_words(both: Both) -> str:
    """Return both ways of a *what if* in words."""
    return (
        f"the last {both.horizon_s / 60:.0f} min would have made {both.old.net_usd:+.2f} USD in {both.old.trades} trades as it "
        f"is, {both.new.net_usd:+.2f} USD in {both.new.trades} with this change"
    )


def outcome_words(effect: Effect, interval: Interval) -> str:
    """Return a measured effect in words."""
    made = (
        f"effect {effect.effect_usd:+.2f} USD over {effect.horizon_s / 60:.0f} min "
        f"({effect.pnl_old_usd:+.2f} without, {effect.pnl_new_usd:+.2f} with it"
    )
    price = f", call {effect.followed.cost_usd:.4f}" if effect.followed.cost_usd else ""
    mean = f"; mean of {interval.samples}: {interval.mean_usd:+.2f} USD"
    known = f" [{interval.low_usd:+.2f}, {interval.high_usd:+.2f}]" if math.isfinite(interval.low_usd) else ", too few to say"
    return f"{made}{price}){mean}{known}"


def _task(followed: Followed, folder: str, horizon_s: float) -> Measure:
    return Measure(
        folder=folder,
        symbol=followed.index,
        decision_id=followed.decision_id,
        from_ns=followed.from_ns,
        horizon_s=horizon_s,
        changes=followed.shadow,
    )


def _key(followed: Followed, status: Status, now_ns: int) -> dict[str, Any]:
    return {
        "decision_id": followed.decision_id,
        "time_ns": now_ns,
        "symbol": followed.symbol,
        "action": followed.action.name,
        "trigger": followed.trigger,
        "status": status.value,
        "confidence_pct": followed.confidence_pct,
    }


def _interval_data(interval: Interval) -> dict[str, Any]:
    known = math.isfinite(interval.low_usd)
    return {
        "samples": interval.samples,
        "mean_usd": interval.mean_usd,
        "low_usd": interval.low_usd if known else None,
        "high_usd": interval.high_usd if known else None,
    }


def _unmeasured(audit: Audit) -> list[Followed]:
    """Return the decisions that were to be measured when the tuner last ended, oldest first."""
    done = {int(record["decision_id"]) for record in audit.records([Status.OUTCOME, Status.UNMEASURED], 2_000)}
    records = reversed(audit.records([Status.APPLIED, Status.DRY_RUN], 500))
    wanted = [msgspec.convert(record["followed"], Followed, strict=False) for record in records if record.get("followed")]
    return [followed for followed in wanted if followed.decision_id not in done]
