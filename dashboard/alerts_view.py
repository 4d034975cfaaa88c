"""What the operator must know now, with the true reason: why trading halted, what is stale, what the venue says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard.model import Age, Alert, Level, age_text
from shared.events import Mode, Reason, RiskState, words
from shared.params import CONTROLS, index_of

CLOCK_OFF_MS = 1_000.0  # venues refuse orders stamped further from their own time than a few seconds
LAG_MS = 2_000.0

_DRAWDOWN = index_of(CONTROLS, "max_drawdown_pct")
_DAILY = index_of(CONTROLS, "max_daily_loss_pct")
_DRIFT = index_of(CONTROLS, "max_drift_bps")
_HALTS = (Reason.KILL_FILE, Reason.DRAWDOWN_HALT, Reason.DAILY_LOSS)


def alerts(view: Any, symbols: Sequence[str], controls: Any, trader: Age, feed: Age, *, alive: bool) -> tuple[Alert, ...]:
    """Return what is wrong, worst first.

    Parameters
    ----------
    view
        A ``PORTFOLIO_VIEW`` record.
    controls
        The applied record of the global controls.
    alive
        Whether the trader's process runs.
    """
    if not alive:
        text = (
            f"NOT RUNNING: the trader is gone, these figures are {age_text(trader.seconds)} old; start it again: trader --paper"
        )
        return (Alert(key="dead", level=Level.RED, text=text),)
    if trader.level is Level.RED:
        text = f"NOT RESPONDING: the trader has not moved for {age_text(trader.seconds)}; see trader_control doctor"
        return (Alert(key="hangs", level=Level.RED, text=text),)
    found = [*_halts(view, controls), *_restraints(view), *_feed(view, feed), *_venue(view, symbols, controls)]
    return tuple(sorted(found, key=lambda alert: -alert.level))


def halt_reasons(view: Any) -> dict[Reason, tuple[float, float]]:
    """Return the account's failed checks, each with its value and limit; every symbol publishes the same ones first."""
    failed: dict[Reason, tuple[float, float]] = {}
    for i in range(int(view["n_symbols"])):
        row = view["rows"][i]
        for check in row["checks"][: int(row["n_checks"])]:
            code = int(check["reason"])
            if not check["passed"] and code in (*_HALTS, Reason.CRASH_GUARD, Reason.EXIT_ONLY):
                failed.setdefault(Reason(code), (float(check["value"]), float(check["limit"])))
    return failed


def _halts(view: Any, controls: Any) -> list[Alert]:
    if not view["halted"] and int(view["risk"]) != RiskState.HALTED:
        return []
    failed = halt_reasons(view)
    values = controls["values"]
    told = {
        Reason.KILL_FILE: "RISK HALT, kill file: everything is closed; remove the file, then allow entries",
        Reason.DRAWDOWN_HALT: (
            f"RISK HALT, drawdown {failed.get(Reason.DRAWDOWN_HALT, (0.0, 0.0))[0]:.2f} % reached its limit of "
            f"{values[_DRAWDOWN]:g} %: no entries until a human allows them"
        ),
        Reason.DAILY_LOSS: (
            f"RISK HALT, daily loss {failed.get(Reason.DAILY_LOSS, (0.0, 0.0))[0]:.2f} % reached its limit of "
            f"{values[_DAILY]:g} %: no entries until midnight UTC or until a human allows them"
        ),
    }
    found = [Alert(key=f"halt {code.name}", level=Level.RED, text=told[code]) for code in _HALTS if code in failed]
    unknown = Alert(key="halt", level=Level.RED, text="RISK HALT: no entries until a human allows them; see WHY NO TRADE")
    return found or [unknown]


def _restraints(view: Any) -> list[Alert]:
    """Tell what only lets positions be reduced, and ends by itself."""
    failed = halt_reasons(view)
    found = []
    if Reason.CRASH_GUARD in failed:
        spikes, limit = failed[Reason.CRASH_GUARD]
        text = f"CRASH GUARD: {spikes:.0f} symbols spike (from {limit:.0f} on), no entries for a minute after"
        found.append(Alert(key="crash", level=Level.RED, text=text))
    if int(view["mode"]) == Mode.EXIT_ONLY:
        text = "MODE EXIT ONLY: losses brought it, positions are only closed; it ends by itself"
        found.append(Alert(key="exit only", level=Level.AMBER, text=text))
    return found


def _feed(view: Any, feed: Age) -> list[Alert]:
    if view["stale"] or feed.level is Level.RED:
        what = "no data yet" if feed.seconds is None else f"silent for {age_text(feed.seconds)}"
        if feed.level is not Level.RED and feed.seconds is not None:
            what = "some symbols are silent"
        return [Alert(key="feed", level=Level.RED, text=f"FEED STALE: {what}, entries blocked, exits stay armed")]
    if feed.level is Level.AMBER:
        return [Alert(key="feed slow", level=Level.AMBER, text=f"FEED SLOW: nothing for {age_text(feed.seconds)}")]
    return []


def _venue(view: Any, symbols: Sequence[str], controls: Any) -> list[Alert]:
    found = []
    most_bps = float(controls["values"][_DRIFT])
    if view["live"] and not view["reconciled"]:
        text = "NOT RECONCILED: the venue and the books disagree, entries blocked until they agree"
        found.append(Alert(key="reconcile", level=Level.RED, text=text))
    if view["unconfirmed"]:
        text = f"{int(view['unconfirmed'])} LIVE ORDER(S) UNCONFIRMED: the venue has not said what became of them"
        found.append(Alert(key="unconfirmed", level=Level.RED, text=text))
    if abs(float(view["clock_offset_ms"])) > CLOCK_OFF_MS:
        text = f"CLOCK: the venue's is {float(view['clock_offset_ms']):+,.0f} ms from this machine's"
        found.append(Alert(key="clock", level=Level.AMBER, text=text))
    if float(view["feed_lag_ms"]) > LAG_MS:
        found.append(
            Alert(key="lag", level=Level.AMBER, text=f"FEED LATE: data is {float(view['feed_lag_ms']):,.0f} ms old on arrival")
        )
    drifting = [s for i, s in enumerate(symbols) if abs(float(view["rows"][i]["drift_bps"])) > most_bps]
    if drifting:
        text = f"VENUE DRIFT: {', '.join(drifting)} more than {most_bps:g} bps from other venues"
        found.append(Alert(key="drift", level=Level.AMBER, text=text))
    return found


def mode_words(code: int) -> str:
    """Return the name of a mode in capitals."""
    return words(Mode(code)).upper() if code in list(Mode) else f"MODE {code}"
