"""What each strategy alone, and SMART, would have made of a kept session: the same inputs, another map of strategies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from shared.events import EventKind, Strategy, words
from shared.params import CONTROLS, index_of
from trader.backtest.replay import KeptSession
from trader.engine.engine import Engine
from trader.engine.inputs import ALL, InputKind
from trader.engine.state import STRATEGY_BY_REGIME
from trader.portfolio.accounting import equity_usd
from trader.portfolio.fingerprint import CLOSES

EQUITY_EVERY_INPUTS = 1000  # how finely the drawdown is looked at


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy came to, after all costs. ``win_pct`` is NaN without a trade."""

    strategy: str
    trades: int
    win_pct: float
    gross_usd: float
    costs_usd: float
    net_usd: float
    max_drawdown_pct: float


def outcomes(kept: KeptSession, controls: Mapping[str, float]) -> Iterator[Outcome]:
    """Yield the outcome of SMART with its default map, then of each strategy in every regime.

    ``controls`` are global controls put in force from the beginning, by name; the session's own changes of them are left out.

    Errors
    ------
    UsageError, OutOfRange
        For an unknown control or a value out of its bounds.
    """
    given = {index_of(CONTROLS, name): value for name, value in controls.items()}
    for index, value in given.items():
        CONTROLS[index].check(value)
    default_map = {index: CONTROLS[index].default for index in STRATEGY_BY_REGIME}
    yield _outcome(kept, "SMART", default_map | given)
    for strategy in Strategy:
        if strategy is not Strategy.NONE:
            yield _outcome(kept, words(strategy), dict.fromkeys(STRATEGY_BY_REGIME, float(strategy)) | given)


def _outcome(kept: KeptSession, name: str, controls: Mapping[int, float]) -> Outcome:
    state = kept.start
    for index, value in controls.items():
        state["controls"]["values"][0, index] = value
    inputs = kept.inputs
    set_again = (inputs["kind"] == InputKind.CONTROL) & (inputs["symbol"] == ALL) & np.isin(inputs["aux"], list(controls))
    inputs = inputs[~set_again]
    engine = Engine(state)
    start_usd = peak_usd = float(equity_usd(state[0]))
    drawdown_pct, parts = 0.0, []
    for at in range(0, len(inputs), EQUITY_EVERY_INPUTS):
        parts.append(engine.process(inputs[at : at + EQUITY_EVERY_INPUTS].copy()))
        now_usd = float(equity_usd(state[0]))
        peak_usd = max(peak_usd, now_usd)
        drawdown_pct = max(drawdown_pct, 100.0 * (1.0 - now_usd / peak_usd))
    events = np.concatenate(parts)
    closed = events[np.isin(events["kind"], CLOSES)]
    fills = events[events["kind"] == EventKind.FILL]
    net_usd = float(equity_usd(state[0])) - start_usd
    costs_usd = float(fills["fee_usd"].sum() + fills["slippage_usd"].sum())
    return Outcome(
        strategy=name,
        trades=len(closed),
        win_pct=100.0 * float((closed["pnl_usd"] > 0).mean()) if len(closed) else float("nan"),
        gross_usd=net_usd + costs_usd,
        costs_usd=costs_usd,
        net_usd=net_usd,
        max_drawdown_pct=drawdown_pct,
    )


def table(rows: list[Outcome]) -> str:
    """Return the outcomes as a table, one strategy a line."""
    lines = [f"{'strategy':14}{'trades':>7}{'won':>7}{'before costs':>14}{'costs':>10}{'net USD':>10}{'max drawdown':>14}"]
    for row in rows:
        won = f"{row.win_pct:.0f} %" if row.trades else "-"
        lines.append(
            f"{row.strategy:14}{row.trades:>7}{won:>7}{row.gross_usd:>14,.2f}{row.costs_usd:>10,.2f}{row.net_usd:>10,.2f}"
            f"{row.max_drawdown_pct:>12.3f} %"
        )
    return "\n".join(lines)
