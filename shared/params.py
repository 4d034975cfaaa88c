"""The registry of everything about a symbol that can be tuned, and of every global control.

From here come the shared-memory fields, the clamp, the JSON schema and prompt of the tuner, the sliders, ``trader_control list``
and the table in ``knowledge/trading_config_parameters.md``.
"""

from __future__ import annotations

import math

import msgspec

from shared.errors import OutOfRange, UsageError

MAX_SYMBOLS = 64
STRATEGY_NAMES = ("technical", "momentum", "fair_value", "market_maker", "order_flow", "blend")
_STRATEGY_LIST = "0 nothing, " + ", ".join(f"{code} {name}" for code, name in enumerate(STRATEGY_NAMES, start=1))
MAX_FIELDS = 32  # width of a row of values in shared memory; room for both registries


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """One tunable value.

    ``risk`` is +1 when raising the value raises risk, -1 when lowering it does, 0 when neither does by itself.
    ``max_step`` is the largest change one decision may make.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    max_step: float
    risk: int
    description: str
    integer: bool = False

    def check(self, value: float) -> float:
        """Return ``value`` as stored, or raise :class:`OutOfRange` naming the bounds."""
        number = float(value)
        whole_wanted = self.integer and math.isfinite(number) and number != round(number)
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum or whole_wanted:
            kind = "a whole number from " if self.integer else ""
            raise OutOfRange(self.name, value, f"{kind}{self.minimum:g} to {self.maximum:g} {self.unit}".rstrip())
        return number

    def shown(self, value: float) -> str:
        """Render a value with the digits that matter."""
        return f"{value:.0f}" if self.integer or self.unit == "ms" else f"{value:.2f}"


PARAMS: tuple[Param, ...] = (
    Param(name="ema_dev_trending_pct", unit="%", minimum=0.1, maximum=2.0, default=1.0, max_step=0.5, risk=1,
          description="largest distance of the price from the slow EMA at which an entry is allowed while the market trends"),
    Param(name="ema_dev_ranging_pct", unit="%", minimum=0.1, maximum=1.0, default=0.5, max_step=0.25, risk=1,
          description="the same while the market ranges or its regime is unknown"),
    Param(name="ema_dev_highvol_pct", unit="%", minimum=0.05, maximum=0.5, default=0.2, max_step=0.12, risk=1,
          description="the same while volatility is high"),
    Param(name="base_position_pct", unit="%", minimum=1.0, maximum=5.0, default=2.0, max_step=1.0, risk=1,
          description="size of an entry as a share of equity, before conviction scales it"),
    Param(name="max_position_pct", unit="%", minimum=1.0, maximum=10.0, default=5.0, max_step=2.25, risk=1,
          description="cap of a position as a share of equity"),
    Param(name="cooldown_ms", unit="ms", minimum=1000, maximum=10000, default=2000, max_step=2250, risk=-1,
          description="pause after a fill before the next entry in the same symbol"),
    Param(name="signal_strength", unit="", minimum=1, maximum=3, default=2, max_step=1, risk=-1, integer=True,
          description="how many of the three detectors must agree before an entry"),
    Param(name="target_pct", unit="%", minimum=1.0, maximum=10.0, default=1.5, max_step=2.25, risk=0,
          description="gain from the entry price at which a position is closed"),
    Param(name="stop_pct", unit="%", minimum=0.5, maximum=5.0, default=1.0, max_step=1.125, risk=1,
          description="loss from the entry price at which a position is closed"),
    Param(name="pullback_pct", unit="%", minimum=0.2, maximum=2.0, default=0.5, max_step=0.45, risk=1,
          description="give-back from the best price that closes a position, once the gain has reached this much"),
)  # fmt: skip

ENABLED = Param(
    name="enabled", unit="", minimum=0, maximum=1, default=1, max_step=1, risk=1, integer=True,
    description="whether new entries are allowed in the symbol (PAUSE clears it, RESUME sets it)",
)  # fmt: skip

SYMBOL_FIELDS: tuple[Param, ...] = (*PARAMS, ENABLED)
"""Fields of a symbol's row of values, in their order in shared memory."""

CONTROLS: tuple[Param, ...] = (
    Param(name="trading_enabled", unit="", minimum=0, maximum=1, default=1, max_step=1, risk=1, integer=True,
          description="whether any symbol may open new positions"),
    Param(name="manual_override", unit="", minimum=0, maximum=1, default=0, max_step=1, risk=0, integer=True,
          description="1: the human has the wheel; every wish and command of the tuner is refused"),
    Param(name="tuner_mode", unit="", minimum=0, maximum=2, default=1, max_step=2, risk=0, integer=True,
          description="0 off, 1 on, 2 paused"),
    Param(name="tune_now", unit="", minimum=0, maximum=1e9, default=0, max_step=1e9, risk=0, integer=True,
          description="counter; the tuner runs at once when it grows"),
    Param(name="slippage_bps", unit="bps", minimum=0, maximum=100, default=5, max_step=100, risk=0,
          description="paper: extra price paid beyond the book by a market order"),
    Param(name="commission_bps", unit="bps", minimum=0, maximum=100, default=10, max_step=100, risk=0,
          description="paper: fee of one side"),
    Param(name="max_gross_pct", unit="%", minimum=1, maximum=300, default=60, max_step=300, risk=1,
          description="cap of all positions together as a share of equity"),
    Param(name="max_drawdown_pct", unit="%", minimum=1, maximum=50, default=10, max_step=50, risk=1,
          description="fall from the equity peak at which new entries stop until a human resumes"),
    Param(name="stale_ms", unit="ms", minimum=500, maximum=60000, default=5000, max_step=60000, risk=1,
          description="silence of a symbol's feed after which entries are blocked"),
    Param(name="maker_bps", unit="bps", minimum=-10, maximum=100, default=2, max_step=100, risk=0,
          description="paper: fee of a resting limit order that is filled; negative is a rebate"),
    Param(name="latency_ms", unit="ms", minimum=0, maximum=5000, default=20, max_step=5000, risk=0,
          description="paper: time an order or a cancel takes to reach the exchange"),
    Param(name="latency_jitter_ms", unit="ms", minimum=0, maximum=5000, default=0, max_step=5000, risk=0,
          description="paper: mean of an exponential delay drawn from the seeded state on top of latency_ms"),
    Param(name="leverage", unit="x", minimum=1, maximum=20, default=3, max_step=20, risk=1,
          description="perpetuals: notional one dollar of equity may carry; sets buying power and the liquidation price"),
    Param(name="max_symbol_pct", unit="%", minimum=1, maximum=100, default=20, max_step=100, risk=1,
          description="cap of one symbol's position as a share of equity"),
    Param(name="max_correlated_pct", unit="%", minimum=1, maximum=300, default=40, max_step=300, risk=1,
          description="cap of all positions on the same side together as a share of equity"),
    Param(name="max_trade_loss_pct", unit="%", minimum=0.05, maximum=5, default=0.5, max_step=5, risk=1,
          description="largest loss of one trade at its stop as a share of equity"),
    Param(name="max_daily_loss_pct", unit="%", minimum=0.5, maximum=50, default=6, max_step=50, risk=1,
          description="loss since midnight UTC at which trading halts until the next day or a human resumes"),
    Param(name="orders_per_s", unit="", minimum=1, maximum=100, default=5, max_step=100, risk=1, integer=True,
          description="most entry orders in one second, all symbols together"),
    Param(name="orders_per_min", unit="", minimum=1, maximum=1000, default=30, max_step=1000, risk=1, integer=True,
          description="most entry orders in one minute, all symbols together"),
    Param(name="loss_cooldown_s", unit="s", minimum=0, maximum=3600, default=30, max_step=3600, risk=-1,
          description="pause of a symbol after a losing trade"),
    Param(name="min_edge_factor", unit="x", minimum=0, maximum=5, default=1, max_step=5, risk=-1,
          description="how many times its round-trip cost the expected move of an entry must be; 0 switches the gate off"),
    Param(name="max_drift_bps", unit="bps", minimum=1, maximum=1000, default=50, max_step=1000, risk=1,
          description="distance of a price from the same asset on the other venues at which entries in it are blocked"),
    Param(name="leader", unit="", minimum=0, maximum=64, default=0, max_step=64, risk=0, integer=True,
          description="number of the symbol whose direction must agree with an entry in the others; 0: none"),
    *(
        Param(name=f"strategy_{regime}", unit="", minimum=0, maximum=len(STRATEGY_NAMES), default=strategy,
              max_step=len(STRATEGY_NAMES), risk=0, integer=True,
              description=f"what trades while the regime is {regime.replace('_', ' ')}: {_STRATEGY_LIST}")
        for regime, strategy in (
            ("trending_up", 2), ("trending_down", 2), ("ranging", 3), ("high_volatility", 1), ("low_volatility", 4),
            ("spike", 0), ("unknown", 1),
        )
    ),
)  # fmt: skip


def index_of(fields: tuple[Param, ...], name: str) -> int:
    """Return the position of a field by name.

    Errors
    ------
    UsageError
        If there is no such field; the message lists those there are.
    """
    for index, field in enumerate(fields):
        if field.name == name:
            return index
    known = ", ".join(field.name for field in fields)
    raise UsageError(f"parameter: was {name!r}, expected one of {known}")


def defaults(fields: tuple[Param, ...]) -> list[float]:
    """Return the default values in field order, padded with zeros to :data:`MAX_FIELDS`."""
    values = [field.default for field in fields]
    return values + [0.0] * (MAX_FIELDS - len(values))


def parameter_table() -> str:
    """Return the Markdown table of the tunable parameters, as it stands in ``knowledge/``."""
    lines = [
        "| parameter | unit | range | default | largest step | raising it | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    effect = {1: "raises risk", -1: "lowers risk", 0: "is neutral"}
    lines += [
        f"| {p.name} | {p.unit or 'count'} | {p.minimum:g} to {p.maximum:g} | {p.default:g} "
        f"| {p.max_step:g} | {effect[p.risk]} | {p.description} |"
        for p in PARAMS
    ]
    return "\n".join(lines)
