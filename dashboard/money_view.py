"""EQUITY and COSTS: the account, its curve with the drawdown below it, and the line that reconciles the books."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboard import figures
from dashboard.model import Account, Cell, EquityCurve, Tone


def account(view: Any, ai_cost_usd: float) -> Account:
    """Return the account of a ``PORTFOLIO_VIEW`` record."""
    return Account(
        start_equity_usd=float(view["start_equity_usd"]),
        equity_usd=float(view["equity_usd"]),
        cash_usd=float(view["cash_usd"]),
        peak_equity_usd=float(view["peak_equity_usd"]),
        drawdown_pct=float(view["drawdown_pct"]),
        realised_usd=float(view["realised_usd"]),
        unrealised_usd=float(view["unrealised_usd"]),
        fees_usd=float(view["fees_usd"]),
        funding_usd=float(view["funding_usd"]),
        slippage_usd=float(view["slippage_usd"]),
        ai_cost_usd=ai_cost_usd,
        trades=int(view["trades"]),
        wins=int(view["wins"]),
        losses=int(view["losses"]),
        venue_agrees=bool(view["reconciled"]) or not view["live"],
    )


def equity_curve(view: Any) -> EquityCurve:
    """Return the last minutes of equity, and the drawdown from the peak at each second, % (0 or negative)."""
    series = view["equity_usd_1s"]
    equity = series[series > 0]
    if not len(equity):
        return EquityCurve(start_equity_usd=float(view["start_equity_usd"]))
    peaks = np.maximum.accumulate(equity)
    before = float(view["peak_equity_usd"])
    if before > float(peaks[-1]):  # the peak lies before what is published
        peaks = np.maximum(peaks, before)
    drawdown = 100.0 * (equity / peaks - 1.0)
    return EquityCurve(
        equity_usd=tuple(equity.tolist()),
        drawdown_pct=tuple(drawdown.tolist()),
        start_equity_usd=float(view["start_equity_usd"]),
        worst_pct=float(drawdown.min()),
    )


def cost_lines(account: Account) -> tuple[tuple[str, Cell], ...]:
    """Return name and figure of every part of the result, in the order they add up, then what is beside it."""
    usd, net = figures.usd, account.net_usd
    return (
        ("Realised, gross", (figures.signed_usd(account.realised_usd), figures.gain(account.realised_usd))),
        ("Unrealised", (figures.signed_usd(account.unrealised_usd), figures.gain(account.unrealised_usd))),
        ("− Fees", (usd(account.fees_usd), Tone.PLAIN)),
        ("− Funding", (usd(account.funding_usd), Tone.PLAIN)),
        ("= Net P&L", (figures.signed_usd(net), figures.gain(net))),
        ("Slippage, in prices", (usd(account.slippage_usd), Tone.GREY)),
        ("AI advice", (f"{account.ai_cost_usd:.4f}", Tone.AI if account.ai_cost_usd else Tone.GREY)),
        ("After AI", (figures.signed_usd(net - account.ai_cost_usd), figures.gain(net - account.ai_cost_usd))),
    )


def books_line(account: Account) -> Cell:
    """Return the reconciliation: equity change = realised + unrealised - fees - funding, and what does not add up."""
    if not account.venue_agrees:
        return "✗ VENUE AND BOOKS DISAGREE: entries are blocked", Tone.BAD
    sign, tone = ("✓ books agree", Tone.GOOD) if account.reconciled else ("✗ BOOKS DISAGREE", Tone.BAD)
    return f"{sign}: equity change {account.pnl_usd:+,.2f} − net P&L = {figures.usd(account.difference_usd)}", tone
