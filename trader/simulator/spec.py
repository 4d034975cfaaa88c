"""Trading rules of the simulated symbols: tick, lot, minimum notional."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from shared.errors import ConfigError
from trader.simulator.source import Market

_SYMBOL = re.compile(r"^[A-Z0-9]{2,16}$")
_QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "EUR", "BTC", "ETH", "BNB")

# symbol -> (tick, step, minimum notional), as published by the venue for these pairs.
_SPOT_RULES = {
    "BTCUSDT": ("0.01", "0.00001", "5"),
    "ETHUSDT": ("0.01", "0.0001", "5"),
    "SOLUSDT": ("0.01", "0.001", "5"),
}
_USDM_RULES = {
    "BTCUSDT": ("0.10", "0.001", "100"),
    "ETHUSDT": ("0.01", "0.001", "20"),
    "SOLUSDT": ("0.01", "0.01", "5"),
}
# coin -> (price step by the rule of 5 significant figures at the generated price, step, minimum notional)
_HYPERLIQUID_RULES = {
    "BTC": ("1", "0.00001", "10"),
    "ETH": ("0.1", "0.0001", "10"),
    "SOL": ("0.01", "0.01", "10"),
    "HYPE": ("0.001", "0.01", "10"),
}
_OTHER_COIN = ("0.001", "0.01", "10")
_OTHER_RULES = ("0.001", "0.1", "5")


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """One symbol's trading rules.

    Attributes
    ----------
    symbol, base, quote
        Upper-case names.
    tick, step
        Price and size grid, in quote and base units.
    min_notional
        Smallest order value, quote units.
    price_decimals, qty_decimals
        Digits after the point in the venue's price and size strings.
    """

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    min_notional: Decimal
    price_decimals: int
    qty_decimals: int

    @property
    def tick_units(self) -> int:
        """The tick in units of the last printed price digit."""
        return int(self.tick.scaleb(self.price_decimals))

    @property
    def step_units(self) -> int:
        """The step in units of the last printed size digit."""
        return int(self.step.scaleb(self.qty_decimals))

    def price_text(self, ticks: int) -> str:
        """Print a price given in ticks the way the venue does."""
        return fixed_text(ticks * self.tick_units, self.price_decimals)

    def qty_text(self, lots: int) -> str:
        """Print a size given in steps the way the venue does."""
        return fixed_text(lots * self.step_units, self.qty_decimals)


def fixed_text(units: int, decimals: int) -> str:
    """Print ``units`` of the last digit as a decimal number with ``decimals`` places (units >= 0)."""
    if decimals == 0:
        return str(units)
    whole, rest = divmod(units, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}"


def split_symbol(symbol: str) -> tuple[str, str]:
    """Split ``BTCUSDT`` into ``("BTC", "USDT")``.

    Errors
    ------
    ConfigError
        If it is no upper-case symbol ending in a known quote asset.
    """
    for quote in _QUOTES:
        if _SYMBOL.match(symbol) and symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol[: -len(quote)], quote
    raise ConfigError(f"symbol: was {symbol!r}, expected an upper-case pair such as BTCUSDT, ending in {', '.join(_QUOTES)}")


def published_spec(symbol: str, market: Market) -> SymbolSpec:
    """Return the rules of ``symbol`` on ``market``; an unlisted pair gets rules fit for a price near 10."""
    if market is Market.HYPERLIQUID:
        return _coin_spec(symbol)
    rules = _SPOT_RULES if market is Market.SPOT else _USDM_RULES
    tick, step, notional = rules.get(symbol, _OTHER_RULES)
    if market is Market.SPOT:
        return make_spec(symbol, tick, step, notional, price_decimals=8, qty_decimals=8)
    places = -int(Decimal(step).as_tuple().exponent)
    price_places = -int(Decimal(tick).as_tuple().exponent)
    return make_spec(symbol, tick, step, notional, price_decimals=price_places, qty_decimals=places)


def _coin_spec(coin: str) -> SymbolSpec:
    tick, step, notional = (Decimal(text) for text in _HYPERLIQUID_RULES.get(coin, _OTHER_COIN))
    places = (-int(number.as_tuple().exponent) for number in (tick, step))
    return SymbolSpec(coin, coin, "USDC", tick, step, notional, *places)


def make_spec(
    symbol: str, tick: str | Decimal, step: str | Decimal, notional: str | Decimal, *, price_decimals: int, qty_decimals: int
) -> SymbolSpec:
    """Build a :class:`SymbolSpec` from texts or decimals."""
    base, quote = split_symbol(symbol)
    return SymbolSpec(symbol, base, quote, Decimal(tick), Decimal(step), Decimal(notional), price_decimals, qty_decimals)
