"""The header: badges, ages, mode, funding, and the alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dashboard.ages import FEED_LIMITS_S, TRADER_LIMITS_S, aged
from dashboard.alerts_view import alerts, mode_words
from dashboard.figures import countdown
from dashboard.model import Age, Alert, Badge, Header, Level, Tone
from shared.clock import NS_PER_S
from shared.events import Mode, TraderStatus

PAPER = Badge("PAPER", Tone.INFO)
LIVE = Badge("LIVE", Tone.BAD)
TESTNET = Badge("TESTNET", Tone.WARN)
SIMULATED = Badge("SIMULATED", Tone.WARN)
HALTED = Badge("RISK HALT", Tone.BAD)
OVERRIDE = Badge("MANUAL OVERRIDE", Tone.WARN)
ENTRIES_OFF = Badge("ENTRIES PAUSED", Tone.WARN)
DRY_RUN = Badge("AI DRY RUN", Tone.AI)

_MODE_TONES = {Mode.NORMAL: Tone.GREY, Mode.AGGRESSIVE: Tone.INFO, Mode.CAUTIOUS: Tone.YELLOW, Mode.DEFENSIVE: Tone.WARN}


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """The switches worth a badge."""

    override: bool  # the human has the wheel
    entries: bool  # new positions are allowed
    dry_run: bool  # the tuner only talks


def waiting(instance: str, problem: str = "") -> Header:
    """Return the header while there is no trader to look at: there never was one, or ``problem`` says why it cannot be read."""
    absent = "NO TRADER YET: nothing runs in this instance; start one with: trader --paper   (or all of it: trader_demo)"
    return Header(
        instance=instance,
        state="CANNOT READ THE TRADER" if problem else "WAITING FOR A TRADER",
        level=Level.RED if problem else Level.OFF,
        badges=(),
        venue="",
        trader=Age(name="trader", seconds=None, level=Level.OFF),
        feed=Age(name="feed", seconds=None, level=Level.OFF),
        alerts=(Alert(key="absent", level=Level.RED if problem else Level.AMBER, text=problem or absent),),
    )


def header(
    instance: str,
    view: Any,
    symbols: Sequence[str],
    controls: Any,
    heartbeat_ns: int,
    now_ns: int,
    *,
    switches: Switches,
    alive: bool,
) -> Header:
    """Return the header of a ``PORTFOLIO_VIEW`` record.

    Parameters
    ----------
    controls
        The applied record of the global controls.
    heartbeat_ns
        Last turn of the trader's loop.
    alive
        Whether the trader's process runs.
    """
    trader = aged("trader", heartbeat_ns, now_ns, TRADER_LIMITS_S, alive=alive)
    feed = aged("feed", int(view["last_message_ns"]), now_ns, FEED_LIMITS_S)
    running = alive and int(view["status"]) != TraderStatus.STOPPED
    state, level = _state(int(view["status"]), trader, alive=running)
    badges = [LIVE if view["live"] else PAPER]
    badges += [TESTNET] if view["testnet"] else []
    badges += [SIMULATED] if view["simulated"] else []
    badges += [HALTED] if view["halted"] else []
    badges += [OVERRIDE] if switches.override else []
    badges += [] if switches.entries else [ENTRIES_OFF]
    badges += [DRY_RUN] if switches.dry_run else []
    mode = int(view["mode"])
    return Header(
        instance=instance,
        state=state,
        level=level,
        badges=tuple(badges),
        venue=bytes(view["venue"]).decode("utf-8", "replace"),
        trader=trader,
        feed=feed,
        alerts=alerts(view, symbols, controls, trader, feed, alive=running),
        mode=mode_words(mode),
        mode_tone=_MODE_TONES.get(Mode(mode), Tone.BAD) if mode in list(Mode) else Tone.GREY,
        facts=_facts(view, symbols),
        halted=bool(view["halted"]),
    )


def _state(status: int, trader: Age, *, alive: bool) -> tuple[str, Level]:
    if not alive:
        return "NOT RUNNING", Level.RED
    if status == TraderStatus.STARTING:
        return "STARTING", Level.AMBER
    return ("NOT RESPONDING", Level.RED) if trader.level is Level.RED else ("RUNNING", trader.level)


def _facts(view: Any, symbols: Sequence[str]) -> str:
    """Return the coming funding, the clock's offset and the feed's lag, each only where it is known."""
    parts = []
    rows = view["rows"]
    coming = [(int(rows[i]["next_funding_ns"]), i) for i in range(len(symbols)) if rows[i]["next_funding_ns"] > 0]
    if coming:
        at_ns, index = min(coming)
        left_s = (at_ns - int(view["time_ns"])) / NS_PER_S
        parts.append(f"funding {symbols[index]} {1e4 * float(rows[index]['funding_rate']):+.2f} bps in {countdown(left_s)}")
    if view["clock_offset_ms"]:
        parts.append(f"clock {float(view['clock_offset_ms']):+.0f} ms")
    if view["feed_lag_ms"]:
        parts.append(f"lag {float(view['feed_lag_ms']):.0f} ms")
    return "   ".join(parts)
