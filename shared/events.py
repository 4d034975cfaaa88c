"""What can happen, as numbers that fit a record, and how each is shown: words, sign and colour."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from shared.params import CONTROLS, SYMBOL_FIELDS

NO_FIELD = 255
CONTROL_FIELDS = 100  # field numbers from here on are controls

PURPLE = (204, 102, 255)
RED = (239, 83, 80)
GREEN = (38, 200, 110)
ORANGE = (255, 167, 38)
CYAN = (79, 195, 247)
YELLOW = (255, 213, 79)
GREY = (144, 154, 166)


class EventKind(IntEnum):
    """Kinds of a trade event."""

    STATUS = 1
    SIGNAL = 2
    ORDER = 3
    FILL = 4
    CANCEL = 5
    POSITION_OPEN = 6
    POSITION_CLOSE = 7
    TARGET_HIT = 8
    STOP_LOSS = 9
    TRAILING_EXIT = 10
    REGIME_CHANGE = 11
    MODE_CHANGE = 12
    CONFIG_APPLIED = 13
    CONFIG_REFUSED = 14
    COMMAND_ACK = 15
    RISK_HALT = 16
    FEED_STALE = 17
    FEED_RESTORED = 18
    ERROR = 19
    TUNER_CONFIG = 20
    FUNDING = 21
    RECONCILED = 22  # live: the venue and the ledger agree again
    DISCREPANCY = 23  # live: they do not; entries are blocked until they do
    ORDER_STATE = 24  # live: an order was acknowledged, refused, or its state is not known
    VENUE_DRIFT = 25  # a venue's price is away from the others', or back
    CANCEL_REQUEST = 26  # live: an order is to be taken off the venue


class Status(IntEnum):
    """Status codes: what kind of tuner change, or what kind of status."""

    NONE = 0
    TUNER_CONFIG_UPDATE = 1
    TUNER_PAUSE_SYMBOL = 2
    TUNER_RESUME_SYMBOL = 3
    TUNER_EMERGENCY_EXIT = 4
    STARTED = 5
    RECOVERED = 6
    STOPPED = 7
    BOOK_IN_STEP = 8
    BOOK_LOST = 9


class Reason(IntEnum):
    """Why something was done, refused or blocked. One list for exits, refusals and the no-trade explainer."""

    NONE = 0
    # exits
    TARGET = 1
    STOP = 2
    PULLBACK = 3
    REVERSAL = 4
    EMERGENCY = 5
    OPERATOR = 6
    TIME_EXIT = 7
    BREAK_EVEN = 8
    PROFIT_LOCK = 9
    LIQUIDATION = 10
    QUOTE = 11  # an order of the market maker
    MANUAL = 12  # a human's buy, sell or close
    # why no entry
    PAUSED = 20
    TRADING_DISABLED = 21
    STALE_FEED = 22
    NO_PRICE = 23
    WARMING_UP = 24
    COOLDOWN = 25
    WEAK_SIGNAL = 26
    EMA_DEVIATION = 27
    IN_POSITION = 28
    LONG_ONLY = 29
    TOO_SMALL = 30
    GROSS_LIMIT = 31
    DRAWDOWN_HALT = 32
    CROSSED_BOOK = 33
    NO_INSTRUMENT = 34
    MIN_EDGE = 35
    LEADER_DISAGREES = 36
    ORDER_RATE = 37
    DAILY_LOSS = 38
    LOSS_COOLDOWN = 39
    # refusals of wishes and commands
    OVERRIDE_ON = 40
    OVERRIDE_EPOCH = 41
    EXPIRED = 42
    OUT_OF_RANGE = 43
    BASE_ABOVE_MAX = 44
    STALE_BASE = 45
    TUNER_OFF = 46
    NOT_ALLOWED = 47
    UNKNOWN_SYMBOL = 48
    UNKNOWN_COMMAND = 49
    # more reasons why no entry
    SYMBOL_EXPOSURE = 60
    CORRELATED_EXPOSURE = 61
    TRADE_LOSS = 62
    BUYING_POWER = 63
    EXIT_ONLY = 64
    KILL_FILE = 65
    CRASH_GUARD = 66
    NO_STRATEGY = 67
    FLIP_COOLDOWN = 68
    ORDER_PENDING = 69
    NOT_RECONCILED = 70
    VENUE_DRIFT = 71
    UNCONFIRMED_ORDER = 72
    # why an order was not taken or not kept
    POST_ONLY = 80
    CANCELLED = 81
    REFUSED_BY_VENUE = 82
    SUPERSEDED = 83  # a later order of ours took its place


NO_ENTRY = tuple(code for code in Reason if 20 <= code < 40 or 60 <= code < 80)
"""The reasons that can block an entry."""


class Source(IntEnum):
    """Who wished or did something."""

    NOBODY = 0
    OPERATOR = 1
    TUNER = 2
    DASHBOARD = 3
    ENGINE = 4


class Regime(IntEnum):
    """Market regimes."""

    UNKNOWN = 0
    TRENDING_UP = 1
    TRENDING_DOWN = 2
    RANGING = 3
    HIGH_VOLATILITY = 4
    LOW_VOLATILITY = 5
    SPIKE = 6


class Strategy(IntEnum):
    """Strategies that can act for a symbol."""

    NONE = 0
    TECHNICAL = 1
    MOMENTUM = 2
    FAIR_VALUE = 3
    MARKET_MAKER = 4
    ORDER_FLOW = 5
    BLEND = 6


class Mode(IntEnum):
    """How boldly the account trades, from its own results."""

    NORMAL = 0
    AGGRESSIVE = 1
    CAUTIOUS = 2
    DEFENSIVE = 3
    EXIT_ONLY = 4


class RiskState(IntEnum):
    """What orders may do: anything, only reduce, or only reduce until a human (or the next day) resumes."""

    ACTIVE = 0
    REDUCING = 1
    HALTED = 2


class CommandKind(IntEnum):
    """One-shot commands."""

    EMERGENCY_EXIT = 1
    MANUAL_BUY = 2
    MANUAL_SELL = 3
    CLOSE = 4
    CANCEL_ALL = 5


class Action(IntEnum):
    """What a tuner may decide."""

    HOLD = 0
    UPDATE_CONFIG = 1
    PAUSE = 2
    RESUME = 3
    EMERGENCY_EXIT = 4


class TunerEventKind(IntEnum):
    """Kinds of a tuner event."""

    TRIGGER = 1
    RETRIEVAL = 2
    DECISION = 3
    GUARD_VERDICT = 4
    APPLIED = 5
    DRY_RUN = 6
    REFUSED = 7
    EXPIRED = 8
    OUTCOME = 9
    SCALPER_READ = 10
    BUDGET_STOP = 11
    DEGRADED = 12
    RECOVERED = 13
    WHAT_IF = 14
    ROLLED_BACK = 15
    FALLBACK = 16


class TunerStatus(IntEnum):
    """State of the tuner process; whether it is asking an advisor just now is told beside it."""

    STARTING = 0
    ACTIVE = 1
    DRY_RUN = 2
    OFF = 3
    OVERRIDE = 4
    DEGRADED = 5
    STOPPED = 6
    PAUSED = 7
    BUDGET = 8


class TraderStatus(IntEnum):
    """State of the trader process."""

    STARTING = 0
    RUNNING = 1
    STOPPED = 2


class TunerMode(IntEnum):
    """Values of the control ``tuner_mode``."""

    OFF = 0
    ON = 1
    PAUSED = 2


COLOURS: dict[EventKind, tuple[int, int, int]] = {
    EventKind.STATUS: GREY,
    EventKind.SIGNAL: CYAN,
    EventKind.ORDER: GREY,
    EventKind.FILL: YELLOW,
    EventKind.CANCEL: GREY,
    EventKind.POSITION_OPEN: CYAN,
    EventKind.POSITION_CLOSE: YELLOW,
    EventKind.TARGET_HIT: GREEN,
    EventKind.STOP_LOSS: RED,
    EventKind.TRAILING_EXIT: ORANGE,
    EventKind.REGIME_CHANGE: CYAN,
    EventKind.MODE_CHANGE: ORANGE,
    EventKind.CONFIG_APPLIED: GREY,
    EventKind.CONFIG_REFUSED: ORANGE,
    EventKind.COMMAND_ACK: GREY,
    EventKind.RISK_HALT: RED,
    EventKind.FEED_STALE: RED,
    EventKind.FEED_RESTORED: GREEN,
    EventKind.ERROR: RED,
    EventKind.TUNER_CONFIG: PURPLE,
    EventKind.FUNDING: GREY,
    EventKind.RECONCILED: GREEN,
    EventKind.DISCREPANCY: RED,
    EventKind.ORDER_STATE: GREY,
    EventKind.VENUE_DRIFT: ORANGE,
    EventKind.CANCEL_REQUEST: GREY,
}


def words(code: IntEnum) -> str:
    """Return the name of a code in lower-case words."""
    return code.name.replace("_", " ").lower()


def colour_of(event: Any) -> tuple[int, int, int]:
    """Return the RGB colour of a trade event: AI purple, emergencies red, pauses orange, buys green, sells red."""
    kind = EventKind(int(event["kind"]))
    if int(event["source"]) == Source.TUNER and kind in (EventKind.CONFIG_REFUSED, EventKind.COMMAND_ACK):
        return PURPLE
    if kind is EventKind.TUNER_CONFIG:
        return {Status.TUNER_EMERGENCY_EXIT: RED, Status.TUNER_PAUSE_SYMBOL: ORANGE}.get(Status(int(event["status"])), PURPLE)
    if kind is EventKind.FILL:
        return GREEN if int(event["side"]) > 0 else RED
    return COLOURS[kind]


def field_name(field: int) -> str:
    """Return the name of the parameter or control behind a field number, or ``""``."""
    if CONTROL_FIELDS <= field < CONTROL_FIELDS + len(CONTROLS):
        return CONTROLS[field - CONTROL_FIELDS].name
    return SYMBOL_FIELDS[field].name if field < len(SYMBOL_FIELDS) else ""


def describe(event: Any, symbols: Sequence[str]) -> str:
    """Return one line of words for a trade event; ``symbols`` are the configured ones in order."""
    kind = EventKind(int(event["kind"]))
    index = int(event["symbol"])
    symbol = symbols[index] if 0 <= index < len(symbols) else "all"
    reason = Reason(int(event["reason"]))
    why = f" ({words(reason)})" if reason else ""
    arrow = {1: "▲ BUY", -1: "▼ SELL"}.get(int(event["side"]), "")
    if kind in (EventKind.FILL, EventKind.ORDER):
        text = f"{arrow} {symbol} {event['qty']:.6g} @ {event['price_usd']:,.2f}"
        return f"{text} fee {event['fee_usd']:.2f}{why}" if kind is EventKind.FILL else f"{text}{why}"
    if kind is EventKind.FUNDING:
        return f"FUNDING {symbol} {event['pnl_usd']:+,.2f} USD at {1e4 * event['new']:+.2f} bps"
    if kind is EventKind.VENUE_DRIFT:
        return f"VENUE DRIFT {symbol} {event['new']:+.1f} bps from the other venues (limit {event['old']:g})"
    if kind is EventKind.CANCEL:
        return f"CANCEL {arrow} {symbol} {event['qty']:.6g} @ {event['price_usd']:,.2f}{why}"
    if kind is EventKind.SIGNAL:
        return f"SIGNAL {symbol} {arrow} strength {event['new']:.0f} score {event['score']:+.2f}"
    if kind in (EventKind.POSITION_CLOSE, EventKind.TARGET_HIT, EventKind.STOP_LOSS, EventKind.TRAILING_EXIT):
        return f"{kind.name.replace('_', ' ')} {symbol} {event['pnl_usd']:+,.2f} USD @ {event['price_usd']:,.2f}{why}"
    if kind in (EventKind.TUNER_CONFIG, EventKind.CONFIG_APPLIED, EventKind.CONFIG_REFUSED):
        return _describe_change(event, kind, symbol, why)
    if kind is EventKind.REGIME_CHANGE:
        return f"REGIME {symbol} {words(Regime(int(event['old'])))} → {words(Regime(int(event['new'])))}"
    if kind is EventKind.POSITION_OPEN:
        return f"OPEN {arrow} {symbol} {event['qty']:.6g} @ {event['price_usd']:,.2f}"
    if kind is EventKind.STATUS:
        return f"{words(Status(int(event['status']))).upper()} {symbol}{why}"
    return f"{kind.name.replace('_', ' ')} {symbol}{why}"


def _describe_change(event: Any, kind: EventKind, symbol: str, why: str) -> str:
    """Return the words for a change of configuration: who, what, old → new, confidence, verdict."""
    source = Source(int(event["source"]))
    who = "AI" if source is Source.TUNER else words(source)
    field = int(event["field"])
    where = symbol if field < CONTROL_FIELDS or field == NO_FIELD else "control"
    name = field_name(field)
    change = f" {name} {event['old']:g} → {event['new']:g}" if name else ""
    status = Status(int(event["status"]))
    what = {
        Status.TUNER_PAUSE_SYMBOL: " PAUSE",
        Status.TUNER_RESUME_SYMBOL: " RESUME",
        Status.TUNER_EMERGENCY_EXIT: " EMERGENCY EXIT",
    }.get(status, "")
    confidence = f" [{event['confidence_pct']:.0f}%]" if event["confidence_pct"] > 0 else ""
    verdict = "✗ refused" if kind is EventKind.CONFIG_REFUSED else "✓"
    return f"{who} {where}{what}{change}{confidence} {verdict}{why}"
