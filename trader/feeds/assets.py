"""Which instruments of several venues are the same asset: only then can one venue's price be judged by the others'."""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUOTES = ("USDT", "USDC", "FDUSD", "USD")
_THOUSANDS = re.compile(r"^(?:1000|k)(?=[A-Z])")


def base_asset(symbol: str) -> str:
    """Return what a symbol's price is the price of: BTC for ``BTCUSDT@binance-usdm``, ``BTC@hyperliquid`` and ``BTCUSDC``.

    A price for a thousand (``1000PEPEUSDT``, ``kPEPE``) is another one than for a single: 1000PEPE.
    """
    name = symbol.partition("@")[0]
    name = next((name[: -len(quote)] for quote in _QUOTES if name.endswith(quote) and len(name) > len(quote)), name)
    return _THOUSANDS.sub("1000", name)


def asset_numbers(symbols: Sequence[str]) -> list[int]:
    """Return a number for each symbol, the same for the same asset; 0 for what only one venue has."""
    assets = [base_asset(symbol) for symbol in symbols]
    venues: dict[str, set[str]] = {}
    for symbol, asset in zip(symbols, assets, strict=True):
        venues.setdefault(asset, set()).add(symbol.partition("@")[2])
    shared = [asset for asset, where in venues.items() if len(where) > 1]
    return [shared.index(asset) + 1 if asset in shared else 0 for asset in assets]
