"""WHY NO TRADE: every check before an entry with its value and what it needs, and what a human can do about it."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from dashboard.markets_view import reason_text
from dashboard.model import Check, Tone, Why
from shared.events import NO_ENTRY, Reason

MOST_BLOCKED = 4


class _Unit(msgspec.Struct, frozen=True):
    """How a check's value and limit are written: what the value must be to the limit, digits, unit."""

    needs: str
    digits: int = 0
    unit: str = ""


_UNITS: dict[Reason, _Unit] = {
    Reason.DRAWDOWN_HALT: _Unit("<", 2, " %"),
    Reason.DAILY_LOSS: _Unit("<", 2, " %"),
    Reason.CRASH_GUARD: _Unit("<", 0, " spikes"),
    Reason.STALE_FEED: _Unit("≤", 0, " ms"),
    Reason.WARMING_UP: _Unit("≥", 0, " s"),
    Reason.COOLDOWN: _Unit("≥", 0, " ms"),
    Reason.LOSS_COOLDOWN: _Unit("≥", 0, " s"),
    Reason.ORDER_RATE: _Unit("<", 0, " orders"),
    Reason.WEAK_SIGNAL: _Unit("≥", 0, " agree"),
    Reason.EMA_DEVIATION: _Unit("≤", 2, " %"),
    Reason.MIN_EDGE: _Unit("≥", 1, " bps"),
    Reason.TOO_SMALL: _Unit("≥", 0, " USD"),
    Reason.TRADE_LOSS: _Unit("≤", 0, " USD"),
    Reason.SYMBOL_EXPOSURE: _Unit("≤", 0, " USD"),
    Reason.GROSS_LIMIT: _Unit("≤", 0, " USD"),
    Reason.CORRELATED_EXPOSURE: _Unit("≤", 0, " USD"),
    Reason.BUYING_POWER: _Unit("≤", 0, " USD"),
    Reason.VENUE_DRIFT: _Unit("≤", 1, " bps"),
}
_SWITCHES = {
    Reason.TRADING_DISABLED: ("entries off", "entries on"),
    Reason.PAUSED: ("paused", "not paused"),
}
_YES_NO = {
    Reason.KILL_FILE: ("there is one", "no file"),
    Reason.EXIT_ONLY: ("exit only", "another mode"),
    Reason.NO_INSTRUMENT: ("not known", "known"),
    Reason.NO_PRICE: ("none yet", "a price"),
    Reason.CROSSED_BOOK: ("crossed", "not crossed"),
    Reason.ORDER_PENDING: ("one is", "none"),
    Reason.NO_STRATEGY: ("none acts", "one acts"),
    Reason.LONG_ONLY: ("short signal", "long or perp"),
    Reason.NOT_RECONCILED: ("they differ", "books = venue"),
    Reason.UNCONFIRMED_ORDER: ("one is", "none"),
    Reason.LEADER_DISAGREES: ("it disagrees", "same direction"),
    Reason.FLIP_COOLDOWN: ("just flipped", "signal settled"),
}
_ADVICE = {
    Reason.TRADING_DISABLED: "Entries are paused for all symbols: press Space, or tick Entries.",
    Reason.KILL_FILE: "Remove the kill file (trader_control kill --clear), then allow entries.",
    Reason.DRAWDOWN_HALT: "The drawdown limit halted trading: only a human ends it, by Resume in the banner.",
    Reason.DAILY_LOSS: "The day's loss limit halted trading until midnight UTC, or until Resume in the banner.",
    Reason.EXIT_ONLY: "Losses brought the mode EXIT ONLY; it ends by itself.",
    Reason.CRASH_GUARD: "Half of the market spikes: entries wait a minute after it calms down.",
    Reason.PAUSED: "The symbol is paused: press Resume symbol.",
    Reason.NO_INSTRUMENT: "The venue has not told its rules for this symbol yet.",
    Reason.NO_PRICE: "No trade or quote has come yet.",
    Reason.STALE_FEED: "The feed is silent: entries wait for it, exits stay armed.",
    Reason.CROSSED_BOOK: "The book is crossed; it is being fetched anew.",
    Reason.WARMING_UP: "The indicators need a minute of bars first.",
    Reason.IN_POSITION: "A position is open: one at a time in each symbol.",
    Reason.ORDER_PENDING: "An order is on its way.",
    Reason.COOLDOWN: "It rests after a fill: lower cooldown_ms to shorten that.",
    Reason.LOSS_COOLDOWN: "It rests after a loss: loss_cooldown_s says how long.",
    Reason.ORDER_RATE: "Too many orders lately: orders_per_s and orders_per_min limit them.",
    Reason.WEAK_SIGNAL: "Nothing wrong: too few detectors agree. signal_strength says how many must.",
    Reason.EMA_DEVIATION: "The price has run too far from its average: ema_dev_* says how far is allowed.",
    Reason.NO_STRATEGY: "No strategy acts in this regime: see the map in STRATEGIES.",
    Reason.LONG_ONLY: "A spot market: it cannot be sold short.",
    Reason.MIN_EDGE: "The expected move would not pay for its costs: min_edge_factor sets how much it must.",
    Reason.TOO_SMALL: "The size is below the venue's least: raise base_position_pct.",
    Reason.NOT_RECONCILED: "Books and venue disagree: entries wait until they agree.",
    Reason.UNCONFIRMED_ORDER: "The venue has not said what became of an order.",
}


def why(symbol: str, row: Any, blocked: Any) -> Why:
    """Return the page of one symbol.

    Parameters
    ----------
    row
        Its ``SYMBOL_ROW``.
    blocked
        Seconds each reason was the first to block an entry, by code, all symbols together.
    """
    checks = [check_line(check) for check in row["checks"][: int(row["n_checks"])]]
    code = int(row["why"])
    if not checks and code == Reason.NONE:
        verdict, tone = "no second has closed yet", Tone.GREY
    elif code == Reason.NONE:
        verdict, tone = "✓ may enter on the next signal", Tone.GOOD
    else:
        calm = code in (Reason.IN_POSITION, Reason.WEAK_SIGNAL, Reason.COOLDOWN, Reason.WARMING_UP, Reason.MIN_EDGE)
        verdict, tone = f"✗ no entry: {reason_text(code)}", Tone.YELLOW if calm else Tone.WARN
    order = {False: 0, None: 1, True: 2}
    return Why(
        symbol=symbol,
        verdict=verdict,
        tone=tone,
        advice=_ADVICE.get(Reason(code), "") if code in list(Reason) else "",
        checks=tuple(sorted(checks, key=lambda check: order[check.passed])),
        blocked=blocked_shares(blocked),
    )


def check_line(check: Any) -> Check:
    """Return one ``CHECK`` record in words; a value that is not known and failed counts as unknown."""
    code, passed, value, limit = int(check["reason"]), bool(check["passed"]), float(check["value"]), float(check["limit"])
    known = passed or not math.isnan(value)
    name = reason_text(code)
    shown, needs = _value_and_needs(code, value, limit, passed=passed)
    return Check(name=name, passed=passed if known else None, value=shown if known else "–", needs=needs)


def _value_and_needs(code: int, value: float, limit: float, *, passed: bool) -> tuple[str, str]:
    if code == Reason.IN_POSITION:
        return (f"{value:+.6g}" if value else "flat"), "flat"
    if code in _SWITCHES:
        return _SWITCHES[Reason(code)][passed], _SWITCHES[Reason(code)][1]
    if code in _YES_NO:
        bad, good = _YES_NO[Reason(code)]
        return ("ok" if passed else bad), good
    unit = _UNITS.get(Reason(code), _Unit("", 3)) if code in list(Reason) else _Unit("", 3)
    return _number(value, unit), (f"{unit.needs} {_number(limit, unit)}".strip() if math.isfinite(limit) else "")


def _number(value: float, unit: _Unit) -> str:
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "long ago" if unit.unit in (" ms", " s") else "∞"
    return f"{value:,.{unit.digits}f}{unit.unit}"


def blocked_shares(blocked: Any) -> tuple[tuple[str, int, float], ...]:
    """Return reason, seconds and share in % of what blocked entries most, all symbols together."""
    counts = [(reason_text(code), int(blocked[code])) for code in NO_ENTRY if int(blocked[code])]
    total = sum(seconds for _, seconds in counts)
    ordered = sorted(counts, key=lambda item: -item[1])[:MOST_BLOCKED]
    return tuple((name, seconds, 100.0 * seconds / total) for name, seconds in ordered)
