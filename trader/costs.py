"""What trading costs where: presets of the cost controls, from the dated facts of each venue."""

from __future__ import annotations

import msgspec

from shared.errors import UsageError
from shared.params import CONTROLS, index_of
from trader.feeds.fees import Fees

DEFAULT = "default"


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """Fees, and when they were read."""

    name: str
    fees: Fees
    as_of: str

    @property
    def controls(self) -> tuple[tuple[int, float], ...]:
        """Index and value of the controls a trader begins with; the taker's fee is what a market order pays."""
        values = {
            "commission_bps": self.fees.taker_bps,
            "maker_bps": self.fees.maker_bps,
            "slippage_bps": self.fees.slippage_bps,
        }
        return tuple(
            (index_of(CONTROLS, name), CONTROLS[index_of(CONTROLS, name)].check(value)) for name, value in values.items()
        )

    def __str__(self) -> str:
        fees = self.fees
        return (
            f"{self.name} as of {self.as_of}: taker {fees.taker_bps:g} bps, maker {fees.maker_bps:g} bps, "
            f"slippage {fees.slippage_bps:g} bps"
        )


def presets() -> dict[str, Preset]:
    """Return every preset by name; the default is the registry's own values, on the careful side of all venues."""
    from trader.feeds.binance import venue as binance
    from trader.feeds.hyperliquid import venue as hyperliquid

    own = {name: CONTROLS[index_of(CONTROLS, name)].default for name in ("commission_bps", "maker_bps", "slippage_bps")}
    fees = Fees(taker_bps=own["commission_bps"], maker_bps=own["maker_bps"], slippage_bps=own["slippage_bps"])
    made = [
        Preset(name=DEFAULT, fees=fees, as_of="always"),
        *(Preset(name=f"binance-{market}", fees=fees, as_of=binance.FACTS_OF) for market, fees in binance.FEES.items()),
        Preset(name="hyperliquid", fees=hyperliquid.FEES, as_of=hyperliquid.FACTS_OF),
    ]
    return {preset.name: preset for preset in made}


def cost_preset(name: str) -> Preset:
    """Return a preset.

    Errors
    ------
    UsageError
        If there is none of that name.
    """
    known = presets()
    if name not in known:
        raise UsageError(f"costs: was {name!r}, expected one of {', '.join(known)}")
    return known[name]
