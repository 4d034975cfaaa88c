"""The header: badges, ages, and the one alert that matters most."""

from __future__ import annotations

from typing import Any

import msgspec

from dashboard.ages import FEED_LIMITS_S, TRADER_LIMITS_S, aged
from dashboard.model import Age, Badge, Header, Level, age_text
from shared.events import CYAN, ORANGE, PURPLE, RED, TraderStatus

PAPER = Badge("PAPER", CYAN)
LIVE = Badge("LIVE", RED)
SIMULATED = Badge("SIMULATED", ORANGE)
HALTED = Badge("RISK HALT", RED)
OVERRIDE = Badge("MANUAL OVERRIDE", ORANGE)
ENTRIES_OFF = Badge("ENTRIES PAUSED", ORANGE)
DRY_RUN = Badge("AI DRY RUN", PURPLE)


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """The switches worth a badge."""

    override: bool  # the human has the wheel
    entries: bool  # new positions are allowed
    dry_run: bool  # the tuner only talks


def waiting(instance: str) -> Header:
    """Return the header while there is no trader and never was one."""
    return Header(
        instance=instance,
        state="WAITING FOR A TRADER",
        level=Level.OFF,
        badges=(),
        venue="",
        trader=Age(name="trader", seconds=None, level=Level.OFF),
        feed=Age(name="feed", seconds=None, level=Level.OFF),
        alert="NOT RUNNING: no trader in this instance yet; start it with: trader --paper",
        alert_level=Level.AMBER,
    )


def header(instance: str, view: Any, heartbeat_ns: int, now_ns: int, *, switches: Switches, alive: bool) -> Header:
    """Return the header of a ``PORTFOLIO_VIEW`` record.

    Parameters
    ----------
    heartbeat_ns
        Last turn of the trader's loop.
    alive
        Whether the trader's process runs.
    """
    trader = aged("trader", heartbeat_ns, now_ns, TRADER_LIMITS_S, alive=alive)
    feed = aged("feed", int(view["last_message_ns"]), now_ns, FEED_LIMITS_S, alive=not view["stale"])
    state, level = _state(int(view["status"]), trader, alive=alive)
    badges = [LIVE if view["live"] else PAPER]
    badges += [SIMULATED] if view["simulated"] else []
    badges += [HALTED] if view["halted"] else []
    badges += [OVERRIDE] if switches.override else []
    badges += [] if switches.entries else [ENTRIES_OFF]
    badges += [DRY_RUN] if switches.dry_run else []
    alert, alert_level = _alert(view, trader, feed, state, alive=alive)
    return Header(
        instance=instance,
        state=state,
        level=level,
        badges=tuple(badges),
        venue=bytes(view["venue"]).decode("utf-8", "replace"),
        trader=trader,
        feed=feed,
        alert=alert,
        alert_level=alert_level,
    )


def _state(status: int, trader: Age, *, alive: bool) -> tuple[str, Level]:
    if not alive or status == TraderStatus.STOPPED:
        return "NOT RUNNING", Level.RED
    if status == TraderStatus.STARTING:
        return "STARTING", Level.AMBER
    return ("NOT RESPONDING", Level.RED) if trader.level is Level.RED else ("RUNNING", trader.level)


def _alert(view: Any, trader: Age, feed: Age, state: str, *, alive: bool) -> tuple[str, Level]:
    if not alive or state == "NOT RUNNING":
        age = age_text(trader.seconds)
        return f"NOT RUNNING: the trader is gone, these figures are {age} old; start it again: trader --paper", Level.RED
    if trader.level is Level.RED:
        return f"NOT RESPONDING: the trader has not moved for {age_text(trader.seconds)}; see trader_control doctor", Level.RED
    alerts = ["RISK HALT: drawdown limit reached, a human must resume"] if view["halted"] else []
    if view["stale"] or feed.level is Level.RED:
        what = "no data yet" if feed.seconds is None else f"silent for {age_text(feed.seconds)}"
        alerts.append(f"FEED STALE: {what}, entries blocked, exits stay armed")
    if alerts:
        return " · ".join(alerts), Level.RED
    if feed.level is Level.AMBER:
        return f"FEED SLOW: nothing for {age_text(feed.seconds)}", Level.AMBER
    return "", Level.OK
