"""How boldly the account trades: a mode from its own results, with a way back from every mode by time alone.

Only *news* makes a mode stricter: a losing trade since the mode began, or a drawdown deeper than it was then. Old results that
merely stand in the window cannot hold the account down: without news a mode ends on probation, one step milder.
"""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from shared.events import Mode, Reason
from trader.engine.state import MAX_DRAWDOWN, MODE_TRADES
from trader.risk.limits import drawdown_pct

# By mode code: NORMAL, AGGRESSIVE, CAUTIOUS, DEFENSIVE, EXIT_ONLY.
SIZE_FACTOR = (1.0, 1.25, 0.7, 0.4, 0.0)
STRENGTH_EXTRA = (0, 0, 0, 1, 0)
_RANK = (1, 0, 2, 3, 4)  # from bold to strict
_MILDER = (0, 0, 0, 2, 3)  # the next mode on the way back to NORMAL

DRAWDOWN_SHARES = (0.5, 0.75, 0.9)  # of max_drawdown_pct: CAUTIOUS, DEFENSIVE, EXIT_ONLY from here
LOSS_STREAKS = (3, 5, 8)  # losing trades in a row, all symbols together
WIN_RATES = (0.35, 0.2)  # CAUTIOUS, DEFENSIVE below these
SHARPES = (-0.3, -0.7)  # the same: mean over deviation of the net results of the last trades
JUDGED_TRADES = 10  # closed trades before win rate and Sharpe say anything
BOLD_WIN_STREAK = 4  # AGGRESSIVE needs all four of these
BOLD_WIN_RATE = 0.55
BOLD_SHARPE = 0.2
BOLD_DRAWDOWN_SHARE = 0.1
WINS_TO_MILDER = 3  # wins in a row within a mode that end it before its probation does
PROBATION_S = 900.0  # without a loss: one step milder
EXIT_ONLY_S = 600.0  # then DEFENSIVE, if the drawdown is below its share again
EXIT_ONLY_MOST_S = 1800.0  # then DEFENSIVE whatever the drawdown
DEEPER_PCT = 0.5  # a drawdown this much deeper than when the mode began is news

_NORMAL = int(Mode.NORMAL)
_AGGRESSIVE = int(Mode.AGGRESSIVE)
_CAUTIOUS = int(Mode.CAUTIOUS)
_DEFENSIVE = int(Mode.DEFENSIVE)
_EXIT_ONLY = int(Mode.EXIT_ONLY)
_BY_DRAWDOWN = int(Reason.DRAWDOWN_HALT)
_BY_LOSSES = int(Reason.TRADE_LOSS)
_BY_TIME = int(Reason.COOLDOWN)
_BY_WINS = int(Reason.NONE)
_NS = 1e-9


@compiled
def mode_by_drawdown(facts: Any) -> int:
    """Return the mode the drawdown alone asks for."""
    if facts.drawdown_share >= DRAWDOWN_SHARES[2]:
        return _EXIT_ONLY
    if facts.drawdown_share >= DRAWDOWN_SHARES[1]:
        return _DEFENSIVE
    return _CAUTIOUS if facts.drawdown_share >= DRAWDOWN_SHARES[0] else _NORMAL


@compiled
def mode_by_results(facts: Any) -> int:
    """Return the mode the closed trades alone ask for."""
    judged = facts.closed >= JUDGED_TRADES
    if facts.loss_streak >= LOSS_STREAKS[2]:
        return _EXIT_ONLY
    if facts.loss_streak >= LOSS_STREAKS[1] or (judged and (facts.win_rate < WIN_RATES[1] or facts.sharpe < SHARPES[1])):
        return _DEFENSIVE
    if facts.loss_streak >= LOSS_STREAKS[0] or (judged and (facts.win_rate < WIN_RATES[0] or facts.sharpe < SHARPES[0])):
        return _CAUTIOUS
    return _NORMAL


@compiled
def _may_be_bold(facts: Any) -> bool:
    good = facts.win_rate >= BOLD_WIN_RATE and facts.sharpe >= BOLD_SHARPE and facts.drawdown_share <= BOLD_DRAWDOWN_SHARE
    return bool(facts.closed >= JUDGED_TRADES and facts.win_streak >= BOLD_WIN_STREAK and facts.wins_since > 0 and good)


@compiled
def _served(mode: int, facts: Any, seconds_in_mode: float) -> bool:
    """Say whether a mode has lasted long enough to become one step milder."""
    if mode == _EXIT_ONLY:
        calm = facts.drawdown_share < DRAWDOWN_SHARES[2]
        return bool(seconds_in_mode >= (EXIT_ONLY_S if calm else EXIT_ONLY_MOST_S))
    return bool(min(seconds_in_mode, facts.quiet_s) >= PROBATION_S)


@compiled
def next_mode(mode: int, facts: Any, seconds_in_mode: float) -> int:
    """Return the mode that follows: the same one, a stricter one after news, or one step milder. A pure function."""
    if facts.losses_since > 0 or facts.deeper > 0:
        by_drawdown, by_results = mode_by_drawdown(facts), mode_by_results(facts)
        wanted = by_drawdown if _RANK[by_drawdown] > _RANK[by_results] else by_results
        if _RANK[wanted] > _RANK[mode]:
            return wanted
    if mode == _NORMAL:
        return _AGGRESSIVE if _may_be_bold(facts) else _NORMAL
    won_back = mode not in (_AGGRESSIVE, _EXIT_ONLY) and min(facts.wins_since, facts.win_streak) >= WINS_TO_MILDER
    return _MILDER[mode] if won_back or _served(mode, facts, seconds_in_mode) else mode


@compiled
def change_reason(old: int, new: int, facts: Any) -> int:
    """Return why a mode changed, as a reason code: drawdown, losses, time, or NONE for wins."""
    if _RANK[new] > _RANK[old] and new != _NORMAL:
        return _BY_DRAWDOWN if mode_by_drawdown(facts) == new else _BY_LOSSES
    if _RANK[new] > _RANK[old]:
        return _BY_LOSSES if facts.losses_since > 0 else _BY_TIME
    return _BY_WINS if new == _AGGRESSIVE or min(facts.wins_since, facts.win_streak) >= WINS_TO_MILDER else _BY_TIME


@compiled
def note_result(state: Any, index: int, net_usd: float) -> None:
    """Take a closed trade's result after all costs. To be called once for each."""
    guard = state.guard
    facts = guard.facts
    guard.results[int(guard.trades % MODE_TRADES)] = net_usd / state.start_equity_usd
    guard.trades += 1
    if net_usd > 0.0:
        facts.win_streak += 1
        facts.wins_since += 1
        facts.loss_streak = 0
    else:
        facts.loss_streak += 1
        facts.losses_since += 1
        facts.win_streak = 0
        guard.last_loss_ns[index] = state.time_ns
        guard.quiet_since_ns = state.time_ns
    count = min(guard.trades, MODE_TRADES)
    wins, mean, square = 0, 0.0, 0.0
    for i in range(count):
        wins += 1 if guard.results[i] > 0.0 else 0
        mean += guard.results[i] / count
        square += guard.results[i] * guard.results[i] / count
    deviation = math.sqrt(max(square - mean * mean, 0.0))
    facts.closed = count
    facts.win_rate = wins / count
    facts.sharpe = mean / deviation if deviation > 0.0 else 0.0


@compiled
def enter_mode(state: Any, mode: int, drawdown: float) -> None:
    """Put a mode in force; what counts as news counts from here."""
    guard = state.guard
    state.mode = mode
    state.size_factor = SIZE_FACTOR[mode]
    state.strength_extra = STRENGTH_EXTRA[mode]
    guard.mode_since_ns = state.time_ns
    guard.drawdown_then_pct = drawdown
    guard.facts.losses_since = 0
    guard.facts.wins_since = 0


@compiled
def mode_step(state: Any, equity_usd: float) -> int:
    """Evaluate the mode for this second; return the reason of a change, -1 if there was none."""
    guard = state.guard
    facts = guard.facts
    drawdown = max(drawdown_pct(state, equity_usd), 0.0)
    if guard.mode_since_ns == 0:
        guard.mode_since_ns = state.time_ns
        guard.quiet_since_ns = state.time_ns
    facts.drawdown_share = drawdown / state.controls.values[MAX_DRAWDOWN]
    facts.deeper = 1 if drawdown > guard.drawdown_then_pct + DEEPER_PCT else 0
    facts.quiet_s = (state.time_ns - guard.quiet_since_ns) * _NS
    old = int(state.mode)
    new = next_mode(old, facts, (state.time_ns - guard.mode_since_ns) * _NS)
    if new == old:
        return -1
    reason = change_reason(old, new, facts)
    enter_mode(state, new, drawdown)
    return reason
