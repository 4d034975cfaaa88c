"""The executor: the engine's events become orders at the venue, the venue's answers reports to the engine. Beside the loop.

It decides nothing. It sends once what the engine ordered, finds out what became of it however long that takes, and tells the
engine exactly once. See :mod:`.desk` for what it believes and :mod:`.journal` for what it remembers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import FeedError
from shared.events import EventKind, Reason
from trader.engine.inputs import InputKind, InputRow, row
from trader.engine.state import ORDER_SLOTS, State
from trader.execution.live.desk import Desk, LiveOrder
from trader.execution.live.journal import OrderJournal
from trader.execution.live.protection import plan_stops, switch_wanted, wanted_stop
from trader.execution.live.reconcile import Baseline, differences
from trader.execution.live.venue import Holdings, OrderRequest, Outcome, TradeVenue, whole_steps

TURN_S = 0.05
RECONCILE_NS = 30 * NS_PER_S
RECHECK_NS = NS_PER_S  # after a difference, or when something was under way
PULSE_NS = 2 * NS_PER_S  # one symbol's fills are asked for this often: the stream may be dead and not say so
LONGEST_PULSE_NS = 10 * NS_PER_S
SILENCE_NS = 10 * NS_PER_S  # without any answer for this long the venue counts as lost
STREAM_GRACE_NS = 10 * NS_PER_S
QUIET_IS_UP_S = 2.0  # a stream that has not failed for this long is up, even if it has nothing to say
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
UNHEARD_NS = 5 * NS_PER_S  # a fill that only asking has brought, and this long ago: the stream is open and says nothing
OVERLAP_MS = 60_000  # fills are asked for again over this span; what is known is dropped
SWITCH_MS = 60_000
SWITCH_EVERY_NS = 15 * NS_PER_S
STOP_RETRY_NS = 3 * NS_PER_S
PROTECT_NS = 250 * NS_PER_MS
WAY_S = 2.0  # how long an exit on spot waits for the stop to make way
DIFFERENCES_BEFORE_NO = 2

Events = npt.NDArray[np.void]


class Engine(Protocol):
    """What the executor needs of the trader."""

    symbols: list[str]

    @property
    def state(self) -> State:
        """The engine's state."""
        ...

    def take(self, rows: list[InputRow]) -> None:
        """Process inputs."""
        ...

    def input_time_ns(self) -> int:
        """Return the time of an input that does not come from the feed."""
        ...


class Executor:
    """Orders of one engine at one venue.

    Parameters
    ----------
    venue
        Opened already.
    opened_ms
        The venue's clock at that time.
    say
        Called with words for the human.
    """

    def __init__(
        self, venue: TradeVenue, engine: Engine, journal: OrderJournal, clock: Clock, rng: np.random.Generator,
        *, opened_ms: int, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._venue = venue
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._say = say
        self._offset_ms = opened_ms - clock.now_ns() // NS_PER_MS
        self._count = len(engine.symbols)
        self._steps = [venue.step_size(i) for i in range(self._count)]
        self._ticks = [venue.tick_size(i) for i in range(self._count)]
        self.desk = Desk(journal, clock, steps=self._steps, settling_ns=venue.settling_ns, rng=rng)
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        self._changed = asyncio.Event()
        self._polling: set[int] = set()
        now_ns = clock.monotonic_ns()
        self._answered_ns = now_ns
        self._deaf_since: dict[str, int] = {}
        self._unheard: dict[tuple[int, str], int] = {}
        self._listening_ms = opened_ms + UNHEARD_NS // NS_PER_MS  # what happened before is no fault of the stream
        self._reconcile_ns = self._pulse_ns = self._protect_ns = self._switch_ns = now_ns
        # where one answer has every symbol's fills, it is asked for as rarely as each symbol would be
        self._groups = 1 if venue.account_wide else self._count
        self._pulse_every_ns = min(PULSE_NS * self._count // self._groups, LONGEST_PULSE_NS)
        self._pulse = 0
        self._agreed = False
        self._differences = 0
        self._told: tuple[bool, int] | None = None
        self._said = ""
        self._armed: dict[int, bool] = {}
        self._no_switch = False
        self._stop_after_ns: dict[int, int] = {}
        self.reconciliations = 0

    @property
    def _state(self) -> Any:
        return self._engine.state[0]

    def told(self, events: Events) -> None:
        """Take what the engine wants of the venue; returns at once."""
        for event in events[np.isin(events["kind"], (EventKind.ORDER, EventKind.CANCEL_REQUEST))]:
            self._queue.put_nowait(event.copy())

    async def run(self) -> None:
        """Take up what an earlier life left, then work until cancelled; what rests and is no stop is then withdrawn."""
        self._take_up()
        loops = [self._carry(), self._turn(), self._listen("fills", self._hear_fills), self._listen("orders", self._hear_orders)]
        try:
            async with asyncio.TaskGroup() as group:
                for loop in loops:
                    group.create_task(loop)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._withdraw()

    def _take_up(self) -> None:
        """Go on after a restart: tell the engine what it was not told, and ask for every order that is not finished."""
        state = self._state
        if self._journal.fact("started_ms") is None:
            self._keep("started_ms", float(self._venue_ms()))
        else:  # a switch that was armed before the fall goes on, and would take the stops of now
            self._armed = dict.fromkeys(range(self._count), True)
        self._now_agree(agree=False)
        self.desk.take_up(int(state["reports"]), int(state["order_id"]))
        self._deliver()
        for index in range(self._count):
            for slot in range(ORDER_SLOTS):
                order = state["symbols"][index]["orders"][slot]
                if order["status"] and self.desk.by_order_id(int(order["order_id"])) is None:
                    self.desk.never_sent(index, int(order["order_id"]))
        for live in self.desk.orders.values():
            live.cancel_wanted = live.request.limit_usd > 0.0  # a quote of before the fall is not of now
        self._deliver()

    def _venue_ms(self) -> int:
        return self._clock.now_ns() // NS_PER_MS + self._offset_ms

    def _keep(self, name: str, value: float) -> None:
        with self._journal.together():
            self._journal.set_fact(name, value)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._queue.put_nowait(task.exception())  # a failure of any part is the failure of the whole

    def _deliver(self) -> None:
        """Tell the engine what the journal holds for it, in the journal's order."""
        time_ns = self._engine.input_time_ns()
        rows = [
            row(
                InputKind.REPORT, time_ns, report.symbol, flags=report.kind, aux=report.reason, ref=report.order_id,
                a=report.qty, b=report.price_usd, c=report.fee_usd,
            )
            for report in self.desk.outbox()
        ]  # fmt: skip
        if rows:
            self._engine.take(rows)

    # orders

    async def _carry(self) -> None:
        """Carry the engine's wishes to the venue: journalled here, in order; sent beside one another."""
        while True:
            event = await self._queue.get()
            if isinstance(event, BaseException):
                raise event
            if event["kind"] == EventKind.CANCEL_REQUEST:
                order = self.desk.by_order_id(int(event["order_id"]))
                if order is not None:
                    order.cancel_wanted = True
                    order.ask_ns = 0
                continue
            symbol = int(event["symbol"])
            request = OrderRequest(
                client_id=self.desk.client_id(), symbol=symbol, side=int(event["side"]),
                qty=whole_steps(float(event["qty"]), self._steps[symbol]),
                limit_usd=float(event["new"]), reduce_only=bool(event["old"]), seen_usd=float(event["price_usd"]),
            )  # fmt: skip
            order = self.desk.plan(request, int(event["order_id"]), int(event["reason"]))
            self._spawn(self._send(order))

    async def _send(self, order: LiveOrder) -> None:
        self._busy.add(order.request.client_id)
        try:
            if order.request.reduce_only and not self._venue.perpetual:
                await self._make_way(order.request.symbol)
            answer = await self._venue.send(order.request)
        finally:
            self._busy.discard(order.request.client_id)
        order.sent_ns = self._clock.monotonic_ns()
        self._noted(answer.outcome)
        self.desk.answered(order, answer)
        self._deliver()
        self._tell_status()

    async def _make_way(self, symbol: int) -> None:
        """Take the stops of a spot position off before it is sold: they hold what is to be sold."""
        for stop in self.desk.stops(symbol):
            stop.cancel_wanted, stop.ask_ns = True, 0
        try:
            async with asyncio.timeout(WAY_S):
                while self.desk.stops(symbol):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._say_once(f"{self._engine.symbols[symbol]} stop: was not taken off in time; the exit is sent all the same")

    async def _ask(self, order: LiveOrder) -> None:
        """Find out what has become of an order; cancel it first if that is wanted."""
        self._busy.add(order.request.client_id)
        try:
            if order.cancel_wanted:
                order.cancel_sent = True
                self._noted((await self._venue.cancel(order.request)).outcome)
            answer = await self._venue.query(order.request)
            self._noted(answer.outcome)
            self.desk.answered(order, answer)
            if order.fills_missing or (order.venue_id and order.is_stop and order.done_at_venue):
                await self._poll(order.request.symbol)
        finally:
            self._busy.discard(order.request.client_id)
            self._changed.set()
        self._deliver()
        self._tell_status()

    def _noted(self, outcome: Outcome) -> None:
        if outcome is not Outcome.AMBIGUOUS:
            self._answered_ns = self._clock.monotonic_ns()

    # the user stream

    async def _listen(self, name: str, hear: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Hear the user stream; when it breaks, look at once by asking, and listen again."""
        wait_s = FIRST_WAIT_S
        while True:
            hearing = asyncio.ensure_future(hear())
            try:
                if not (await asyncio.wait([hearing], timeout=QUIET_IS_UP_S))[0]:
                    self._deaf_since.pop(name, None)  # it neither failed nor has it anything to say
                await hearing
                self._deaf_since.pop(name, None)
                wait_s = FIRST_WAIT_S
            except FeedError as error:
                self._deaf_since.setdefault(name, self._clock.monotonic_ns())
                self._listen_from_now()  # what it misses while it is broken is no fault of the next one
                self._pulse_ns = 0
                self._say_once(str(error))
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            finally:
                hearing.cancel()

    async def _hear_fills(self) -> None:
        for fill in await self._venue.watch_fills():
            self._unheard.pop((fill.symbol, fill.trade_id), None)
            self.desk.fill(fill)
        self._deliver()

    async def _hear_orders(self) -> None:
        for told in await self._venue.watch_orders():
            self.desk.heard(told)
        self._deliver()

    # turning

    async def _turn(self) -> None:
        """Do what time brings: questions, polling, protection, the switch, reconciliation."""
        while True:
            await asyncio.sleep(TURN_S)
            now_ns = self._clock.monotonic_ns()
            for order in list(self.desk.orders.values()):
                if order.ask_ns <= now_ns and order.request.client_id not in self._busy:
                    self._spawn(self._ask(order))
            if now_ns >= self._pulse_ns:
                self._pulse_ns = now_ns + self._pulse_every_ns
                self._pulse = (self._pulse + 1) % self._groups
                self._spawn(self._poll(self._pulse))
            if self._unheard and not self._deaf_since and now_ns - min(self._unheard.values()) > UNHEARD_NS:
                self._spawn(self._renew_stream())
            if now_ns >= self._protect_ns:
                self._protect_ns = now_ns + PROTECT_NS
                self._protect(now_ns)
            if now_ns >= self._switch_ns:
                self._switch_ns = now_ns + SWITCH_EVERY_NS
                self._spawn(self._keep_switch())
            if now_ns >= self._reconcile_ns:
                self._reconcile_ns = now_ns + RECONCILE_NS
                self._spawn(self._reconcile())
            self._tell_status()

    async def _poll(self, symbol: int) -> None:
        """Ask for the fills of a symbol, or of all at once; those the stream has brought are known already."""
        wide = self._venue.account_wide
        symbol = 0 if wide else symbol
        if symbol in self._polling:
            return
        self._polling.add(symbol)
        try:
            fills = await self._venue.fills(symbol, min(self._since_ms(i) for i in (range(self._count) if wide else (symbol,))))
        except FeedError as error:
            self._say_once(str(error))
            return
        finally:
            self._polling.discard(symbol)
        self._answered_ns = now_ns = self._clock.monotonic_ns()
        for fill in fills:
            known = self._journal.has_fill(fill.symbol, fill.trade_id)
            if self.desk.fill(fill) and not known and fill.time_ms > self._listening_ms:
                self._unheard[fill.symbol, fill.trade_id] = now_ns
        self._deliver()

    async def _renew_stream(self) -> None:
        """Begin the user stream anew: it is open, and has not told of a fill that asking has brought."""
        self._listen_from_now()
        self._say_once("user stream: did not tell of a fill, expected it seconds ago; it is begun anew")
        await self._venue.renew_stream()

    def _listen_from_now(self) -> None:
        """Expect fills of the user stream from a moment on when it can have told them."""
        self._unheard.clear()
        self._listening_ms = self._venue_ms() + UNHEARD_NS // NS_PER_MS

    def _since_ms(self, symbol: int) -> int:
        """Return from when on fills are asked for: none of an unfinished order may be left out."""
        unfinished = [
            o.created_ns // NS_PER_MS + self._offset_ms for o in self.desk.orders.values() if o.request.symbol == symbol
        ]
        newest = self._journal.newest_fill_ms(symbol)
        started = int(self._journal.fact("started_ms") or 0)
        return max(min([newest or started, *unfinished]) - OVERLAP_MS, started)

    # protection

    def _protect(self, now_ns: int) -> None:
        """Keep one stop a position at the venue."""
        perpetual = self._venue.perpetual
        for index in range(self._count):
            want = wanted_stop(self._state["symbols"][index], self._ticks[index], self._steps[index], perpetual=perpetual)
            plan = plan_stops(self.desk, index, want, self._ticks[index], self._steps[index], perpetual=perpetual)
            for order in plan.cancel:
                order.cancel_wanted, order.ask_ns = True, 0
            if plan.place is None or now_ns < self._stop_after_ns.get(index, 0):
                continue
            request = OrderRequest(
                client_id=self.desk.client_id(), symbol=index, side=plan.place.side, qty=plan.place.qty,
                trigger_usd=plan.place.trigger_usd, reduce_only=True,
            )  # fmt: skip
            self._spawn(self._send_stop(self.desk.plan(request, 0, Reason.STOP)))

    async def _send_stop(self, order: LiveOrder) -> None:
        """Send a stop; unlike an exit it waits for nothing."""
        self._busy.add(order.request.client_id)
        try:
            answer = await self._venue.send(order.request)
        finally:
            self._busy.discard(order.request.client_id)
        order.sent_ns = self._clock.monotonic_ns()
        self._noted(answer.outcome)
        if answer.outcome is Outcome.REFUSED:
            self._stop_after_ns[order.request.symbol] = order.sent_ns + STOP_RETRY_NS
            self._say_once(
                f"{self._engine.symbols[order.request.symbol]} stop: was refused by the venue ({answer.words}); trying again"
            )
        self.desk.answered(order, answer)

    async def _keep_switch(self) -> None:
        """Renew the dead man's switch, arm it or take it back."""
        if self._no_switch:
            return
        for index in range(self._count):
            wanted = switch_wanted(self.desk, [index] if self._venue.switch_per_symbol else list(range(self._count)))
            if not wanted and not self._armed.get(index, False):
                continue
            try:
                self._no_switch = not await self._venue.arm(index, SWITCH_MS if wanted else 0)
            except FeedError as error:
                self._say_once(str(error))
                continue
            if self._no_switch and wanted:
                self._say("no dead man's switch here: a quote that rests when this program falls silent stays until it is back")
            self._armed[index] = wanted
            if self._no_switch or not self._venue.switch_per_symbol:
                return

    # agreement

    async def _reconcile(self) -> None:
        """Compare orders, fills, balances and positions; conclude only from a moment in which nothing was under way."""
        reports = int(self._state["reports"])
        if any(self.desk.in_flight(i) for i in range(self._count)):  # nothing could be concluded, and questions are counted
            self._reconcile_ns = self._clock.monotonic_ns() + RECHECK_NS
            return
        try:
            strange = await self._strangers()
            for index in range(self._groups):
                await self._poll(index)
            holdings = await self._venue.holdings()
        except FeedError as error:
            self._say_once(str(error))
            self._reconcile_ns = self._clock.monotonic_ns() + RECHECK_NS
            return
        self._answered_ns = self._clock.monotonic_ns()
        moved = int(self._state["reports"]) != reports or any(self.desk.in_flight(i) for i in range(self._count))
        if moved:
            self._reconcile_ns = self._clock.monotonic_ns() + RECHECK_NS
            return
        self.reconciliations += 1
        self._conclude([*strange, *self._compare(holdings)])

    async def _strangers(self) -> list[str]:
        """Return the orders at the venue that bear our mark and are not ours; cancel those that were thought to be over."""
        found = []
        for told in await self._venue.open_orders():
            if told.client_id in self.desk.orders:
                self.desk.heard(told)
            elif self._journal.knows(told.client_id):
                await self._venue.cancel(self._journal.order(told.client_id).request)
                found.append(f"order {told.client_id}: was open at the venue, expected it to be over; it is being cancelled")
            else:
                found.append(f"order {told.client_id}: was not in the journal, expected no other program with this account")
        self._deliver()
        return found

    def _compare(self, holdings: Holdings) -> list[str]:
        symbols, state = self._engine.symbols, self._state
        if self._journal.fact("cash_usd") is None and holdings.confirmed:
            self._keep("cash_usd", holdings.cash_usd - float(state["cash_usd"]))
            for index, qty in enumerate(holdings.positions):
                self._keep(f"position:{symbols[index]}", 0.0 if self._venue.perpetual else qty)
        held = tuple(
            (self._journal.fact(f"position:{symbol}") or 0.0) + self._journal.crumbs(i) for i, symbol in enumerate(symbols)
        )
        baseline = Baseline(self._journal.fact("cash_usd") or 0.0, held)
        return differences(symbols, self._steps, state, holdings, baseline, equity_usd=float(state["peak_equity_usd"]))

    def _conclude(self, found: list[str]) -> None:
        """Take a comparison: agreement holds at once, a difference when it is seen again."""
        self._differences = self._differences + 1 if found else 0
        if not found:
            self._agreed = True
            self._said = ""
        else:
            self._reconcile_ns = self._clock.monotonic_ns() + RECHECK_NS * min(self._differences, 10)
            if self._differences >= DIFFERENCES_BEFORE_NO:
                self._agreed = False
                self._say_once(f"NOT RECONCILED: {'; '.join(found)}. Entries are blocked, protection goes on")
        self._tell_status()

    def _tell_status(self) -> None:
        """Tell the engine whether it may enter: venue and ledger agree, and the venue answers."""
        now_ns = self._clock.monotonic_ns()
        answers = now_ns - self._answered_ns < SILENCE_NS
        hears = all(now_ns - since_ns < STREAM_GRACE_NS for since_ns in self._deaf_since.values())
        self._now_agree(agree=self._agreed and answers and hears)

    def _now_agree(self, *, agree: bool) -> None:
        status = (agree, self.desk.unconfirmed)
        if status != self._told:
            self._told = status
            self._engine.take([row(InputKind.RECONCILED, self._engine.input_time_ns(), a=float(agree), b=float(status[1]))])

    def _say_once(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self._say(words)

    async def _withdraw(self) -> None:
        """At the end: cancel what rests and is no stop. Positions and their stops stay."""
        resting = [order.request for order in self.desk.orders.values() if order.request.limit_usd > 0.0]
        try:
            async with asyncio.timeout(3.0):
                for request in resting:
                    await self._venue.cancel(request)
        except TimeoutError:
            self._say("quotes: could not be cancelled in time; the venue's switch cancels them, where it has one")
