"""Which instruments of several venues are the same asset: only then can one venue's price be judged by the others'.

Quotes that stand for a dollar count as one. Hyperliquid's perpetuals are margined in USDC and Binance's in USDT: kept apart,
nothing would be left to compare. And the books add them up as dollars, so a stablecoin that leaves its peg is a reason to enter
nothing in it: BTCUSDC then stands apart from BTCUSDT as a venue with wrong prices does, and is flagged the same way, by more than
``max_drift_bps``. Any other quote (BTCEUR, ETHBTC) is a price of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_DOLLARS = ("USDT", "USDC", "FDUSD", "USD")
_THOUSANDS = re.compile(r"^(?:1000|k)(?=[A-Z])")


def base_asset(symbol: str) -> str:
    """Return what a symbol's price is the price of: BTC for ``BTCUSDT@binance-usdm``, ``BTC@hyperliquid`` and ``BTCUSDC``.

    A price for a thousand (``1000PEPEUSDT``, ``kPEPE``) is another one than for a single: 1000PEPE.
    """
    name = symbol.partition("@")[0]
    name = next((name[: -len(quote)] for quote in _DOLLARS if name.endswith(quote) and len(name) > len(quote)), name)
    return _THOUSANDS.sub("1000", name)


def asset_numbers(symbols: Sequence[str]) -> list[int]:
    """Return a number for each symbol, the same for the same asset; 0 for what only one venue has."""
    assets = [base_asset(symbol) for symbol in symbols]
    venues: dict[str, set[str]] = {}
    for symbol, asset in zip(symbols, assets, strict=True):
        venues.setdefault(asset, set()).add(symbol.partition("@")[2])
    shared = [asset for asset, where in venues.items() if len(where) > 1]
    return [shared.index(asset) + 1 if asset in shared else 0 for asset in assets]
