"""What a dashboard shows, as frozen values: the one form that window, terminal and (later) web page draw from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import msgspec

Colour = tuple[int, int, int]


class Tone(IntEnum):
    """What a piece of text is; the palette of the screen makes a colour of it."""

    PLAIN = 0
    DIM = 1
    GREY = 2
    UP = 3
    DOWN = 4
    GOOD = 5
    WARN = 6
    BAD = 7
    AI = 8
    INFO = 9
    YELLOW = 10


Cell = tuple[str, Tone]


class Level(IntEnum):
    """How good a figure is; each level has its own sign, so that colour is never alone."""

    OK = 0
    AMBER = 1
    RED = 2
    OFF = 3

    @property
    def sign(self) -> str:
        """A sign that tells the level without colour."""
        return "●⚠✗○"[self]


class Age(msgspec.Struct, frozen=True, kw_only=True):
    """Time since a part was last heard of. ``seconds`` is None when there is no such part."""

    name: str
    seconds: float | None
    level: Level

    @property
    def text(self) -> str:
        """For example ``feed ● 0.3 s``."""
        return f"{self.name} {self.level.sign} {age_text(self.seconds)}"


class Badge(msgspec.Struct, frozen=True):
    """A word in a frame, e.g. PAPER."""

    text: str
    tone: Tone


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something the operator must know now. ``key`` stays the same while it lasts: what was acknowledged is told by it."""

    key: str
    level: Level
    text: str


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The lines on top: what runs, in which mode, how old it is, and what is wrong."""

    instance: str
    state: str
    level: Level
    badges: tuple[Badge, ...]
    venue: str
    trader: Age
    feed: Age
    alerts: tuple[Alert, ...] = ()
    mode: str = ""
    mode_tone: Tone = Tone.GREY
    facts: str = ""  # funding, clock and lag, where there is something to say
    halted: bool = False  # a human can end it by allowing entries

    @property
    def alert(self) -> str:
        """All alerts in one line, ``""`` if there is none."""
        return " · ".join(alert.text for alert in self.alerts)

    @property
    def alert_level(self) -> Level:
        """The worst of the alerts."""
        levels = {alert.level for alert in self.alerts}
        return next((level for level in (Level.RED, Level.AMBER) if level in levels), Level.OK)


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A step on the way of a decision: what was read, judged, simulated or measured."""

    name: str
    text: str
    tone: Tone


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the AI in full, joined from every event that carries its number."""

    decision_id: int
    time: str
    symbol: str
    symbol_index: int
    action: str
    verdict: str  # APPLIED, REFUSED, DRY RUN, HELD, EXPIRED, ROLLED BACK
    verdict_tone: Tone
    changes: str
    confidence_pct: float
    reasoning: str
    steps: tuple[Passage, ...]
    bill: str  # tokens, price, latency


class Tuner(msgspec.Struct, frozen=True, kw_only=True):
    """What the tuner is doing and has done since it started."""

    age: Age
    alive: bool = False
    doing: str = "not running"
    why: str = ""
    tone: Tone = Tone.GREY
    advisor: str = ""
    model: str = ""
    chain: str = ""
    budget: str = ""
    dry_run: bool = False
    calling: bool = False
    cycles: int = 0
    applied: int = 0
    refused: int = 0
    held: int = 0
    dry_runs: int = 0
    failures: int = 0
    next_s: float | None = None  # until the next scheduled cycle
    until_s: float | None = None  # until a passing state ends
    latency_ms: float = 0.0
    cost_usd: float = 0.0
    last_error: str = ""
    decision: Decision | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Money, in USD. ``realised_usd`` is before fees; ``slippage_usd`` is already inside the fill prices."""

    start_equity_usd: float = 0.0
    equity_usd: float = 0.0
    cash_usd: float = 0.0
    peak_equity_usd: float = 0.0
    drawdown_pct: float = 0.0
    realised_usd: float = 0.0
    unrealised_usd: float = 0.0
    fees_usd: float = 0.0
    funding_usd: float = 0.0  # paid; negative: received
    slippage_usd: float = 0.0
    ai_cost_usd: float = 0.0
    trades: int = 0
    wins: int = 0
    losses: int = 0
    venue_agrees: bool = True  # live: orders, balances and positions are what the venue says

    @property
    def pnl_usd(self) -> float:
        """Change of equity since the start."""
        return self.equity_usd - self.start_equity_usd

    @property
    def pnl_pct(self) -> float:
        """Change of equity since the start, % of the starting equity."""
        return 100.0 * self.pnl_usd / self.start_equity_usd if self.start_equity_usd else 0.0

    @property
    def net_usd(self) -> float:
        """Realised + unrealised - fees - funding."""
        return self.realised_usd + self.unrealised_usd - self.fees_usd - self.funding_usd

    @property
    def difference_usd(self) -> float:
        """What the change of equity and the net result differ by: zero when the books agree."""
        return self.pnl_usd - self.net_usd

    @property
    def reconciled(self) -> bool:
        """Say whether the books agree to the cent."""
        return abs(self.difference_usd) < 0.01

    @property
    def win_rate_pct(self) -> float:
        """Share of closed trades that gained, %."""
        return 100.0 * self.wins / self.trades if self.trades else 0.0


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the markets table."""

    symbol: str
    index: int
    price_usd: float
    change_1m_pct: float | None  # None: less than a minute is known
    spread_bps: float | None
    regime: str
    regime_tone: Tone
    confidence_pct: float
    strength: int
    feed: Age
    enabled: bool
    why: str  # why no entry now, "" when nothing blocks one


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One open position."""

    symbol: str
    index: int
    side: int
    regime: str
    regime_tone: Tone
    strategy: str
    smart: bool  # the AI steers what acts
    manual: bool
    qty: float
    entry_usd: float
    last_usd: float
    pnl_usd: float
    pnl_pct: float  # of the value at entry
    target_pct: float | None  # move of the price until the target closes it, None: not known
    stop_pct: float | None  # the same for the nearest stop; both count the way the price must go as positive
    liquidation_usd: float
    spark: tuple[float, ...]


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One closed trade."""

    time: str
    symbol: str
    side: int
    qty: float
    entry_usd: float
    exit_usd: float
    pnl_usd: float
    reason: str


class Candle(msgspec.Struct, frozen=True):
    """Prices in USD and traded quantity of a few seconds."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class Mark(msgspec.Struct, frozen=True):
    """A fill or an AI change on the chart: place in candles (0 is the middle of the first), price and words."""

    x: float
    price_usd: float
    text: str = ""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """The chosen symbol: candles oldest first, the last one is forming."""

    symbol: str = ""
    price_usd: float = 0.0
    change_1m_pct: float | None = None
    candle_s: int = 5
    candles: tuple[Candle, ...] = ()
    ema_usd: tuple[float, ...] = ()  # as long as candles
    buys: tuple[Mark, ...] = ()
    sells: tuple[Mark, ...] = ()
    ai: tuple[Mark, ...] = ()
    qty: float = 0.0
    entry_usd: float = 0.0  # 0: flat
    target_usd: float = 0.0
    stop_usd: float = 0.0


class EquityCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Equity once a second, oldest first, and how far below its peak it was."""

    equity_usd: tuple[float, ...] = ()
    drawdown_pct: tuple[float, ...] = ()
    start_equity_usd: float = 0.0
    worst_pct: float = 0.0


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of an entry."""

    name: str
    passed: bool | None  # None: cannot be said yet
    value: str
    needs: str

    @property
    def sign(self) -> str:
        """✓, ✗ or ? before the name."""
        return "?" if self.passed is None else "✓" if self.passed else "✗"

    @property
    def tone(self) -> Tone:
        """The tone of its line."""
        return Tone.GREY if self.passed is None else Tone.GOOD if self.passed else Tone.BAD


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Why the chosen symbol does not trade now."""

    symbol: str = ""
    verdict: str = ""
    tone: Tone = Tone.GREY
    advice: str = ""  # what a human can do about it
    checks: tuple[Check, ...] = ()  # failed ones first
    blocked: tuple[tuple[str, int, float], ...] = ()  # reason, seconds, share in %: most frequent first, all symbols


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One value that can be set: a parameter of the chosen symbol, or a control."""

    name: str
    value: float
    previous: float  # before the last change
    default: float
    who: str = ""
    by_ai: bool = False
    when: str = ""

    @property
    def changed(self) -> bool:
        """Say whether the last change touched it."""
        return self.value != self.previous


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """What would take back the last change of a symbol."""

    symbol: str
    symbol_index: int
    changes: Mapping[int, float]
    words: str  # stop_pct 0.8 → 1
    raises: tuple[str, ...] = ()  # the part of it that raises risk


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the wheel, the parameters of the chosen symbol, and the controls."""

    symbol: str = ""
    symbol_index: int = 0
    settings: tuple[Setting, ...] = ()
    controls: tuple[Setting, ...] = ()
    enabled: bool = True
    generation: int = 0
    revision: int = 0
    who: str = ""
    by_ai: bool = False
    updated: str = ""
    trading_enabled: bool = True
    manual_override: bool = False
    tuner_mode: int = 0
    tune_now: int = 0
    wheel: str = "[MANUAL]"  # or [AI TUNER]
    wheel_ai: bool = False
    reward_risk: float = 0.0
    break_even_pct: float = 0.0  # win rate at which target and stop just pay their costs, %
    round_trip_bps: float = 0.0
    undo: Undo | None = None  # of the chosen symbol
    undo_ai: Undo | None = None  # of the symbol the AI changed last


class ScalperBar(msgspec.Struct, frozen=True):
    """One bar of the scalper's read; ``share`` 0 to 1 is its length."""

    name: str
    share: float
    text: str
    tone: Tone


class Scalper(msgspec.Struct, frozen=True, kw_only=True):
    """What a scalper makes of the chosen symbol; without bars there is none."""

    symbol: str = ""
    bars: tuple[ScalperBar, ...] = ()
    action: str = ""
    action_tone: Tone = Tone.GREY
    quote: str = ""
    age: str = ""
    old: bool = False


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the live events. ``number`` only grows: a window adds what is new since its last."""

    number: int
    time_ns: int
    time: str
    text: str
    tone: Tone
    ai: bool
    kind: str = ""  # AI, TRADE, SIGNAL, RISK, CONFIG, SYSTEM
    symbol: str = ""


class DashboardView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the screen at one moment."""

    attached: bool  # a trader was found at some time; its figures may be old
    fresh: bool  # the figures are those of now
    stamp: int  # grows with the trader's inputs: cheap to compare
    header: Header
    tuner: Tuner
    account: Account = Account()
    markets: tuple[Market, ...] = ()
    positions: tuple[Position, ...] = ()
    trades: tuple[Trade, ...] = ()
    chart: Chart = Chart()
    equity: EquityCurve = EquityCurve()
    why: Why = Why()
    config: Config = Config()
    scalper: Scalper = Scalper()
    events: tuple[EventLine, ...] = ()


def age_text(seconds: float | None) -> str:
    """Write an age: ``–`` when there is none, else ``0.3 s``, ``45 s``, ``12 min``, ``3 h``."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
