"""The market maker: two post-only quotes around the micro-price, leaning against what it holds. It never sends market orders."""

from __future__ import annotations

import math
from typing import Any

from shared.compiled import compiled
from shared.events import Reason, Regime, Strategy
from shared.layout import EQUITY_HISTORY
from trader.engine.state import MAKER, MAX_POSITION
from trader.market.book import is_crossed

CODE = int(Strategy.MARKET_MAKER)
MINIMUM_GAIN_BPS = 0.5  # a quote earns at least this beyond its fee, if nothing moves
QUOTE_LIFE_S = 10.0
VOLATILITY_TIMES = 1.0  # half-spread in usual moves over the life of a quote
SKEW = 1.0  # full inventory moves both quotes by this many half-spreads

_NO_STRATEGY = int(Reason.NO_STRATEGY)
_SPIKE = int(Regime.SPIKE)
_HIGH_VOLATILITY = int(Regime.HIGH_VOLATILITY)


@compiled
def micro_price(bid_usd: float, bid_qty: float, ask_usd: float, ask_qty: float) -> float:
    """Return the middle weighted towards the thinner side, which gives way first; it never leaves the touch."""
    total = bid_qty + ask_qty
    return (bid_usd * ask_qty + ask_usd * bid_qty) / total if total > 0.0 else 0.5 * (bid_usd + ask_usd)


@compiled
def may_quote(symbol: Any) -> bool:
    """Say whether the market can be quoted: a fresh valid book, a known instrument, no storm."""
    known = symbol.book_valid and not symbol.stale and symbol.tick_size > 0.0
    calm = symbol.regime not in (_SPIKE, _HIGH_VOLATILITY)
    return bool(known and calm and 0.0 < symbol.bid_price_usd < symbol.ask_price_usd and not is_crossed(symbol))


@compiled
def half_spread_bps(state: Any, symbol: Any) -> float:
    """Return the distance of a quote from its centre: what the fee asks, or what the market moves while the quote stands."""
    moves_bps = symbol.volatility_long * 1e4 * math.sqrt(QUOTE_LIFE_S)
    return float(max(state.controls.values[MAKER] + MINIMUM_GAIN_BPS, VOLATILITY_TIMES * moves_bps, MINIMUM_GAIN_BPS))


@compiled
def _inventory(state: Any, symbol: Any, price_usd: float) -> float:
    """Return the position as a share of the largest allowed, not clipped."""
    last_equity_usd = state.equity_usd_1s[int((state.seconds - 1) % EQUITY_HISTORY)] if state.seconds else state.start_equity_usd
    largest_usd = last_equity_usd * symbol.settings.values[MAX_POSITION] / 100.0
    return float(symbol.position_qty * price_usd / largest_usd) if largest_usd > 0.0 else 0.0


@compiled
def market_maker(state: Any, index: int) -> None:
    """Quote both sides; only the side that reduces once the inventory is full; nothing in a storm."""
    symbol = state.symbols[index]
    opinion = symbol.opinions[CODE]
    opinion.score = 0.0
    opinion.strength = 0
    opinion.objection = _NO_STRATEGY  # no market entry: the quotes do the entering
    opinion.expected_bps = half_spread_bps(state, symbol)
    opinion.quote_bid_usd = 0.0
    opinion.quote_ask_usd = 0.0
    if not may_quote(symbol):
        return
    bid, ask, tick = symbol.bid_price_usd, symbol.ask_price_usd, symbol.tick_size
    centre = micro_price(bid, symbol.bid_qty, ask, symbol.ask_qty)
    inventory = _inventory(state, symbol, centre)
    half = centre * opinion.expected_bps * 1e-4
    centre -= SKEW * min(max(inventory, -1.0), 1.0) * half
    if inventory < 1.0:  # never at or through the other side of the touch: post-only
        opinion.quote_bid_usd = max(min(math.floor((centre - half) / tick + 1e-9) * tick, ask - tick), 0.0)
    if inventory > -1.0 and (symbol.perpetual or symbol.position_qty > 0.0):
        opinion.quote_ask_usd = max(math.ceil((centre + half) / tick - 1e-9) * tick, bid + tick)
