"""The sections about the account: what it has, what it may still lose, what a trade costs, what keeps it from trading."""

from __future__ import annotations

from shared.events import words
from tuner.prompting.budget import Drop, Part
from tuner.prompting.figures import daily_loss_pct, gross_pct, same_side_pct
from tuner.snapshot import Snapshot

_SECTION = "account"
_BLOCKED_SHOWN = 5


def account_parts(snapshot: Snapshot, symbol: str) -> list[Part]:
    """Return the account's parts: all but the histogram are hard facts."""
    account = snapshot.account
    kind = "live money" if snapshot.live else "paper money"
    kind += ", simulated market" if snapshot.simulated else ""
    head = f"""Account ({kind}):
- mode {words(snapshot.mode)}, risk state {words(snapshot.risk)}, new risk is {_allowed(snapshot)}
- equity {account.equity_usd:.2f} USD, started with {account.start_equity_usd:.2f} USD, cash {account.cash_usd:.2f} USD
- P&L realised {account.realised_usd:.2f} USD, unrealised {account.unrealised_usd:.2f} USD, fees paid {account.fees_usd:.2f} USD
- {account.trades} closed trades, {account.wins} won, {account.losses} lost"""
    parts = [
        Part(section=_SECTION, name="account", text=head),
        Part(section=_SECTION, name="limits", text=_limits(snapshot, symbol)),
        Part(section=_SECTION, name="costs", text=_costs(snapshot)),
    ]
    if snapshot.blocked:
        parts.append(Part(section=_SECTION, name="histogram", text=_histogram(snapshot), drop=Drop.HISTOGRAM))
    return parts


def _allowed(snapshot: Snapshot) -> str:
    return "HALTED" if snapshot.halted or not snapshot.controls.trading_enabled else "allowed"


def _limits(snapshot: Snapshot, symbol: str) -> str:
    controls, drawdown_pct = snapshot.controls, snapshot.account.drawdown_pct
    gross, side = gross_pct(snapshot), same_side_pct(snapshot)
    daily = daily_loss_pct(snapshot.facts(symbol))
    lines = [
        _distance("drawdown from the peak", drawdown_pct, "trading halts at", controls.max_drawdown_pct),
        _distance("positions together, of equity,", gross, "at most", controls.max_gross_pct),
        _distance("positions on one side, of equity,", side, "at most", controls.max_correlated_pct),
    ]
    if daily is not None:
        lines.append(_distance("lost since midnight UTC", daily, "trading halts at", controls.max_daily_loss_pct))
    return "\n".join(lines)


def _distance(name: str, value_pct: float, limit_name: str, limit_pct: float) -> str:
    left = max(0.0, limit_pct - value_pct)
    return f"- {name} {value_pct:.2f} %, {limit_name} {limit_pct:.2f} %: {left:.2f} points left"


def _costs(snapshot: Snapshot) -> str:
    controls = snapshot.controls
    cost_pct = controls.one_side_cost_pct
    parts = f"{controls.commission_bps:.1f} bps commission and {controls.slippage_bps:.1f} bps slippage"
    return (
        f"- cost of one side {cost_pct:.3f} % ({parts}), of a round trip {2 * cost_pct:.3f} %; "
        f"a resting order that is filled pays {controls.maker_bps:.1f} bps a side"
    )


def _histogram(snapshot: Snapshot) -> str:
    total = sum(seconds for _, seconds in snapshot.blocked)
    shown = [f"{words(reason)} {100 * seconds / total:.0f} %" for reason, seconds in snapshot.blocked[:_BLOCKED_SHOWN]]
    return f"- of {total} s without an entry (all symbols) the first reason was: {', '.join(shown)}"
