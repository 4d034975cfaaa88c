"""The working loop: finds the trader, watches it, and starts a cycle whenever a trigger fires."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec

from shared.clock import NS_PER_S
from shared.errors import NotRunning, SharedMemoryError, TradingError
from shared.events import TunerEventKind, TunerMode, TunerStatus, words
from shared.workspace import Workspace
from tuner.account import Result
from tuner.cycle import Decider, Parts
from tuner.news.signals import heard
from tuner.publish import TunerEvent
from tuner.snapshot import ControlFacts, Snapshot, take, take_controls
from tuner.triggers import Fired, TriggerLimits, TriggerState, absorb, due, next_cycle_ns

CALLS_PER_CYCLE = 4
_TICK_S = 0.1
_ATTACH_EVERY_S = 0.5


class LoopOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the loop runs.

    ``wait_s`` is how long to wait for a trader that is not there: None for ever, otherwise then :class:`NotRunning`.
    """

    instance: str
    interval_s: float = 300.0
    dry_run: bool = False
    once: bool = False
    wait_s: float | None = None


class TunerLoop:
    """The tuner's life after its parts are made; :meth:`run` returns when it is told to stop.

    Parameters
    ----------
    tell
        Called with every decision, for ``--json``.
    """

    def __init__(self, parts: Parts, options: LoopOptions, tell: Callable[[Result], None]) -> None:
        self._parts = parts
        self._options = options
        self._tell = tell
        self._decider = Decider(parts, interval_s=options.interval_s, dry_run=options.dry_run)
        self._limits = TriggerLimits(interval_s=options.interval_s)
        self._state = TriggerState()
        self._workspace: Workspace | None = None
        self._missing_since_ns = parts.clock.monotonic_ns()
        self._tried_ns = 0
        self._turn_of = 0  # round robin: the symbol whose turn it is
        self._shown = (TunerStatus.STARTING, "", 0)
        self._said = ""
        self._settled = False

    def run(self) -> None:
        """Work until told to stop, or with ``once`` until one cycle is done.

        Errors
        ------
        NotRunning
            If there is no trader within ``wait_s``.
        """
        stop = self._parts.stop
        try:
            while not stop.is_set():
                self._parts.publisher.beat()
                if self._turn() and self._options.once:
                    return
                stop.wait(_TICK_S)
        finally:
            self._detach()

    def _turn(self) -> bool:
        """Do what is due; True once a cycle is over, or is ruled out by a human."""
        try:
            workspace = self._attached()
            if workspace is None:
                return False
            snapshot = take(workspace, self._parts.clock)
        except (NotRunning, SharedMemoryError) as error:
            self._lost(error)
            return False
        self._follow(workspace, snapshot)
        barred = self._barred(snapshot.controls)
        if barred:
            self._say(barred)
            self._state = absorb(self._state, snapshot)
            return True
        self._say("")
        self._settled = self._settled or self._decider.settle(workspace)
        if not self._settled:
            return False  # something of the tuner before may still take effect: wait until its fate is known
        news = heard(self._parts.news, workspace.symbols, self._parts.log)
        self._state, fired = due(self._state, snapshot, self._parts.clock.now_ns(), self._limits, news)
        self._show_work()
        if fired is None:
            return False
        self._cycle(workspace, snapshot, fired)
        return True

    def _attached(self) -> Workspace | None:
        """Return the live trader's workspace; None while it is too early to look again."""
        clock = self._parts.clock
        if self._workspace is not None:
            if self._workspace.trader_alive:
                return self._workspace
            self._detach()
            self._missing_since_ns = clock.monotonic_ns()
        if self._tried_ns and clock.monotonic_ns() - self._tried_ns < _ATTACH_EVERY_S * NS_PER_S:
            return None
        self._tried_ns = clock.monotonic_ns()
        self._workspace = Workspace(self._options.instance, clock)
        self._settled = False
        if self._parts.measurer is not None and not self._options.once:
            self._parts.measurer.warm()
        self._parts.log.line("TRADER", f"attached: {', '.join(self._workspace.symbols)}")
        self._parts.publisher.update(last_error="")
        return self._workspace

    def _lost(self, error: TradingError) -> None:
        """Wait for a trader that is not there, as long as the options allow."""
        self._detach()
        missing_s = (self._parts.clock.monotonic_ns() - self._missing_since_ns) / NS_PER_S
        if self._options.wait_s is not None and missing_s >= self._options.wait_s:
            raise error
        self._show(TunerStatus.STARTING, "waiting for the trader")
        self._say(f"waiting for the trader: {error}")

    def _detach(self) -> None:
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None

    def _barred(self, controls: ControlFacts) -> str:
        """Return why the tuner may not work now, and show it; empty if it may."""
        if controls.manual_override:
            return self._bar(TunerStatus.OVERRIDE, "manual override is on: the tuner changes nothing")
        if controls.tuner_mode is not TunerMode.ON:
            status = TunerStatus.PAUSED if controls.tuner_mode is TunerMode.PAUSED else TunerStatus.OFF
            return self._bar(status, f"the tuner is {words(controls.tuner_mode)}")
        return ""

    def _bar(self, status: TunerStatus, why: str) -> str:
        self._show(status, why)
        return why

    def _follow(self, workspace: Workspace, snapshot: Snapshot) -> None:
        """Measure what is due, and look after a canary; what goes wrong there costs nothing but the figure."""
        try:
            if self._parts.measurer is not None:
                self._parts.measurer.turn(snapshot)
            if self._parts.canary is not None:
                self._parts.canary.turn(workspace, snapshot)
        except TradingError as error:
            self._parts.log.line("ERROR", f"outcome: {error}")

    def _show_work(self) -> None:
        """Show what the tuner is while nothing bars it."""
        stop, now_ns = self._decider.stop, self._parts.clock.now_ns()
        if stop is not None and now_ns < stop.until_ns:
            self._show(TunerStatus.BUDGET, stop.why, stop.until_ns)
        elif self._decider.degraded:
            until_ns = self._decider.rests_until_ns
            self._show(TunerStatus.DEGRADED, "the advisor failed repeatedly and is left alone for a while", until_ns)
        elif self._options.dry_run:
            self._show(TunerStatus.DRY_RUN, "dry run: everything is decided and recorded, nothing is changed")
        else:
            self._show(TunerStatus.ACTIVE, "nothing bars it")

    def _cycle(self, workspace: Workspace, snapshot: Snapshot, fired: Fired) -> None:
        """Decide about the symbols whose turn it is."""
        names = self._names(snapshot, fired)
        trigger = words(fired.trigger)
        self._parts.publisher.update(calling=1)
        reason = f"{trigger}: {fired.reason}; {', '.join(names)}"
        self._parts.publisher.push(TunerEvent(kind=TunerEventKind.TRIGGER, trigger=fired.trigger, text=reason))
        self._parts.log.line("TRIGGER", reason)
        for name in names:
            if self._parts.stop.is_set() or self._barred(take_controls(workspace)):
                break
            self._parts.publisher.beat()
            self._parts.log.line("TUNING", f"Starting (trigger: {trigger})")
            self._decide(workspace, fired, name)
        self._parts.publisher.update(calling=0, next_cycle_ns=next_cycle_ns(self._state, self._limits))

    def _decide(self, workspace: Workspace, fired: Fired, name: str) -> None:
        """Make one decision; an error of ours is told and counted, and the loop goes on with the next."""
        try:
            self._tell(self._decider.decide(workspace, fired, name))
        except TradingError as error:
            self._parts.publisher.add(failures=1)
            self._parts.publisher.update(last_error=f"{error}")
            self._parts.log.line("ERROR", f"{name}: {error}")

    def _names(self, snapshot: Snapshot, fired: Fired) -> list[str]:
        """Return the symbols of this cycle: those the trigger names, else the next few in turn."""
        symbols = [facts.symbol for facts in snapshot.symbols]
        named = [symbols[index] for index in fired.symbols][:CALLS_PER_CYCLE]
        if not fired.covers_all:
            return named
        start = self._turn_of % max(1, len(symbols))
        others = [name for name in symbols[start:] + symbols[:start] if name not in named]
        others = others[: CALLS_PER_CYCLE - len(named)]
        self._turn_of = start + len(others)
        return named + others

    def _show(self, status: TunerStatus, why: str, until_ns: int = 0) -> None:
        """Publish what the tuner is, why, and until when if that ends by itself; only when it changed."""
        if (status, why, until_ns) != self._shown:
            self._shown = status, why, until_ns
            self._parts.publisher.update(status=status, why=why, until_ns=until_ns)

    def _say(self, text: str) -> None:
        """Log and show a standing condition when it changes."""
        if text == self._said:
            return
        self._said = text
        with contextlib.suppress(ValueError):  # a log closed by a late signal
            self._parts.log.line("TUNER", text or "at work")
        self._parts.publisher.update(last_error=text)
