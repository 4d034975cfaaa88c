"""Do venue and ledger say the same? Only a yes lets the engine enter; a no is told, and is never "repaired" by a trade."""

from __future__ import annotations

from typing import Any

import msgspec

from trader.execution.live.venue import Holdings

CASH_TOLERANCE_USD = 1.0  # a venue rounds every fee and every funding payment its own way
CASH_TOLERANCE_SHARE = 1e-5
HALF_A_STEP = 0.5


class Baseline(msgspec.Struct, frozen=True):
    """What was at the venue before, and is not the ledger's business.

    Attributes
    ----------
    cash_usd
        Cash of the venue less cash of the ledger.
    positions
        On spot, what was held of each base asset; of perpetuals nothing may be held.
    """

    cash_usd: float
    positions: tuple[float, ...]


def differences(
    symbols: list[str], steps: list[float], state: Any, holdings: Holdings, baseline: Baseline, *, equity_usd: float
) -> list[str]:
    """Return in words what venue and ledger do not agree on, nothing if they agree.

    Parameters
    ----------
    state
        The engine's state, one record.
    """
    found = []
    if not holdings.confirmed:
        found.append("account: was told in one answer only, expected a second one that says the same")
    for index, symbol in enumerate(symbols):
        ledger = float(state["symbols"][index]["position_qty"])
        venue = holdings.positions[index] - baseline.positions[index]
        if abs(venue - ledger) > HALF_A_STEP * steps[index] + 1e-12:
            found.append(f"{symbol} position: was {venue:.10g} at the venue, expected {ledger:.10g} as in the ledger")
    cash = float(state["cash_usd"])
    off = holdings.cash_usd - baseline.cash_usd - cash
    if abs(off) > CASH_TOLERANCE_USD + CASH_TOLERANCE_SHARE * abs(equity_usd):
        found.append(f"cash: was {off:+,.2f} USD more at the venue, expected {cash:,.2f} as in the ledger")
    return found
