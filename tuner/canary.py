"""A change that does not lower risk is tried at a share of its step first, and taken back if it does worse than its shadow.

::

    verdict → share of each step → applied → replayed against its shadow (the old parameters, the same market)
                                               ├─ worse than the margin: rolled back, at any of the checks
                                               └─ not worse until the last check: applied in full

What lowers risk is never held back. Both ends are wishes like any other: the trader refuses them under override, or where
somebody has changed the symbol meanwhile; the canary then ends where it is.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import msgspec

from shared.clock import NS_PER_S, Clock
from shared.errors import TradingError
from shared.events import Action, Source, TunerEventKind, words
from shared.params import PARAMS
from shared.wishes import Wish
from shared.workspace import Workspace
from tuner.amend import Change
from tuner.apply import Status
from tuner.audit import Audit
from tuner.log import TunerLog
from tuner.outcome.client import Replayer
from tuner.outcome.effects import Followed
from tuner.outcome.kept import kept_session
from tuner.outcome.measurer import both_fields
from tuner.outcome.tasks import Answer, Both, Measure
from tuner.publish import Publisher, TunerEvent
from tuner.snapshot import Snapshot

_DIGITS = 6
_AGAIN_S = 2.0


class CanaryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``share`` of each step comes first; it is watched for ``watch_s`` of market time in ``checks`` looks.

    ``margin_bps`` of equity is how much worse than its shadow it may do before it is taken back.
    """

    share: float = 0.5
    watch_s: float = 600.0
    checks: int = 3
    margin_bps: float = 1.0


class Flight(msgspec.Struct, frozen=True, kw_only=True):
    """A canary in the air: what it is, what it becomes in full, and the revision it may build on."""

    followed: Followed
    small: tuple[Change, ...]
    full: tuple[Change, ...]
    revision: int
    trades: int
    check: int = 1


def first_step(changes: tuple[Change, ...], share: float) -> tuple[Change, ...]:
    """Return the changes as they come first: a share of each step that does not lower risk. Whole numbers have no share."""
    return tuple(_first(change, share) for change in changes)


def _first(change: Change, share: float) -> Change:
    if change.risk < 0 or change.param.integer:
        return change
    new = round(change.old + share * (change.new - change.old), 0 if change.param.unit == "ms" else _DIGITS)
    return msgspec.structs.replace(change, new=new)


class Canary:
    """Watches what was applied in part.

    Parameters
    ----------
    desk
        Audit, publisher, log and clock, as the decider's.
    """

    def __init__(
        self, instance: str, replayer: Replayer, desk: tuple[Audit, Publisher, TunerLog, Clock], options: CanaryOptions
    ) -> None:
        self.options = options
        self._instance = instance
        self._replayer = replayer
        self._audit, self._publisher, self._log, self._clock = desk
        self._flights = _open_flights(self._audit)
        self._running: tuple[Flight, Future[Answer]] | None = None
        self._not_before_ns = 0

    @property
    def flights(self) -> tuple[Flight, ...]:
        """The canaries in the air."""
        return tuple(self._flights)

    def first_step(self, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        """Return the changes as they come first."""
        return first_step(changes, self.options.share)

    def watch(self, flight: Flight) -> None:
        """Watch a change that was applied in part."""
        self._flights.append(flight)

    def turn(self, workspace: Workspace, snapshot: Snapshot) -> None:
        """Take the answer that has come and act on it, and ask for the next look that is due. Never waits for a replay."""
        if self._running is not None and self._running[1].done():
            flight, future = self._running
            self._running = None
            self._look(workspace, snapshot, flight, future.result())
        folder = kept_session(self._instance) if self._flights else None
        if self._running is not None or folder is None or self._clock.monotonic_ns() < self._not_before_ns:
            return
        for flight in self._flights:
            if snapshot.live:
                self._end(flight, Status.LEFT, "the canary stays as it is: live orders cannot be replayed", None)
                return
            horizon_s = self.options.watch_s * flight.check / self.options.checks
            if snapshot.engine_ns >= flight.followed.from_ns + int(horizon_s * NS_PER_S):
                task = Measure(
                    folder=str(folder), symbol=flight.followed.index, decision_id=flight.followed.decision_id,
                    from_ns=flight.followed.from_ns, horizon_s=horizon_s,
                )  # fmt: skip
                self._running = flight, self._replayer.submit(task)
                return

    def _look(self, workspace: Workspace, snapshot: Snapshot, flight: Flight, answer: Answer) -> None:
        if answer.both is None:
            self._not_before_ns = self._clock.monotonic_ns() + int(_AGAIN_S * NS_PER_S)
            if answer.final:
                self._end(flight, Status.LEFT, f"the canary stays as it is: {answer.error}", None)
            return
        margin_usd = self.options.margin_bps * 1e-4 * snapshot.account.equity_usd
        if answer.both.gain_usd < -margin_usd:
            back = tuple(Change(field=change.field, old=change.new, new=change.old) for change in flight.small)
            self._wish(workspace, flight, Status.ROLLED_BACK, back, answer.both)
        elif flight.check >= self.options.checks:
            on = tuple(Change(field=f.field, old=s.new, new=f.new) for s, f in zip(flight.small, flight.full, strict=True))
            self._wish(workspace, flight, Status.PROMOTED, tuple(c for c in on if c.new != c.old), answer.both)
        else:
            self._flights[self._flights.index(flight)] = msgspec.structs.replace(flight, check=flight.check + 1)

    def _wish(self, workspace: Workspace, flight: Flight, status: Status, changes: tuple[Change, ...], both: Both) -> None:
        """Ask the trader to take the canary back, or to apply it in full."""
        verb = "does worse than its shadow" if status is Status.ROLLED_BACK else "does no worse than its shadow"
        why = f"{verb}: {both.new.net_usd:+.2f} against {both.old.net_usd:+.2f} USD over {both.horizon_s / 60:.0f} min"
        wish = Wish(
            changes={change.field: change.new for change in changes}, source=Source.TUNER, base_revision=flight.revision,
            override_epoch=workspace.override_epoch, decision_id=flight.followed.decision_id,
            confidence_pct=flight.followed.confidence_pct, valid_for_s=2.0,
        )  # fmt: skip
        try:
            outcome = workspace.symbol_rows[flight.followed.index].post(wish, self._clock)
        except TradingError as error:
            self._end(flight, Status.LEFT, f"the canary stays as it is: {error}", both)
            return
        if outcome.refusal:
            self._end(flight, Status.LEFT, f"the canary stays as it is: {words(outcome.refusal)}", both)
        else:
            self._end(flight, status, why, both, changes)

    def _end(self, flight: Flight, status: Status, why: str, both: Both | None, changes: tuple[Change, ...] = ()) -> None:
        """Record and tell how a canary ended."""
        followed = flight.followed
        self._flights = [one for one in self._flights if one.followed.decision_id != followed.decision_id]
        kind = TunerEventKind.ROLLED_BACK if status is Status.ROLLED_BACK else TunerEventKind.APPLIED
        self._audit.append(_end_record(flight, status, why, changes, self._clock.now_ns()))
        self._log.line("CANARY", f"{followed.symbol} decision {followed.decision_id}: {status.value}: {why}")
        if status is Status.LEFT:
            return
        self._publisher.push(
            TunerEvent(
                kind=kind, symbol=followed.index, action=followed.action, decision_id=followed.decision_id, changes=changes,
                confidence_pct=followed.confidence_pct, text=why, **(both_fields(both, both.gain_usd) if both else {}),
            )
        )  # fmt: skip


def _end_record(flight: Flight, status: Status, why: str, changes: tuple[Change, ...], now_ns: int) -> dict[str, Any]:
    followed = flight.followed
    return {
        "decision_id": followed.decision_id,
        "time_ns": now_ns,
        "symbol": followed.symbol,
        "action": Action.UPDATE_CONFIG.name,
        "trigger": followed.trigger,
        "status": status.value,
        "canary": True,
        "why": why,
        "changes": [{"field": c.field, "name": c.param.name, "old": c.old, "new": c.new} for c in changes],
        "trades": flight.trades,
    }


def _open_flights(audit: Audit) -> list[Flight]:
    """Return the canaries that were in the air when the tuner last ended."""
    ends = audit.records([Status.ROLLED_BACK, Status.PROMOTED, Status.LEFT], 500)
    ended = {int(record["decision_id"]) for record in ends if record.get("canary")}
    return [
        Flight(
            followed=msgspec.convert(record["followed"], Followed, strict=False),
            small=_changes(record["changes"]),
            full=_changes(record["full"]),
            revision=int(record["applied"]["revision"]),
            trades=int(record["trades"]),
        )
        for record in reversed(audit.records([Status.APPLIED], 100))
        if record.get("full") and record.get("followed") and int(record["decision_id"]) not in ended
    ]


def _changes(items: list[dict[str, Any]]) -> tuple[Change, ...]:
    known = range(len(PARAMS))
    return tuple(Change(field=i["field"], old=i["old"], new=i["new"]) for i in items if i["field"] in known)
