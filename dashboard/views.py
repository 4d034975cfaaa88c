"""The viewer: attaches to a running system, follows its restarts, and turns shared memory into a :class:`DashboardView`."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from dashboard.chart_view import chart
from dashboard.config_view import MANUAL_OVERRIDE, TRADING_ENABLED, config, set_times, wheel_of
from dashboard.decision_view import Decisions
from dashboard.event_log import EventLog
from dashboard.header_view import Switches, header, waiting
from dashboard.markets_view import markets
from dashboard.model import DashboardView, Header, Level, Tuner
from dashboard.money_view import account, equity_curve
from dashboard.positions_view import positions, trades
from dashboard.scalper_view import scalper
from dashboard.tuner_view import tuner, tuner_alerts
from dashboard.why_view import why
from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import LayoutMismatch, NotRunning, SharedMemoryError, TornRead
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
        self._problem = self._tuner_problem = ""
        self._log = EventLog()
        self._decisions = Decisions()
        self._set_times: dict[tuple[int, int], int] = {}
        self._marks: deque[Any] = deque(maxlen=MARKS)
        self._last_search_ns = -_SEARCH_EVERY_NS
        self._view: DashboardView | None = None

    @property
    def symbols(self) -> list[str]:
        """The configured symbols, empty before a trader was found."""
        return self._workspace.symbols if self._workspace else []

    def moved(self) -> bool:
        """Say whether events wait that :meth:`look` has not shown yet; costs two loads."""
        readers = (self._trade_reader, self._tuner_reader)
        return any(reader is not None and reader.head != reader.cursor for reader in readers)

    def look(self, selected: int = 0) -> DashboardView:
        """Return the state of this moment; ``selected`` is the symbol of chart and config panel.

        Never raises for a trader that is absent, dead, busy or of another version: the view says so.
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
        self._workspace = self._tuner = self._trade_reader = self._tuner_reader = None

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
        self._problem = ""
        try:
            found = Workspace(self._instance, self._clock)
        except NotRunning:
            return
        except LayoutMismatch as error:
            self._problem = f"LAYOUT MISMATCH: the trader is of another version than this dashboard; restart both. {error}"
            return
        except SharedMemoryError as error:
            self._problem = f"CANNOT READ THE TRADER: {error}"
            return
        if self._workspace is not None:
            self._workspace.close()
            self._log.note(self._clock.now_ns(), "── the trader was restarted ──")
            self._marks.clear()
            self._set_times.clear()
        self._workspace = found
        self._trade_reader = found.events(last=BACKLOG)

    def _attach_tuner(self) -> None:
        self._tuner_problem = ""
        try:
            found = find_tuner(self._instance)
        except SharedMemoryError as error:
            self._tuner_problem = f"cannot be read: {error}"
            return
        if found is None:
            return
        if self._tuner is not None and found.epoch == self._tuner.epoch:
            found.close()
            return
        if self._tuner is not None:
            self._tuner.close()
        self._decisions.clear()
        self._tuner = found
        self._tuner_reader = found.events(last=BACKLOG)

    def _look(self, selected: int) -> DashboardView:
        if self._workspace is None or not self._workspace.symbols:
            return self._waiting()
        workspace, now_ns = self._workspace, self._clock.now_ns()
        view, status = workspace.portfolio(), self._tuner.status() if self._tuner else None
        controls = workspace.controls.applied()
        shift_ns = self._read_events(view)
        ai = self._tuner_panel(status, shift_ns)
        wheel = wheel_of(controls, tuner_alive=ai.alive, dry_run=ai.dry_run)
        head = self._header(view, controls, now_ns, dry_run=ai.dry_run)
        head = msgspec.structs.replace(head, alerts=(*head.alerts, *tuner_alerts(ai)))
        symbols = workspace.symbols
        index = min(max(selected, 0), len(symbols) - 1)
        applied = [row.applied() for row in workspace.symbol_rows]
        return DashboardView(
            attached=True,
            fresh=Level.RED not in (head.level, head.trader.level, head.feed.level),
            stamp=int(view["input_seq"]) + int(view["event_seq"]),
            header=head,
            tuner=ai,
            account=account(view, ai.cost_usd),
            markets=markets(view, symbols, now_ns),
            positions=positions(view, symbols, tuner_active=wheel[1]),
            trades=trades(view, symbols),
            chart=chart(view, symbols, index, self._marks),
            equity=equity_curve(view),
            why=why(symbols[index], view["rows"][index], view["blocked"]),
            config=config(symbols, index, applied, controls, wheel, self._set_times),
            scalper=scalper(symbols[index], None if status is None else status["reads"][index], now_ns),
            events=self._log.lines,
        )

    def _header(self, view: Any, controls: Any, now_ns: int, *, dry_run: bool) -> Header:
        workspace = self._workspace
        assert workspace is not None  # noqa: S101 - only called with one
        switches = Switches(
            override=bool(controls["values"][MANUAL_OVERRIDE]),
            entries=bool(controls["values"][TRADING_ENABLED]),
            dry_run=dry_run,
        )
        heartbeat_ns = now_ns - int(workspace.heartbeat_age_ms * NS_PER_MS)
        head = header(
            self._instance,
            view,
            workspace.symbols,
            controls,
            heartbeat_ns,
            now_ns,
            switches=switches,
            alive=workspace.trader_alive,
        )
        if not self._problem:
            return head
        other = waiting(self._instance, self._problem)  # the old trader is gone, and a new one cannot be read
        return msgspec.structs.replace(head, state=other.state, level=other.level, alerts=other.alerts)

    def _waiting(self) -> DashboardView:
        return DashboardView(
            attached=False,
            fresh=False,
            stamp=0,
            header=waiting(self._instance, self._problem),
            tuner=self._tuner_panel(self._tuner.status() if self._tuner else None, 0),
            events=self._log.lines,
        )

    def _tuner_panel(self, status: Any, shift_ns: int) -> Tuner:
        now_ns = self._clock.now_ns()
        if self._tuner is None or status is None:
            return tuner(None, 0, now_ns, alive=False, problem=self._tuner_problem)
        decision = self._decisions.last(self.symbols, shift_ns)
        return tuner(status, self._tuner.heartbeat_ns, now_ns, alive=self._tuner.alive, decision=decision)

    def _read_events(self, view: Any) -> int:
        """Take in what is new; return machine clock minus engine clock, ns, 0 where they are the same one."""
        shift_ns = int(view["published_ns"]) - int(view["time_ns"])
        shift_ns = shift_ns if abs(shift_ns) > _SAME_CLOCK_NS else 0
        if self._workspace is None or self._trade_reader is None:
            return shift_ns
        trade = self._trade_reader.read()
        ai = list(self._tuner_reader.read()) if self._tuner_reader else []
        self._log.extend(list(trade), ai, self._workspace.symbols, shift_ns)
        self._marks.extend(
            e for e in trade if e["kind"] in (EventKind.FILL, EventKind.TUNER_CONFIG) or e["source"] == Source.TUNER
        )
        self._set_times.update(set_times(trade))
        self._decisions.add(ai)
        return shift_ns
