"""What a dashboard shows, as frozen values: the one form that window, terminal and (later) web page draw from."""

from __future__ import annotations

from enum import IntEnum

import msgspec

Colour = tuple[int, int, int]


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
    colour: Colour


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The line on top: what runs, in which mode, and how old it is."""

    instance: str
    state: str
    level: Level
    badges: tuple[Badge, ...]
    venue: str
    trader: Age
    feed: Age
    alert: str  # "" or the one thing the operator must know now
    alert_level: Level


class Tuner(msgspec.Struct, frozen=True, kw_only=True):
    """What the tuner is doing and has done since it started."""

    age: Age
    alive: bool = False
    doing: str = "not running"
    advisor: str = ""
    model: str = ""
    dry_run: bool = False
    cycles: int = 0
    applied: int = 0
    refused: int = 0
    held: int = 0
    dry_runs: int = 0
    failures: int = 0
    next_s: float | None = None  # until the next scheduled cycle
    latency_ms: float = 0.0
    cost_usd: float = 0.0
    last_error: str = ""


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
    slippage_usd: float = 0.0
    ai_cost_usd: float = 0.0
    trades: int = 0
    wins: int = 0
    losses: int = 0

    @property
    def pnl_usd(self) -> float:
        """Change of equity since the start."""
        return self.equity_usd - self.start_equity_usd

    @property
    def pnl_pct(self) -> float:
        """Change of equity since the start, % of the starting equity."""
        return 100.0 * self.pnl_usd / self.start_equity_usd if self.start_equity_usd else 0.0

    @property
    def difference_usd(self) -> float:
        """What is left of equity - (start + realised + unrealised - fees): zero when the books agree."""
        return self.pnl_usd - (self.realised_usd + self.unrealised_usd - self.fees_usd)

    @property
    def reconciled(self) -> bool:
        """Say whether the books agree to the cent."""
        return abs(self.difference_usd) < 0.01


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the positions and signals tables."""

    symbol: str
    enabled: bool
    regime: str
    regime_colour: Colour
    strategy: str
    strategy_colour: Colour
    qty: float
    entry_usd: float
    last_usd: float
    pnl_usd: float
    strength: int
    score: float
    feed: Age
    why: str  # why no entry now, "" when nothing blocks one


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


class Mark(msgspec.Struct, frozen=True):
    """A fill or an AI change on the price chart: seconds before now (negative) and price."""

    x_s: float
    price_usd: float


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Series, oldest first, one point a second; the last one is now."""

    symbol: str = ""
    closes_usd: tuple[float, ...] = ()
    equity_usd: tuple[float, ...] = ()
    start_equity_usd: float = 0.0
    entry_usd: float = 0.0  # 0: flat
    buys: tuple[Mark, ...] = ()
    sells: tuple[Mark, ...] = ()
    ai: tuple[Mark, ...] = ()


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One tunable parameter of the selected symbol."""

    name: str
    value: float
    previous: float  # before the last change

    @property
    def changed(self) -> bool:
        """Say whether the last change touched it."""
        return self.value != self.previous


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the wheel, and the parameters of the selected symbol."""

    symbol: str = ""
    symbol_index: int = 0
    settings: tuple[Setting, ...] = ()
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


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the live events. ``number`` only grows: a window adds what is new since its last."""

    number: int
    time_ns: int
    time: str
    text: str
    colour: Colour
    ai: bool


class DashboardView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the screen at one moment."""

    attached: bool  # a trader was found at some time; its figures may be old
    fresh: bool  # the figures are those of now
    stamp: int  # grows with the trader's inputs: cheap to compare
    header: Header
    tuner: Tuner
    account: Account = Account()
    positions: tuple[Position, ...] = ()
    trades: tuple[Trade, ...] = ()
    chart: Chart = Chart()
    config: Config = Config()
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
