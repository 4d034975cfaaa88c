"""The composition root of the trader: makes the parts, joins them, and runs until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from shared import layout
from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import FeedError, LayoutMismatch, NotRunning
from shared.events import EventKind, Source, Status, TraderStatus
from shared.paths import kill_file
from shared.ring import RingReader, RingWriter
from shared.segment import Segment
from trader.control import ControlPlane
from trader.engine.engine import Engine
from trader.engine.inputs import Gap, InputKind, InputRow, batch, row
from trader.engine.journal import Journal, logged, recover
from trader.engine.state import State, copy_state, new_state
from trader.feeds.instruments import Instrument
from trader.feeds.rows import bar_row, instrument_row
from trader.feeds.stats import FeedStats
from trader.ledger import Ledger
from trader.portfolio.fingerprint import CLOSES, FillsHash
from trader.portfolio.publish import Publisher
from trader.session import Identity, Session, archive, catch_up, discard, forget_checkpoints, load
from trader.settings import Settings

POLL_S = 0.002  # how often wishes are looked at while no data comes; with data it is every batch
# A reader needs a fifth of that to copy the view; if it were always faster, none would ever get a whole one. After a pause some
# may follow each other at once, so that of messages that come in pairs the second does not wait for the next turn.
PUBLISH_EVERY_BUSY_NS = NS_PER_MS // 5
PUBLISH_AHEAD_NS = 3 * PUBLISH_EVERY_BUSY_NS
PUBLISH_EVERY_NS = 100 * NS_PER_MS  # the heartbeat while no data comes
TIMER_AFTER_NS = 200 * NS_PER_MS  # silence after which time passes without data
SIMULATED_TIMER_AFTER_NS = 5 * NS_PER_S  # a simulated clock stands still while its venue pauses; longer means the venue is gone
CHECKPOINT_EVERY_NS = 2 * NS_PER_S
DISK_CHECKPOINT_EVERY_NS = 15 * NS_PER_S
KILL_FILE_EVERY_NS = NS_PER_S

HISTORY_MINUTES = 120

T = TypeVar("T")
Inputs = npt.NDArray[np.void]
Events = npt.NDArray[np.void]


class Feed(Protocol):
    """A source of inputs."""

    stats: FeedStats
    ended: asyncio.Event

    async def instruments(self) -> list[Instrument]:
        """Return what the venue says of the configured symbols, in their order."""
        ...

    async def history(self, symbol: str, minutes: int) -> npt.NDArray[np.float64]:
        """Return closed minutes, oldest first: float64 (n, 6) of open time (ms), open, high, low, close, volume."""
        ...

    async def run(self) -> None:
        """Deliver inputs until cancelled."""
        ...


class LiveOrders(Protocol):
    """What carries orders to a venue and brings its reports back, beside the loop."""

    def told(self, events: Events) -> None:
        """Take what the engine wants of the venue; returns at once."""
        ...

    async def run(self, engine: Trader) -> None:
        """Work until cancelled."""
        ...


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to. ``fills_hash`` is the same for the same inputs, to the bit."""

    messages: int
    bad_messages: int
    chain_breaks: int
    resyncs: int
    inputs: int
    events: int
    fills: int
    trades: int
    equity_usd: float
    cash_usd: float
    realised_usd: float
    fees_usd: float
    fills_hash: str
    tops: dict[str, list[float]]


class Trader:
    """The running trader.

    Parameters
    ----------
    settings
        Checked settings.
    symbols
        The instruments traded, in order; what the venue says of them comes later, as inputs.
    simulated
        Whether the venue is a simulator: shown everywhere, and time is then the venue's.
    on_event, on_trouble
        Called with every batch of events, and with words about a feed that does not answer: for the terminal.
    start
        The state a replayed session began with.
    live
        Where orders go; None: they are filled on paper.
    """

    def __init__(
        self,
        settings: Settings,
        symbols: Sequence[str],
        clock: Clock,
        *,
        simulated: bool,
        on_event: Callable[[Events], None],
        on_trouble: Callable[[str], None],
        start: State | None = None,
        live: LiveOrders | None = None,
    ) -> None:
        self._settings = settings
        self._live = live
        self._clock = clock
        self._simulated = simulated
        self._on_event = on_event
        self._on_trouble = on_trouble
        self.symbols = list(symbols)
        self.stats = FeedStats()
        self._fills_hash = FillsHash()
        self._counts = {"events": 0, "fills": 0, "trades": 0}
        self._told_trouble = ""
        self._start = start
        self._unpublished = False  # something has happened that readers have not been told
        self.stopping = asyncio.Event()
        self._last_input_ns = clock.monotonic_ns()
        self._last_publish_ns = self._last_checkpoint_ns = self._last_disk_ns = self._last_kill_ns = clock.monotonic_ns()
        self._publish_due_ns = clock.monotonic_ns()
        self._kill_file = kill_file(settings.instance)
        with ExitStack() as stack:  # a start that fails half-way removes what it made
            self._make(stack)
            self._cleanup = stack.pop_all()

    def _make(self, stack: ExitStack) -> None:
        """Recover or begin, then make the segments; they become attachable only when all is in place."""
        settings, clock = self._settings, self._clock
        folder = settings.folder
        venue = settings.venue_name
        identity = Identity(venue=venue + settings.network, symbols=self.symbols)
        in_memory, told = recover(settings.instance), _events_left(settings.instance)
        left = None if settings.fresh else load(folder, identity, in_memory)
        self.recovered = left is not None
        if left is None:
            left = self._begin(), np.zeros(0, layout.INPUT)
        elif in_memory is not None and left is in_memory:
            catch_up(folder, logged(settings.instance))
        self._ledger = Ledger(folder / "ledger.sqlite", self.symbols)
        self._ledger.take_up(told if self.recovered else told[:0])  # the segments made next take the place of those left
        self._journal = Journal(settings.instance, clock)
        stack.callback(self._journal.unlink)
        self._events = Segment.create("events", layout.EVENTS, settings.instance, clock)
        stack.callback(self._events.unlink)
        self._event_ring = RingWriter(self._events.body)
        self._portfolio = Segment.create("portfolio", layout.PORTFOLIO, settings.instance, clock)
        stack.callback(self._portfolio.unlink)
        self._session = Session(folder, identity, keep_all=settings.session is not None and not settings.replays)
        self.engine = Engine(left[0], self._log)
        self._take_up(left[1], told if self.recovered else told[:0])
        self.control = ControlPlane(settings.instance, self.symbols, self.engine.state, clock)
        stack.callback(self.control.unlink)
        self._publisher = Publisher(self._portfolio, venue, self.symbols, simulated=self._simulated, started_ns=clock.now_ns())
        self._portfolio.body["copies"]["testnet"] = settings.live and not settings.mainnet
        self.take(self._first_inputs())
        self._publish(TraderStatus.STARTING)
        self._events.activate()
        self._portfolio.activate()
        self.control.activate()

    def _begin(self) -> State:
        """Put aside what is stored and return the state to begin with: new, or that of the session to be replayed."""
        settings, now_ns = self._settings, self._clock.now_ns()
        if self._start is None:
            archive(settings.folder, now_ns)
            settings.folder.mkdir(parents=True, mode=0o700)
            return new_state(len(self.symbols), settings.capital_usd, now_ns, live=settings.live)
        discard(settings.folder)
        settings.folder.mkdir(parents=True, mode=0o700)
        state: Any = copy_state(self._start)
        state["birth_ns"] = now_ns
        begun: State = state
        return begun

    def _take_up(self, pending: Inputs, told: Events) -> None:
        """Go on where a killed trader stopped: what it told stays told, what it had only logged is told now."""
        self._event_ring.push(told)
        if len(pending):
            self._tell(self.engine.replay(pending.copy()), after_seq=int(told["seq"][-1]) if len(told) else 0)
        self._journal.checkpoint(self.engine.state)
        self._session.checkpoint(self.engine.state)

    def _first_inputs(self) -> list[InputRow]:
        """Say how it began; a recovered market is an old one and not to be traded on before data comes again."""
        now_ns = self._input_time_ns()
        if self._settings.replays:
            return []  # the session has its own
        if not self.recovered:
            given = [
                row(InputKind.CONTROL, now_ns, flags=Source.OPERATOR, aux=index, a=value, ref=2)
                for index, value in self._settings.controls
            ]
            return [row(InputKind.NOTE, now_ns, aux=Status.STARTED), *given, *self._kill_inputs()]
        recovered = row(InputKind.NOTE, now_ns, aux=Status.RECOVERED)
        if self._live is not None:  # what was agreed before the fall is not agreed now
            self.take([row(InputKind.RECONCILED, now_ns, a=0.0)])
        return [recovered, row(InputKind.GAP, now_ns, aux=Gap.DISCONNECTED), *self._kill_inputs()]

    def _kill_inputs(self) -> list[InputRow]:
        """Return the kill file's coming or going as an input, so that a replay needs no file."""
        present = self._kill_file.exists()
        if present == bool(self.state["guard"]["kill"][0]):
            return []
        return [row(InputKind.KILL, self._input_time_ns(), a=float(present))]

    def look_for_the_kill_file(self) -> None:
        """Take its coming or going as an input."""
        self.take(self._kill_inputs())

    @property
    def state(self) -> State:
        """The engine's state."""
        return self.engine.state

    def _log(self, inputs: Inputs) -> None:
        self._journal.append(inputs)
        self._session.append(inputs)

    def input_time_ns(self) -> int:
        """Return the time of an input that does not come from the feed."""
        return self._input_time_ns()

    def _input_time_ns(self) -> int:
        """Return the time of an input that does not come from the venue."""
        engine_ns = int(self.state["time_ns"][0])
        return engine_ns if self._simulated else max(engine_ns, self._clock.now_ns())

    def take(self, rows: list[InputRow]) -> None:
        """Process inputs that do not come from the feed."""
        if rows and self._settings.replays:
            rows = [row(InputKind.ASIDE, rows[0][1], aux=len(rows)), *rows]
        if rows:
            self._tell(self.engine.process(batch(rows)))

    def ingest(self, inputs: Inputs) -> None:
        """Process a batch of market data; wishes that wait are applied first. Called by the feed."""
        now_ns = self._last_input_ns = self._clock.monotonic_ns()
        if self.control.waiting:
            self._serve()
        self._tell(self.engine.process(inputs))
        self._unpublished = True
        if self._publish_due_ns <= now_ns + PUBLISH_AHEAD_NS:
            self._publish_due_ns = max(self._publish_due_ns, now_ns) + PUBLISH_EVERY_BUSY_NS
            self._publish()
        if self._journal.checkpoint_due:
            self._journal.checkpoint(self.state)

    def _serve(self) -> None:
        """Apply what others wish, and say so."""
        self.take(self.control.poll(self._input_time_ns()))
        self.control.mirror()

    def _tell(self, events: Events, after_seq: int = 0) -> None:
        """Pass events on: to shared memory, the ledger, the terminal. Those up to ``after_seq`` were told before."""
        if after_seq:
            events = events[events["seq"] > after_seq]
        if not len(events):
            return
        self._event_ring.push(events)
        self._events.beat(self._clock.now_ns())
        self._ledger.write(events)
        if self._live is not None:
            self._live.told(events)
        fills = events[events["kind"] == EventKind.FILL]
        self._fills_hash.add(fills)
        self._counts["events"] += len(events)
        self._counts["fills"] += len(fills)
        self._counts["trades"] += int(np.isin(events["kind"], CLOSES).sum())
        self._on_event(events)

    def _publish(self, status: TraderStatus = TraderStatus.RUNNING) -> None:
        self._publisher.publish(self.state, self.stats, self._clock.now_ns(), status)
        self._last_publish_ns = self._clock.monotonic_ns()
        self._unpublished = False

    async def run(self, feed: Feed) -> Summary:
        """Run until :attr:`stopping` is set, the duration is over or the feed has ended; then close everything in order."""
        duration_s = self._settings.duration_s
        tasks = [
            asyncio.create_task(self._market(feed), name="feed"),
            asyncio.create_task(self._turn(), name="turn"),
            asyncio.create_task(self.stopping.wait(), name="stop"),
            asyncio.create_task(feed.ended.wait(), name="ended"),
        ]
        if self._live is not None:
            tasks.append(asyncio.create_task(self._live.run(self), name="orders"))
        try:
            finished, _ = await asyncio.wait(tasks, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()  # a failure of any part is the failure of the whole
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            summary = self.close()
        return summary

    async def _market(self, feed: Feed) -> None:
        """Learn the instruments and the recent past, then take the feed. Without a network it says so and tries again."""
        instruments = await self._until_answered(feed.instruments)
        self.take([instrument_row(i, self._input_time_ns(), known) for i, known in enumerate(instruments)])
        if not self.recovered:
            for i, symbol in enumerate(self.symbols):
                bars = await self._until_answered(partial(feed.history, symbol, HISTORY_MINUTES))
                self.take([bar_row(i, self._input_time_ns(), bar) for bar in bars])
        await feed.run()

    async def _until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        wait_s = 1.0
        while True:
            try:
                return await ask()
            except FeedError as error:
                self.stats.last_error = self._told_trouble = str(error)
                self._on_trouble(
                    f"FEED STALE: {error}; entries are blocked, trying again in {wait_s:.0f} s. No network? Use --venue sim."
                )
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, 30.0)

    async def _turn(self) -> None:
        """Work beside the feed: wishes, time, heartbeat, checkpoints."""
        while True:
            await asyncio.sleep(POLL_S)
            self._serve()
            self._session.hand_over()
            now_ns = self._clock.monotonic_ns()
            self._let_time_pass(now_ns)
            self._tell_trouble()
            if now_ns - self._last_kill_ns >= KILL_FILE_EVERY_NS:
                self._last_kill_ns = now_ns
                self.look_for_the_kill_file()
            if self._unpublished or now_ns - self._last_publish_ns >= PUBLISH_EVERY_NS:
                self._publish()
            if now_ns - self._last_checkpoint_ns >= CHECKPOINT_EVERY_NS:
                self._journal.checkpoint(self.state)
                self._last_checkpoint_ns = now_ns
            if now_ns - self._last_disk_ns >= DISK_CHECKPOINT_EVERY_NS:
                self._session.checkpoint(self.state)
                self._last_disk_ns = now_ns

    def _tell_trouble(self) -> None:
        """Say once what went wrong with the feed: a silent stream, a lost connection, a book out of step."""
        if self.stats.last_error and self.stats.last_error != self._told_trouble:
            self._told_trouble = self.stats.last_error
            self._on_trouble(f"feed: {self._told_trouble}")

    def _let_time_pass(self, now_ns: int) -> None:
        silent_ns = now_ns - self._last_input_ns
        if self._settings.replays:
            return  # time passes as it did when the session was kept
        if silent_ns < (SIMULATED_TIMER_AFTER_NS if self._simulated else TIMER_AFTER_NS):
            return
        self._last_input_ns = now_ns
        engine_ns = int(self.state["time_ns"][0])
        if self._simulated and engine_ns == 0:
            return  # the simulated clock has not begun
        self.take([row(InputKind.TIMER, engine_ns + silent_ns if self._simulated else self._input_time_ns())])

    def close(self) -> Summary:
        """Store everything, remove the segments and return the summary."""
        with self._cleanup:
            if not self._settings.replays:
                self.take([row(InputKind.NOTE, self._input_time_ns(), aux=Status.STOPPED)])
            self._publish(TraderStatus.STOPPED)
            self._session.checkpoint(self.state)
            self._session.close()
            if self._settings.replays:
                forget_checkpoints(self._settings.folder)  # a replay that was ended begins anew next time
            self._ledger.close()
            return self._summary()

    def _summary(self) -> Summary:
        out: Any = np.zeros(1, layout.PORTFOLIO_VIEW)
        body = self._portfolio.body
        out[0] = body["copies"][0][int(body["version"][0]) & 1]
        view, stats = out[0], self.stats
        rows = view["rows"][: len(self.symbols)]
        return Summary(
            messages=stats.messages,
            bad_messages=stats.bad_messages,
            chain_breaks=stats.chain_breaks,
            resyncs=stats.resyncs,
            inputs=int(view["input_seq"]),
            **self._counts,
            equity_usd=float(view["equity_usd"]),
            cash_usd=float(view["cash_usd"]),
            realised_usd=float(view["realised_usd"]),
            fees_usd=float(view["fees_usd"]),
            fills_hash=self._fills_hash.text,
            tops={symbol: book_top(self.state, i) for i, symbol in enumerate(self.symbols) if rows[i]["book_valid"]},
        )


def book_top(state: State, index: int) -> list[float]:
    """Return [best bid, best ask] of a symbol's book; 0.0 for an empty side."""
    from trader.market.book import ASKS, BIDS, best_price

    symbol = state[0]["symbols"][index]
    return [float(best_price(symbol, BIDS)), float(best_price(symbol, ASKS))]


def _events_left(instance: str) -> Events:
    """Return the events in the ring of a trader that was killed, so that none is lost and ``--tail`` goes on."""
    try:
        ring = Segment.attach("events", layout.EVENTS, instance)
    except (NotRunning, LayoutMismatch):
        return np.zeros(0, layout.TRADE_EVENT)
    return RingReader(ring.body, from_start=True).read(layout.EVENTS_CAPACITY)
