"""The viewer: attaches to a running system, follows its restarts, and turns shared memory into a :class:`DashboardView`."""

from __future__ import annotations

from collections import deque
from typing import Any

from dashboard.config_view import MANUAL_OVERRIDE, TRADING_ENABLED, config, wheel_of
from dashboard.event_log import EventLog
from dashboard.header_view import Switches, header, waiting
from dashboard.model import DashboardView, Level, Tuner
from dashboard.portfolio_view import account, chart, positions, trades
from dashboard.tuner_view import tuner
from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import NotRunning, TornRead
from shared.events import EventKind, Source
from shared.ring import RingReader
from shared.workspace import TunerView, Workspace, find_tuner

BACKLOG = 500  # events of the past that a new dashboard shows
MARKS = 2000  # fills and AI changes kept for the chart
_SEARCH_EVERY_NS = NS_PER_S // 2
_SAME_CLOCK_NS = 5 * NS_PER_S  # engine and machine clock this close are the same one


class Viewer:
    """Reads one instance. Holds nothing that could not be read again from shared memory.

    Parameters
    ----------
    instance
        Name of the instance, ``""`` for the unnamed one.
    clock
        Source of ages and of the pace of searching.
    """

    def __init__(self, instance: str, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock
        self._workspace: Workspace | None = None
        self._tuner: TunerView | None = None
        self._trade_reader: RingReader | None = None
        self._tuner_reader: RingReader | None = None
        self._log = EventLog()
        self._marks: deque[Any] = deque(maxlen=MARKS)
        self._last_search_ns = -_SEARCH_EVERY_NS
        self._view: DashboardView | None = None

    @property
    def symbols(self) -> list[str]:
        """The configured symbols, empty before a trader was found."""
        return self._workspace.symbols if self._workspace else []

    def look(self, selected: int = 0) -> DashboardView:
        """Return the state of this moment; ``selected`` is the symbol of chart and config panel.

        Never raises for a trader that is absent, dead or busy: the view says so.
        """
        self._search()
        try:
            self._view = self._look(selected)
        except TornRead:  # the writer was faster 64 times: the last view is milliseconds old
            if self._view is None:
                self._view = self._waiting()
        return self._view

    def close(self) -> None:
        """Unmap everything."""
        for part in (self._workspace, self._tuner):
            if part is not None:
                part.close()
        self._workspace = self._tuner = None

    def _search(self) -> None:
        """Look for a trader and a tuner where there is no living one; a dead one stays on the screen, greyed, till then."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._last_search_ns < _SEARCH_EVERY_NS:
            return
        self._last_search_ns = now_ns
        if self._workspace is None or not self._workspace.trader_alive:
            self._attach_trader()
        if self._tuner is None or not self._tuner.alive:
            self._attach_tuner()

    def _attach_trader(self) -> None:
        try:
            found = Workspace(self._instance, self._clock)
        except NotRunning:
            return
        if self._workspace is not None:
            self._workspace.close()
            self._log.note(self._clock.now_ns(), "── the trader was restarted ──")
            self._marks.clear()
        self._workspace = found
        self._trade_reader = found.events(last=BACKLOG)

    def _attach_tuner(self) -> None:
        found = find_tuner(self._instance)
        if found is None:
            return
        if self._tuner is not None and found.epoch == self._tuner.epoch:
            found.close()
            return
        if self._tuner is not None:
            self._tuner.close()
        self._tuner = found
        self._tuner_reader = found.events(last=BACKLOG)

    def _look(self, selected: int) -> DashboardView:
        if self._workspace is None or not self._workspace.symbols:
            return self._waiting()
        workspace, now_ns = self._workspace, self._clock.now_ns()
        view = workspace.portfolio()
        controls = workspace.controls.applied()
        alive = workspace.trader_alive
        ai = self._tuner_panel()
        wheel = wheel_of(controls, tuner_alive=ai.alive, dry_run=ai.dry_run)
        self._read_events(view)
        heartbeat_ns = now_ns - int(workspace.heartbeat_age_ms * NS_PER_MS)
        head = header(
            self._instance,
            view,
            heartbeat_ns,
            now_ns,
            switches=Switches(
                override=bool(controls["values"][MANUAL_OVERRIDE]),
                entries=bool(controls["values"][TRADING_ENABLED]),
                dry_run=ai.dry_run,
            ),
            alive=alive,
        )
        index = min(selected, len(workspace.symbols) - 1)
        applied = workspace.symbol_rows[index].applied()
        return DashboardView(
            attached=True,
            fresh=alive and Level.RED not in (head.level, head.trader.level, head.feed.level),
            stamp=int(view["input_seq"]) + int(view["event_seq"]),
            header=head,
            tuner=ai,
            account=account(view, ai.cost_usd),
            positions=positions(view, workspace.symbols, now_ns, tuner_active=wheel[1]),
            trades=trades(view, workspace.symbols),
            chart=chart(view, workspace.symbols, index, self._marks),
            config=config(workspace.symbols[index], index, applied, controls, wheel),
            events=self._log.lines,
        )

    def _waiting(self) -> DashboardView:
        return DashboardView(
            attached=False,
            fresh=False,
            stamp=0,
            header=waiting(self._instance),
            tuner=self._tuner_panel(),
            events=self._log.lines,
        )

    def _tuner_panel(self) -> Tuner:
        now_ns = self._clock.now_ns()
        if self._tuner is None:
            return tuner(None, 0, now_ns, alive=False)
        return tuner(self._tuner.status(), self._tuner.heartbeat_ns, now_ns, alive=self._tuner.alive)

    def _read_events(self, view: Any) -> None:
        if self._workspace is None or self._trade_reader is None:
            return
        trade = self._trade_reader.read()
        ai = list(self._tuner_reader.read()) if self._tuner_reader else []
        shift_ns = int(view["published_ns"]) - int(view["time_ns"])
        self._log.extend(list(trade), ai, self._workspace.symbols, shift_ns if abs(shift_ns) > _SAME_CLOCK_NS else 0)
        self._marks.extend(e for e in trade if e["kind"] == EventKind.FILL or e["source"] == Source.TUNER)
